"""A restored database of either engine, as the tests of setup-db-users use it."""

from __future__ import annotations

import itertools
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
from psycopg import sql

from activities.database_users import DatabaseUserActivities
from activities.databases.connectors import DatabaseConnectors
from activities.databases.mysql import masking as mysql_masking
from activities.databases.mysql.accounts import quote_identifier
from activities.databases.mysql.database import MysqlDatabase
from activities.databases.mysql.session_lock import FILE_LOCK, MysqlLockedSession
from activities.databases.postgres import masking as postgres_masking
from activities.databases.postgres.database import PostgresDatabase
from activities.databases.postgres.session_lock import LOCK_CLASS, Lock, PostgresLockedSession
from activities.databases.restored_database import RestoredDatabase
from clients.mysql import MysqlConnector
from clients.postgres import PostgresConnector
from devstack.database_servers import RDSADMIN
from devstack.mariadb import MariadbHost
from devstack.postgres import PostgresHost
from models.clusters import Endpoint
from models.database_users import SetupUsersInput
from models.masking import Masking
from models.users import Access, DatabaseUser, DataCheck, Grant, SqlFile
from tests.rigs.activities import ActivityRig

MASTER, MASTER_PASSWORD = "boss", 'mäster\'s "secret" %s {}'
MASKING_KEY = "the key of every masking test, 32+ characters"
SECRET_NUMBERS = itertools.count(1)
Row = tuple[Any, ...]


class Database(ABC):
    """One test's own database, with one row in the table orders, on a server that the tests share."""

    engine: str
    restored_database_class: type[PostgresDatabase | MysqlDatabase]
    locked_session_class: type[PostgresLockedSession | MysqlLockedSession]
    masking_module: ModuleType
    """Where the engine's masking finds what it calls."""
    login_database: str
    """The database that every login may connect to, without a grant."""
    lock_login: str
    """Follows ALTER USER name, to lock the login; `unlock_login` undoes it."""
    unlock_login: str
    take_file_lock: str
    """The statement that takes the lock under which an SQL file runs."""
    end_session: str
    """The statement with which RDS itself ends the session of a number."""
    sleep: str
    """The SQL function that sleeps for a number of seconds."""
    port: int

    def __init__(self, rig: ActivityRig, directory: Path) -> None:
        self._made: list[str] = []
        self.masking_secret: str | None = None
        self.rig = rig
        self.directory = directory
        self.name = f"orders_{rig.number}"
        self.endpoint = Endpoint(
            host="127.0.0.1",
            port=self.port,
            engine=self.engine,
            master_username=MASTER,
            master_user_secret_id=self._make_secret("master", MASTER_PASSWORD),
            database_name=self.name,
        )
        self.postgres = PostgresConnector("disable", None, 5)
        self.mysql = MysqlConnector(tls=False, ca_file=None, connect_seconds=5)
        self.make_database(self.name)
        self.as_master("CREATE TABLE orders (id int PRIMARY KEY, customer text)")
        self.as_master("INSERT INTO orders VALUES (1, 'Ada')")

    @abstractmethod
    def make_database(self, name: str) -> None: ...

    @abstractmethod
    def make_login(self, name: str, password: str) -> None:
        """Create a login as if it came with the snapshot."""

    @abstractmethod
    def session(self, user: str, password: str, database: str | None = None) -> Any:
        """Open a connection, by default to the test's own database."""

    def as_user(self, user: str, password: str, statement: str, database: str | None = None) -> list[Row]:
        with closing(self.session(user, password, database)) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def as_master(self, statement: str, database: str | None = None) -> list[Row]:
        return self.as_user(MASTER, MASTER_PASSWORD, statement, database)

    @abstractmethod
    def drop_databases(self) -> None:
        """Drop what `make_database` made: an attempt connects to every database of the server."""

    @abstractmethod
    def as_rdsadmin(self, statement: str) -> list[Row]:
        """As RDS itself, whose sessions no attempt ends, while an attempt runs."""

    def orders(self) -> list[Row]:
        return self.as_master("SELECT customer FROM orders ORDER BY id")

    def user(self, name: str, password: str | None, access: Access | None = Access.READ_ONLY) -> DatabaseUser:
        """A user of the request with a secret, or of IAM if the password is None."""
        grants = (Grant(database=self.name, access=access),) if access else ()
        if password is None:
            return DatabaseUser.model_validate_json(
                json.dumps({"name": name, "authentication": "iam", "grants": [g.model_dump() for g in grants]})
            )
        return DatabaseUser(name=name, secret_id=self._make_secret("user", password), grants=grants)

    def file(self, name: str, text: str) -> SqlFile:
        """Write an SQL file into the worker's directory."""
        path = self.directory / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, "utf-8")
        return SqlFile(file=name, database=self.name)

    def masking(self, *lines: str, **fields: Any) -> Masking:
        """Write the lines into the masking file; each is of the test's own database, and begins with the table."""
        path = self.directory / "masking.toml"
        path.write_text("".join(f"{self.name}.{line}\n" for line in lines), "utf-8")
        self.masking_secret = self.masking_secret or self.rig.make_secret("masking", json.dumps({"key": MASKING_KEY}))
        return Masking(file=path.name, **{"key_secret_id": self.masking_secret, **fields})

    def table(self, name: str) -> str:
        """A table as the masking file names it."""
        return name

    def check(self, query: str, *expected: tuple[Any, ...]) -> DataCheck:
        return DataCheck(database=self.name, query=query, expected=expected)

    def step_input(self, *users: DatabaseUser, **fields: Any) -> SetupUsersInput:
        all_fields = {"operation_id": self.rig.operation_id, "endpoint": self.endpoint, **fields}
        return SetupUsersInput(step_started_at=self.rig.now, target=self.rig.target, users=users, **all_fields)

    def set_up(self, *users: DatabaseUser, **fields: Any) -> Any:
        """Run one attempt of setup-db-users."""
        return self.rig.run(self.activities.setup_db_users, self.step_input(*users, **fields))

    @property
    def connectors(self) -> DatabaseConnectors:
        return DatabaseConnectors(self.rig.aws, self.postgres, self.mysql)

    @property
    def activities(self) -> DatabaseUserActivities:
        return DatabaseUserActivities(self.rig.aws, self.connectors, self.directory)

    @abstractmethod
    def restored_database(self) -> RestoredDatabase:
        """The object that the activity works with."""

    def unique(self, name: str) -> str:
        """A login's name that no other test uses: logins belong to the whole server."""
        return f"{name}_{self.rig.number}"

    def _make_secret(self, owner: str, password: str) -> str:
        return self.rig.make_secret(f"{owner}/{next(SECRET_NUMBERS)}", json.dumps({"password": password}))


