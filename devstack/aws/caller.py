"""The caller of a request, read from its SigV4 credential scope. As in moto, the signature is not checked."""

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
    """The account, region and service of a request."""

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
    """The account of an access key: the key itself if it is an account number, else the one that moto stored."""
    if re.fullmatch(r"\d{12}", access_key):
        return access_key
    # Moto's IAM cannot have issued a key before it is loaded, and importing it would slow down the first call.
    if "moto.iam.models" not in sys.modules:
        return DEFAULT_ACCOUNT
    from moto.iam.models import get_account_id_from

    return get_account_id_from(access_key)
