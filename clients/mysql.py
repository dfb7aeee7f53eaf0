"""Connections to a restored MySQL database, and which of their failures may pass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CLIENT, CR, ER
from pymysql.cursors import Cursor

from errors import DatabaseUnreachable
from models.clusters import Endpoint

ACCOUNT_LOCKED = (3118, 4151)
"""ER_ACCOUNT_HAS_BEEN_LOCKED of MySQL and of MariaDB."""

STATEMENT_SECONDS = 90
"""No statement of ours takes long; one that does is waiting for somebody's lock."""

LOGIN_REFUSED = (ER.ACCESS_DENIED_ERROR, 1698, *ACCOUNT_LOCKED)  # 1698: ER_ACCESS_DENIED_NO_PASSWORD_ERROR
NETWORK = (
    CR.CR_CONN_HOST_ERROR,
    CR.CR_SERVER_LOST,
    CR.CR_SERVER_GONE_ERROR,
    CR.CR_UNKNOWN_HOST,
    CR.CR_CONNECTION_ERROR,
)


@dataclass(frozen=True)
class MysqlConnector:
    """Opens connections as the worker's settings say.

    Source: Aurora User Guide, "TLS connections to Aurora MySQL DB clusters"; MySQL's name for it is VERIFY_IDENTITY.
    """

    tls: bool
    ca_file: Path | None
    connect_seconds: int

    def connect(
        self,
        endpoint: Endpoint,
        database: str | None,
        user: str,
        password: str,
        *,
        patient: bool = False,
        script: bool = False,
    ) -> Connection[Cursor]:
        """A connection in autocommit; for a `script` one that takes many statements at once, in transactions.

        On a `patient` one, and on one for a script, statements may take as long as they need.
        Raises `DatabaseUnreachable` (transient) if the server does not answer or refuses the login: after a restore
        both may still come right.
        """
        options: dict[str, Any] = {"ssl_disabled": True}
        if self.tls:
            options = {"ssl_ca": str(self.ca_file), "ssl_verify_cert": True, "ssl_verify_identity": True}
        try:
            return pymysql.connect(
                host=endpoint.host,
                port=endpoint.port,
                database=database,
                user=user,
                # As bytes: the driver would encode a text as Latin-1.
                password=password.encode(),
                charset="utf8mb4",
                connect_timeout=self.connect_seconds,
                read_timeout=None if patient or script else STATEMENT_SECONDS,
                write_timeout=STATEMENT_SECONDS,
                init_command="SET SESSION lock_wait_timeout = 20, innodb_lock_wait_timeout = 20",
                autocommit=not script,
                client_flag=CLIENT.MULTI_STATEMENTS if script else 0,
                program_name="aurora-restore-pipeline",
                **options,
            )
        except pymysql.MySQLError as error:
            where = f"{endpoint.host}:{endpoint.port}, database {database or '(none)'}, user {user}"
            # Not as its cause: PyMySQL's errors hold what the server was sent.
            raise _unreachable(error, where, self.connect_seconds) from None


def error_code(error: pymysql.MySQLError) -> int:
    """MySQL's number of the error; 0 if the driver gave none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def error_text(error: pymysql.MySQLError) -> str:
    """What the server said, in one line."""
    return " ".join(str(error.args[1] if len(error.args) > 1 else type(error).__name__).split())


def _unreachable(error: pymysql.MySQLError, where: str, seconds: int) -> DatabaseUnreachable:
    number, said = error_code(error), error_text(error)
    if number in LOGIN_REFUSED:
        return DatabaseUnreachable(
            "Login refused", f"{where}: {said}. Check the secret of this user.", code=str(number)
        )
    if number not in NETWORK:
        # The server has answered, so it is not the network: too many connections, no such database, TLS is required.
        text = f"{where}: {said}. If it stays so, check the database's name in the request."
        return DatabaseUnreachable("Connection refused by the database", text, code=str(number) if number else None)
    advice = (
        f"No connection to {where} within {seconds} s. Check the security groups between the worker and the cluster."
    )
    return DatabaseUnreachable("Connection timeout", f"{advice} The driver said: {said}.", code=str(number))
