"""A real PostgreSQL server behind every Aurora cluster of the local AWS, so that data really travels.

A snapshot is a physical backup taken from the running server (pg_basebackup), a restore a copy of it that is
started: passwords, roles and data arrive as they do on Aurora.

Who is who is as on Aurora too ("Understanding the rds_superuser role", Aurora User Guide): `rdsadmin` is the
only superuser and its password never leaves this module; the master user is an ordinary role, member of
`rds_superuser`, which may create roles and databases and may *not* do what a superuser may. A pipeline that
works here by virtue of superuser rights would fail at night.
"""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from devstack.database_servers import RDSADMIN, DatabaseServers, RunningServer
from devstack.postgres_programs import PostgresPrograms
from devstack.processes import LOOPBACK, free_port

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
    f"--username={RDSADMIN}",
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


class PostgresHost(DatabaseServers):
    """PostgreSQL behind Aurora PostgreSQL clusters."""

    def __init__(self) -> None:
        """Find the programs and prepare the template, so that what is wrong here shows now (0.8 s)."""
        super().__init__("postgres")

    def set_master_password(self, cluster: str, username: str, password: str) -> None:
        """From the next login on; sessions that are open stay open."""
        with self._holding("cluster", cluster):
            port = self.address(cluster).port
            self._execute(port, ["ALTER ROLE {master} PASSWORD {password}"], username, password)

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

    def versions(self) -> str:
        """What runs, for a banner: "PostgreSQL 18.6"."""
        return self._programs.version

    def _new_template(self) -> Path:
        """An empty Aurora: initialised once, copied for every new cluster."""
        self._programs = PostgresPrograms(self._scratch)
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

    def _base_backup(self, running: RunningServer, directory: Path) -> None:
        login = ["-h", LOOPBACK, "-p", str(running.port), "-U", RDSADMIN, "--no-password"]
        self._run("pg_basebackup", ["-D", directory, *login, *BACKUP_OPTIONS], PGPASSWORD=self._password)

    def _start(self, directory: Path, port: int | None = None) -> RunningServer:
        port = port or free_port()
        settings = [f"--{name}={value}" for name, value in (SETTINGS | {"port": str(port)}).items()]
        server = self._scratch.start(
            directory.name,
            [self._programs.path("postgres"), "-D", directory, *settings],
            environment=self._programs.environment(),
            stop_signal=signal.SIGINT,  # "fast": SIGTERM would wait until every client has gone
        )
        server.wait_until(lambda: self._serves(port, directory), START_TIMEOUT_S)
        return RunningServer(directory, port, server)

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
            user=RDSADMIN,
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
