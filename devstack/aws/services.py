"""Every service other than RDS: moto, in this process.

Moto keeps its state per process, not per emulator: two emulators in one process share it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from botocore.parsers import create_parser
from werkzeug.test import Client, run_wsgi_app
from werkzeug.wrappers import Response

from devstack.aws import moto_application
from devstack.aws.caller import Caller
from devstack.aws.rds.protocol import service_model

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment


class ServiceError(Exception):
    """Another AWS service returned an error: its wire code and message."""

    def __init__(self, code: str, message: str) -> None:
        """The caller decides by the `code`."""
        super().__init__(f"{code}: {message}")
        self.code = code


class OtherServices:
    """Moto behind the emulator's endpoint; the emulated RDS calls KMS and Secrets Manager through it too."""

    def __init__(self) -> None:
        """Import nothing yet: moto takes almost a second."""
        self._is_used = False
        # Moto's DynamoDB has no lock of its own, and conditional writes must be atomic.
        self._dynamodb = threading.Lock()

    def load_in_background(self) -> None:
        """Import moto while the emulator already serves."""
        threading.Thread(target=self._load, name="load-moto", daemon=True).start()

    def respond(self, environ: WSGIEnvironment, caller: Caller | None) -> Response:
        """Let moto respond to a request on behalf of the caller's account."""
        if caller is not None:
            environ = {**environ, "HTTP_X_MOTO_ACCOUNT_ID": caller.account}
        dynamodb = caller is not None and caller.service == "dynamodb"
        with self._dynamodb if dynamodb else nullcontext():
            body, status, headers = run_wsgi_app(self._load(), environ, buffered=True)
        return Response(b"".join(body), status=status, headers=headers)

    def call(self, caller: Caller, target: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Call an operation such as `TrentService.DescribeKey` of a JSON service. Raises ServiceError."""
        response = Client(self._load()).post(
            "/",
            data=json.dumps(parameters),
            content_type="application/x-amz-json-1.1",
            headers={
                "X-Amz-Target": target,
                "Authorization": _scope(caller),
                "X-Moto-Account-Id": caller.account,
            },
        )
        members: dict[str, Any] = json.loads(response.get_data())
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            raise ServiceError(members.get("__type", "InternalFailure"), members.get("message", ""))
        return members

    def query(self, caller: Caller, operation: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """Call an operation of EC2 or SNS such as `DescribeSubnets`. Raises ServiceError."""
        model = service_model(caller.service)
        response = Client(self._load()).post(
            "/",
            data={"Action": operation, "Version": model.api_version, **parameters},
            headers={"Authorization": _scope(caller), "X-Moto-Account-Id": caller.account},
        )
        shape = model.operation_model(operation).output_shape
        if shape is None:
            raise TypeError(f"{operation} has no output")
        parts = {"status_code": response.status_code, "headers": dict(response.headers), "body": response.get_data()}
        parser = create_parser(model.protocol)
        answer: Mapping[str, Any] = parser.parse(parts, shape)
        if error := answer.get("Error"):
            raise ServiceError(error.get("Code", "InternalFailure"), error.get("Message", ""))
        return answer

    def reset(self) -> None:
        """Reset moto's state, if moto was used at all."""
        if self._is_used:
            Client(moto_application.load()).post("/moto-api/reset")

    def _load(self) -> WSGIApplication:
        self._is_used = True
        return moto_application.load()


def _scope(caller: Caller) -> str:
    scope = f"{caller.account}/20260101/{caller.region}/{caller.service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none"
