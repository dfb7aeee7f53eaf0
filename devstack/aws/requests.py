"""An AWS request as it came in over HTTP: its caller, service, operation and parameters.

The body is read once, here: it can be read from the socket only once.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from devstack.aws.caller import DEFAULT_ACCOUNT, DEFAULT_REGION, Caller, caller_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


@dataclass(frozen=True)
class AwsRequest:
    """One HTTP request to an AWS service."""

    environ: WSGIEnvironment
    body: bytes

    @classmethod
    def read(cls, environ: WSGIEnvironment) -> AwsRequest:
        """Read the request from its connection."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return cls({**environ, "wsgi.input": io.BytesIO(body)}, body)

    @cached_property
    def signed_by(self) -> Caller | None:
        """The caller, or None if the request is not signed."""
        return caller_of(self.environ.get("HTTP_AUTHORIZATION", ""), self.environ.get("QUERY_STRING", ""))

    @property
    def caller(self) -> Caller:
        """The caller; an unsigned request has the default account and no service."""
        return self.signed_by or Caller(DEFAULT_ACCOUNT, DEFAULT_REGION, "")

    @cached_property
    def form(self) -> dict[str, str]:
        """The parameters of a query protocol call, from its query string and body."""
        query = parse_qsl(self.environ.get("QUERY_STRING", ""), keep_blank_values=True)
        posted = self.environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
        body = parse_qsl(self.body.decode(), keep_blank_values=True) if posted else []
        return dict(query + body)

    @property
    def operation(self) -> str:
        """The API operation; for a REST service the method and the path."""
        target = self.environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        path = f"{self.environ.get('REQUEST_METHOD', '')} {self.environ.get('PATH_INFO', '')}"
        return target or self.form.get("Action", "") or path

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters as the client sent them."""
        if self.environ.get("HTTP_X_AMZ_TARGET"):
            return _json_object(self.body)
        return {name: value for name, value in self.form.items() if name not in ("Action", "Version")}


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
