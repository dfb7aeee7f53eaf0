"""setup-db-users on Aurora PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg

from activities.databases.masking.schema import Schema
from activities.databases.postgres.errors import TRANSIENT_IN_CHECKS, translate_errors
from activities.databases.postgres.live_schema import read_schema
from activities.databases.postgres.memberships import begin_memberships, rights_of, set_role
from activities.databases.postgres.roles import logs_in_with_iam
from activities.databases.postgres.session_lock import MAINTENANCE_DATABASE, PostgresLockedSession, session_lock
from activities.databases.restored_database import Row, RunQuery
from activities.databases.sql_errors import query_of_check
from activities.databases.sql_files import SqlScript
from clients.postgres import PostgresConnector
from errors import StepFailed
from models.clusters import Endpoint
from models.users import DatabaseUser

MAX_NAME_BYTES = 63
"""Of an identifier. Source: PostgreSQL documentation, "Identifiers and Key Words"."""
MAX_CHECK_ROWS = 1000


class PostgresDatabase:
    """A restored PostgreSQL database, as its master user."""

    def __init__(self, connector: PostgresConnector, endpoint: Endpoint, master_password: str) -> None:
        """`connector` opens the connections to `endpoint`."""
        self._connector = connector
        self._endpoint = endpoint
        self._master_password = master_password

    def find_invalid_names(self, users: tuple[DatabaseUser, ...]) -> Iterator[str]:
        """Names longer than PostgreSQL keeps. It would truncate them, and so change another role than the named one."""
        names = [user.name for user in users] + [grant.database for user in users for grant in user.grants]
        for name in dict.fromkeys(names):
            if len(name.encode()) > MAX_NAME_BYTES:
                yield (
                    f"{name} is longer than {MAX_NAME_BYTES} bytes, and PostgreSQL would truncate it. "
                    "Choose a shorter name."
                )

    def read_schema(self) -> Schema:
        """Every table of every database."""
        with translate_errors("Schema not readable"), self._connect_as_master(MAINTENANCE_DATABASE) as session:
            return read_schema(self._connect_as_master, session)

    def session_lock(
        self, cluster_resource_id: str, scripts: tuple[SqlScript, ...]
    ) -> AbstractContextManager[PostgresLockedSession]:
        """Hold the session lock while the block runs."""
        return session_lock(self._connect_as_master, cluster_resource_id, scripts)

    def verify_master_login(self) -> None:
        """Log in as the master user."""
        with translate_errors("Master user cannot log in"), self._connect_as_master(MAINTENANCE_DATABASE) as connection:
            connection.execute("SELECT 1")

    def verify_login(self, user: DatabaseUser, password: str | None) -> None:
        """Log in as the user to each database of the user's grants."""
        with translate_errors("Users not configured"):
            if password is None:
                self._verify_iam(user.name)
                return
            for database in [grant.database for grant in user.grants] or [MAINTENANCE_DATABASE]:
                with self._connector.connect(self._endpoint, database, user.name, password) as connection:
                    connection.execute("SELECT 1")

    def _verify_iam(self, name: str) -> None:
        with self._connect_as_master(MAINTENANCE_DATABASE) as connection:
            if not logs_in_with_iam(connection, name):
                text = (
                    f"{name} is not a role with LOGIN and rds_iam, although this step has set it so. "
                    "Find out who changed it, then retry."
                )
                raise StepFailed("Users not configured", text)

    @contextmanager
    def read_only_session(self, database: str, run_as: str | None = None) -> Iterator[RunQuery]:
        """Run queries in read-only transactions that are rolled back, as `run_as` or with the rights of every owner.

        The server refuses a query that is several statements, one of which could be COMMIT.
        """
        with (
            translate_errors("Check failed"),
            self._connect_as_master(database, statement_timeout=False) as connection,
        ):

            def run_query(query: str) -> list[Row]:
                with connection.transaction(force_rollback=True):
                    begin_memberships(connection, rights_of(connection, run_as))
                    connection.execute("SET TRANSACTION READ ONLY")
                    set_role(connection, run_as)
                    with translate_errors("Check failed", TRANSIENT_IN_CHECKS, query_of_check(query, database)):
                        return _first_rows(connection, query)

            yield run_query

    def _connect_as_master(self, database: str, *, statement_timeout: bool = True) -> psycopg.Connection:
        return self._connector.connect(
            self._endpoint,
            database,
            self._endpoint.master_username,
            self._master_password,
            statement_timeout=statement_timeout,
        )


def _first_rows(connection: psycopg.Connection, query: str) -> list[Row]:
    """No more than the first `MAX_CHECK_ROWS`, whatever the query selects; the rest is cancelled."""
    first: list[Row] = []
    with connection.cursor() as cursor:
        for row in cursor.stream(query.encode()):
            first.append(row)
            if len(first) == MAX_CHECK_ROWS:
                break
    return first
