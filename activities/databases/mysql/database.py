"""setup-db-users on Aurora MySQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager

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
from errors import StepFailed
from models.clusters import Endpoint
from models.users import DatabaseUser

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

    def verify_login(self, user: DatabaseUser, password: str | None) -> None:
        """Log in as the user to each database of the user's grants."""
        with translate_errors("Users not configured"):
            if password is None:
                self._verify_iam(user.name)
                return
            databases: list[str | None] = [grant.database for grant in user.grants]
            for database in databases or [None]:
                with closing(self._connector.connect(self._endpoint, database, user.name, password)) as connection:
                    execute(connection, "SELECT 1")

    def _verify_iam(self, name: str) -> None:
        with self._connect_as_master() as connection:
            if not accounts.authenticates_by_iam(connection, name):
                text = (
                    f"The accounts of {name} do not use AWSAuthenticationPlugin, although this step has set them so. "
                    "Find out who changed it, then retry."
                )
                raise StepFailed("Users not configured", text)

    @contextmanager
    def read_only_session(self, database: str) -> Iterator[RunQuery]:
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
                    return execute(connection, query)

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
