"""setup-db-users on Aurora MySQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from pymysql.constants import ER
from pymysql.err import InterfaceError, MySQLError

from activities import mysql_sql_files, mysql_users
from activities.mysql_users import Mysql, rows
from activities.restored_database import Ask, Row
from activities.sql_files import SqlText
from clients.mysql import NETWORK, MysqlConnector, error_code, error_text
from errors import DatabaseUnreachable, StepFailed
from models.clusters import Endpoint
from models.users import DatabaseUser

NAME_CHARACTERS = 32
"""Of a user. Source: MySQL Reference Manual, "Identifier Length Limits"."""

PASSING = (
    *NETWORK,
    ER.LOCK_WAIT_TIMEOUT,
    ER.LOCK_DEADLOCK,
    ER.SERVER_SHUTDOWN,
    ER.QUERY_INTERRUPTED,
    ER.CON_COUNT_ERROR,
    1836,  # ER_READ_ONLY_MODE
)
READ_ONLY = "read-only"
"""So says ER_OPTION_PREVENTS_STATEMENT of a server that a failover has made a reader; other options prevent for good."""


class MysqlDatabase:
    """A restored MySQL, as its master user."""

    def __init__(self, connector: MysqlConnector, endpoint: Endpoint, master_password: str) -> None:
        """`connector` opens the connections."""
        self._connector = connector
        self._endpoint = endpoint
        self._master_password = master_password

    def faults_of_names(self, users: tuple[DatabaseUser, ...]) -> Iterator[str]:
        """MySQL keeps names in three-byte UTF-8 and takes two that differ in blanks at the end for one."""
        for name in (user.name for user in users):
            if len(name) > NAME_CHARACTERS:
                yield f"{name} is longer than the {NAME_CHARACTERS} characters that MySQL takes. Choose a shorter name."
            if name != name.rstrip(" ") or any(ord(character) > 0xFFFF for character in name):  # noqa: PLR2004 - the BMP
                yield f"{name!r} ends in a blank or has a character of four bytes, which MySQL does not keep. Choose another."

    @contextmanager
    def turn(self, restored: str, scripts: tuple[SqlText, ...]) -> Iterator[MysqlTurn]:
        """One lock for all, of the connection on which everything is changed; marks of all databases stand in one."""
        with ExitStack() as stack:
            with _refusing("Users not configured"):
                connection = stack.enter_context(self._as_master())
                mysql_sql_files.take_lock(connection)
                begun = mysql_sql_files.any_marked(connection, restored, scripts)
            yield MysqlTurn(connection, begun, self._endpoint.master_username, require_ssl=self._connector.tls)

    def prove_login(self, user: DatabaseUser, password: str | None) -> None:
        """A login in each database of the user's grants."""
        with _refusing("Users not configured"):
            if password is None:
                self._verify_iam(user.name)
                return
            databases: list[str | None] = [grant.database for grant in user.grants]
            for database in databases or [None]:
                with closing(self._connector.connect(self._endpoint, database, user.name, password)) as connection:
                    rows(connection, "SELECT 1")

    def _verify_iam(self, name: str) -> None:
        with self._as_master() as connection:
            if not mysql_users.authenticates_by_iam(connection, name):
                text = f"{name} is not an account of AWSAuthenticationPlugin. Was it changed just now?"
                raise StepFailed("Users not configured", text)

    def run_once(self, restored: str, script: SqlText) -> str:
        """The file, then its mark, in one transaction as far as MySQL has one: at least once.

        DDL commits what stands before it; a worker that dies after that lets the next attempt run the file again.
        """
        with (
            _refusing(f"SQL file failed: {script.file}"),
            self._as_master(script.database, script=True) as connection,
        ):
            return mysql_sql_files.run_once(connection, restored, script)

    @contextmanager
    def reading(self, database: str) -> Iterator[Ask]:
        """In transactions that may only read; several statements at once are not taken.

        Of the whole session, not of one transaction, which a DDL statement would end.
        """
        with _refusing("Check failed"), self._as_master(database, patient=True) as connection:
            rows(connection, "SET SESSION TRANSACTION READ ONLY")

            def ask(query: str) -> list[Row]:
                return rows(connection, query)

            yield ask

    @contextmanager
    def _as_master(self, database: str | None = None, **how: bool) -> Iterator[Mysql]:
        of = self._endpoint
        connection = self._connector.connect(of, database, of.master_username, self._master_password, **how)
        with closing(connection):
            yield connection


class MysqlTurn:
    """One attempt's turn at the accounts, on the connection that has the lock."""

    def __init__(self, connection: Mysql, files_begun: bool, master: str, *, require_ssl: bool) -> None:
        """`connection` has the lock, and loses it when another attempt ends it."""
        self.files_begun = files_begun
        self._connection = connection
        self._master = master
        self._require_ssl = require_ssl

    def lock_others(self, stay: frozenset[str]) -> Iterator[str]:
        """ACCOUNT LOCK, and the end of their sessions; each account as name@host."""
        with _refusing("Logins not locked"):
            for account in mysql_users.lock_accounts(self._connection, stay | {self._master}):
                yield f"{account.name}@{account.host}"

    def set_users(self, users: tuple[DatabaseUser, ...], passwords: dict[str, str]) -> Iterator[tuple[str, bool]]:
        """Accounts with the hash of their password, unlocked; with TLS they may come no other way."""
        with _refusing("Users not configured"):
            for user in users:
                password, require_ssl = passwords.get(user.name), self._require_ssl
                yield user.name, mysql_users.set_user(self._connection, user.name, password, require_ssl=require_ssl)

    def grant(self, users: tuple[DatabaseUser, ...]) -> None:
        """Each user's grants, and no others of its own."""
        with _refusing("Users not configured"):
            for user in users:
                mysql_users.grant_access(self._connection, user.name, user.grants)


@contextmanager
def _refusing(short: str) -> Iterator[None]:
    try:
        yield
    except MySQLError as error:
        # Not as its cause: PyMySQL's errors may quote the statement.
        raise _refused(error, short) from None


def _refused(error: MySQLError, short: str) -> StepFailed | DatabaseUnreachable:
    """A statement that failed; of one that was not understood MySQL quotes the text, which may be a hash."""
    if isinstance(error, InterfaceError):
        # The driver's word for a connection that a statement before has found ended.
        return DatabaseUnreachable("Database busy", "the connection was lost. It is tried again.")
    number = error_code(error)
    said = "it did not understand the statement" if number == ER.PARSE_ERROR else error_text(error)
    if number in PASSING or (number == ER.OPTION_PREVENTS_STATEMENT and READ_ONLY in said):
        return DatabaseUnreachable(
            "Database busy", f"MySQL answered {number}: {said}. It is tried again.", code=str(number)
        )
    return StepFailed(short, f"MySQL answered {number}: {said}.", code=str(number))