class Postgres(Database):
    engine = "aurora-postgresql"
    restored_database_class = PostgresDatabase
    locked_session_class = PostgresLockedSession
    masking_module = postgres_masking
    login_database = "postgres"
    lock_login, unlock_login = "NOLOGIN", "LOGIN"
    take_file_lock = f"SELECT pg_advisory_lock({LOCK_CLASS}, {Lock.DATABASE.value})"
    sleep = "pg_sleep"
    end_session = "SELECT pg_terminate_backend({})"

    def __init__(self, rig: ActivityRig, directory: Path, host: PostgresHost) -> None:
        self.host = host
        self.port = host.address("restored").port
        super().__init__(rig, directory)

    def make_database(self, name: str) -> None:
        with closing(self.session(MASTER, MASTER_PASSWORD, "postgres")) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        self._made.append(name)

    def drop_databases(self) -> None:
        with closing(self.session(RDSADMIN, self.host._password, "postgres")) as connection:
            for name in self._made:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def table(self, name: str) -> str:
        return f'"public.{name}"'

    def make_login(self, name: str, password: str) -> None:
        with closing(self.session(MASTER, MASTER_PASSWORD)) as connection:
            statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Literal(password)))

    def session(self, user: str, password: str, database: str | None = None) -> psycopg.Connection:
        return self.postgres.connect(self.endpoint, database or self.name, user, password)

    def as_rdsadmin(self, statement: str) -> list[Row]:
        return self.as_user(RDSADMIN, self.host._password, statement)

    def restored_database(self) -> RestoredDatabase:
        return PostgresDatabase(self.postgres, self.endpoint, MASTER_PASSWORD)


class Mysql(Database):
    engine = "aurora-mysql"
    restored_database_class = MysqlDatabase
    locked_session_class = MysqlLockedSession
    masking_module = mysql_masking
    login_database = "information_schema"
    lock_login, unlock_login = "ACCOUNT LOCK", "ACCOUNT UNLOCK"
    take_file_lock = f"SELECT GET_LOCK('{FILE_LOCK}', 0)"
    sleep = "sleep"
    end_session = "KILL {}"

    def __init__(self, rig: ActivityRig, directory: Path, host: MariadbHost) -> None:
        self.host = host
        self.port = host.address("restored").port
        super().__init__(rig, directory)

    def make_database(self, name: str) -> None:
        self.as_user(MASTER, MASTER_PASSWORD, f"CREATE DATABASE {quote_identifier(name)}", "information_schema")
        self._made.append(name)

    def drop_databases(self) -> None:
        for name in self._made:
            self.host.as_rdsadmin("restored", f"DROP DATABASE IF EXISTS {quote_identifier(name)}")

    def make_login(self, name: str, password: str) -> None:
        self.host.as_rdsadmin("restored", "CREATE USER %s@'%%' IDENTIFIED BY %s", name, password)

    def session(self, user: str, password: str, database: str | None = None) -> Any:
        return self.mysql.connect(self.endpoint, database or self.name, user, password)

    def as_rdsadmin(self, statement: str) -> list[Row]:
        return self.host.as_rdsadmin("restored", statement)

    def restored_database(self) -> RestoredDatabase:
        return MysqlDatabase(self.mysql, self.endpoint, MASTER_PASSWORD)


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until another session, another thread or the server itself has come so far."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition did not become true within {seconds} s"
        time.sleep(0.05)
