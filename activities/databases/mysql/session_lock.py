"""One attempt's turn at the accounts of a MySQL server, and who may still work while it lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from activities.databases.mysql import accounts, sql_files
from activities.databases.mysql.accounts import Mysql, end_session, rows
from activities.databases.mysql.errors import refusing
from activities.databases.sql_files import SqlText
from errors import DatabaseUnreachable
from models.users import DatabaseUser

TURN, WORK = "aurora-restore-turn", "aurora-restore"
"""Locks of the server: the first for as long as the attempt lasts, the second while a file runs."""
LOCK_SECONDS, LOCK_TRIES = 20, 180
"""Together as long as an ended session may need to take back what it did: MySQL needs about as long as it worked."""
LOCK_WAIT_SECONDS = 12 * 60 * 60
"""As long as the step may last: the turn's session waits while files run."""


class MysqlSessionLock:
    """Accounts are set on the session that has the turn; a file has a session of its own."""

    def __init__(
        self, connect: Callable[..., AbstractContextManager[Mysql]], master: str, restored: str, *, require_ssl: bool
    ) -> None:
        """`connect` opens the server as the master user, `restored` is the restored cluster's resource id."""
        self.files_begun = False
        self._connect = connect
        self._master = master
        self._restored = restored
        self._require_ssl = require_ssl

    @contextmanager
    def taken(self, scripts: tuple[SqlText, ...]) -> Iterator[MysqlSessionLock]:
        """Take the turn, end whoever had it or still works, and look whether one of the files has been run."""
        with self._connect() as self._session:
            with refusing("Users not configured"):
                self._id = _id(self._session)
                rows(self._session, f"SET SESSION wait_timeout = {LOCK_WAIT_SECONDS}")
                _take(self._session, TURN)
                # Had when the ended session is gone, with what it did or without.
                _take(self._session, WORK)
                rows(self._session, f"DO RELEASE_LOCK('{WORK}')")
                self.files_begun = sql_files.any_marked(self._session, self._restored, scripts)
            yield self

    def lock_others(self, stay: frozenset[str]) -> Iterator[str]:
        """ACCOUNT LOCK, and the end of their sessions; each account as name@host."""
        with refusing("Logins not locked"):
            for account in accounts.lock_accounts(self._session, stay | {self._master}):
                yield f"{account.name}@{account.host}"

    def set_users(self, users: tuple[DatabaseUser, ...], passwords: dict[str, str]) -> Iterator[tuple[str, bool]]:
        """Accounts with the hash of their password, unlocked; with TLS they may come no other way."""
        with refusing("Users not configured"):
            for user in users:
                password, require_ssl = passwords.get(user.name), self._require_ssl
                yield user.name, accounts.set_user(self._session, user.name, password, require_ssl=require_ssl)

    def grant(self, users: tuple[DatabaseUser, ...]) -> None:
        """Each user's grants, and no others of its own."""
        with refusing("Users not configured"):
            for user in users:
                accounts.grant_access(self._session, user.name, user.grants)

    def run_once(self, script: SqlText) -> str:
        """The file, then its mark, in one transaction as far as MySQL has one: at least once."""
        with refusing(f"SQL file failed: {script.file}"), self._connect(script.database, script=True) as connection:
            _take(connection, WORK)
            # Now whoever takes the turn ends this session by its lock. Asked of the server that runs the file: the name
            # may have led to another one than where the turn was taken.
            if rows(connection, f"SELECT IS_USED_LOCK('{TURN}')") != [(self._id,)]:
                raise DatabaseUnreachable("Database busy", "another attempt has taken its turn. It is tried again.")
            return sql_files.run_once(connection, self._restored, script)


def _take(connection: Mysql, lock: str) -> None:
    """Until the connection ends. Whoever has it is another attempt, and its session is ended.

    Most likely its worker died or stands still, and in the middle of a file the session would go on for as long as the
    file does. Should a frozen worker wake and end the newer one's, that is made again.
    Raises `DatabaseUnreachable` (transient) if that session is still there after long, or is one that came later.
    Source: MySQL Reference Manual, "Locking Functions".
    """
    own = _id(connection)
    for _ in range(LOCK_TRIES):
        # Each time anew: an attempt that was lost while it waited may have had its turn.
        [(holder,)] = rows(connection, f"SELECT IS_USED_LOCK('{lock}')")
        if holder is not None and int(holder) > own:
            raise DatabaseUnreachable("Database busy", "a later attempt has the turn at the logins. It is tried again.")
        if holder is not None:
            end_session(connection, int(holder))
        if rows(connection, f"SELECT GET_LOCK('{lock}', {LOCK_SECONDS})") == [(1,)]:
            return
    text = "an earlier attempt's session, which was told to end, has the turn at the logins. It is tried again."
    raise DatabaseUnreachable("Database busy", text)


def _id(connection: Mysql) -> int:
    """Of the session, as the server's locks name it; a later one has a greater one."""
    [(found,)] = rows(connection, "SELECT CONNECTION_ID()")
    return int(found)
