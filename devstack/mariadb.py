"""A real MariaDB server, which speaks most of MySQL: the part of Aurora MySQL that can be run on a laptop.

As on Aurora, `rdsadmin` is the only one who may do everything and its password never leaves this module; the master
user may make accounts and grant, and everything in its databases. What MariaDB lacks of MySQL 8 (roles that are
accounts, caching_sha2_password, AWSAuthenticationPlugin, mysql.user.account_locked) cannot be tried here.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from types import TracebackType
from typing import Self

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from devstack.processes import LOOPBACK, Scratch, Server, free_port, with_free_ports

PROGRAMS = ("mariadbd", "mariadb-install-db")
HOW_TO_GET = "apt-get install --no-install-recommends mariadb-server-core mariadb-client-core"
UNPRIVILEGED_USER = "nobody"  # MariaDB refuses to run as root
START_TIMEOUT_S = 30.0

MASTER_RIGHTS = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES,"
    " CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER,"
    " EVENT, TRIGGER, CONNECTION ADMIN"
)
"""Of Aurora's master user those that MariaDB knows: neither SUPER nor FILE nor SHUTDOWN."""


def missing_programs() -> list[str]:
    """The programs that are not on this machine."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


class MariadbServer:
    """One server with a master user; stops and leaves nothing when it is closed."""

    def __init__(self, master_username: str, master_password: str) -> None:
        """Initialise and start (1 s). Raises ServerError if it does not come up."""
        self._password = secrets.token_urlsafe(24)
        self._scratch = Scratch("mariadb", user=UNPRIVILEGED_USER if os.getuid() == 0 else None)
        try:
            self._install()
            self.port, self._server = with_free_ports(self._start)
            self._set_up(master_username, master_password)
        except BaseException:
            self._scratch.close()
            raise

    def as_rdsadmin(self, statement: str, *values: str) -> list[tuple[object, ...]]:
        """What only RDS itself may do, or see."""
        with self._connect("rdsadmin", self._password) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def log(self) -> str:
        """Every statement that the server was sent."""
        return (self._scratch.path / "data" / "general.log").read_text("utf-8", errors="replace")

    def close(self) -> None:
        """Stop the server and remove its data. Twice is once."""
        self._scratch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _install(self) -> None:
        options = ("--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db")
        self._scratch.run("install", ["mariadb-install-db", *options, f"--datadir={self._scratch.path / 'data'}"])

    def _start(self) -> tuple[int, Server]:
        port = free_port()
        path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))
        server = self._scratch.start(
            "mariadbd",
            [
                shutil.which("mariadbd", path=path) or "mariadbd",
                "--no-defaults",
                f"--datadir={self._scratch.path / 'data'}",
                f"--bind-address={LOOPBACK}",
                f"--port={port}",
                f"--socket={self._scratch.path / 'socket'}",
                "--innodb-buffer-pool-size=16M",
                "--innodb-flush-log-at-trx-commit=0",
                "--character-set-server=utf8mb4",
                "--skip-name-resolve",
                "--general-log",
                "--general-log-file=general.log",
            ],
            stop_signal=signal.SIGTERM,
        )
        server.wait_until(lambda: (LOOPBACK, port) in server.listening(), START_TIMEOUT_S)
        return port, server

    def _set_up(self, master_username: str, master_password: str) -> None:
        with self._as_root() as connection, connection.cursor() as cursor:
            # The others are for hosts that --skip-name-resolve never sees, and cannot even be altered.
            cursor.execute("DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost'")
            cursor.execute("FLUSH PRIVILEGES")
            cursor.execute("RENAME USER root@localhost TO rdsadmin@'%%'", ())
            cursor.execute("ALTER USER rdsadmin@'%%' IDENTIFIED BY %s", (self._password,))
            master = (master_username,)
            cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", (*master, master_password))
            cursor.execute(f"GRANT {MASTER_RIGHTS} ON *.* TO %s@'%%' WITH GRANT OPTION", master)

    def _as_root(self) -> Connection[Cursor]:
        return pymysql.connect(unix_socket=str(self._scratch.path / "socket"), user="root")

    def _connect(self, user: str, password: str) -> Connection[Cursor]:
        return pymysql.connect(
            host=LOOPBACK, port=self.port, user=user, password=password, charset="utf8mb4", autocommit=True
        )
