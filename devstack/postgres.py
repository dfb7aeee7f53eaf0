"""A real PostgreSQL server behind every Aurora cluster of the local AWS, so that data really travels.

Each cluster is a server of its own on a free port of 127.0.0.1, with its data in a scratch directory. A
snapshot is a physical backup taken from the running server (pg_basebackup), a restore a copy of it that is
started: passwords, roles and data arrive as they do on Aurora.

Who is who is as on Aurora too ("Understanding the rds_superuser role", Aurora User Guide): `rdsadmin` is the
only superuser and its password never leaves this module; the master user is an ordinary role, member of
`rds_superuser`, which may create roles and databases and may *not* do what a superuser may. A pipeline that
works here by virtue of superuser rights would fail at night.

All servers of a host descend from one template, so they share rdsadmin's password; that is how a restored
server still obeys its host.
"""

import itertools
import os
import secrets
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import LiteralString, Self, TypeVar

import psycopg
from psycopg import sql

from devstack.aws.databases import Address
from devstack.postgres_programs import PostgresPrograms
from devstack.processes import LOOPBACK, Scratch, Server, free_port, remove_tree, with_free_ports

T = TypeVar("T")

SUPERUSER = "rdsadmin"
UNPRIVILEGED_USER = "nobody"  # PostgreSQL refuses to run as root
START_TIMEOUT_S = 20.0

# Nothing here has to survive a power cut; everything has to start fast and stay small.
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "30",
    "shared_buffers": "16MB",
    "wal_level": "replica",
    "fsync": "off",
    "full_page_writes": "off",
    "timezone": "UTC",
    # In the data directory, where it is removed with it; the default would stay in /dev/shm after a SIGKILL.
    "dynamic_shared_memory_type": "mmap",
}

INITDB_OPTIONS = (
    f"--username={SUPERUSER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
    "--wal-segsize=1",  # MB instead of 16, which every backup would carry and every restore copy
)
BACKUP_OPTIONS = ("--checkpoint=fast", "--wal-method=fetch", "--no-sync", "--no-manifest")

AURORA_ROLES = (
    "CREATE ROLE rds_superuser",
    "CREATE ROLE rds_iam",
    "CREATE ROLE rds_password",
    "CREATE ROLE rds_replication",
    # WITH ADMIN OPTION: PostgreSQL 16 and later let CREATEROLE grant only what it holds with that option.
    "GRANT pg_monitor, pg_signal_backend TO rds_superuser WITH ADMIN OPTION",
    "GRANT rds_iam, rds_password, rds_replication TO rds_superuser WITH ADMIN OPTION",
    # Aurora's own database, which nobody else may enter: who loops over all databases meets it there too.
    "CREATE DATABASE rdsadmin",
    "REVOKE CONNECT ON DATABASE rdsadmin FROM PUBLIC",
)

MASTER_USER = (
    "CREATE ROLE {master} LOGIN CREATEDB CREATEROLE PASSWORD {password} VALID UNTIL 'infinity'",
    "GRANT rds_superuser TO {master} WITH ADMIN OPTION",
    "ALTER DATABASE postgres OWNER TO {master}",
)


@dataclass(frozen=True)
class _Cluster:
    directory: Path
    port: int
    server: Server


