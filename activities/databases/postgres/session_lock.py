"""One attempt's turn at the logins of a PostgreSQL server, and who may still work while it lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum

import psycopg
from psycopg import sql

from activities.databases.postgres import sql_files
from activities.databases.postgres.errors import IN_A_FILE, refusing
from activities.databases.postgres.roles import grant_access, lock_roles, set_role
from activities.databases.sql_files import SqlText
from errors import DatabaseUnreachable
from models.users import DatabaseUser

MAINTENANCE_DATABASE = "postgres"

LOCKS = 1635086962
"""The first of two keys of an advisory lock, which pg_locks then shows as they are; the second is a `Lock`."""


class Lock(IntEnum):
    """What an attempt has to itself, in the database that it is connected to."""

    WORK = 1
    """A file or the grants of this database."""
    TURN = 2
    """The logins of the whole server: in the database where they are set, for as long as the attempt lasts."""


class PostgresSessionLock:
    """Roles are set on the session that has the turn; grants and files are of one database and have a session of theirs."""

    def __init__(self, connect: Callable[..., psycopg.Connection], master: str, restored: str) -> None:
        """`connect` opens a database as the master user, `restored` is the restored cluster's resource id."""
        self.files_begun = False
        self._connect = connect
        self._master = master
        self._restored = restored

    @contextmanager
    def taken(self, scripts: tuple[SqlText, ...]) -> Iterator[PostgresSessionLock]:
        """Take the turn, end whoever had it or still works, and look whether one of the files has been run."""
        with refusing("Users not configured"):
            self._session = self._connect(MAINTENANCE_DATABASE)
        with self._session:
            with refusing("Users not configured"):
                self._pid = _take_turn(self._session)
                self.files_begun = self._any_marked(scripts)
            yield self

    def _any_marked(self, scripts: tuple[SqlText, ...]) -> bool:
        files: dict[str, list[str]] = {}
        for script in scripts:
            files.setdefault(script.database, []).append(script.file)
        marked = False
        for database in _enterable(self._session, list(files)):
            with self._connect(database) as connection:
                # The lock is had when the ended session is gone, with what it did or without.
                _lock(connection, Lock.WORK)
                marked |= sql_files.any_marked(connection, self._restored, files[database])
        return marked

    def lock_others(self, stay: frozenset[str]) -> Iterator[str]:
        """NOLOGIN, and the end of their sessions."""
        with refusing("Logins not locked"):
            yield from lock_roles(self._session, stay | {self._master})

    def set_users(self, users: tuple[DatabaseUser, ...], passwords: dict[str, str]) -> Iterator[tuple[str, bool]]:
        """Roles belong to the whole server."""
        with refusing("Users not configured"):
            for user in users:
                yield user.name, set_role(self._session, user.name, passwords.get(user.name))

    def grant(self, users: tuple[DatabaseUser, ...]) -> None:
        """Grants are given inside the database that they are of."""
        for database in dict.fromkeys(grant.database for user in users for grant in user.grants):
            with refusing("Users not configured"), self._connect(database) as connection:
                self._begin_work(connection)
                for user in users:
                    for grant in user.grants:
                        if grant.database == database:
                            grant_access(connection, user.name, grant)

    def run_once(self, script: SqlText) -> str:
        """The file and its mark in one transaction: exactly once, however often the activity runs."""
        with (
            refusing(f"SQL file failed: {script.file}", IN_A_FILE),
            self._connect(script.database, patient=True) as connection,
        ):
            self._begin_work(connection)
            connection.execute("BEGIN")
            # Of the transaction too: the file may let go all locks of its session.
            _lock(connection, Lock.WORK, "pg_advisory_xact_lock")
            digest = sql_files.run_once(connection, self._restored, script)
            connection.execute("COMMIT")
            return digest

    def _begin_work(self, connection: psycopg.Connection) -> None:
        """Lock, then look whether the turn is still ours: whoever takes it after that ends this session by its lock.

        Asked of the server that does the work: the name may have led to another one than where the turn was taken.
        """
        _lock(connection, Lock.WORK)
        found = connection.execute(
            "SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted"
            " AND classid = %s AND objid = %s AND pid = %s",
            (LOCKS, Lock.TURN.value, self._pid),
        )
        if found.fetchone() is None:
            raise DatabaseUnreachable("Database busy", "another attempt has taken its turn. It is tried again.")


def _take_turn(session: psycopg.Connection) -> int:
    """Until the connection ends, or until another attempt takes it: whoever has a lock of ours is ended.

    Returns the id of the session's process on the server, as its locks name it.

    Most likely its worker died or stands still, and in the middle of a file the session would go on for as long as the
    file does; PostgreSQL takes back what it did. Should a frozen worker wake and end the newer one's, that is made again.
    Source: PostgreSQL documentation, pg_locks, pg_terminate_backend, idle_session_timeout.
    """
    # It waits while files run; PostgreSQL 13 has no such setting.
    session.execute(
        "SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'idle_session_timeout'"
    )
    session.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_locks"
        " WHERE locktype = 'advisory' AND objsubid = 2 AND classid = %s AND pid <> pg_backend_pid()",
        (LOCKS,),
    )
    _lock(session, Lock.TURN)
    [(pid,)] = session.execute("SELECT pg_backend_pid()").fetchall()
    return int(pid)


def _lock(connection: psycopg.Connection, lock: Lock, function: str = "pg_advisory_lock") -> None:
    connection.execute(sql.SQL("SELECT {}(%s, %s)").format(sql.Identifier(function)), (LOCKS, lock.value))


def _enterable(session: psycopg.Connection, databases: list[str]) -> list[str]:
    """A database that is not there has no marks, and fails its file, not the locking before."""
    found = session.execute(
        "SELECT datname FROM pg_catalog.pg_database WHERE datname = ANY (%s) AND datallowconn"
        " AND has_database_privilege(oid, 'CONNECT')",
        (databases,),
    )
    return [name for (name,) in found]
