"""A dead man's switch and a webhook on this machine: records what is requested, and answers with the statuses of the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class PingServer:
    """What was requested, and how it answers."""

    url: str
    paths: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    """What was posted."""
    statuses: list[int] = field(default_factory=list)
    """The statuses of the next answers; then 200."""


@contextmanager
def ping_server() -> Iterator[PingServer]:
    """Run one during the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.do_GET()

        def do_GET(self) -> None:
            server.paths.append(self.path)
            self.send_response(server.statuses.pop(0) if server.statuses else 200)
            self.send_header("Location", f"{server.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = PingServer(f"http://127.0.0.1:{listening.server_address[1]}")
    thread = Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
