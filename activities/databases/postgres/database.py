"""setup-db-users on Aurora PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg

from activities.databases.postgres.errors import IN_A_CHECK, refusing
from activities.databases.postgres.roles import has_rds_iam
from activities.databases.postgres.session_lock import MAINTENANCE_DATABASE, PostgresSessionLock
from activities.databases.restored_database import Ask, Row
from activities.databases.sql_files import SqlText
from clients.postgres import PostgresConnector
from errors import StepFailed
from models.clusters import Endpoint
from models.users import DatabaseUser

IDENTIFIER_BYTES = 63
"""Of any name. Source: PostgreSQL documentation, "Identifiers and Key Words"."""


class PostgresDatabase:
    """A restored PostgreSQL, as its master user."""

    def __init__(self, connector: PostgresConnector, endpoint: Endpoint, master_password: str) -> None:
        """`connector` opens the connections."""
        self._connector = connector
        self._endpoint = endpoint
        self._master_password = master_password

    def faults_of_names(self, users: tuple[DatabaseUser, ...]) -> Iterator[str]:
        """PostgreSQL cuts a name that is too long, and would change another role than the one it says."""
        names = [user.name for user in users] + [grant.database for user in users for grant in user.grants]
        for name in dict.fromkeys(names):
            if len(name.encode()) > IDENTIFIER_BYTES:
                yield f"{name} is longer than {IDENTIFIER_BYTES} bytes, and PostgreSQL would cut it. Choose a shorter name."

    def turn(self, restored: str, scripts: tuple[SqlText, ...]) -> AbstractContextManager[PostgresSessionLock]:
        """Marks stand in each file's database."""
        return PostgresSessionLock(self._as_master, self._endpoint.master_username, restored).taken(scripts)

    def prove_login(self, user: DatabaseUser, password: str | None) -> None:
        """A login in each database of the user's grants."""
        with refusing("Users not configured"):
            if password is None:
                self._verify_iam(user.name)
                return
            for database in [grant.database for grant in user.grants] or [MAINTENANCE_DATABASE]:
                with self._connector.connect(self._endpoint, database, user.name, password) as connection:
                    connection.execute("SELECT 1")

    def _verify_iam(self, name: str) -> None:
        with self._as_master(MAINTENANCE_DATABASE) as connection:
            if not has_rds_iam(connection, name):
                raise StepFailed(
                    "Users not configured", f"{name} is not a login with rds_iam. Was it changed just now?"
                )

    @contextmanager
    def reading(self, database: str) -> Iterator[Ask]:
        """One query at a time, each prepared, because a simple one could be several, and COMMIT among them."""
        with refusing("Check failed", IN_A_CHECK), self._as_master(database, patient=True) as connection:
            connection.execute("SET default_transaction_read_only = on")

            def ask(query: str) -> list[Row]:
                with connection.transaction():
                    return connection.execute(query.encode(), prepare=True).fetchmany(1000)

            yield ask

    def _as_master(self, database: str, *, patient: bool = False) -> psycopg.Connection:
        of = self._endpoint
        return self._connector.connect(of, database, of.master_username, self._master_password, patient=patient)
