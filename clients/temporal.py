"""The connection to Temporal.

Address, namespace, API key and certificates come from Temporal's own environment variables and profiles.
"""

import asyncio
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from temporalio.client import Client, Plugin
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import Runtime
from temporalio.service import RPCError

from clients.data_converter import DATA_CONVERTER
from clients.loopback import is_loopback
from clients.temporal_problems import SET_ADDRESS, Problem, describe_security, describe_unknown_variables, explain

CONNECT_SECONDS = 10


class TemporalUnreachable(Exception):
    """Temporal does not answer, refuses this client, or its configuration is wrong; the text has the cure too."""

    def __init__(self, text: str, cure: str) -> None:
        """What happened, and what to do."""
        super().__init__(f"{text} {cure}")
        self.text, self.cure = text, cure


async def connect(*plugins: Plugin, runtime: Runtime | None = None) -> Client:
    """Connect to Temporal with the plugin that worker and Replayer share; without one, with the same data converter.

    `runtime` is the SDK's, with the exporter of its metrics; None: the default one, which exports none.

    Raises `TemporalUnreachable` after 10 s, or at once if Temporal refuses the connection or the configuration is
    invalid.
    Source: Temporal docs, Environment configuration.
    """
    config = _load_config()
    try:
        connecting = Client.connect(**config, data_converter=DATA_CONVERTER, plugins=plugins, runtime=runtime)
        return await asyncio.wait_for(connecting, CONNECT_SECONDS)
    except (RuntimeError, RPCError, TimeoutError, ValueError) as error:
        raise _unreachable(error, config) from error


def configured_namespace() -> str:
    """The namespace of Temporal's configuration. Raises `TemporalUnreachable` if the configuration is invalid."""
    return _load_config().get("namespace", "default")


def explain_end_of_polls(error: RuntimeError) -> TemporalUnreachable | None:
    """Why a worker's polls ended, if Temporal refused them for good, such as a key that has expired meanwhile; else None.

    The SDK repeats a refused poll for about two minutes, then ends the worker with a RuntimeError.
    """
    text = " ".join(_one_line(cause) for cause in (error, error.__cause__) if cause)
    return _unreachable(RuntimeError(text), _load_config()) if "Poll failure" in text else None


def connection_security() -> str:
    """How a connection is secured. Raises `TemporalUnreachable` if the configuration is invalid."""
    return describe_security(_load_config())


def _load_config() -> ClientConnectConfig:
    """The arguments of `Client.connect`; a key's white space, such as the end of its file's line, is no part of it."""
    _require_configuration_file()
    try:
        config = ClientConfig.load_client_connect_config()
    except OSError as error:  # a certificate or a key
        raise TemporalUnreachable(
            f"Cannot read {error.filename}, which Temporal's configuration names: {error.strerror}.",
            "Correct TEMPORAL_TLS_…_PATH, or the file's owner and mode.",
        ) from error
    except Exception as error:  # an unknown profile, a file that is not TOML
        raise TemporalUnreachable(
            f"Cannot read Temporal's configuration: {_one_line(error)}.",
            "Correct the file, or set TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE or TEMPORAL_TLS_….",
        ) from error
    config.setdefault("target_host", "localhost:7233")
    if "api_key" in config:
        config["api_key"] = config["api_key"].strip()
        _require_tls(config)
    return config


def _require_configuration_file() -> None:
    """Temporal's library ignores a file that is missing and connects to localhost without credentials."""
    file = os.environ.get("TEMPORAL_CONFIG_FILE")
    if file and not Path(file).exists():
        raise TemporalUnreachable(
            f"There is no file {file}.", "Set TEMPORAL_CONFIG_FILE to Temporal's configuration file."
        )


def _require_tls(config: ClientConnectConfig) -> None:
    host = config["target_host"].rpartition(":")[0]
    if not config.get("tls") and not is_loopback(host):
        raise TemporalUnreachable(
            f"The API key would travel to {config['target_host']} without TLS.",
            "Unset TEMPORAL_TLS, or set it to true.",
        )


def _unreachable(error: BaseException, config: ClientConnectConfig) -> TemporalUnreachable:
    """The error in words; one of the transport that is not known here keeps its own text."""
    text = _one_line(error)
    reason = text.rstrip(".") or f"no answer within {CONNECT_SECONDS} s"
    problem = explain(text, config) or Problem(reason, SET_ADDRESS)
    at = f"{config['target_host']}, namespace {config.get('namespace', 'default')}"
    cure = " ".join(filter(None, (problem.cure, describe_unknown_variables())))
    return TemporalUnreachable(f"Cannot reach Temporal at {at}: {problem.reason}.", cure)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def exit_process(code: int) -> NoReturn:
    """End this process with an exit code, without Python's own shutdown.

    The SDK's threads may still call into Python while the interpreter shuts down, which then aborts with
    "PyGILState_Release" instead of our exit code (temporalio/sdk-python#300, open). What cannot be written to a terminal that
    is closed stays unwritten, and does not change the exit code.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)
