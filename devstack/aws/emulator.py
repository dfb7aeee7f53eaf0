"""The emulator as an object: started in a thread of this process, stopped, driven."""

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
    """AWS on a port of this machine: RDS of our own, everything else from moto.

    Moto keeps its state per process: two emulators in one process share DynamoDB, SNS and the like, and the
    state is forgotten when the last of them stops.
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
        """Prepare; nothing is served before `start`. `databases` are behind Aurora PostgreSQL clusters.

        Port 0 means a free one; only a container listens elsewhere.
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
        """What to give to boto3 as `endpoint_url`; RuntimeError before `start`."""
        if self._server is None:
            raise RuntimeError("the emulator has no address yet; call start() first")
        return f"http://{HOST}:{self._server.port}"

    @property
    def quotas(self) -> Quotas:
        """The limits on RDS resources, to be changed in place."""
        return self._state.quotas

    @property
    def durations(self) -> Durations:
        """How long what is begun from now on takes; to be replaced."""
        return self._state.durations

    @durations.setter
    def durations(self, durations: Durations) -> None:
        self._state.durations = durations

    def start(self) -> Self:
        """Serve from now on, in a daemon thread; OSError if the port is taken."""
        application = Application(self._state, self._services, self.faults, self.calls)
        self._server = Server(self._port, application)
        self._server.serve_in_background()
        self._services.load_in_background()
        with Emulator._counting:
            Emulator._running += 1
        return self

    def stop(self) -> None:
        """Stop for good: cut every connection, give the port back. Nothing happens if it was not started."""
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
