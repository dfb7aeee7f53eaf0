"""setup-db-users on Aurora PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg

from activities import postgres_sql_files
from activities.postgres_errors import IN_A_CHECK, IN_A_FILE, IN_OURS, refused
from activities.postgres_roles import grant_access, has_rds_iam, lock_roles, set_role
from activities.postgres_sql_files import Lock, take_lock
from activities.restored_database import Ask, Row
from activities.sql_files import SqlText
from clients.postgres import PostgresConnector
from errors import StepFailed
from models.clusters import Endpoint
from models.users import DatabaseUser

MAINTENANCE_DATABASE = "postgres"
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

    @contextmanager
    def turn(self, restored: str, scripts: tuple[SqlText, ...]) -> Iterator[PostgresTurn]:
        """Marks stand in each file's database; an earlier attempt that still works there is ended as well."""
        files: dict[str, list[str]] = {}
        for script in scripts:
            files.setdefault(script.database, []).append(script.file)
        with ExitStack() as stack:
            with _refusing("Users not configured"):
                session = stack.enter_context(self._in_turn())
                begun = any(self._any_marked(of, restored, files[of]) for of in _enterable(session, list(files)))
            yield PostgresTurn(session, begun, self._endpoint.master_username, self._as_master)

    @contextmanager
    def _in_turn(self) -> Iterator[psycopg.Connection]:
        with self._as_master(MAINTENANCE_DATABASE) as session:
            take_lock(session, Lock.TURN)
            yield session

    def _any_marked(self, database: str, restored: str, files: list[str]) -> bool:
        with self._as_master(database) as connection:
            take_lock(connection, Lock.WORK)
            return postgres_sql_files.any_marked(connection, restored, files)

    def prove_login(self, user: DatabaseUser, password: str | None) -> None:
        """A login in each database of the user's grants."""
        with _refusing("Users not configured"):
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

    def run_once(self, restored: str, script: SqlText) -> str:
        """The file and its mark in one transaction: exactly once, however often the activity runs."""
        with (
            _refusing(f"SQL file failed: {script.file}", IN_A_FILE),
            self._as_master(script.database, patient=True) as connection,
        ):
            with self._in_turn() as turn:
                take_lock(connection, Lock.WORK)
                still_in(turn)
            return postgres_sql_files.run_once(connection, restored, script)

    @contextmanager
    def reading(self, database: str) -> Iterator[Ask]:
        """One query at a time, each prepared, because a simple one could be several, and COMMIT among them."""
        with _refusing("Check failed", IN_A_CHECK), self._as_master(database, patient=True) as connection:
            connection.execute("SET default_transaction_read_only = on")

            def ask(query: str) -> list[Row]:
                with connection.transaction():
                    return connection.execute(query.encode(), prepare=True).fetchmany(1000)

            yield ask

    def _as_master(self, database: str, *, patient: bool = False) -> psycopg.Connection:
        of = self._endpoint
        return self._connector.connect(of, database, of.master_username, self._master_password, patient=patient)


class PostgresTurn:
    """One attempt's turn at the roles, on the session that has the lock; grants are given inside each database."""

    def __init__(
        self,
        session: psycopg.Connection,
        files_begun: bool,
        master: str,
        connect: Callable[[str], psycopg.Connection],
    ) -> None:
        """`session` has the lock, and is ended by whoever takes it next; `connect` opens a database as the master user."""
        self.files_begun = files_begun
        self._session = session
        self._master = master
        self._connect = connect

    def lock_others(self, stay: frozenset[str]) -> Iterator[str]:
        """NOLOGIN, and the end of their sessions."""
        with _refusing("Logins not locked"):
            yield from lock_roles(self._session, stay | {self._master})

    def set_users(self, users: tuple[DatabaseUser, ...], passwords: dict[str, str]) -> Iterator[tuple[str, bool]]:
        """Roles belong to the whole server."""
        with _refusing("Users not configured"):
            for user in users:
                yield user.name, set_role(self._session, user.name, passwords.get(user.name))

    def grant(self, users: tuple[DatabaseUser, ...]) -> None:
        """Grants are given inside the database that they are of."""
        for database in dict.fromkeys(grant.database for user in users for grant in user.grants):
            with _refusing("Users not configured"), self._connect(database) as connection:
                take_lock(connection, Lock.WORK)
                still_in(self._session)
                for user in users:
                    for grant in user.grants:
                        if grant.database == database:
                            grant_access(connection, user.name, grant)


def still_in(turn: psycopg.Connection) -> None:
    """Raise if another attempt has ended this one's turn.

    Asked with the lock of a database's work: whoever takes the turn after this finds that lock, and ends its session.
    """
    turn.execute("SELECT 1")


def _enterable(session: psycopg.Connection, databases: list[str]) -> list[str]:
    """A database that is not there has no marks, and fails its file, not the locking before."""
    found = session.execute(
        "SELECT datname FROM pg_catalog.pg_database WHERE datname = ANY (%s) AND datallowconn"
        " AND has_database_privilege(oid, 'CONNECT')",
        (databases,),
    )
    return [name for (name,) in found]


@contextmanager
def _refusing(short: str, passing: tuple[str, ...] = IN_OURS) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        # Not as its cause: a cause's text goes into the history as well, and PostgreSQL's quotes the statement.
        raise refused(error, short, passing) from None
