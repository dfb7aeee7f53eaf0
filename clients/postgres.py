"""Connections to a restored PostgreSQL database. A refused or failed connection is transient."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psycopg

from errors import DatabaseUnreachable
from models.clusters import Endpoint

LOGIN_REFUSED = ("28000", "28P01")
STATEMENT_SECONDS = 60
"""No statement of the pipeline takes long; one that does is waiting for another session's lock."""


@dataclass(frozen=True)
class PostgresConnector:
    """Opens connections with the worker's settings.

    Source for verify-full: Aurora User Guide, "Securing Aurora PostgreSQL data with SSL/TLS".
    """

    sslmode: str
    ca_file: Path | None
    connect_seconds: int

    def connect(
        self, endpoint: Endpoint, database: str, user: str, password: str, *, statement_timeout: bool = True
    ) -> psycopg.Connection:
        """Open a connection in autocommit.

        A statement may take 60 s; without `statement_timeout`, as long as it needs.
        Raises `DatabaseUnreachable` (transient) if the server does not answer or refuses the login, because both can
        change in the first minutes after a restore.
        """
        try:
            return psycopg.connect(
                host=endpoint.host,
                port=endpoint.port,
                dbname=database,
                user=user,
                password=password,
                connect_timeout=self.connect_seconds,
                sslmode=self.sslmode,
                sslrootcert=str(self.ca_file) if self.ca_file else None,
                application_name="aurora-restore-pipeline",
                options=f"-c statement_timeout={STATEMENT_SECONDS if statement_timeout else 0}s -c lock_timeout=20s",
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            connection = f"user {user}, database {database}, {endpoint.host}:{endpoint.port}"
            # Not as its cause, as for MySQL: our error has what an operator needs of its text.
            raise _connection_error(error, connection, self.connect_seconds) from None


def _connection_error(error: psycopg.OperationalError, connection: str, seconds: int) -> DatabaseUnreachable:
    message = " ".join(str(error).split())
    if error.sqlstate in LOGIN_REFUSED or "authentication failed" in message:
        return DatabaseUnreachable(
            "Login refused",
            f"PostgreSQL refused {connection}: {message}. Check the secret of this user.",
            code=error.sqlstate,
        )
    if "FATAL:" in message:
        # The server has answered, so it is not the network: starting up, unknown database, no right to connect to it.
        text = f"PostgreSQL refused {connection}: {message}. If this lasts, check the database's name in the request."
        return DatabaseUnreachable("Connection refused by the database", text, code=error.sqlstate)
    text = (
        f"No connection within {seconds} s ({connection}): {message}. "
        "Check the security groups between the worker and the cluster."
    )
    return DatabaseUnreachable("Connection timeout", text, code=error.sqlstate)
