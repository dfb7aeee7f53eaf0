"""Real database servers behind clusters, for any engine: started from a template, backed up, restored, removed.

Each cluster has its own server on a free port of 127.0.0.1, with its data in a scratch directory. All servers of a host
are copies of one template, so they share the password of `rdsadmin`, and the host can administer a restored server too.
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
"""The only superuser, as on RDS; its password never leaves its host."""
UNPRIVILEGED_USER = "nobody"  # neither PostgreSQL nor MariaDB runs as root


@dataclass(frozen=True)
class RunningServer:
    """One cluster's server."""

    directory: Path
    port: int
    server: Server


def certificate_file(directory: Path) -> Path:
    """Where a server's certificate and its key are: beside its data, so that no backup contains them."""
    return directory.with_suffix(".pem")


class DatabaseServers(ABC):
    """Runs the servers of clusters and stores their backups. Thread-safe; calls for different clusters run in parallel.

    `cluster` and `backup` are keys of the caller's choice. The methods raise LookupError for an unknown key, ValueError
    for one that is taken, and ServerError, with the tail of the log, for a server that does not start.
    """

    def __init__(self, purpose: str) -> None:
        """Prepare the template. `purpose` is part of the scratch directory's name; raises ServerError."""
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
        """Set the master user's password for the next login; open sessions stay open."""

    @abstractmethod
    def versions(self) -> str:
        """The server's name and version, such as "PostgreSQL 18.6"."""

    @abstractmethod
    def _new_template(self) -> Path:
        """Initialise an empty server and stop it; returns its directory, which is copied for every new cluster."""

    @abstractmethod
    def _start(self, directory: Path, port: int | None = None) -> RunningServer:
        """Start the server of a directory; returns when it accepts logins."""

    @abstractmethod
    def _reload_certificate(self, running: RunningServer) -> None:
        """Show what the file of the server's certificate contains now."""

    @abstractmethod
    def _set_up(self, port: int, username: str, password: str, database_name: str | None) -> None:
        """Create the master user and its database in an empty server."""

    @abstractmethod
    def _base_backup(self, running: RunningServer, directory: Path) -> None:
        """Write a consistent copy of a running server's data, from which a server can start."""

    def create(
        self,
        cluster: str,
        master_username: str,
        master_password: str,
        database_name: str | None,
        certificate: str | None = None,
    ) -> Address:
        """Create a cluster with its master user and, if named, a database that the master user owns.

        Its server has TLS if it is given a certificate: its PEM, with that of its key.
        """
        with self._locked("cluster", cluster):
            _refuse_taken("cluster", cluster, self._clusters)
            running = self._run_copy_of(self._template, certificate)
            try:
                self._set_up(running.port, master_username, master_password, database_name)
            except BaseException:
                _remove(running)
                raise
            self._clusters[cluster] = running
            return self.address(cluster)

    def back_up(self, cluster: str, backup: str) -> None:
        """Store the cluster's data as it is now; the backup remains after the cluster is destroyed."""
        with self._locked("cluster", cluster), self._locked("backup", backup):
            _refuse_taken("backup", backup, self._backups)
            directory = self._new_directory("backup")
            self._base_backup(self._running(cluster), directory)
            self._backups[backup] = directory

    def restore(self, backup: str, cluster: str, certificate: str | None = None) -> Address:
        """Create a cluster with the backup's data, users and passwords; with TLS if it is given a certificate."""
        with self._locked("cluster", cluster), self._locked("backup", backup):
            _refuse_taken("cluster", cluster, self._clusters)
            self._clusters[cluster] = self._run_copy_of(_find("backup", backup, self._backups), certificate)
            return self.address(cluster)

    def show_certificate(self, cluster: str, certificate: str) -> None:
        """Show another certificate, with its key, from the next connection on, if the cluster was given one before."""
        with self._locked("cluster", cluster):
            running = self._running(cluster)
            self._scratch.write(certificate_file(running.directory).name, certificate)
            self._reload_certificate(running)

    def address(self, cluster: str) -> Address:
        """The address on which a cluster listens; it changes when the cluster is created anew."""
        return Address(LOOPBACK, self._running(cluster).port)

    def process_ids(self, cluster: str) -> set[int]:
        """The process of the cluster's server, without its children; empty if it has none."""
        running = self._clusters.get(cluster)
        process_id = running.server.pid if running else None
        return set() if process_id is None else {process_id}

    def _running(self, cluster: str) -> RunningServer:
        return _find("cluster", cluster, self._clusters)

    def freeze(self, cluster: str) -> None:
        """SIGSTOP the cluster's server, so that every connection hangs."""
        self._running(cluster).server.signal(signal.SIGSTOP)

    def thaw(self, cluster: str) -> None:
        """SIGCONT the cluster's server after `freeze`."""
        self._running(cluster).server.signal(signal.SIGCONT)

    def kill(self, cluster: str) -> None:
        """SIGKILL the cluster's server, like a crash: open sessions end, new connections are refused."""
        self._running(cluster).server.kill()

    def restart(self, cluster: str) -> None:
        """Start the server after `kill`, on the same port, with the committed data."""
        with self._locked("cluster", cluster):
            crashed = self._running(cluster)
            self._clusters[cluster] = self._start(crashed.directory, crashed.port)

    def destroy(self, cluster: str) -> None:
        """Stop the cluster's server and remove its data; do nothing for an unknown cluster."""
        with self._locked("cluster", cluster):
            running = self._clusters.pop(cluster, None)
            if running is not None:
                _remove(running)

    def discard(self, backup: str) -> None:
        """Remove the backup; do nothing for an unknown one."""
        with self._locked("backup", backup):
            directory = self._backups.pop(backup, None)
            if directory is not None:
                remove_tree(directory)

    def close(self) -> None:
        """Stop every server and remove all data; a second call does nothing."""
        self._scratch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run_copy_of(self, source: Path, certificate: str | None) -> RunningServer:
        directory = self._new_directory("cluster")
        try:
            # By `cp`, not by shutil: it runs as the user that must own the copy.
            self._scratch.run(f"{directory.name}-copy", ["cp", "-R", source, directory])
            if certificate is not None:
                self._scratch.write(certificate_file(directory).name, certificate)
            return with_free_ports(lambda: self._start(directory))
        except BaseException:
            remove_tree(directory)
            raise

    def _new_directory(self, kind: str) -> Path:
        return self._scratch.path / f"{kind}-{next(self._numbers):04}"

    @contextmanager
    def _locked(self, kind: str, key: str) -> Iterator[None]:
        """One call at a time for a key; a cluster's lock always comes before a backup's, which prevents a deadlock."""
        with self._locks.setdefault((kind, key), threading.Lock()):
            yield


def _find(kind: str, key: str, existing: Mapping[str, T]) -> T:
    if key not in existing:
        raise LookupError(f"Unknown {kind} {key!r}; existing: {', '.join(existing) or 'none'}.")
    return existing[key]


def _refuse_taken(kind: str, key: str, existing: Mapping[str, T]) -> None:
    if key in existing:
        raise ValueError(f"The {kind} {key!r} already exists. Remove it first, or choose another key.")


def _remove(running: RunningServer) -> None:
    running.server.stop()
    remove_tree(running.directory)
