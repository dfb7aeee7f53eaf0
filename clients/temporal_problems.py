"""Why there is no connection to Temporal, in words, and what to do: the transport's errors are Rust's and name no variable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches
from typing import NamedTuple

from temporalio.envconfig import ClientConnectConfig
from temporalio.service import TLSConfig

from limits import join_names

SET_ADDRESS = "Set TEMPORAL_ADDRESS, or TEMPORAL_PROFILE."
SET_TLS = "Set TEMPORAL_TLS as the server has it; TEMPORAL_API_KEY and a client certificate switch TLS on."
SET_CLIENT_CERTIFICATE = "Set TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH."
SET_KEY = (
    "Set TEMPORAL_TLS_CLIENT_KEY_PATH to the private key of TEMPORAL_TLS_CLIENT_CERT_PATH, in PEM without a passphrase."
)
CHECK_CERTIFICATE = (
    "Check that it has not expired and that the namespace accepts its CA: "
    "openssl x509 -noout -dates -issuer -in CERTIFICATE"
)
TLS_VARIABLES = (
    "TEMPORAL_TLS",
    *(
        f"TEMPORAL_TLS_{part}_{kind}"
        for part in ("SERVER_CA_CERT", "CLIENT_CERT", "CLIENT_KEY")
        for kind in ("PATH", "DATA")
    ),
    "TEMPORAL_TLS_SERVER_NAME",
    "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION",
)
"""Source: Temporal documentation, Environment configuration."""
MAX_LISTED = 300
"""Characters of names of variables."""


class Problem(NamedTuple):
    """What was found, and what to do."""

    reason: str
    cure: str


TRANSPORT_PROBLEMS = {
    "ConnectionRefused": Problem("connection refused, nothing listens there", SET_ADDRESS),
    "dns error": Problem("its host name cannot be resolved", SET_ADDRESS),
    "invalid port number": Problem("its port is not a number from 1 to 65535", SET_ADDRESS),
    "HostUnreachable": Problem("there is no route to the host", SET_ADDRESS),
    "NetworkUnreachable": Problem("there is no route to the network", SET_ADDRESS),
    "TimedOut": Problem("the connection timed out", SET_ADDRESS),
    "ConnectionReset": Problem("it closed the connection", SET_TLS),
    "InvalidCertificate(Expired": Problem(
        "its TLS certificate has expired", "Renew it on the server, and compare this machine's clock."
    ),
    "InvalidCertificate(NotValidYet": Problem(
        "its TLS certificate is not valid yet", "Set this machine's clock, or wait."
    ),
    "InvalidCertificate(NotValidForName": Problem(
        "its TLS certificate is for another name", "Set TEMPORAL_TLS_SERVER_NAME to a name in the certificate."
    ),
    "InvalidCertificate": Problem(
        "its TLS certificate is not trusted",
        "Set TEMPORAL_TLS_SERVER_CA_CERT_PATH to the CA that issued it; Temporal Cloud's needs none.",
    ),
    "AlertReceived(": Problem("it does not accept the client's certificate", CHECK_CERTIFICATE),
    "KeyMismatch": Problem("the client's private key does not belong to its certificate", SET_KEY),
    "PrivateKeyParseError": Problem("the client's private key is not valid", SET_KEY),
    "both client cert and private key": Problem(
        "only one of the client's certificate and its private key is set", SET_CLIENT_CERTIFICATE
    ),
    "tls handshake eof": Problem("it does not speak TLS", SET_TLS),
    "InvalidMessage(": Problem("it does not speak TLS", SET_TLS),
}
"""The transport's errors by a fragment of their text, the special before the general."""
REFUSED_CREDENTIALS = ("code: Unauthenticated", "code: PermissionDenied")


def explain(error_text: str, config: ClientConnectConfig) -> Problem | None:
    """What kept a client of this configuration from Temporal; None for an error that is not known here."""
    known = (problem for fragment, problem in TRANSPORT_PROBLEMS.items() if fragment in error_text)
    if found := next(known, None):
        return found
    if any(code in error_text for code in REFUSED_CREDENTIALS):
        return _explain_refusal(config)
    return _explain_end_of_connection(config) if "get_system_info" in error_text else None


def describe_security(config: ClientConnectConfig) -> str:
    """How a connection of this configuration is secured."""
    if not config.get("tls"):
        return "without TLS"
    credentials = [
        *(["an API key"] if config.get("api_key") else []),
        *(["a client certificate"] if _has_client_certificate(config) else []),
    ]
    return f"TLS with {' and '.join(credentials)}" if credentials else "TLS"


def _has_client_certificate(config: ClientConnectConfig) -> bool:
    tls = config.get("tls")
    return isinstance(tls, TLSConfig) and bool(tls.client_cert)


def describe_unknown_variables() -> str | None:
    """Variables named TEMPORAL_TLS… that Temporal's library does not read; None if there are none."""
    unknown = sorted(name for name in os.environ if name.startswith("TEMPORAL_TLS") and name not in TLS_VARIABLES)
    return (
        f"Temporal's library does not read {join_names(list(_with_similar(unknown)), MAX_LISTED)}." if unknown else None
    )


def _with_similar(names: list[str]) -> Iterator[str]:
    for name in names:
        ending = [known for known in TLS_VARIABLES if known.endswith(name.removeprefix("TEMPORAL_TLS"))]
        similar = ending or get_close_matches(name, TLS_VARIABLES, n=1)
        yield f"{name} (did you mean {similar[0]}?)" if similar else name


def _explain_refusal(config: ClientConnectConfig) -> Problem:
    if config.get("api_key"):
        cure = f"Set TEMPORAL_API_KEY to a key that has not expired and may use namespace {config.get('namespace', 'default')}."
        return Problem("it refused the API key", cure)
    if _has_client_certificate(config):
        return Problem("it refused the client's certificate", CHECK_CERTIFICATE)
    return Problem("it requires credentials", f"Set TEMPORAL_API_KEY. For mTLS: {SET_CLIENT_CERTIFICATE}")


def _explain_end_of_connection(config: ClientConnectConfig) -> Problem:
    """The server closed the connection without a reason; the likely one depends on what the client sent."""
    if not config.get("tls"):
        return Problem("it closed the connection: it expects TLS, or is not Temporal", SET_TLS)
    if _has_client_certificate(config):
        return Problem("it closed the connection and does not accept the client's certificate", CHECK_CERTIFICATE)
    return Problem("it closed the connection: it expects a client's certificate", SET_CLIENT_CERTIFICATE)
