"""The session lock of setup-db-users on a MySQL server, and what one attempt does while it holds it.

Both locks are GET_LOCK locks: the server holds them until their session ends.
Source: MySQL Reference Manual, "Locking Functions".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from activities.databases.masking.key import MaskingKey
from activities.databases.masking.statements import MASKING_FAILED, MaskingSql
from activities.databases.masking.units import Unit
from activities.databases.mysql import accounts, grants, masking, sql_files
from activities.databases.mysql.accounts import MysqlConnection, end_session, execute
from activities.databases.mysql.errors import translate_errors
from activities.databases.mysql.side_effects import disable_side_effects
from activities.databases.mysql.sql_files import file_failed
from activities.databases.restored_database import Login, MustLock
from activities.databases.sql_files import SqlScript
from errors import DatabaseUnreachable
from models.side_effects import KeptSideEffects, SideEffect
from models.users import DatabaseUser

SESSION_LOCK = "aurora-restore-session"
"""Held for as long as the attempt lasts."""
FILE_LOCK = "aurora-restore-file"
"""Held while a file runs or a table is masked."""
LOCK_SECONDS, LOCK_TRIES = 20, 180
"""Together as long as an ended session may roll back: MySQL needs about as long for that as the session has worked."""
IDLE_SECONDS = 12 * 60 * 60
"""As long as the step may last: the session that holds the lock is idle while files run."""


class ConnectAsMaster(Protocol):
    """Opens a connection of the master user."""

    def __call__(
        self, database: str | None = None, *, statement_timeout: bool = True, script: bool = False
    ) -> AbstractContextManager[MysqlConnection]:
        """Connect to the restored cluster; see `MysqlConnector.connect` for the options."""


@contextmanager
def session_lock(
    connect: ConnectAsMaster,
    master: str,
    cluster_resource_id: str,
    scripts: tuple[SqlScript, ...],
    *,
    require_ssl: bool,
) -> Iterator[MysqlLockedSession]:
    """Hold the session lock while the block runs; the sessions of earlier attempts are ended first."""
    with connect() as session:
        with translate_errors("Users not configured"):
            session_id = _connection_id(session)
            execute(session, f"SET SESSION wait_timeout = {IDLE_SECONDS}")
            take_lock(session, SESSION_LOCK)
            # Taken and released to wait until an ended session is gone, and its transaction committed or rolled back.
            take_lock(session, FILE_LOCK)
            execute(session, f"DO RELEASE_LOCK('{FILE_LOCK}')")
            has_run_files = sql_files.has_mark(session, cluster_resource_id, scripts)
        yield MysqlLockedSession(
            connect, session, session_id, master, cluster_resource_id, has_run_files, require_ssl=require_ssl
        )


class MysqlLockedSession:
    """Accounts and grants are set in the session that holds the lock; each file has a session of its own."""

    def __init__(
        self,
        connect: ConnectAsMaster,
        session: MysqlConnection,
        session_id: int,
        master: str,
        cluster_resource_id: str,
        has_run_files: bool,
        *,
        require_ssl: bool,
    ) -> None:
        """`session_id` is the connection id of `session`; with `require_ssl`, users can log in over TLS only."""
        self.has_run_files = has_run_files
        self._connect = connect
        self._session = session
        self._session_id = session_id
        self._master = master
        self._cluster_resource_id = cluster_resource_id
        self._require_ssl = require_ssl

    def lock_logins(self, must_lock: MustLock) -> Iterator[Login]:
        """ACCOUNT LOCK, then end the sessions; yields each account, as name@host, as soon as it is locked."""
        with translate_errors("Logins not locked"):
            for account in accounts.lock_accounts(self._session, self._master, must_lock):
                yield Login(account.name, f"{account.name}@{account.host}")

    def disable_side_effects(
        self,
        users: Iterable[str],  # noqa: ARG002 - only PostgreSQL's cron jobs depend on who can log in
        keep: KeptSideEffects,
    ) -> Iterator[SideEffect]:
        """On the whole server, for every definer."""
        with translate_errors("Side effects not disabled"):
            yield from disable_side_effects(self._session, keep)

    def create_users(self, users: tuple[DatabaseUser, ...]) -> Iterator[tuple[str, bool]]:
        """Create the missing accounts, locked; yields each name and whether it is new."""
        with translate_errors("Users not configured"):
            for user in users:
                yield user.name, accounts.create_user(self._session, user.name, user.host, uses_iam=user.uses_iam)

    def open_users(self, users: tuple[DatabaseUser, ...], passwords: dict[str, str]) -> None:
        """Set the hash of each password and unlock the accounts."""
        with translate_errors("Users not configured"):
            for user in users:
                password, require_ssl = passwords.get(user.name), self._require_ssl
                accounts.open_user(self._session, user.name, password, require_ssl=require_ssl)

    def grant(self, users: tuple[DatabaseUser, ...]) -> Iterator[str]:
        """Give each user its grants, and revoke every other that it has directly; yields what it has through a role."""
        with translate_errors("Users not configured"):
            for user in users:
                grants.grant_access(self._session, user.name, user.grants)
                if warning := grants.describe_write_access(self._session, user):
                    yield warning

    def run_once(self, script: SqlScript) -> str:
        """Run the file and insert its mark in one transaction, as far as MySQL has transactions: at least once.

        Raises `DatabaseUnreachable` if another attempt has taken the session lock.
        """
        with translate_errors(file_failed(script), script), self._locked(script.database) as connection:
            return sql_files.run_once(connection, self._cluster_resource_id, script)

    def explain_masking(self, unit: Unit, key: MaskingKey | None) -> None:  # noqa: ARG002 - a variable needs no value
        """Names and syntax; whether a constant fits its column shows when it is assigned."""
        with translate_errors(MASKING_FAILED, MaskingSql.of_tables(unit)), self._locked(unit.database) as connection:
            masking.explain(connection, unit)

    def mask_once(self, unit: Unit, key: MaskingKey | None) -> int:
        """Mask the tables and insert their marks in one transaction: exactly once, however often the activity runs."""
        with translate_errors(MASKING_FAILED, MaskingSql.of_tables(unit)), self._locked(unit.database) as connection:
            return masking.mask_once(connection, self._cluster_resource_id, unit, key)

    def refresh_views(self, database: str) -> tuple[str, ...]:  # noqa: ARG002 - as the protocol has it
        """MySQL has no materialized views."""
        return ()

    @contextmanager
    def _locked(self, database: str) -> Iterator[MysqlConnection]:
        """A connection that commits nothing by itself, with the lock of the work on data."""
        with self._connect(database, script=True) as connection:
            take_lock(connection, FILE_LOCK)
            # An attempt that takes the session lock after this check finds this session by its lock and ends it. Asks the
            # server that does the work, because the cluster's name may lead to another server by now.
            if execute(connection, f"SELECT IS_USED_LOCK('{SESSION_LOCK}')") != [(self._session_id,)]:
                raise DatabaseUnreachable(
                    "Database busy", "Another attempt has taken the session lock. Temporal retries the step."
                )
            yield connection


def take_lock(connection: MysqlConnection, lock: str) -> None:
    """Take a lock until the connection ends; a session that holds it belongs to an earlier attempt and is ended.

    The worker of the earlier attempt has most likely died or is frozen; in the middle of a file its session would go on
    for as long as the file takes. Should a frozen worker wake and end the session of a newer attempt, Temporal retries
    that one.
    Raises `DatabaseUnreachable` (transient) if the earlier session does not end within an hour, or if a session that
    began later holds the lock.
    """
    own = _connection_id(connection)
    for _ in range(LOCK_TRIES):
        # Read again each time, because an attempt that was lost while it waited may have got the lock.
        [(holder,)] = execute(connection, f"SELECT IS_USED_LOCK('{lock}')")
        if holder is not None and int(holder) > own:
            raise DatabaseUnreachable(
                "Database busy", "A later attempt holds the session lock. Temporal retries the step."
            )
        if holder is not None:
            end_session(connection, int(holder))
        if execute(connection, f"SELECT GET_LOCK('{lock}', {LOCK_SECONDS})") == [(1,)]:
            return
    text = (
        "The session of an earlier attempt was ended and still holds the session lock; MySQL may be rolling back an SQL "
        "file. Temporal retries the step."
    )
    raise DatabaseUnreachable("Database busy", text)


def _connection_id(connection: MysqlConnection) -> int:
    """The session's id, as IS_USED_LOCK returns it; a later session has a greater one."""
    [(session_id,)] = execute(connection, "SELECT CONNECTION_ID()")
    return int(session_id)
