"""The way to the database of a cluster, on either engine."""

from __future__ import annotations

from activities.databases.mysql.database import MysqlDatabase
from activities.databases.passwords import read_password
from activities.databases.postgres.database import PostgresDatabase
from activities.databases.restored_database import RestoredDatabase
from activities.databases.sql_traps import MYSQL
from clients.aws import AwsClients
from clients.mysql import MysqlConnector
from clients.postgres import PostgresConnector
from models.clusters import Endpoint
from models.request import Target


class DatabaseConnectors:
    """Leads to the database of a cluster as its master user."""

    def __init__(self, aws: AwsClients, postgres: PostgresConnector, mysql: MysqlConnector) -> None:
        """The connectors open the connections."""
        self._aws = aws
        self._postgres = postgres
        self._mysql = mysql

    def database(self, target: Target, operation_id: str, endpoint: Endpoint) -> RestoredDatabase:
        """Read the master password; nothing is connected yet. Raises `StepFailed` if its secret is not usable."""
        secrets = self._aws.secretsmanager(target, operation_id)
        password = read_password(secrets, endpoint.master_user_secret_id)
        if endpoint.engine == MYSQL:
            return MysqlDatabase(self._mysql, endpoint, password)
        return PostgresDatabase(self._postgres, endpoint, password)
