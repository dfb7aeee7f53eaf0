"""Ports on which a database cannot be reached, and the abrupt end of a TCP connection."""

from __future__ import annotations

import os
import socket
import struct
from functools import cache


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
    """A port on which connections are opened and then never answered, as behind a wrong security group."""

    def __init__(self) -> None:
        """Listen on a free port of 127.0.0.1 and never accept."""
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(128)
        self.port: int = self._socket.getsockname()[1]

    def close(self) -> None:
        """Reset whoever still waits and give the port back."""
        self._socket.close()


def reset(connection: socket.socket) -> None:
    """Send RST on a connection, so that its peer sees `Connection reset by peer`.

    The descriptor is taken away from the socket object first: file objects made from it keep the object
    open, and a mere `close` would be put off until they are closed too, which ends in an orderly FIN.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())
