"""The connection to Temporal. Address, namespace and key come from Temporal's own environment variables and profiles."""

import asyncio
import logging
import os
import sys
from typing import NoReturn

from temporalio.client import Client, Plugin
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError

CONNECT_SECONDS = 10


class TemporalUnreachable(Exception):
    """Temporal does not answer, or refuses this client. The text has the address and the variables to set."""


async def connect(plugin: Plugin) -> Client:
    """Connect to Temporal with the plugin that client, worker and Replayer share.

    Raises `TemporalUnreachable` after 10 s, or at once if Temporal refuses the connection or the configuration is
    invalid.
    Source: Temporal docs, Environment configuration.
    """
    try:
        config = ClientConfig.load_client_connect_config()
    except Exception as error:  # an unknown profile, a file that is not TOML, a missing certificate
        raise TemporalUnreachable(f"Cannot read Temporal's configuration: {error}") from error
    config.setdefault("target_host", "localhost:7233")
    address = f"{config['target_host']}, namespace {config.get('namespace', 'default')}"
    try:
        return await asyncio.wait_for(Client.connect(**config, plugins=[plugin]), CONNECT_SECONDS)
    except (RuntimeError, RPCError, TimeoutError, ValueError) as error:
        reason = " ".join(str(error).split()) or f"no answer within {CONNECT_SECONDS} s"
        raise TemporalUnreachable(
            f"Cannot reach Temporal at {address}: {reason}\n"
            "Set TEMPORAL_ADDRESS (and TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_…), or TEMPORAL_PROFILE."
        ) from error


def exit_process(code: int) -> NoReturn:
    """End this process with an exit code, without Python's own shutdown.

    The SDK's threads may still call into Python while the interpreter shuts down, which then aborts with
    "PyGILState_Release" instead of our exit code (temporalio/sdk-python#300, open).
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
