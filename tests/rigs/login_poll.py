"""Tries to log in to a cluster again and again while it is restored, as everyone would who knows a password."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from threading import Thread

import psycopg

from devstack.aws.sockets import forward_connection
from devstack.demo_environment import TARGET, DemoEnvironment

WORKERS_ADDRESS = "127.0.0.1"
ELSEWHERE = "127.0.0.9"
"""Another address of this machine: that of an application, or of somebody with a laptop."""
EVERY_S = 0.3
CONNECT_S = 2


@dataclass
class LoginPoll:
    """Which logins succeeded, and when by the emulator's clock."""

    demo: DemoEnvironment
    logins: dict[str, Callable[[], str | None]]
    """By name, what reads the password now; None: it has none yet."""
    database: str
    succeeded: list[tuple[str, datetime]] = field(default_factory=list)
    attempts: int = 0

    def names(self) -> set[str]:
        """The logins that ever succeeded."""
        return {name for name, _ in self.succeeded}

    def attempt_all(self, port: int) -> None:
        """Try every login once, at this port of the cluster."""
        for name, password in self.logins.items():
            self.attempts += 1
            with suppress(psycopg.OperationalError), connect(port, name, password() or "-", self.database):
                self.succeeded.append((name, self.demo.emulator.clock.now()))


def connect(port: int, user: str, password: str, database: str) -> psycopg.Connection:
    return psycopg.connect(
        host=WORKERS_ADDRESS,
        port=port,
        user=user,
        password=password,
        dbname=database,
        connect_timeout=CONNECT_S,
        sslmode="disable",
    )


@contextmanager
def poll_logins(poll: LoginPoll, source_address: str = ELSEWHERE) -> Iterator[LoginPoll]:
    """Poll in the background until the block ends."""

    def attempt() -> None:
        if (port := _target_port(poll.demo)) is not None:
            with connections_from(source_address, port) as entrance:
                poll.attempt_all(entrance)

    with repeated_in_background(attempt, EVERY_S):
        yield poll


@contextmanager
def repeated_in_background(attempt: Callable[[], None], every_s: float) -> Iterator[None]:
    """Repeat an attempt in a thread, with a pause after each, until the block ends."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(every_s):
            attempt()

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _target_port(demo: DemoEnvironment) -> int | None:
    """None while there is no target."""
    with suppress(demo.client("rds").exceptions.DBClusterNotFoundFault):
        port: int = demo.client("rds").describe_db_clusters(DBClusterIdentifier=TARGET)["DBClusters"][0]["Port"]
        return port
    return None


@contextmanager
def connections_from(source_address: str, port: int) -> Iterator[int]:
    """A port from which connections go on to `port`, from another address of this machine."""
    with socket.create_server((WORKERS_ADDRESS, 0)) as entrance:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = entrance.accept()
                    Thread(
                        target=forward_connection, args=(connection, (WORKERS_ADDRESS, port), source_address)
                    ).start()

        Thread(target=accept, daemon=True).start()
        yield entrance.getsockname()[1]
        with suppress(OSError):
            entrance.shutdown(socket.SHUT_RDWR)
