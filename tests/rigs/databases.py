"""A restored database of either engine, as the tests of users see it: the master's view and the users'."""

from __future__ import annotations

import itertools
import json
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from activities.database_users import DatabaseUserActivities
from activities.databases.mysql.accounts import identifier
from activities.databases.mysql.database import MysqlDatabase
from activities.databases.mysql.session_lock import MysqlSessionLock
from activities.databases.postgres.database import PostgresDatabase
from activities.databases.postgres.session_lock import PostgresSessionLock
from activities.databases.restored_database import RestoredDatabase
from clients.mysql import MysqlConnector
from clients.postgres import PostgresConnector
from devstack.mariadb import MariadbHost
from devstack.postgres import PostgresHost
from models.clusters import Endpoint
from models.database_users import SetupUsersInput
from models.users import Access, DatabaseUser, DataCheck, Grant, SqlFile
from tests.rigs.activities import ActivityRig

MASTER, MASTER_PASSWORD = "boss", 'mäster\'s "secret" %s {}'
SECRETS = itertools.count(1)
Row = tuple[Any, ...]


class Database(ABC):
    """What the engines have in common."""

    engine: str
    kind: type[PostgresDatabase | MysqlDatabase]
    turns: type[PostgresSessionLock | MysqlSessionLock]
    port: int

    def __init__(self, rig: ActivityRig, directory: Path) -> None:
        self.rig = rig
        self.directory = directory
        self.name = f"orders_{rig.number}"
        self.endpoint = Endpoint(
            host="127.0.0.1",
            port=self.port,
            engine=self.engine,
            master_username=MASTER,
            master_user_secret_id=rig.make_secret(f"master/{next(SECRETS)}", json.dumps({"password": MASTER_PASSWORD})),
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
        """One that came with the snapshot."""

    @abstractmethod
    def session(self, user: str, password: str, database: str | None = None) -> Any: ...

    def as_user(self, user: str, password: str, statement: str, database: str | None = None) -> list[Row]:
        with closing(self.session(user, password, database)) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def as_master(self, statement: str, database: str | None = None) -> list[Row]:
        return self.as_user(MASTER, MASTER_PASSWORD, statement, database)

    def user(self, name: str, password: str | None, access: Access | None = Access.READ_ONLY) -> DatabaseUser:
        grants = (Grant(database=self.name, access=access),) if access else ()
        if password is None:
            return DatabaseUser.model_validate_json(
                json.dumps({"name": name, "authentication": "iam", "grants": [g.model_dump() for g in grants]})
            )
        secret = self.rig.make_secret(f"of-user/{next(SECRETS)}", json.dumps({"password": password}))
        return DatabaseUser(name=name, secret_id=secret, grants=grants)

    def file(self, name: str, text: str) -> SqlFile:
        path = self.directory / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, "utf-8")
        return SqlFile(file=name, database=self.name)

    def check(self, query: str, *expected: tuple[Any, ...]) -> DataCheck:
        return DataCheck(database=self.name, query=query, expected=expected)

    def input(self, *users: DatabaseUser, **more: Any) -> SetupUsersInput:
        given = {"operation_id": self.rig.operation_id, "endpoint": self.endpoint, **more}
        return SetupUsersInput(step_started_at=self.rig.now, target=self.rig.target, users=users, **given)

    def set_up(self, *users: DatabaseUser, **more: Any) -> Any:
        return self.rig.run(self.activities.setup_db_users, self.input(*users, **more))

    @property
    def activities(self) -> DatabaseUserActivities:
        return DatabaseUserActivities(self.rig.aws, self.postgres, self.mysql, self.directory)

    @abstractmethod
    def restored(self) -> RestoredDatabase:
        """As the activity has it."""

    def unique(self, name: str) -> str:
        """Logins belong to the whole server; tests must not meet."""
        return f"{name}_{self.rig.number}"

    def orders(self) -> list[Row]:
        return self.as_master("SELECT customer FROM orders ORDER BY id")


class Postgres(Database):
    engine = "aurora-postgresql"
    kind = PostgresDatabase
    turns = PostgresSessionLock

    def __init__(self, rig: ActivityRig, directory: Path, host: PostgresHost) -> None:
        self.host = host
        self.port = host.address("restored").port
        super().__init__(rig, directory)

    def make_database(self, name: str) -> None:
        with closing(self.session(MASTER, MASTER_PASSWORD, "postgres")) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def make_login(self, name: str, password: str) -> None:
        with closing(self.session(MASTER, MASTER_PASSWORD)) as connection:
            statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Literal(password)))

    def session(self, user: str, password: str, database: str | None = None) -> psycopg.Connection:
        return self.postgres.connect(self.endpoint, database or self.name, user, password)

    def restored(self) -> RestoredDatabase:
        return PostgresDatabase(self.postgres, self.endpoint, MASTER_PASSWORD)


class Mysql(Database):
    engine = "aurora-mysql"
    kind = MysqlDatabase
    turns = MysqlSessionLock

    def __init__(self, rig: ActivityRig, directory: Path, host: MariadbHost) -> None:
        self.host = host
        self.port = host.address("restored").port
        super().__init__(rig, directory)

    def make_database(self, name: str) -> None:
        self.as_user(MASTER, MASTER_PASSWORD, f"CREATE DATABASE {identifier(name)}", "information_schema")

    def make_login(self, name: str, password: str) -> None:
        self.host.as_rdsadmin("restored", "CREATE USER %s@'%%' IDENTIFIED BY %s", name, password)

    def session(self, user: str, password: str, database: str | None = None) -> Any:
        return self.mysql.connect(self.endpoint, database or self.name, user, password)

    def restored(self) -> RestoredDatabase:
        return MysqlDatabase(self.mysql, self.endpoint, MASTER_PASSWORD)
