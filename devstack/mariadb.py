"""A real MariaDB server behind every Aurora MySQL cluster of the emulator.

A snapshot is a physical backup of the running server (mariadb-backup), and a restored cluster is a server started on a
copy of it: accounts and data arrive as they do on Aurora.

As on Aurora, `rdsadmin` has every privilege and its password never leaves its host; the master user may create
accounts, grant its privileges and do everything in its databases. MariaDB lacks a part of MySQL 8, which therefore
cannot be tested here: roles that are accounts, caching_sha2_password, AWSAuthenticationPlugin and
mysql.user.account_locked.
"""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from devstack.database_servers import RDSADMIN, DatabaseServers, RunningServer, certificate_file
from devstack.processes import LOOPBACK, free_port

PROGRAMS = ("mariadbd", "mariadb-install-db", "mariadb-backup")
HOW_TO_GET = "apt-get install --no-install-recommends mariadb-server-core mariadb-client-core mariadb-backup"
START_TIMEOUT_S = 30.0

MASTER_RIGHTS = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES,"
    " CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER,"
    " EVENT, TRIGGER, CONNECTION ADMIN, SET USER, SLAVE MONITOR"
)
"""The privileges of Aurora's master user that MariaDB has: neither SUPER nor FILE nor SHUTDOWN.

SET USER is MySQL's SET_USER_ID, SLAVE MONITOR a part of REPLICATION CLIENT. Source: Aurora User Guide, "Master user account
privileges".
"""


def missing_programs() -> list[str]:
    """The required programs that are not installed on this machine."""
    return [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]


class MariadbHost(DatabaseServers):
    """Runs MariaDB servers behind Aurora MySQL clusters."""

    def __init__(self) -> None:
        """Prepare the template (2 s)."""
        super().__init__("mariadb")

    def set_master_password(self, cluster: str, username: str, password: str) -> None:
        """Set the master user's password for the next login; open sessions stay open."""
        with self._locked("cluster", cluster):
            self.as_rdsadmin(cluster, "ALTER USER %s@'%%' IDENTIFIED BY %s", username, password)

    def versions(self) -> str:
        """The server's name and version, such as "MariaDB 10.11.14"."""
        return self._version

    def as_rdsadmin(self, cluster: str, statement: str, *values: str) -> list[tuple[object, ...]]:
        """Run a statement with the privileges of RDS itself; returns its rows."""
        with self._connect(self.address(cluster).port) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def log(self, cluster: str) -> str:
        """The general log of the cluster's server: every statement that it received."""
        return (self._running(cluster).directory / "general.log").read_text("utf-8", errors="replace")

    def _new_template(self) -> Path:
        """See base class."""
        directory = self._new_directory("template")
        options = ("--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db")
        place = (f"--datadir={directory}", f"--tmpdir={self._own_temporary_directory(directory)}")
        self._scratch.run("install", ["mariadb-install-db", *options, *place])
        running = self._start(directory)
        with pymysql.connect(unix_socket=str(_socket(directory)), user="root") as root, root.cursor() as cursor:
            # The other root accounts are for host names, which never match with --skip-name-resolve.
            cursor.execute("DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost'")
            cursor.execute("FLUSH PRIVILEGES")
            cursor.execute(f"RENAME USER root@localhost TO {RDSADMIN}@'%%'", ())
            cursor.execute(f"ALTER USER {RDSADMIN}@'%%' IDENTIFIED BY %s", (self._password,))
            cursor.execute("SELECT version()")
            self._version = f"MariaDB {str(cursor.fetchone()[0]).partition('-')[0]}"  # type: ignore[index]  # one row
        running.server.stop()
        return directory

    def _reload_certificate(self, running: RunningServer) -> None:
        with self._connect(running.port) as connection, connection.cursor() as cursor:
            cursor.execute("FLUSH SSL")

    def _set_up(self, port: int, username: str, password: str, database_name: str | None) -> None:
        with self._connect(port) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", (username, password))
            cursor.execute(f"GRANT {MASTER_RIGHTS} ON *.* TO %s@'%%' WITH GRANT OPTION", (username,))
            if database_name is not None:
                cursor.execute(f"CREATE DATABASE `{database_name}`")

    def _base_backup(self, running: RunningServer, directory: Path) -> None:
        # In a file: every user of the machine can read a password on a command line.
        login = self._scratch.write(
            f"{directory.name}.cnf",
            f"[client]\nhost={LOOPBACK}\nport={running.port}\nuser={RDSADMIN}\npassword={self._password}\n",
        )
        backup = ["mariadb-backup", f"--defaults-file={login}", f"--target-dir={directory}"]
        self._scratch.run(f"{directory.name}-backup", [*backup, "--backup", f"--datadir={running.directory}"])
        # Makes the copied files consistent; without it no server starts on them.
        self._scratch.run(f"{directory.name}-prepare", [*backup, "--prepare", "--use-memory=16M"])
        login.unlink()

    def _start(self, directory: Path, port: int | None = None) -> RunningServer:
        port = port or free_port()
        server = self._scratch.start(
            directory.name,
            [
                shutil.which("mariadbd", path=_path()) or "mariadbd",
                "--no-defaults",
                f"--datadir={directory}",
                f"--tmpdir={self._own_temporary_directory(directory)}",
                f"--bind-address={LOOPBACK}",
                f"--port={port}",
                f"--socket={_socket(directory)}",
                "--innodb-buffer-pool-size=16M",
                "--innodb-log-file-size=4M",
                "--innodb-flush-log-at-trx-commit=0",
                "--character-set-server=utf8mb4",
                "--skip-name-resolve",
                *_tls_options(directory),
                "--general-log",
                "--general-log-file=general.log",
            ],
            stop_signal=signal.SIGTERM,
        )
        server.wait_until(lambda: (LOOPBACK, port) in server.listening(), START_TIMEOUT_S)
        return RunningServer(directory, port, server)

    def _own_temporary_directory(self, directory: Path) -> Path:
        """Made by the user of the server. A server that starts removes the temporary tables that others have in its own."""
        temporary = directory.with_suffix(".tmp")
        self._scratch.run(f"{directory.name}-tmp", ["mkdir", "-p", temporary])
        return temporary

    def _connect(self, port: int) -> Connection[Cursor]:
        return pymysql.connect(
            host=LOOPBACK, port=port, user=RDSADMIN, password=self._password, charset="utf8mb4", autocommit=True
        )


def _tls_options(directory: Path) -> list[str]:
    """One file has both, and each option reads its own from it. A server that starts without them can never have TLS."""
    file = certificate_file(directory)
    return [f"--ssl-cert={file}", f"--ssl-key={file}"] if file.exists() else []


def _path() -> str:
    return os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))


def _socket(directory: Path) -> Path:
    """Beside the data, not in it, so that a copy of the data has no dead socket. The kernel allows 107 bytes at most."""
    return directory.with_suffix(".socket")
