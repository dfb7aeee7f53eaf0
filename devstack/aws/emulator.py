"""The emulator as an object: started in a thread of this process, stopped, driven."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from devstack.aws.application import Application
from devstack.aws.clock import Clock
from devstack.aws.databases import DatabaseHost
from devstack.aws.durations import Durations
from devstack.aws.faults import Faults
from devstack.aws.journal import Journal
from devstack.aws.rds.world import Quotas, World
from devstack.aws.services import OtherServices

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

HOST = "127.0.0.1"
STOP_POLL = 0.02
"""Seconds between two looks at whether to stop serving."""


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
        port: int = 0,
        durations: Durations = Durations(),  # noqa: B008 - frozen
        clock: Clock | None = None,
    ) -> None:
        """Prepare; nothing is served before `start`. Port 0 means a free one."""
        self.clock = clock or Clock()
        self.faults = Faults()
        self.calls = Journal()
        self._services = OtherServices()
        self._world = World(databases, self._services, self.clock, durations)
        self._port = port
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def endpoint_url(self) -> str:
        """What to give to boto3 as `endpoint_url`; RuntimeError before `start`."""
        if self._server is None:
            raise RuntimeError("the emulator has no address yet; call start() first")
        return f"http://{HOST}:{self._server.server_port}"

    @property
    def quotas(self) -> Quotas:
        """The limits on RDS resources, to be changed in place."""
        return self._world.quotas

    def start(self) -> Self:
        """Serve from now on, in a daemon thread; OSError if the port is taken."""
        application = Application(self._world, self._services, self.faults, self.calls)
        self._server = make_server(HOST, self._port, application, threaded=True, request_handler=_Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(STOP_POLL,), name="aws-emulator", daemon=True
        )
        self._thread.start()
        self._services.load_in_background()
        with Emulator._counting:
            Emulator._running += 1
        return self

    def stop(self) -> None:
        """Stop serving and give the port back; nothing happens if it was not started."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None
        self._world.close()
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


class _Handler(WSGIRequestHandler):
    # Head and body of an answer are two packets; with Nagle's algorithm the second one waits 40 ms.
    disable_nagle_algorithm = True

    def connection_dropped(
        self,
        error: BaseException,  # noqa: ARG002 - werkzeug passes it
        environ: WSGIEnvironment | None = None,  # noqa: ARG002 - and this
    ) -> None:
        """Do not wait for another request on a connection that was reset on demand."""
        self.close_connection = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Leave requests out of the log: the journal has them."""

    def log(self, type: str, message: str, *args: object) -> None:
        """Say what went wrong on stderr."""
        sys.stderr.write(f"aws-emulator {type}: {message % args if args else message}\n")
