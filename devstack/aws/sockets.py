"""Ports on which a database is unreachable, and the reset of a TCP connection."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from threading import Thread
from typing import Protocol


@cache
def refusing_port() -> int:
    """A port of 127.0.0.1 that is bound but does not listen: it refuses every connection at once.

    It stays bound until the process ends, so that no other server can listen on it.
    """
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    port: int = bound.getsockname()[1]
    bound.detach()
    return port


class SilentPort:
    """A port on which connections open and then hang, until `forward` connects them to a server."""

    def __init__(self) -> None:
        """Listen on a free port of 127.0.0.1 and accept nothing."""
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(128)
        self.port: int = self._socket.getsockname()[1]

    def forward(self, destination: Callable[[], tuple[str, int]]) -> None:
        """Forward every connection to the destination, also those that already hang."""
        Thread(target=self._accept, args=(destination,), daemon=True).start()

    def _accept(self, destination: Callable[[], tuple[str, int]]) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = self._socket.accept()
                Thread(target=forward_connection, args=(connection, destination()), daemon=True).start()

    def close(self) -> None:
        """Reset the connections that still hang and release the port."""
        with suppress(OSError):  # there are none
            self._socket.shutdown(socket.SHUT_RDWR)  # `close` alone would not end a thread that accepts
        self._socket.close()


def forward_connection(connection: socket.socket, destination: tuple[str, int], source_address: str = "") -> None:
    """Copy both directions until one of the two ends. `source_address` is one of this machine; default: any."""
    source = (source_address, 0) if source_address else None
    with connection, suppress(OSError), socket.create_connection(destination, source_address=source) as server:
        join_connections(connection, server)


class Connection(Protocol):
    """What is copied of a socket."""

    def recv(self, size: int, /) -> bytes: ...

    def sendall(self, data: bytes, /) -> None: ...

    def shutdown(self, how: int, /) -> None: ...


def join_connections(one: Connection, other: Connection) -> None:
    """Copy both directions until one of the two ends."""
    responses = Thread(target=_copy, args=(other, one), daemon=True)
    responses.start()
    _copy(one, other)
    responses.join()


def _copy(source: Connection, sink: Connection) -> None:
    with suppress(OSError):  # one of the two was closed
        while received := source.recv(1 << 16):
            sink.sendall(received)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def reset(connection: socket.socket) -> None:
    """Send RST on a connection, so that its peer gets `Connection reset by peer`.

    The descriptor is detached from the socket object first: file objects made from the object keep it open, and
    `close` would wait until they are closed too and then send an orderly FIN.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())
