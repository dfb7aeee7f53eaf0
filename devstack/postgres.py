"""A real PostgreSQL server behind every Aurora PostgreSQL cluster of the emulator.

A snapshot is a physical backup of the running server (pg_basebackup), and a restored cluster is a server started on a
copy of it: passwords, roles and data arrive as they do on Aurora.

The roles are those of Aurora ("Understanding the rds_superuser role", Aurora User Guide): `rdsadmin` is the only
superuser and its password never leaves this module; the master user is an ordinary role and a member of
`rds_superuser`, which may create roles and databases but has *no* superuser rights. A pipeline that needed superuser
rights would therefore fail here, as it would on Aurora.
"""

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import LiteralString

import psycopg
from psycopg import sql

from devstack.aws.databases import Address
from devstack.database_servers import RDSADMIN, DatabaseServers, RunningServer, certificate_file
from devstack.postgres_programs import PostgresPrograms
from devstack.postgres_tls import TlsPort
from devstack.processes import LOOPBACK, free_port

START_TIMEOUT_S = 20.0

# The data need not survive a power cut; the servers must start fast and stay small.
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "30",
    "shared_buffers": "16MB",
    "wal_level": "replica",
    "fsync": "off",
    "full_page_writes": "off",
    "timezone": "UTC",
    # In the data directory, with which it is removed; the default would remain in /dev/shm after a SIGKILL.
    "dynamic_shared_memory_type": "mmap",
}

INITDB_OPTIONS = (
    f"--username={RDSADMIN}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
    "--wal-segsize=1",  # MB instead of 16, which every backup would contain and every restore would copy
)
BACKUP_OPTIONS = ("--checkpoint=fast", "--wal-method=fetch", "--no-sync", "--no-manifest")

EVERY_LOOPBACK_ADDRESS = "host all all 127.0.0.0/8 scram-sha-256\n"
"""initdb lets only 127.0.0.1 in; who gets in is decided by the emulator's security groups."""

AURORA_ROLES = (
    "CREATE ROLE rds_superuser",
    "CREATE ROLE rds_iam",
    "CREATE ROLE rds_password",
    "CREATE ROLE rds_replication",
    # WITH ADMIN OPTION: PostgreSQL 16 and later let CREATEROLE grant only what it holds with that option.
    "GRANT pg_monitor, pg_signal_backend TO rds_superuser WITH ADMIN OPTION",
    "GRANT rds_iam, rds_password, rds_replication TO rds_superuser WITH ADMIN OPTION",
    # Aurora's own database, to which only rdsadmin may connect; a loop over all databases comes across it.
    "CREATE DATABASE rdsadmin",
    "REVOKE CONNECT ON DATABASE rdsadmin FROM PUBLIC",
)

MASTER_USER = (
    "CREATE ROLE {master} LOGIN CREATEDB CREATEROLE PASSWORD {password} VALID UNTIL 'infinity'",
    "GRANT rds_superuser TO {master} WITH ADMIN OPTION",
    "ALTER DATABASE postgres OWNER TO {master}",
)


class PostgresHost(DatabaseServers):
    """Runs PostgreSQL servers behind Aurora PostgreSQL clusters."""

    def __init__(self, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        """Find the programs and prepare the template (0.8 s). `settings` go over `SETTINGS`. Raises ServerError."""
        self._settings = {**SETTINGS, **settings}
        self._tls_ports: dict[Path, TlsPort] = {}
        """In front of the servers that have a certificate, by their directories."""
        super().__init__("postgres")

    def address(self, cluster: str) -> Address:
        """The address on which a cluster listens, with TLS if it has a certificate; a new cluster has a new one."""
        running = self._running(cluster)
        tls = self._tls_ports.get(running.directory)
        return Address(LOOPBACK, tls.port if tls else running.port)

    def destroy(self, cluster: str) -> None:
        """Stop the cluster's server and remove its data; do nothing for an unknown cluster."""
        if (running := self._clusters.get(cluster)) and (tls := self._tls_ports.pop(running.directory, None)):
            tls.close()
        super().destroy(cluster)

    def close(self) -> None:
        """Stop every server and remove all data; a second call does nothing."""
        super().close()
        for tls in self._tls_ports.values():
            tls.close()

    def set_master_password(self, cluster: str, username: str, password: str) -> None:
        """Set the master user's password for the next login; open sessions stay open."""
        with self._locked("cluster", cluster):
            port = self._running(cluster).port
            self._execute(port, ["ALTER ROLE {master} PASSWORD {password}"], username, password)

    @contextmanager
    def block_role_changes(self, cluster: str) -> Iterator[None]:
        """Make every statement that creates or changes a role wait for a lock; logins still succeed."""
        with suppress(psycopg.OperationalError), self._connect(self._running(cluster).port) as connection:
            connection.execute("BEGIN")
            connection.execute("LOCK TABLE pg_authid IN EXCLUSIVE MODE")
            yield

    def terminate_lock_waiters(self, cluster: str) -> int:
        """Terminate the sessions that wait for a lock; returns their number."""
        with self._connect(self._running(cluster).port) as connection:
            terminated = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            )
            return len(terminated.fetchall())

    def versions(self) -> str:
        """The server's name and version, such as "PostgreSQL 18.6"."""
        return self._programs.version

    def _new_template(self) -> Path:
        """See base class."""
        self._programs = PostgresPrograms(self._scratch)
        directory = self._new_directory("template")
        password = self._scratch.write("password", self._password)
        self._run("initdb", ["-D", directory, *INITDB_OPTIONS, f"--pwfile={password}"])
        password.unlink()
        with (directory / "pg_hba.conf").open("a") as rules:
            rules.write(EVERY_LOOPBACK_ADDRESS)
        running = self._start(directory)
        self._execute(running.port, AURORA_ROLES)
        running.server.stop()
        return directory

    def _reload_certificate(self, running: RunningServer) -> None:
        self._tls_ports[running.directory].show(certificate_file(running.directory))

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
        settings = [f"--{name}={value}" for name, value in (self._settings | {"port": str(port)}).items()]
        server = self._scratch.start(
            directory.name,
            [self._programs.path("postgres"), "-D", directory, *settings],
            environment=self._programs.environment(),
            stop_signal=signal.SIGINT,  # a fast shutdown; SIGTERM would wait until every client has disconnected
        )
        server.wait_until(lambda: self._accepts_logins(port, directory), START_TIMEOUT_S)
        running = RunningServer(directory, port, server)
        if certificate_file(directory).exists() and directory not in self._tls_ports:
            self._tls_ports[directory] = TlsPort(lambda: (LOOPBACK, running.port), certificate_file(directory))
        return running

    def _accepts_logins(self, port: int, directory: Path) -> bool:
        """Whether a login succeeds at this very server; another server of this host has the same password."""
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
            connect_timeout=2,  # s; another process on the port may accept the connection and never respond
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
        """Run each statement on its own, because CREATE DATABASE cannot run in a transaction."""
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
