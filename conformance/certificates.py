"""The names in the certificate that an endpoint shows: a TLS handshake without a login, and without trust.

The names alone are the question, so no authority is needed. Python's `ssl` parses a certificate only of an authority that it
trusts, therefore the extension subjectAltName is read from the DER here.
Sources: PostgreSQL, "Message Formats", SSLRequest; RFC 5280, section 4.2.1.6; ITU-T X.690, section 8.1.3.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator

from clients.loopback import CONNECT_SECONDS, loopback_address

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
SUBJECT_ALT_NAME = bytes.fromhex("0603551d11")
"""The object identifier 2.5.29.17."""
DNS_NAME, LONG_LENGTH = 0x82, 0x80


class Unreachable(Exception):
    """No certificate could be read from here: the endpoint is in a network that this machine is not in, or says nothing."""


def names_in_certificate(host: str, port: int) -> list[str]:
    """The DNS names in the certificate of a PostgreSQL endpoint. Raises `Unreachable`."""
    try:
        with socket.create_connection((loopback_address(host) or host, port), CONNECT_SECONDS) as connection:
            connection.sendall(SSL_REQUEST)
            if connection.recv(1) != b"S":
                raise Unreachable(f"{host} offers no TLS.")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(connection, server_hostname=host) as encrypted:
                certificate = encrypted.getpeercert(binary_form=True) or b""
    except (OSError, OverflowError) as error:
        raise Unreachable(f"This machine cannot connect to the endpoint: {error}.") from error
    return list(dns_names(certificate))


def dns_names(certificate: bytes) -> Iterator[str]:
    """The DNS names of subjectAltName in a certificate in DER; none if it has no such extension, or is cut."""
    place = certificate.find(SUBJECT_ALT_NAME)
    if place < 0:
        return
    place += len(SUBJECT_ALT_NAME)
    if certificate[place : place + 1] == b"\x01":  # the extension says whether it is critical
        place += 3
    for _ in range(2):  # the OCTET STRING of the extension, and the SEQUENCE in it
        place, length = _content(certificate, place)
    end = place + length
    while 0 <= place < min(end, len(certificate)):
        tag = certificate[place]
        place, length = _content(certificate, place)
        if tag == DNS_NAME:
            yield certificate[place : place + length].decode("ascii", "replace")
        place += length


def _content(der: bytes, place: int) -> tuple[int, int]:
    """Where the content of the element at a place begins, and its length in bytes; of a cut element the end."""
    first = der[place + 1 : place + 2] or b"\x00"
    if first[0] < LONG_LENGTH:
        return place + 2, first[0]
    count = first[0] - LONG_LENGTH
    return place + 2 + count, int.from_bytes(der[place + 2 : place + 2 + count], "big")
