"""The HTTP server: one thread per connection, which serves many requests; `stop` closes every connection."""

from __future__ import annotations

import socket
import sys
import threading
import traceback
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

HOST = "127.0.0.1"
STOP_POLL = 0.02
"""Seconds between two checks whether to stop serving."""


class Server(ThreadedWSGIServer):
    """werkzeug's server; a taken port is an exception, and `stop` closes open connections too."""

    def __init__(self, port: int, application: WSGIApplication) -> None:
        """Listen. Raises OSError if the port is taken; werkzeug itself would end the process."""
        self._connections: set[socket.socket] = set()
        with socket.create_server((HOST, port), backlog=128) as listening:
            super().__init__(HOST, port, application, handler=_Handler, fd=listening.fileno())

    def serve_in_background(self) -> None:
        """Serve in a daemon thread."""
        threading.Thread(target=self.serve_forever, args=(STOP_POLL,), name="aws-emulator", daemon=True).start()

    def stop(self) -> None:
        """Stop listening and close every connection; otherwise kept-alive connections would still be served."""
        self.shutdown()
        self.server_close()
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember a connection while it is open."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that ends."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what went wrong, but for a client that is gone: a worker that stops leaves its long poll."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(WSGIRequestHandler):
    """Keeps connections open, as AWS does; werkzeug's own handler closes each one after a response (RFC 9112, 9.3)."""

    protocol_version = "HTTP/1.1"
    # With Nagle's algorithm the body of a response would wait 40 ms for the acknowledgement of its head.
    disable_nagle_algorithm = True
    wbufsize = -1
    """The head and the body of a response are one packet."""

    def run_wsgi(self) -> None:
        """Respond to one request. The application has read its whole body, so that the next one can follow."""
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            started.append((status, headers))

        try:
            body = b"".join(self.server.app(self.make_environ(), start_response))
        except (ConnectionError, TimeoutError) as error:
            self.connection_dropped(error)
            return
        except Exception:
            self.log("error", traceback.format_exc())
            started, body = [(f"{HTTPStatus.INTERNAL_SERVER_ERROR} Internal Server Error", [])], b""
        self._send(*started[-1], body)

    def _send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            if name.lower() not in ("content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def connection_dropped(
        self,
        error: BaseException,  # noqa: ARG002 - werkzeug passes it
        environ: WSGIEnvironment | None = None,  # noqa: ARG002 - and this
    ) -> None:
        """Do not wait for another request on a connection that an injected fault has reset."""
        self.close_connection = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log no requests: the journal records them."""

    def log(self, type: str, message: str, *args: object) -> None:
        """Write errors to stderr."""
        sys.stderr.write(f"aws-emulator {type}: {message % args if args else message}\n")
