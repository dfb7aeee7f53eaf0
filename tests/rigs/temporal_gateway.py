"""A server in place of Temporal Cloud: it terminates TLS, checks certificate or API key, and passes calls on.

Only unary calls, which are all that Temporal's API has. gRPC's own server and client, from Google's library, and so
nothing of what is tested. Source: Temporal documentation, API keys: the key is sent as `authorization: Bearer KEY`.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc

LONGEST_POLLS = 40
"""How many calls may wait at the same time: a worker polls its queues with about twenty."""


@dataclass
class Gateway:
    """A running gateway; `api_key` is the one that it accepts, None for none."""

    port: int
    api_key: str | None

    @property
    def address(self) -> str:
        """Where clients connect; its certificate is for this name."""
        return f"localhost:{self.port}"


class _Calls(grpc.GenericRpcHandler):
    """Passes each call on as it is, without reading it."""

    def __init__(self, gateway: Gateway, temporal: grpc.Channel) -> None:
        self._gateway, self._temporal = gateway, temporal

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        metadata = dict(handler_call_details.invocation_metadata)
        key = self._gateway.api_key
        if key is not None and metadata.get("authorization") != f"Bearer {key}":
            return grpc.unary_unary_rpc_method_handler(_refuse)
        forward: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._temporal.unary_unary(handler_call_details.method)

        def answer(call: bytes, context: grpc.ServicerContext) -> Any:
            try:
                return forward(call, timeout=context.time_remaining())
            except grpc.RpcError as error:
                status: Any = error
                context.set_trailing_metadata(tuple(status.trailing_metadata() or ()))
                return context.abort(status.code(), status.details())

        return grpc.unary_unary_rpc_method_handler(answer)


def _refuse(_: bytes, context: grpc.ServicerContext) -> None:
    context.abort(grpc.StatusCode.PERMISSION_DENIED, "Request unauthorized.")


@contextmanager
def temporal_gateway(
    temporal: str, certificate: str, *, client_ca: str | None = None, api_key: str | None = None
) -> Iterator[Gateway]:
    """A gateway in front of the server at `temporal`, with a certificate and its key in PEM.

    With `client_ca` it demands a client's certificate of that authority.
    """
    with ThreadPoolExecutor(LONGEST_POLLS) as threads, grpc.insecure_channel(temporal) as channel:
        gateway = Gateway(0, api_key)
        server = grpc.server(threads, handlers=[_Calls(gateway, channel)])
        pair = (certificate.encode(), certificate.encode())
        trusted = client_ca.encode() if client_ca else None
        credentials = grpc.ssl_server_credentials([pair], trusted, require_client_auth=client_ca is not None)
        gateway.port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        try:
            yield gateway
        finally:
            channel.close()
            server.stop(0).wait()
