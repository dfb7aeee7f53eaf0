"""The connection to Temporal. Address, namespace and key come from Temporal's own environment variables and profiles."""

import asyncio
import logging
import os
import sys
from typing import NoReturn

from temporalio.client import Client, Plugin
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import Runtime
from temporalio.service import RPCError

from clients.data_converter import DATA_CONVERTER

CONNECT_SECONDS = 10
TRANSPORT_REASONS = {
    "ConnectionRefused": "connection refused, nothing listens there",
    "dns error": "its host name cannot be resolved",
    "invalid port number": "its port is not a number from 1 to 65535",
    "HostUnreachable": "there is no route to the host",
    "NetworkUnreachable": "there is no route to the network",
    "TimedOut": "the connection timed out",
    "ConnectionReset": "it closed the connection; see TEMPORAL_TLS",
    "InvalidCertificate(Expired": "its TLS certificate has expired",
    "InvalidCertificate(NotValidForName": "its TLS certificate is for another name; see TEMPORAL_TLS_SERVER_NAME",
    "InvalidCertificate": "its TLS certificate is not trusted; see TEMPORAL_TLS_SERVER_CA_CERT_PATH",
    "PrivateKeyParseError": "the client's private key is not valid; see TEMPORAL_TLS_CLIENT_KEY_PATH",
    "tls handshake eof": "it does not speak TLS; see TEMPORAL_TLS",
    "code: Unauthenticated": "it refused the credentials; see TEMPORAL_API_KEY and TEMPORAL_TLS_CLIENT_CERT_PATH",
    "code: PermissionDenied": "it refused the credentials; see TEMPORAL_API_KEY and TEMPORAL_TLS_CLIENT_CERT_PATH",
    "get_system_info": "it closed the connection or is not Temporal; see TEMPORAL_TLS",
}
"""The transport's errors by a fragment of their text, which is Rust's and names no variable."""


class TemporalUnreachable(Exception):
    """Temporal does not answer, or refuses this client. The text has the address and the variables to set."""


async def connect(plugin: Plugin | None = None, runtime: Runtime | None = None) -> Client:
    """Connect to Temporal with the plugin that worker and Replayer share; without one, with the same data converter.

    `runtime` is the SDK's, with the exporter of its metrics; None: the default one, which exports none.

    Raises `TemporalUnreachable` after 10 s, or at once if Temporal refuses the connection or the configuration is
    invalid.
    Source: Temporal docs, Environment configuration.
    """
    config = _load_config()
    config.setdefault("target_host", "localhost:7233")
    address = f"{config['target_host']}, namespace {config.get('namespace', 'default')}"
    try:
        plugins = [plugin] if plugin else []
        connecting = Client.connect(**config, data_converter=DATA_CONVERTER, plugins=plugins, runtime=runtime)
        return await asyncio.wait_for(connecting, CONNECT_SECONDS)
    except (RuntimeError, RPCError, TimeoutError, ValueError) as error:
        raise TemporalUnreachable(
            f"Cannot reach Temporal at {address}: {_reason(error)}.\n"
            "Set TEMPORAL_ADDRESS (and TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_…), or TEMPORAL_PROFILE."
        ) from error


def configured_namespace() -> str:
    """The namespace of Temporal's configuration. Raises `TemporalUnreachable` if the configuration is invalid."""
    return _load_config().get("namespace", "default")


def _load_config() -> ClientConnectConfig:
    try:
        return ClientConfig.load_client_connect_config()
    except Exception as error:  # an unknown profile, a file that is not TOML, a missing certificate
        raise TemporalUnreachable(
            f"Cannot read Temporal's configuration: {_one_line(error)}. Correct the file, or set TEMPORAL_PROFILE, "
            "TEMPORAL_CONFIG_FILE or TEMPORAL_TLS_…."
        ) from error


def _reason(error: BaseException) -> str:
    """Why there is no connection, in words; an error of the transport that is not known here keeps its own text."""
    text = _one_line(error)
    known = (reason for fragment, reason in TRANSPORT_REASONS.items() if fragment in text)
    return next(known, text.rstrip(".") or f"no answer within {CONNECT_SECONDS} s")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def exit_process(code: int) -> NoReturn:
    """End this process with an exit code, without Python's own shutdown.

    The SDK's threads may still call into Python while the interpreter shuts down, which then aborts with
    "PyGILState_Release" instead of our exit code (temporalio/sdk-python#300, open).
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
