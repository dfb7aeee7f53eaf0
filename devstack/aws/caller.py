"""Who calls, and where: read off the SigV4 credential scope of a request.

The signature itself is not checked, as in moto.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from urllib.parse import parse_qs

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"
_SCOPE = re.compile(r"Credential=(?P<key>[^/,\s]+)/\d+/(?P<region>[^/]*)/(?P<service>[^/]+)/aws4_request")


@dataclass(frozen=True)
class Caller:
    """The account, region and service that a request is for."""

    account: str
    region: str
    service: str


def caller_of(authorization: str, query: str) -> Caller | None:
    """The caller of a request, from its Authorization header or presigned query string; None if unsigned."""
    presigned = parse_qs(query).get("X-Amz-Credential", [""])[0]
    scope = _SCOPE.search(authorization) or _SCOPE.search(f"Credential={presigned}")
    if scope is None:
        return None
    return Caller(account_of(scope["key"]), scope["region"] or DEFAULT_REGION, scope["service"].lower())


def account_of(access_key: str) -> str:
    """The account of an access key: the key itself if it is an account number, else what moto knows."""
    if re.fullmatch(r"\d{12}", access_key):
        return access_key
    # Before moto's IAM is loaded it cannot have issued a key, and importing it would slow the first call.
    if "moto.iam.models" not in sys.modules:
        return DEFAULT_ACCOUNT
    from moto.iam.models import get_account_id_from

    return get_account_id_from(access_key)
