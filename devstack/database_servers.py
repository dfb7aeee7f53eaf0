"""Real database servers behind clusters, whatever the engine: started from a template, backed up, restored, removed.

Each cluster is a server of its own on a free port of 127.0.0.1, with its data in a scratch directory. All servers of
a host descend from one template, so they share the password of `rdsadmin`; that is how a restored server still obeys
its host.
"""

from __future__ import annotations

import itertools
import os
import secrets
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from devstack.aws.databases import Address
from devstack.processes import LOOPBACK, Scratch, Server, remove_tree, with_free_ports

T = TypeVar("T")

RDSADMIN = "rdsadmin"
"""The only one who may do everything, as on RDS; its password never leaves its host."""
UNPRIVILEGED_USER = "nobody"  # neither PostgreSQL nor MariaDB runs as root


@dataclass(frozen=True)
class RunningServer:
    """One cluster's server."""

    directory: Path
    port: int
    server: Server


class DatabaseServers(ABC):
    """Runs the clusters and keeps their backups. Thread-safe; calls for different clusters run in parallel.

    `cluster` and `backup` are the caller's keys, any text. An unknown one is a LookupError, one that is taken
    a ValueError, a server that does not come up a ServerError with the tail of its log.
    """

    def __init__(self, purpose: str) -> None:
        """Prepare the template, so that what is wrong here shows now. `purpose` names the scratch directory."""
        self._clusters: dict[str, RunningServer] = {}
        self._backups: dict[str, Path] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._numbers = itertools.count(1)
        self._password = secrets.token_urlsafe(24)
        self._scratch = Scratch(purpose, user=UNPRIVILEGED_USER if os.getuid() == 0 else None)
        try:
            self._template = self._new_template()
        except BaseException:
            self._scratch.close()
            raise

    @abstractmethod
    def set_master_password(self, cluster: str, username: str, password: str) -> None:
        """From the next login on; sessions that are open stay open."""

    @abstractmethod
    def versions(self) -> str:
        """What runs, for a banner: "PostgreSQL 18.6"."""

    @abstractmethod
    def _new_template(self) -> Path:
        """The directory of an empty server that is stopped, initialised once and copied for every new cluster."""

    @abstractmethod
    def _start(self, directory: Path, port: int | None = None) -> RunningServer:
        """The server of a directory, ready to answer."""

    @abstractmethod
    def _set_up(self, port: int, username: str, password: str, database_name: str | None) -> None:
        """The master user and its database, in an empty server."""

    @abstractmethod
    def _base_backup(self, running: RunningServer, directory: Path) -> None:
        """A consistent copy of a running server's data, ready to be started."""

    def create(self, cluster: str, master_username: str, master_password: str, database_name: str | None) -> Address:
        """A new cluster with its master user and, if named, a database that the master owns."""
        with self._holding("cluster", cluster):
            _refuse_taken("cluster", cluster, self._clusters)
            running = self._run_copy_of(self._template)
            try:
                self._set_up(running.port, master_username, master_password, database_name)
            except BaseException:
                _remove(running)
                raise
            self._clusters[cluster] = running
            return self.address(cluster)

    def back_up(self, cluster: str, backup: str) -> None:
        """Keep the cluster's data as it is now, also after the cluster is gone."""
        with self._holding("cluster", cluster), self._holding("backup", backup):
            _refuse_taken("backup", backup, self._backups)
            directory = self._new_directory("backup")
            self._base_backup(self._running(cluster), directory)
            self._backups[backup] = directory

    def restore(self, backup: str, cluster: str) -> Address:
        """A new cluster with the backup's data, users and passwords."""
        with self._holding("cluster", cluster), self._holding("backup", backup):
            _refuse_taken("cluster", cluster, self._clusters)
            self._clusters[cluster] = self._run_copy_of(_known("backup", backup, self._backups))
            return self.address(cluster)

    def address(self, cluster: str) -> Address:
        """Where a cluster listens; a restore or a new creation may change it."""
        return Address(LOOPBACK, self._running(cluster).port)

    def _running(self, cluster: str) -> RunningServer:
        return _known("cluster", cluster, self._clusters)

    def freeze(self, cluster: str) -> None:
        """Let the cluster's connections hang from now on, new ones too."""
        self._running(cluster).server.signal(signal.SIGSTOP)

    def thaw(self, cluster: str) -> None:
        """Go on after `freeze`."""
        self._running(cluster).server.signal(signal.SIGCONT)

    def kill(self, cluster: str) -> None:
        """SIGKILL the cluster's server, as a crash would: open sessions end, new ones are refused."""
        self._running(cluster).server.kill()

    def start_again(self, cluster: str) -> None:
        """After `kill`: on the same port, with what was committed."""
        with self._holding("cluster", cluster):
            crashed = self._running(cluster)
            self._clusters[cluster] = self._start(crashed.directory, crashed.port)

    def destroy(self, cluster: str) -> None:
        """Stop the cluster and remove its data. One that is gone is fine."""
        with self._holding("cluster", cluster):
            if running := self._clusters.pop(cluster, None):
                _remove(running)

    def discard(self, backup: str) -> None:
        """Remove the backup. One that is gone is fine."""
        with self._holding("backup", backup):
            if directory := self._backups.pop(backup, None):
                remove_tree(directory)

    def close(self) -> None:
        """Stop every cluster and remove everything. Twice is once."""
        self._scratch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run_copy_of(self, source: Path) -> RunningServer:
        directory = self._new_directory("cluster")
        try:
            # A program, not shutil: it runs as the user who must own the copy.
            self._scratch.run(f"{directory.name}-copy", ["cp", "-R", source, directory])
            return with_free_ports(lambda: self._start(directory))
        except BaseException:
            remove_tree(directory)
            raise

    def _new_directory(self, kind: str) -> Path:
        return self._scratch.path / f"{kind}-{next(self._numbers):04}"

    @contextmanager
    def _holding(self, kind: str, key: str) -> Iterator[None]:
        """One call at a time for a key; a cluster's lock before a backup's, so that no two wait in a ring."""
        with self._locks.setdefault((kind, key), threading.Lock()):
            yield


def _known(kind: str, key: str, things: Mapping[str, T]) -> T:
    if key not in things:
        raise LookupError(f"No {kind} {key!r} here; there is: {', '.join(things) or 'none'}.")
    return things[key]


def _refuse_taken(kind: str, key: str, things: Mapping[str, T]) -> None:
    if key in things:
        raise ValueError(f"There is a {kind} {key!r} already. Remove it first, or choose another key.")


def _remove(running: RunningServer) -> None:
    running.server.stop()
    remove_tree(running.directory)
