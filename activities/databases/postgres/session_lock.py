"""The session lock of setup-db-users on a PostgreSQL server, and what one attempt does while it holds it.

Both locks are advisory locks. PostgreSQL scopes them to a database, and releases them when their session ends.
Source: PostgreSQL documentation, "Advisory Locks", pg_locks, pg_terminate_backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Protocol

import psycopg
from psycopg import sql

from activities.databases.masking.key import MaskingKey
from activities.databases.masking.statements import MASKING_FAILED, MaskingSql
from activities.databases.masking.units import Unit
from activities.databases.postgres import masking, sql_files
from activities.databases.postgres.effective_access import describe_write_access
from activities.databases.postgres.errors import TRANSIENT_IN_SQL_FILES, translate_errors
from activities.databases.postgres.grants import describe_left_out, grant_access, let_master_user_connect
from activities.databases.postgres.materialized_views import refresh_views
from activities.databases.postgres.roles import create_role, lock_roles, open_role, set_authentication
from activities.databases.postgres.side_effects import disable_side_effects
from activities.databases.restored_database import Login, MustLock
from activities.databases.sql_files import SqlScript
from errors import DatabaseUnreachable
from models.side_effects import KeptSideEffects, SideEffect
from models.users import Access, DatabaseUser

MAINTENANCE_DATABASE = "postgres"

LOCK_CLASS = 1635086962
"""The first of an advisory lock's two keys, pg_locks.classid; the second, pg_locks.objid, is a `Lock`."""


class Lock(IntEnum):
    """What an attempt locks in the database that it is connected to."""

    DATABASE = 1
    """Held while the attempt grants or runs a file in this database."""
    ATTEMPT = 2
    """The session lock: held in the maintenance database for as long as the attempt lasts."""


class ConnectAsMaster(Protocol):
    """Opens a connection of the master user."""

    def __call__(self, database: str, *, statement_timeout: bool = True) -> psycopg.Connection:
        """Connect to a database of the restored cluster; without the timeout, statements may take hours."""


@contextmanager
def session_lock(
    connect: ConnectAsMaster, cluster_resource_id: str, scripts: tuple[SqlScript, ...]
) -> Iterator[PostgresLockedSession]:
    """Hold the session lock while the block runs; the sessions of earlier attempts are ended first."""
    with translate_errors("Users not configured"):
        session = connect(MAINTENANCE_DATABASE)
    with session:
        with translate_errors("Users not configured"):
            session_id = _take_session_lock(session)
            let_master_user_connect(session)
            has_run_files = _has_run_files(connect, session, cluster_resource_id, scripts)
        yield PostgresLockedSession(connect, session, session_id, cluster_resource_id, has_run_files)


