"""The seam between a cluster and the database server behind it.

Slow work (initialising, backing up, restoring a server) is done on a thread per server, in the order in which
it was asked for; a transition to `available` waits for it.
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
    """Where a database server listens."""

    host: str
    port: int


class DatabaseHost(Protocol):
    """Real database servers behind clusters. `cluster` and `backup` are opaque unique keys."""

    def create(self, cluster: str, master_username: str, master_password: str, database_name: str | None) -> Address:
        """Initialise and start an empty server."""
        ...

    def back_up(self, cluster: str, backup: str) -> None:
        """Keep a consistent copy of a running server's data under the key `backup`."""
        ...

    def restore(self, backup: str, cluster: str) -> Address:
        """Start a new server from a backup."""
        ...

    def set_master_password(self, cluster: str, username: str, password: str) -> None:
        """Change the master user's password on a running server."""
        ...

    def address(self, cluster: str) -> Address:
        """Where a started server listens."""
        ...

    def destroy(self, cluster: str) -> None:
        """Stop a server and delete its data; nothing happens if there is none."""
        ...

    def discard(self, backup: str) -> None:
        """Delete a backup; nothing happens if there is none."""
        ...


class NoDatabases:
    """No servers: every cluster's port refuses. For fast tests, and for engines without a host."""

    def create(  # the parameters are the protocol's
        self,
        cluster: str,
        master_username: str,  # noqa: ARG002
        master_password: str,  # noqa: ARG002
        database_name: str | None,  # noqa: ARG002
    ) -> Address:
        """Start nothing."""
        return self.address(cluster)

    def back_up(self, cluster: str, backup: str) -> None:
        """Keep nothing."""

    def restore(self, backup: str, cluster: str) -> Address:  # noqa: ARG002
        """Start nothing."""
        return self.address(cluster)

    def set_master_password(self, cluster: str, username: str, password: str) -> None:
        """Change nothing."""

    def address(self, cluster: str) -> Address:  # noqa: ARG002
        """A port that refuses connections."""
        return Address("127.0.0.1", refusing_port())

    def destroy(self, cluster: str) -> None:
        """Stop nothing."""

    def discard(self, backup: str) -> None:
        """Delete nothing."""


class Work:
    """Slow work on database servers, one thread and one order per server.

    Work of `NoDatabases` is done at once, in the caller, so that tests with a frozen clock are deterministic.
    """

    def __init__(self) -> None:
        """Start without threads."""
        self._lock = threading.Lock()
        self._threads: dict[str, ThreadPoolExecutor] = {}

    def submit(self, host: DatabaseHost, key: str, work: Callable[[], T]) -> Future[T]:
        """Do `work` after everything that was submitted for the same server before."""
        if isinstance(host, NoDatabases):
            return _at_once(work)
        future = self._thread(key).submit(work)
        future.add_done_callback(_log_failure)
        return future

    def retire(self, key: str) -> None:
        """Let the thread of a server end after what was submitted for it: there will be no more."""
        with self._lock:
            thread = self._threads.pop(key, None)
        if thread is not None:
            thread.shutdown(wait=False)

    def close(self) -> None:
        """Wait for what is under way, and for the work that it asks for in turn."""
        while threads := self._take_threads():
            for thread in threads:
                thread.shutdown(wait=True)

    def _take_threads(self) -> list[ThreadPoolExecutor]:
        with self._lock:
            threads, self._threads = list(self._threads.values()), {}
        return threads

    def _thread(self, key: str) -> ThreadPoolExecutor:
        with self._lock:
            if key not in self._threads:
                self._threads[key] = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"database-{key}")
            return self._threads[key]


def _at_once(work: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(work())
    return future


def _log_failure(future: Future[T]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        log.error("database work failed; its cluster or snapshot will be `failed`", exc_info=error)
