"""setup-db-users on Aurora MySQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager

from pymysql.constants import ER
from pymysql.cursors import SSCursor

from activities.databases.masking.schema import Schema
from activities.databases.mysql import accounts
from activities.databases.mysql.accounts import MysqlConnection, execute
from activities.databases.mysql.errors import translate_errors
from activities.databases.mysql.live_schema import read_schema
from activities.databases.mysql.session_lock import MysqlLockedSession, session_lock
from activities.databases.restored_database import Row, RunQuery
from activities.databases.sql_errors import query_of_check
from activities.databases.sql_files import SqlScript
from clients.mysql import MysqlConnector
from errors import DatabaseUnreachable, StepFailed
from limits import MAX_QUOTED, join_names
from models.clusters import Endpoint
from models.users import DatabaseUser

HOST_REFUSED = {str(ER.ACCESS_DENIED_ERROR), str(ER.HOST_NOT_PRIVILEGED)}
MAX_CHECK_ROWS = 1000
MAX_USER_CHARACTERS = 32
"""Of a user's name. Source: MySQL Reference Manual, "Identifier Length Limits"."""
MAX_CODE_POINT = 0xFFFF
"""MySQL stores names in utf8mb3, which ends with the Basic Multilingual Plane."""


class MysqlDatabase:
    """A restored MySQL database, as its master user."""

    def __init__(self, connector: MysqlConnector, endpoint: Endpoint, master_password: str) -> None:
        """`connector` opens the connections to `endpoint`."""
        self._connector = connector
        self._endpoint = endpoint
        self._master_password = master_password

    def find_invalid_names(self, users: tuple[DatabaseUser, ...]) -> Iterator[str]:
        """Names that MySQL would refuse or change: it stores three-byte UTF-8 and ignores blanks at the end."""
        for name in (user.name for user in users):
            if len(name) > MAX_USER_CHARACTERS:
                yield (
                    f"{name} is longer than the {MAX_USER_CHARACTERS} characters of a user's name in MySQL. "
                    "Choose a shorter name."
                )
            if name != name.rstrip(" ") or any(ord(character) > MAX_CODE_POINT for character in name):
                yield (
                    f"{name!r} ends with a blank or contains a character of four bytes in UTF-8; MySQL cannot store it. "
                    "Choose another name."
                )

    def read_schema(self) -> Schema:
        """Every table of every database."""
        with translate_errors("Schema not readable"), self._connect_as_master() as connection:
            return read_schema(connection)

    def session_lock(
        self, cluster_resource_id: str, scripts: tuple[SqlScript, ...]
    ) -> AbstractContextManager[MysqlLockedSession]:
        """Hold the session lock while the block runs."""
        return session_lock(
            self._connect_as_master,
            self._endpoint.master_username,
            cluster_resource_id,
            scripts,
            require_ssl=self._connector.tls,
        )

    def verify_master_login(self) -> None:
        """Log in as the master user."""
        with translate_errors("Master user cannot log in"), self._connect_as_master() as connection:
            execute(connection, "SELECT 1")

    def verify_login(self, user: DatabaseUser, password: str | None) -> None:
        """Log in as the user to each database of the user's grants."""
        with translate_errors("Users not configured"):
            if password is None:
                self._verify_iam(user.name)
                return
            databases: list[str | None] = [grant.database for grant in user.grants]
            for database in databases or [None]:
                with closing(self._log_in(database, user.name, password)) as connection:
                    execute(connection, "SELECT 1")

    def _log_in(self, database: str | None, name: str, password: str) -> MysqlConnection:
        """Raises `StepFailed` if MySQL has the user only for other hosts than the worker's."""
        try:
            return self._connector.connect(self._endpoint, database, name, password)
        except DatabaseUnreachable as error:
            if error.fault.code not in HOST_REFUSED:
                raise
            with self._connect_as_master() as connection:
                hosts = [account.host for account in accounts.accounts_of(connection, name)]
                [(own,)] = execute(connection, "SELECT USER()")
            if not hosts or accounts.ANY_HOST in hosts:
                raise
            text = (
                f"MySQL has {name} only for {join_names(hosts, MAX_QUOTED)}, and refused it from {own.rpartition('@')[2]}, the "
                "worker's address. Set host of this user in the request, such as %."
            )
            raise StepFailed("Host not allowed", text, code=error.fault.code) from None

    def _verify_iam(self, name: str) -> None:
        with self._connect_as_master() as connection:
            if not accounts.authenticates_by_iam(connection, name):
                text = (
                    f"The accounts of {name} do not use AWSAuthenticationPlugin, although this step has set them so. "
                    "Find out who changed it, then retry."
                )
                raise StepFailed("Users not configured", text)

    @contextmanager
    def read_only_session(
        self,
        database: str,
        run_as: str | None = None,  # noqa: ARG002 - refused for MySQL, by the preflight and the step
    ) -> Iterator[RunQuery]:
        """Run queries as the master user in a read-only session, one statement each.

        The whole session is read-only, because a DDL statement would end a read-only transaction.
        """
        with (
            translate_errors("Check failed"),
            self._connect_as_master(database, statement_timeout=False) as connection,
        ):
            execute(connection, "SET SESSION TRANSACTION READ ONLY")

            def run_query(query: str) -> list[Row]:
                with translate_errors("Check failed", query_of_check(query, database)):
                    return _first_rows(connection, query)

            yield run_query

    @contextmanager
    def _connect_as_master(
        self, database: str | None = None, *, statement_timeout: bool = True, script: bool = False
    ) -> Iterator[MysqlConnection]:
        connection = self._connector.connect(
            self._endpoint,
            database,
            self._endpoint.master_username,
            self._master_password,
            statement_timeout=statement_timeout,
            script=script,
        )
        with closing(connection):
            yield connection


def _first_rows(connection: MysqlConnection, query: str) -> list[Row]:
    """No more than the first `MAX_CHECK_ROWS`, whatever the query selects; the rest is discarded as it comes."""
    with connection.cursor(SSCursor) as cursor:
        cursor.execute(query)
        return list(cursor.fetchmany(MAX_CHECK_ROWS))
