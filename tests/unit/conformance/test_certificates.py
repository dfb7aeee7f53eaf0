"""The names in a certificate, read without trust."""

from __future__ import annotations

import ssl

import pytest

from conformance.certificates import Unreachable, dns_names, names_in_certificate
from devstack.aws.certificates import CertificateAuthority
from devstack.aws.sockets import refusing_port

NAMES = ["orders.cluster-c1.rds.localhost", "*.cluster-custom-c1.rds.localhost", f"{'long-' * 12}name.c1.rds.localhost"]


@pytest.fixture(scope="module")
def certificate() -> bytes:
    """A certificate in DER with short and long names, as the emulator issues it."""
    pem = CertificateAuthority().issue(NAMES)
    return ssl.PEM_cert_to_DER_cert(pem[: pem.index("-----BEGIN PRIVATE")])


def test_every_name_is_read(certificate: bytes) -> None:
    """In their order, wildcards included, and as many as a sequence longer than 127 bytes holds."""
    assert list(dns_names(certificate)) == NAMES


def test_what_is_cut_or_has_no_names_gives_none_that_is_wrong(certificate: bytes) -> None:
    """No error and no endless loop, wherever the certificate ends."""
    for length in range(len(certificate)):
        names = list(dns_names(certificate[:length]))
        assert names[:-1] == NAMES[: len(names) - 1] if names else True
    assert list(dns_names(b"")) == []


def test_an_endpoint_that_refuses_is_unreachable() -> None:
    """Which is nothing to ask about, and no difference."""
    with pytest.raises(Unreachable, match="cannot connect"):
        names_in_certificate("127.0.0.1", refusing_port())
