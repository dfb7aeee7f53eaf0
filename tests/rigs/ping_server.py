"""A dead man's switch and a webhook on this machine: records what is requested, and answers with the statuses of the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.rigs.local_http import QuietHandler, served


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

    class Handler(QuietHandler):
        def do_POST(self) -> None:  # noqa: N802 - the name that the server calls
            server.bodies.append(self.read_body())
            self.do_GET()

        def do_GET(self) -> None:  # noqa: N802 - as above
            server.paths.append(self.path)
            self.respond(server.statuses.pop(0) if server.statuses else 200, Location=f"{server.url}/elsewhere")

    with served(Handler) as url:
        server = PingServer(url)
        yield server
