"""The interface between a cluster and the database server behind it.

Slow tasks (initialising, backing up, restoring a server) run on one thread per server, in the order in which they were
submitted; a transition to `available` waits for them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Protocol, TypeVar

from devstack.aws.sockets import refusing_port

log = logging.getLogger(__name__)
T = TypeVar("T")


class Address(NamedTuple):
    """The address of a database server."""

    host: str
    port: int


class DatabaseHost(Protocol):
    """Runs the database servers behind clusters. `cluster` and `backup` are opaque unique keys."""

    def create(
        self, cluster: str, master_username: str, master_password: str, database_name: str | None, certificate: str
    ) -> Address:
        """Initialise and start an empty server that shows this certificate: its PEM, with that of its key."""
        ...

    def back_up(self, cluster: str, backup: str) -> None:
        """Store a consistent copy of a running server's data under the key `backup`."""
        ...

    def restore(self, backup: str, cluster: str, certificate: str) -> Address:
        """Start a new server from a backup, with this certificate."""
        ...

    def show_certificate(self, cluster: str, certificate: str) -> None:
        """Show another certificate from the next connection on; open sessions stay open."""
        ...

    def set_master_password(self, cluster: str, username: str, password: str) -> None:
        """Change the master user's password on a running server."""
        ...

    def address(self, cluster: str) -> Address:
        """The address on which a started server listens."""
        ...

    def process_ids(self, cluster: str) -> set[int]:
        """The processes of a running server, without their children; empty if there is none."""
        ...

    def destroy(self, cluster: str) -> None:
        """Stop a server and delete its data; do nothing if there is none."""
        ...

    def discard(self, backup: str) -> None:
        """Delete a backup; do nothing if there is none."""
        ...


class NoDatabases:
    """No servers: every cluster's port refuses connections. For fast tests, and for engines without a host."""

    def create(  # the parameters are the protocol's
        self,
        cluster: str,
        master_username: str,  # noqa: ARG002
        master_password: str,  # noqa: ARG002
        database_name: str | None,  # noqa: ARG002
        certificate: str,  # noqa: ARG002
    ) -> Address:
        """Start nothing."""
        return self.address(cluster)

    def back_up(self, cluster: str, backup: str) -> None:
        """Store nothing."""

    def restore(self, backup: str, cluster: str, certificate: str) -> Address:  # noqa: ARG002
        """Start nothing."""
        return self.address(cluster)

    def show_certificate(self, cluster: str, certificate: str) -> None:
        """Show nothing."""

    def set_master_password(self, cluster: str, username: str, password: str) -> None:
        """Change nothing."""

    def address(self, cluster: str) -> Address:  # noqa: ARG002
        """A port that refuses connections."""
        return Address("127.0.0.1", refusing_port())

    def process_ids(self, cluster: str) -> set[int]:  # noqa: ARG002
        """There are none."""
        return set()

    def destroy(self, cluster: str) -> None:
        """Stop nothing."""

    def discard(self, backup: str) -> None:
        """Delete nothing."""


class ServerTasks:
    """Runs slow tasks on database servers: on one thread per server, in the order of submission.

    A task of `NoDatabases` runs at once, in the caller, so that tests with a frozen clock are deterministic.
    """

    def __init__(self) -> None:
        """Start without threads."""
        self._lock = threading.Lock()
        self._threads: dict[str, ThreadPoolExecutor] = {}

    def submit(self, host: DatabaseHost, key: str, task: Callable[[], T]) -> Future[T]:
        """Run `task` after every task that was submitted for the same server before."""
        if isinstance(host, NoDatabases):
            return _run_at_once(task)
        future = self._thread(key).submit(task)
        future.add_done_callback(_log_failure)
        return future

    def end_thread(self, key: str) -> None:
        """End the thread of a server after its last task."""
        with self._lock:
            thread = self._threads.pop(key, None)
        if thread is not None:
            thread.shutdown(wait=False)

    def close(self) -> None:
        """Wait for the running tasks, and for those that they submit."""
        threads = self._pop_threads()
        while threads:
            for thread in threads:
                thread.shutdown(wait=True)
            threads = self._pop_threads()

    def _pop_threads(self) -> list[ThreadPoolExecutor]:
        with self._lock:
            threads, self._threads = list(self._threads.values()), {}
        return threads

    def _thread(self, key: str) -> ThreadPoolExecutor:
        with self._lock:
            if key not in self._threads:
                self._threads[key] = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"database-{key}")
            return self._threads[key]


def _run_at_once(task: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(task())
    return future


def _log_failure(future: Future[T]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        log.error("a task on a database server failed; its cluster or snapshot becomes `failed`", exc_info=error)
