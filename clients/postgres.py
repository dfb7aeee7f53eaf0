"""Connections to a restored PostgreSQL database, and which of their failures may pass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psycopg

from errors import DatabaseUnreachable
from models.clusters import Endpoint

LOGIN_REFUSED = ("28000", "28P01")
STATEMENT_SECONDS = 60
"""No statement of ours takes long; one that does is waiting for somebody's lock."""


@dataclass(frozen=True)
class PostgresConnector:
    """Opens connections as the worker's settings say.

    Source for verify-full: Aurora User Guide, "Securing Aurora PostgreSQL data with SSL/TLS".
    """

    sslmode: str
    ca_file: Path | None
    connect_seconds: int

    def connect(
        self, endpoint: Endpoint, database: str, user: str, password: str, *, patient: bool = False
    ) -> psycopg.Connection:
        """A connection in autocommit; for a `patient` one statements may take as long as they need.

        Raises `DatabaseUnreachable` (transient) if the server does not answer or refuses the login: after a restore
        both may still come right.
        """
        where = f"{endpoint.host}:{endpoint.port}, database {database}, user {user}"
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
                options=f"-c statement_timeout={0 if patient else STATEMENT_SECONDS}s -c lock_timeout=20s",
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            raise _unreachable(error, where, self.connect_seconds) from error


def _unreachable(error: psycopg.OperationalError, where: str, seconds: int) -> DatabaseUnreachable:
    said = " ".join(str(error).split())
    if error.sqlstate in LOGIN_REFUSED or "authentication failed" in said:
        return DatabaseUnreachable(
            "Login refused", f"{where}: {said}. Check the secret of this user.", code=error.sqlstate
        )
    if "FATAL:" in said:
        # The server has answered, so it is not the network: starting up, no such database, no right to enter it.
        text = f"{where}: {said}. If it stays so, check the database's name in the request."
        return DatabaseUnreachable("Connection refused by the database", text, code=error.sqlstate)
    advice = (
        f"No connection to {where} within {seconds} s. Check the security groups between the worker and the cluster."
    )
    return DatabaseUnreachable("Connection timeout", f"{advice} The driver said: {said}.", code=error.sqlstate)
