"""Names of this machine, which not every resolver knows: those of the devstack's endpoints."""

import socket
from ipaddress import ip_address

LOOPBACK = "127.0.0.1"
CONNECT_SECONDS = 3


def loopback_address(host: str) -> str | None:
    """127.0.0.1 for a name under `.localhost`; None for every other name, which a resolver has to know.

    A client connects to the address, and verifies the server's certificate by the name.
    Source: RFC 6761, section 6.3: such names are always the loopback address, for applications too.
    """
    return LOOPBACK if host.endswith(".localhost") else None


def is_loopback(host: str) -> bool:
    """Whether the host, a name or an address, is this machine itself."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def accepts_connections(host: str, port: int) -> bool:
    """Whether something accepts a TCP connection there within 3 s; nothing is sent."""
    try:
        socket.create_connection((loopback_address(host) or host, port), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
