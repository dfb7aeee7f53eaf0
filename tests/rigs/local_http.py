"""An HTTP server of a test on this machine, whose handler the test's rig writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class QuietHandler(BaseHTTPRequestHandler):
    """Prints nothing; `respond` sends an answer without a body."""

    def read_body(self) -> bytes:
        """What was posted."""
        return self.rfile.read(int(self.headers["Content-Length"]))

    def respond(self, status: int, **headers: str) -> None:
        """End the request."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def served(handler: type[QuietHandler]) -> Iterator[str]:
    """Serve during the block; gives the address, as http://127.0.0.1:PORT."""
    listening = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_address[1]}"
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
