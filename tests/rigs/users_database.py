"""One database on a PostgreSQL server, with the users that setup-db-users is to create."""

from __future__ import annotations

import itertools
import json
from typing import Any, LiteralString

from psycopg import sql

from activities.database_users import DatabaseUserActivities
from activities.databases.connectors import DatabaseConnectors
from clients.mysql import MysqlConnector
from clients.postgres import PostgresConnector
from models.clusters import Endpoint
from models.database_users import SetupUsersInput
from models.users import Access, DatabaseUser, Grant, OtherLogins
from tests.rigs.activities import ActivityRig

MASTER, MASTER_PASSWORD = "boss", 'mäster\'s "secret" %s {}'
CONNECTOR = PostgresConnector("disable", None, 5)
MYSQL = MysqlConnector(tls=False, ca_file=None, connect_seconds=2)
SECRET_NUMBERS = itertools.count(1)
Row = tuple[Any, ...]


class UsersDatabase:
    """One test's own database on the server, and its users' secrets."""

    def __init__(self, rig: ActivityRig, port: int) -> None:
        self.rig = rig
        self.name = f"orders_{rig.number}"
        self.master_secret = rig.make_secret("master", json.dumps({"password": MASTER_PASSWORD}))
        self.endpoint = Endpoint(
            host="127.0.0.1",
            port=port,
            engine="aurora-postgresql",
            master_username=MASTER,
            master_user_secret_id=self.master_secret,
            database_name=self.name,
        )
        with CONNECTOR.connect(self.endpoint, "postgres", MASTER, MASTER_PASSWORD) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))
        self.as_master("CREATE TABLE orders (id serial PRIMARY KEY, customer text)")
        self.as_master("INSERT INTO orders (customer) VALUES ('Ada')")

    def as_master(self, statement: LiteralString, *arguments: Any) -> list[Row]:
        return self.as_user(MASTER, MASTER_PASSWORD, statement, *arguments)

    def as_user(self, user: str, password: str, statement: LiteralString, *arguments: Any) -> list[Row]:
        with CONNECTOR.connect(self.endpoint, self.name, user, password) as connection:
            cursor = connection.execute(statement, arguments or None)
            return cursor.fetchall() if cursor.description else []

    def user(self, name: str, password: str, access: Access | None = Access.READ_ONLY) -> DatabaseUser:
        secret = self.rig.make_secret(f"user/{next(SECRET_NUMBERS)}", json.dumps({"password": password}))
        grants = (Grant(database=self.name, access=access),) if access else ()
        return DatabaseUser(name=name, secret_id=secret, grants=grants)

    def set_up(self, *users: DatabaseUser, **endpoint: Any) -> Any:
        step_input = SetupUsersInput(
            operation_id=self.rig.operation_id,
            step_started_at=self.rig.now,
            target=self.rig.target,
            endpoint=self.endpoint.model_copy(update=endpoint),
            users=users,
            other_logins=OtherLogins.KEEP,  # roles belong to the whole server, and other tests log in to it
        )
        activities = DatabaseUserActivities(self.rig.aws, DatabaseConnectors(self.rig.aws, CONNECTOR, MYSQL))
        return self.rig.run(activities.setup_db_users, step_input)

    def unique(self, name: str) -> str:
        """A name of this test's own: roles belong to the whole server."""
        return f"{name}_{self.rig.number}"
