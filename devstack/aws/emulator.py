"""The emulator as an object that serves in a thread of this process."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from devstack.aws.application import Application
from devstack.aws.clock import Clock
from devstack.aws.databases import DatabaseHost, NoDatabases
from devstack.aws.durations import Durations
from devstack.aws.fault_injection import FaultInjector
from devstack.aws.http_server import HOST, Server
from devstack.aws.journal import Journal
from devstack.aws.rds.state import Quotas, RdsState
from devstack.aws.services import OtherServices


class Emulator:
    """AWS on a port of this machine: its own RDS, and moto for every other service.

    Moto keeps its state per process: two emulators in one process share DynamoDB, SNS and the like, and the last one
    to stop resets that state.
    """

    _running = 0
    _counting = threading.Lock()

    def __init__(
        self,
        databases: DatabaseHost,
        *,
        mysql: DatabaseHost | None = None,
        host: str = HOST,
        port: int = 0,
        durations: Durations = Durations(),  # noqa: B008 - frozen
        clock: Clock | None = None,
    ) -> None:
        """The emulator serves nothing before `start`.

        `databases` runs the servers behind Aurora PostgreSQL clusters, `mysql` those behind Aurora MySQL clusters.
        Port 0 means any free port; only a container needs another `host`.
        """
        self.clock = clock or Clock()
        self.faults = FaultInjector()
        self.calls = Journal()
        self._services = OtherServices()
        self._state = RdsState(
            {"aurora-postgresql": databases, "aurora-mysql": mysql or NoDatabases()},
            self._services,
            self.clock,
            durations,
        )
        self._host, self._port = host, port
        self._server: Server | None = None

    @property
    def endpoint_url(self) -> str:
        """The `endpoint_url` for boto3. Raises RuntimeError before `start`."""
        if self._server is None:
            raise RuntimeError("The emulator has no address yet; call start() first.")
        return f"http://{HOST}:{self._server.port}"

    @property
    def certificate_bundle(self) -> str:
        """The certificate of the authority that signs those of all endpoints, in PEM."""
        return self._state.authority.bundle

    @property
    def quotas(self) -> Quotas:
        """The limits on RDS resources; change them in place."""
        return self._state.quotas

    @property
    def durations(self) -> Durations:
        """The durations of the transitions that begin from now on; assign others to change them."""
        return self._state.durations

    @durations.setter
    def durations(self, durations: Durations) -> None:
        self._state.durations = durations

    def start(self) -> Self:
        """Serve in a daemon thread. Raises OSError if the port is taken."""
        application = Application(self._state, self._services, self.faults, self.calls)
        self._server = Server(self._port, application)
        self._server.serve_in_background()
        self._services.load_in_background()
        with Emulator._counting:
            Emulator._running += 1
        return self

    def stop(self) -> None:
        """Close every connection and the port; do nothing if the emulator is not started."""
        if self._server is None:
            return
        self._server.stop()
        self._server = None
        self._state.close()
        with Emulator._counting:
            Emulator._running -= 1
            if Emulator._running == 0:
                self._services.reset()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()
