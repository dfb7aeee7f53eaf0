"""The connection to Temporal: where it is comes from Temporal's own environment variables and profiles."""

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
    """Temporal does not answer, or not to us; the text says where it was looked for and what to set."""


async def connect(plugin: Plugin) -> Client:
    """A client with the plugin.

    Raises `TemporalUnreachable` after 10 s, or at once if Temporal refuses the connection or the configuration is wrong.
    Source: Temporal docs, Environment configuration.
    """
    try:
        config = ClientConfig.load_client_connect_config()
    except Exception as error:  # a wrong profile, a file that is no TOML, a certificate that is not there
        raise TemporalUnreachable(f"Temporal's configuration cannot be read: {error}") from error
    config.setdefault("target_host", "localhost:7233")
    where = f"{config['target_host']}, namespace {config.get('namespace', 'default')}"
    try:
        return await asyncio.wait_for(Client.connect(**config, plugins=[plugin]), CONNECT_SECONDS)
    except (RuntimeError, RPCError, TimeoutError, ValueError) as error:
        said = " ".join(str(error).split()) or f"no answer within {CONNECT_SECONDS} s"
        raise TemporalUnreachable(
            f"Temporal is not to be reached at {where}: {said}\n"
            "Set TEMPORAL_ADDRESS (and TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_…), or TEMPORAL_PROFILE."
        ) from error


def leave(code: int) -> NoReturn:
    """End this process with an exit code, without the interpreter's own end.

    The SDK's threads may still call into Python while the interpreter takes itself down, which then aborts with
    "PyGILState_Release" instead of our exit code (temporalio/sdk-python#300, open).
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
