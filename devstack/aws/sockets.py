"""Ports on which a database cannot be reached, and the abrupt end of a TCP connection."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from threading import Thread


@cache
def refusing_port() -> int:
    """A port of 127.0.0.1 that is taken but not listened on: whoever connects is refused at once.

    It is kept until the process ends, so that nobody else can get it and start to answer there.
    """
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    port: int = taken.getsockname()[1]
    taken.detach()
    return port


class SilentPort:
    """A port on which connections are opened and not answered, as behind a wrong security group, until that is mended."""

    def __init__(self) -> None:
        """Listen on a free port of 127.0.0.1 and accept nobody."""
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(128)
        self.port: int = self._socket.getsockname()[1]

    def forward(self, destination: Callable[[], tuple[str, int]]) -> None:
        """Answer from now on, whoever waits too, with what answers at the destination."""
        Thread(target=self._accept, args=(destination,), daemon=True).start()

    def _accept(self, destination: Callable[[], tuple[str, int]]) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = self._socket.accept()
                Thread(target=_forward, args=(connection, destination()), daemon=True).start()

    def close(self) -> None:
        """Reset whoever still waits and give the port back."""
        with suppress(OSError):  # nobody waits
            self._socket.shutdown(socket.SHUT_RDWR)  # a thread that accepts does not hear of a mere close
        self._socket.close()


def _forward(connection: socket.socket, destination: tuple[str, int]) -> None:
    with connection, suppress(OSError), socket.create_connection(destination) as server:
        answering = Thread(target=_copy, args=(server, connection), daemon=True)
        answering.start()
        _copy(connection, server)
        answering.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # one of the two hung up
        while received := source.recv(1 << 16):
            sink.sendall(received)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def reset(connection: socket.socket) -> None:
    """Send RST on a connection, so that its peer sees `Connection reset by peer`.

    The descriptor is taken away from the socket object first: file objects made from it keep the object
    open, and a mere `close` would be put off until they are closed too, which ends in an orderly FIN.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())
