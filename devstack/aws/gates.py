"""A port in front of a database server that admits only whom the security groups of its cluster admit.

As EC2 drops the packets of all others, their connections open and then hang.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

from devstack.aws.sockets import forward_connection

LOOPBACK = "127.0.0.1"
Admits = Callable[[str, int], bool]
"""Whether a peer, by its address and its port, is admitted."""


class Gate:
    """Asks `admits` for each connection and forwards it, or lets it hang until the gate closes."""

    def __init__(
        self, port: int | None, destination: Callable[[], tuple[str, int]], admits: Admits = lambda *_: True
    ) -> None:
        """Listen on this port of 127.0.0.1 if it is free, else on any; by default everyone is admitted."""
        self._destination, self._admits = destination, admits
        self._refused: list[socket.socket] = []
        self._socket = _listening(port) or _listening(0) or socket.socket()
        self.port: int = self._socket.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, peer = self._socket.accept()
                Thread(target=self._answer, args=(connection, peer), daemon=True).start()

    def _answer(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        if self._admits(*peer):
            self._forward(connection)
        else:
            self._refused.append(connection)

    def _forward(self, connection: socket.socket) -> None:
        forward_connection(connection, self._destination())

    def close(self) -> None:
        """End the connections that hang, and release the port; forwarded connections stay until one side ends."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # `close` alone would not end a thread that accepts
        self._socket.close()
        for connection in self._refused:
            connection.close()


def _listening(port: int | None) -> socket.socket | None:
    """A socket that listens on the port; None if another program does."""
    if port is None:
        return None
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((LOOPBACK, port))
        listening.listen(128)
    except OSError:
        listening.close()
        return None
    return listening
