"""Every service but RDS: moto, in this process.

Moto keeps its state per process, not per emulator: two emulators in one process share it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from werkzeug.test import Client, run_wsgi_app
from werkzeug.wrappers import Response

from devstack.aws.caller import Caller

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment


class ServiceError(Exception):
    """Another AWS service answered with a fault: its wire code and message."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the code apart, since it decides what the caller does."""
        super().__init__(f"{code}: {message}")
        self.code = code


class OtherServices:
    """Moto behind the emulator's endpoint, and how the RDS part itself calls KMS and secrets."""

    def __init__(self) -> None:
        """Import nothing yet: moto takes most of a second."""
        self._loading = threading.Lock()
        self._application: WSGIApplication | None = None
        # moto's DynamoDB has no lock of its own, and conditional writes must be atomic.
        self._dynamodb = threading.Lock()

    def load_in_background(self) -> None:
        """Import moto while the emulator already answers."""
        threading.Thread(target=self._load, name="load-moto", daemon=True).start()

    def answer(self, environ: WSGIEnvironment, caller: Caller | None) -> Response:
        """Let moto answer a request on behalf of the caller's account."""
        if caller is not None:
            environ = {**environ, "HTTP_X_MOTO_ACCOUNT_ID": caller.account}
        dynamodb = caller is not None and caller.service == "dynamodb"
        with self._dynamodb if dynamodb else nullcontext():
            body, status, headers = run_wsgi_app(self._load(), environ, buffered=True)
        return Response(b"".join(body), status=status, headers=headers)

    def call(self, caller: Caller, target: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Call an operation such as `TrentService.DescribeKey` of a JSON service; ServiceError on a fault."""
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
        answer: dict[str, Any] = json.loads(response.get_data())
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            raise ServiceError(answer.get("__type", "InternalFailure"), answer.get("message", ""))
        return answer

    def reset(self) -> None:
        """Forget everything in moto, if it was used at all."""
        if self._application is not None:
            Client(self._application).post("/moto-api/reset")

    def _load(self) -> WSGIApplication:
        with self._loading:
            if self._application is None:
                from moto.moto_server.werkzeug_app import (
                    DomainDispatcherApplication,
                    create_backend_app,
                )

                self._application = DomainDispatcherApplication(create_backend_app)
            return self._application


def _scope(caller: Caller) -> str:
    scope = f"{caller.account}/20260101/{caller.region}/{caller.service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none"