class PostgresHost:
    """Runs the clusters and keeps their backups. Thread-safe; calls for different clusters run in parallel.

    `cluster` and `backup` are the caller's keys, any text. An unknown one is a LookupError, one that is taken
    a ValueError, a server that does not come up a ServerError with the tail of its log.
    """

    def __init__(self) -> None:
        """Find the programs and prepare the template, so that what is wrong here shows now (0.8 s)."""
        self._clusters: dict[str, _Cluster] = {}
        self._backups: dict[str, Path] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._numbers = itertools.count(1)
        self._password = secrets.token_urlsafe(24)
        self._scratch = Scratch("postgres", user=UNPRIVILEGED_USER if os.getuid() == 0 else None)
        try:
            self._programs = PostgresPrograms(self._scratch)
            self._template = self._new_template()
        except BaseException:
            self._scratch.close()
            raise

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
            self._base_backup(_known("cluster", cluster, self._clusters).port, directory)
            self._backups[backup] = directory

    def restore(self, backup: str, cluster: str) -> Address:
        """A new cluster with the backup's data, users and passwords."""
        with self._holding("cluster", cluster), self._holding("backup", backup):
            _refuse_taken("cluster", cluster, self._clusters)
            self._clusters[cluster] = self._run_copy_of(_known("backup", backup, self._backups))
            return self.address(cluster)

    def set_master_password(self, cluster: str, username: str, password: str) -> None:
        """From the next login on; sessions that are open stay open."""
        with self._holding("cluster", cluster):
            port = _known("cluster", cluster, self._clusters).port
            self._execute(port, ["ALTER ROLE {master} PASSWORD {password}"], username, password)

    def address(self, cluster: str) -> Address:
        """Where a cluster listens; a restore or a new creation may change it."""
        return Address(LOOPBACK, _known("cluster", cluster, self._clusters).port)

    def freeze(self, cluster: str) -> None:
        """Let the cluster's connections hang from now on, new ones too."""
        _known("cluster", cluster, self._clusters).server.signal(signal.SIGSTOP)

    def thaw(self, cluster: str) -> None:
        """Go on after `freeze`."""
        _known("cluster", cluster, self._clusters).server.signal(signal.SIGCONT)

    def kill(self, cluster: str) -> None:
        """SIGKILL the cluster's server, as a crash would: open sessions end, new ones are refused."""
        _known("cluster", cluster, self._clusters).server.kill()

    def start_again(self, cluster: str) -> None:
        """After `kill`: on the same port, with what was committed."""
        with self._holding("cluster", cluster):
            crashed = _known("cluster", cluster, self._clusters)
            self._clusters[cluster] = self._start(crashed.directory, crashed.port)

    @contextmanager
    def holding_roles(self, cluster: str) -> Iterator[None]:
        """Let whoever makes or changes a role wait in the middle of the statement; logins go on."""
        with suppress(psycopg.OperationalError), self._connect(self.address(cluster).port) as connection:
            connection.execute("BEGIN")
            connection.execute("LOCK TABLE pg_authid IN EXCLUSIVE MODE")
            yield

    def cut_waiting(self, cluster: str) -> int:
        """End the sessions that wait for a lock; how many there were."""
        with self._connect(self.address(cluster).port) as connection:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            )
            return len(ended.fetchall())

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

    def versions(self) -> str:
        """What runs, for a banner: "PostgreSQL 18.6"."""
        return self._programs.version

    def close(self) -> None:
        """Stop every cluster and remove everything. Twice is once."""
        self._scratch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _new_template(self) -> Path:
        """An empty Aurora: initialised once, copied for every new cluster."""
        directory = self._new_directory("template")
        password = self._scratch.write("password", self._password)
        self._run("initdb", ["-D", directory, *INITDB_OPTIONS, f"--pwfile={password}"])
        password.unlink()
        running = self._start(directory)
        self._execute(running.port, AURORA_ROLES)
        running.server.stop()
        return directory

    def _set_up(self, port: int, username: str, password: str, database_name: str | None) -> None:
        self._execute(port, MASTER_USER, username, password)
        if database_name is not None:
            statement: LiteralString = "CREATE DATABASE {database} OWNER {master}"
            self._execute(port, [statement], username, database=database_name)

    def _base_backup(self, port: int, directory: Path) -> None:
        login = ["-h", LOOPBACK, "-p", str(port), "-U", SUPERUSER, "--no-password"]
        self._run("pg_basebackup", ["-D", directory, *login, *BACKUP_OPTIONS], PGPASSWORD=self._password)

    def _run_copy_of(self, source: Path) -> _Cluster:
        directory = self._new_directory("cluster")
        try:
            # A program, not shutil: it runs as the user who must own the copy.
            self._scratch.run(f"{directory.name}-copy", ["cp", "-R", source, directory])
            return with_free_ports(lambda: self._start(directory))
        except BaseException:
            remove_tree(directory)
            raise

    def _start(self, directory: Path, port: int | None = None) -> _Cluster:
        port = port or free_port()
        settings = [f"--{name}={value}" for name, value in (SETTINGS | {"port": str(port)}).items()]
        server = self._scratch.start(
            directory.name,
            [self._programs.path("postgres"), "-D", directory, *settings],
            environment=self._programs.environment(),
            stop_signal=signal.SIGINT,  # "fast": SIGTERM would wait until every client has gone
        )
        server.wait_until(lambda: self._serves(port, directory), START_TIMEOUT_S)
        return _Cluster(directory, port, server)

    def _serves(self, port: int, directory: Path) -> bool:
        """Whether a login succeeds, and at this very server: another of ours would let us in as well."""
        try:
            with self._connect(port) as connection:
                row = connection.execute("SELECT current_setting('data_directory')").fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and Path(row[0]) == directory

    def _connect(self, port: int) -> psycopg.Connection[tuple[str]]:
        return psycopg.connect(
            host=LOOPBACK,
            port=port,
            user=SUPERUSER,
            password=self._password,
            dbname="postgres",
            sslmode="disable",
            connect_timeout=2,  # s; who has taken the port may accept and never answer
            autocommit=True,
        )

    def _execute(
        self,
        port: int,
        statements: Sequence[LiteralString],
        master: str = "",
        password: str = "",
        database: str = "",
    ) -> None:
        """Each statement on its own, because CREATE DATABASE refuses to be in a transaction."""
        names = {"master": sql.Identifier(master), "database": sql.Identifier(database)}
        with self._connect(port) as connection:
            for statement in statements:
                connection.execute(sql.SQL(statement).format(password=sql.Literal(password), **names))

    def _run(self, program: str, arguments: Sequence[str | Path], **environment: str) -> None:
        self._scratch.run(
            f"{program}-{next(self._numbers):04}",
            [self._programs.path(program), *arguments],
            environment=self._programs.environment(**environment),
        )

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


def _remove(cluster: _Cluster) -> None:
    cluster.server.stop()
    remove_tree(cluster.directory)