class PostgresLockedSession:
    """Roles are set in the session that holds the lock; grants and files need a session of their own database."""

    def __init__(
        self,
        connect: ConnectAsMaster,
        session: psycopg.Connection,
        session_id: int,
        cluster_resource_id: str,
        has_run_files: bool,
    ) -> None:
        """`session_id` is the process id of `session` on the server, as pg_locks shows it."""
        self.has_run_files = has_run_files
        self._connect = connect
        self._session = session
        self._session_id = session_id
        self._cluster_resource_id = cluster_resource_id

    def lock_logins(self, must_lock: MustLock) -> Iterator[Login]:
        """Set NOLOGIN and end the sessions; yields each role as soon as it is locked."""
        with translate_errors("Logins not locked"):
            for name in lock_roles(self._session, must_lock):
                yield Login(name, name)

    def disable_side_effects(self, users: Iterable[str], keep: KeptSideEffects) -> Iterator[SideEffect]:
        """In every database of the server."""
        with translate_errors("Side effects not disabled"):
            yield from disable_side_effects(self._connect, self._session, users, keep)

    def create_users(self, users: tuple[DatabaseUser, ...]) -> Iterator[tuple[str, bool]]:
        """Create the missing roles, which belong to the whole server; yields each name and whether it is new."""
        with translate_errors("Users not configured"):
            for user in users:
                is_new = create_role(self._session, user.name)
                # Before the files, which may take hours: it may fail.
                set_authentication(self._session, user.name, uses_iam=user.uses_iam)
                yield user.name, is_new

    def open_users(self, users: tuple[DatabaseUser, ...], passwords: dict[str, str]) -> None:
        """Set LOGIN and the password of each role."""
        with translate_errors("Users not configured"):
            for user in users:
                open_role(self._session, user.name, passwords.get(user.name))

    def grant(self, users: tuple[DatabaseUser, ...]) -> Iterator[str]:
        """Give the grants, each in a session of its database; yields a warning where a user gets less or has more."""
        for database in dict.fromkeys(grant.database for user in users for grant in user.grants):
            with translate_errors("Users not configured"), self._connect(database) as connection:
                self._lock_database(connection)
                granted = [(user.name, grant) for user in users for grant in user.grants if grant.database == database]
                for name, grant in granted:
                    if left_out := grant_access(connection, name, grant):
                        yield describe_left_out(name, database, left_out)
                for name, grant in granted:
                    if grant.access is Access.READ_ONLY and (warning := describe_write_access(connection, name)):
                        yield warning

    def run_once(self, script: SqlScript) -> str:
        """Run the file and insert its mark in one transaction: exactly once, however often the activity runs."""
        with (
            translate_errors("Users not configured"),
            self._connect(script.database, statement_timeout=False) as connection,
        ):
            self._lock_database(connection)
            connection.execute("BEGIN")
            # Also for the transaction, because the file may release all locks of its session.
            _lock(connection, Lock.DATABASE, "pg_advisory_xact_lock")
            digest = sql_files.run_once(connection, self._cluster_resource_id, script)
            # Checks deferred constraints, too.
            with translate_errors(f"SQL file failed: {script.file}", TRANSIENT_IN_SQL_FILES, script):
                connection.execute("COMMIT")
            return digest

    def explain_masking(self, unit: Unit, key: MaskingKey | None) -> None:
        """In a transaction that is rolled back; a constant that does not fit its column is refused too."""
        sql = MaskingSql.of_tables(unit)
        with translate_errors(MASKING_FAILED, TRANSIENT_IN_SQL_FILES, sql), self._locked(unit.database) as connection:
            masking.explain(connection, unit, key)

    def mask_once(self, unit: Unit, key: MaskingKey | None) -> int:
        """Mask the tables and insert their marks in one transaction: exactly once, however often the activity runs."""
        sql = MaskingSql.of_tables(unit)
        with translate_errors(MASKING_FAILED, TRANSIENT_IN_SQL_FILES, sql), self._locked(unit.database) as connection:
            return masking.mask_once(connection, self._cluster_resource_id, unit, key)

    def refresh_views(self, database: str) -> tuple[str, ...]:
        """Every materialized view of the database, in one transaction."""
        sql = MaskingSql(f"the materialized views of {database}", "")
        with translate_errors(MASKING_FAILED, TRANSIENT_IN_SQL_FILES, sql), self._locked(database) as connection:
            return refresh_views(connection)

    @contextmanager
    def _locked(self, database: str) -> Iterator[psycopg.Connection]:
        """A connection in a transaction, which the end of the block commits, with the lock of the database."""
        with self._connect(database, statement_timeout=False) as connection:
            self._lock_database(connection)
            with connection.transaction():
                yield connection

    def _lock_database(self, connection: psycopg.Connection) -> None:
        """Lock the database, then check that this attempt still holds the session lock.

        An attempt that takes the session lock after the check finds this session by its lock and ends it. The check asks
        the server that does the work, because the cluster's name may lead to another server by now.
        Raises `DatabaseUnreachable` if the session lock is lost.
        """
        _lock(connection, Lock.DATABASE)
        session_lock_held = connection.execute(
            "SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted"
            " AND classid = %s AND objid = %s AND pid = %s",
            (LOCK_CLASS, Lock.ATTEMPT.value, self._session_id),
        )
        if session_lock_held.fetchone() is None:
            raise DatabaseUnreachable(
                "Database busy", "Another attempt has taken the session lock. Temporal retries the step."
            )


def _take_session_lock(session: psycopg.Connection) -> int:
    """End every session that has or awaits a lock of the pipeline, then take the session lock.

    The connection holds it until it ends, or until another attempt ends it. Returns its process id on the server.

    The worker of the earlier attempt has most likely died or is frozen; in the middle of a file its session would go on
    for as long as the file takes. PostgreSQL rolls back what it did. Should a frozen worker wake and end the session of a
    newer attempt, Temporal retries that one.
    Source: PostgreSQL documentation, pg_locks, pg_terminate_backend.
    """
    session.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_locks"
        " WHERE locktype = 'advisory' AND objsubid = 2 AND classid = %s AND pid <> pg_backend_pid()",
        (LOCK_CLASS,),
    )
    _lock(session, Lock.ATTEMPT)
    [(session_id,)] = session.execute("SELECT pg_backend_pid()").fetchall()
    return int(session_id)


def _lock(connection: psycopg.Connection, lock: Lock, function: str = "pg_advisory_lock") -> None:
    connection.execute(sql.SQL("SELECT {}(%s, %s)").format(sql.Identifier(function)), (LOCK_CLASS, lock.value))


def _has_run_files(
    connect: ConnectAsMaster, session: psycopg.Connection, cluster_resource_id: str, scripts: tuple[SqlScript, ...]
) -> bool:
    """Whether any file was run in this restored cluster; each mark is in the database of its file."""
    files: dict[str, list[str]] = {}
    for script in scripts:
        files.setdefault(script.database, []).append(script.file)
    has_mark = False
    for database in _connectable_databases(session, list(files)):
        with connect(database) as connection:
            # Waits until an ended session is gone, and its transaction is committed or rolled back.
            _lock(connection, Lock.DATABASE)
            has_mark |= sql_files.has_mark(connection, cluster_resource_id, files[database])
    return has_mark


def _connectable_databases(session: psycopg.Connection, names: list[str]) -> list[str]:
    """Those that exist and accept the master user: a missing database has no marks.

    It fails the file that needs it, but does not keep the logins from being locked before.
    """
    rows = session.execute(
        "SELECT datname FROM pg_catalog.pg_database WHERE datname = ANY (%s) AND datallowconn"
        " AND has_database_privilege(oid, 'CONNECT')",
        (names,),
    )
    return [name for (name,) in rows]
