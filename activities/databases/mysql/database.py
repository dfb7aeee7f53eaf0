"""setup-db-users on Aurora MySQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager

from activities.databases.mysql import accounts
from activities.databases.mysql.accounts import Mysql, rows
from activities.databases.mysql.errors import refusing
from activities.databases.mysql.session_lock import MysqlSessionLock
from activities.databases.restored_database import Ask, Row
from activities.databases.sql_files import SqlText
from clients.mysql import MysqlConnector
from errors import StepFailed
from models.clusters import Endpoint
from models.users import DatabaseUser

NAME_CHARACTERS = 32
"""Of a user. Source: MySQL Reference Manual, "Identifier Length Limits"."""


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

    def turn(self, restored: str, scripts: tuple[SqlText, ...]) -> AbstractContextManager[MysqlSessionLock]:
        """Marks of all databases stand in one."""
        of, tls = self._endpoint, self._connector.tls
        return MysqlSessionLock(self._as_master, of.master_username, restored, require_ssl=tls).taken(scripts)

    def prove_login(self, user: DatabaseUser, password: str | None) -> None:
        """A login in each database of the user's grants."""
        with refusing("Users not configured"):
            if password is None:
                self._verify_iam(user.name)
                return
            databases: list[str | None] = [grant.database for grant in user.grants]
            for database in databases or [None]:
                with closing(self._connector.connect(self._endpoint, database, user.name, password)) as connection:
                    rows(connection, "SELECT 1")

    def _verify_iam(self, name: str) -> None:
        with self._as_master() as connection:
            if not accounts.authenticates_by_iam(connection, name):
                text = f"{name} is not an account of AWSAuthenticationPlugin. Was it changed just now?"
                raise StepFailed("Users not configured", text)

    @contextmanager
    def reading(self, database: str) -> Iterator[Ask]:
        """In transactions that may only read; several statements at once are not taken.

        Of the whole session, not of one transaction, which a DDL statement would end.
        """
        with refusing("Check failed"), self._as_master(database, patient=True) as connection:
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
