"""setup-db-users on Aurora PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.pq import TransactionStatus

from activities.postgres_roles import grant_access, has_rds_iam, lock_roles, set_role
from activities.restored_database import Ask, Row
from activities.sql_files import SqlText
from clients.postgres import PostgresConnector
from errors import DatabaseUnreachable, StepFailed
from models.clusters import Endpoint
from models.users import DatabaseUser

MAINTENANCE_DATABASE = "postgres"
IDENTIFIER_BYTES = 63
"""Of any name. Source: PostgreSQL documentation, "Identifiers and Key Words"."""

MARKER_TABLE = """
    CREATE SCHEMA IF NOT EXISTS aurora_restore;
    CREATE TABLE IF NOT EXISTS aurora_restore.sql_files (
        operation_id text, file text, digest text NOT NULL, ran_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (operation_id, file))
"""
BUSY = "XX"
"""How the SQLSTATE begins when another attempt changed the same row of a catalogue ("tuple concurrently updated")."""
RIVAL = "23505"
"""Unique violation: our own statements add rows to catalogues only, where another attempt has added the same meanwhile.

In an SQL file it is the operator's own.
"""
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('aurora-restore'))"


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

    def lock_others(self, stay: frozenset[str]) -> tuple[str, ...]:
        """NOLOGIN, and the end of their sessions."""
        locked: list[str] = []
        with self._refusing("Logins not locked"), self._as_master(MAINTENANCE_DATABASE) as connection:
            locked.extend(lock_roles(connection, stay | {self._endpoint.master_username}))
        return tuple(locked)

    def set_users(self, users: tuple[DatabaseUser, ...], passwords: dict[str, str]) -> tuple[str, ...]:
        """Roles belong to the whole server."""
        with self._refusing("Users not configured"), self._as_master(MAINTENANCE_DATABASE) as connection:
            return tuple(user.name for user in users if set_role(connection, user.name, passwords.get(user.name)))

    def grant(self, users: tuple[DatabaseUser, ...]) -> None:
        """Grants are given inside the database that they are of."""
        for database in dict.fromkeys(grant.database for user in users for grant in user.grants):
            with self._refusing("Users not configured"), self._as_master(database) as connection:
                for user in users:
                    for grant in user.grants:
                        if grant.database == database:
                            grant_access(connection, user.name, grant)

    def prove_login(self, user: DatabaseUser, password: str | None) -> None:
        """A login in each database of the user's grants."""
        with self._refusing("Users not configured"):
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

    def run_once(self, operation_id: str, script: SqlText) -> str:
        """The file and its mark in one transaction: exactly once, however often the activity runs.

        A file that ends the transaction itself is refused, too late for what it has done by then.
        """
        with (
            self._refusing(f"SQL file failed: {script.file}", passing=(BUSY,)),
            self._as_master(script.database, script=True) as connection,
        ):
            connection.execute("BEGIN")
            connection.execute(ONE_AT_A_TIME)
            connection.execute(MARKER_TABLE)
            found = connection.execute(
                "SELECT digest FROM aurora_restore.sql_files WHERE operation_id = %s AND file = %s",
                (operation_id, script.file),
            ).fetchone()
            if found is None:
                _run(connection, script)
                connection.execute(
                    "INSERT INTO aurora_restore.sql_files (operation_id, file, digest) VALUES (%s, %s, %s)",
                    (operation_id, script.file, script.digest),
                )
            connection.execute("COMMIT")
            return str(found[0]) if found else script.digest

    @contextmanager
    def reading(self, database: str) -> Iterator[Ask]:
        """One query at a time, each prepared, because a simple one could be several, and COMMIT among them."""
        with self._refusing("Check failed"), self._as_master(database) as connection:
            connection.execute("SET default_transaction_read_only = on")

            def ask(query: str) -> list[Row]:
                with connection.transaction():
                    return connection.execute(query.encode(), prepare=True).fetchmany(1000)

            yield ask

    def _as_master(self, database: str, *, script: bool = False) -> psycopg.Connection:
        of = self._endpoint
        return self._connector.connect(of, database, of.master_username, self._master_password, script=script)

    @contextmanager
    def _refusing(self, short: str, passing: tuple[str, ...] = (BUSY, RIVAL)) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            # Not as its cause: a cause's text goes into the history as well, and PostgreSQL's quotes the statement.
            raise _refused(error, short, passing) from None


def _run(connection: psycopg.Connection, script: SqlText) -> None:
    begun = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
    connection.execute(script.text.encode())
    open_still = connection.info.transaction_status is TransactionStatus.INTRANS
    if not open_still or connection.execute("SELECT pg_current_xact_id()::text").fetchone() != begun:
        text = f"{script.file} ends the transaction that it is run in. Take COMMIT, ROLLBACK and BEGIN out of it."
        raise StepFailed("SQL file ends its transaction", text)


def _refused(error: psycopg.Error, short: str, passing: tuple[str, ...]) -> StepFailed | DatabaseUnreachable:
    """A statement that failed: its first line, which names what is wrong and does not quote the statement.

    A lost connection, a lock, and what begins as `passing` says are tried again; a refusal is not.
    """
    said = " ".join((error.diag.message_primary or type(error).__name__).split())
    if isinstance(error, psycopg.OperationalError) or (error.sqlstate or "").startswith(passing):
        text = f"PostgreSQL answered {error.sqlstate}: {said}. It is tried again."
        return DatabaseUnreachable("Database busy", text, code=error.sqlstate)
    return StepFailed(short, f"PostgreSQL answered {error.sqlstate}: {said}.", code=error.sqlstate)
