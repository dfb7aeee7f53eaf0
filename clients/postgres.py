"""Connections to a restored PostgreSQL database. A refused or failed connection is transient."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psycopg

from clients.certificates import certificate_refusal
from clients.loopback import loopback_address
from errors import DatabaseUnreachable
from models.clusters import Endpoint

LOGIN_REFUSED = ("28000", "28P01")
STATEMENT_SECONDS = 60
"""No statement of the pipeline takes long; one that does is waiting for another session's lock."""

OPTIONS = "-c lock_timeout=20s -c default_transaction_read_only=off"
"""They go over what ALTER DATABASE and ALTER ROLE have set."""
LIFT_TIMEOUTS = (
    "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN"
    " ('transaction_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout') AND setting <> '0'"
)
"""Not in the options: an older server refuses one that it does not know."""


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
        """Open a connection in autocommit, which settings of the role or the database neither cut off nor make read-only.

        A statement may take 60 s; without `statement_timeout`, as long as it needs.
        Raises `DatabaseUnreachable` (transient) if the server does not answer or refuses the login, because both can
        change in the first minutes after a restore.
        """
        try:
            connection = psycopg.connect(
                host=endpoint.host,
                hostaddr=loopback_address(endpoint.host),
                port=endpoint.port,
                dbname=database,
                user=user,
                password=password,
                connect_timeout=self.connect_seconds,
                sslmode=self.sslmode,
                sslrootcert=str(self.ca_file) if self.ca_file else None,
                application_name="aurora-restore-pipeline",
                options=f"-c statement_timeout={STATEMENT_SECONDS if statement_timeout else 0}s {OPTIONS}",
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            login = f"user {user}, database {database}, {endpoint.host}:{endpoint.port}"
            # Not as its cause, as for MySQL: our error has what an operator needs of its text.
            raise _connection_error(error, login, self.connect_seconds) from None
        try:
            connection.execute(LIFT_TIMEOUTS)
        except psycopg.Error as error:
            connection.close()
            text = "The connection to PostgreSQL was lost. Temporal retries the step."
            raise DatabaseUnreachable("Database busy", text, code=error.sqlstate) from None
        return connection


def _connection_error(error: psycopg.OperationalError, connection: str, seconds: int) -> DatabaseUnreachable:
    message = " ".join(str(error).split())
    if (refusal := certificate_refusal(message, connection)) is not None:
        return refusal
    if error.sqlstate in LOGIN_REFUSED or "authentication failed" in message:
        return DatabaseUnreachable(
            "Login refused",
            f"PostgreSQL refused {connection}: {message}. Check the secret of this user.",
            code=error.sqlstate,
        )
    if "too many connections for" in message:
        text = (
            f"PostgreSQL refused {connection}: {message}. Raise its CONNECTION LIMIT at the source, or in an SQL file."
        )
        return DatabaseUnreachable("Connection limit reached", text, code=error.sqlstate)
    if "FATAL:" in message:
        # The server has answered, so it is not the network: starting up, unknown database, no right to connect to it.
        text = f"PostgreSQL refused {connection}: {message}. If this lasts, check the database's name in the request."
        return DatabaseUnreachable("Connection refused by the database", text, code=error.sqlstate)
    text = (
        f"No connection within {seconds} s ({connection}): {message}. "
        "Check the security groups between the worker and the cluster."
    )
    return DatabaseUnreachable("Connection timeout", text, code=error.sqlstate)
