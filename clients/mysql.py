"""Connections to a restored MySQL database. A refused or failed connection is transient."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CLIENT, CR, ER
from pymysql.cursors import Cursor

from clients.certificates import certificate_refusal
from clients.loopback import loopback_address
from errors import DatabaseUnreachable
from models.clusters import Endpoint

ACCOUNT_LOCKED = (3118, 4151)
"""ER_ACCOUNT_HAS_BEEN_LOCKED of MySQL and of MariaDB."""

STATEMENT_SECONDS = 90
"""No statement of the pipeline takes long; one that does is waiting for another session's lock."""

LOGIN_REFUSED = (ER.ACCESS_DENIED_ERROR, 1698, *ACCOUNT_LOCKED)  # 1698: ER_ACCESS_DENIED_NO_PASSWORD_ERROR
LIMIT_REACHED = (ER.TOO_MANY_USER_CONNECTIONS, ER.USER_LIMIT_REACHED)
"""Of an account: MAX_USER_CONNECTIONS, MAX_QUERIES_PER_HOUR and others. Source: MySQL Reference Manual, CREATE USER."""
NETWORK_ERRORS = (
    CR.CR_CONN_HOST_ERROR,
    CR.CR_SERVER_LOST,
    CR.CR_SERVER_GONE_ERROR,
    CR.CR_UNKNOWN_HOST,
    CR.CR_CONNECTION_ERROR,
)


class _TlsOptions(TypedDict, total=False):
    """PyMySQL's parameters for TLS."""

    ssl_disabled: bool
    ssl_ca: str
    ssl_verify_cert: bool
    ssl_verify_identity: bool


@dataclass(frozen=True)
class MysqlConnector:
    """Opens connections with the worker's settings.

    With `tls`, the server's certificate and host name are verified, which MySQL calls VERIFY_IDENTITY.
    Source: Aurora User Guide, "TLS connections to Aurora MySQL DB clusters".
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
        statement_timeout: bool = True,
        script: bool = False,
    ) -> Connection[Cursor]:
        """Open a connection in autocommit, which the server's settings neither cut off nor make read-only.

        A statement may take 90 s; without `statement_timeout`, as long as it needs. A `script` connection has no
        statement timeout, accepts several statements at once and does not commit by itself.
        Raises `DatabaseUnreachable` (transient) if the server does not answer or refuses the login, because both can
        change in the first minutes after a restore.
        """
        try:
            connection = pymysql.connect(
                host=endpoint.host,
                port=endpoint.port,
                database=database,
                user=user,
                # As bytes, because the driver would encode a text in Latin-1.
                password=password.encode(),
                charset="utf8mb4",
                connect_timeout=self.connect_seconds,
                read_timeout=STATEMENT_SECONDS if statement_timeout and not script else None,
                write_timeout=STATEMENT_SECONDS,
                init_command="SET SESSION lock_wait_timeout = 20, innodb_lock_wait_timeout = 20",
                autocommit=not script,
                client_flag=CLIENT.MULTI_STATEMENTS if script else 0,
                program_name="aurora-restore-pipeline",
                defer_connect=True,
                **self._tls_options(),
            )
            connection.connect(self._loopback_socket(endpoint))
        except pymysql.MySQLError as error:
            login = f"user {user}, database {database or '(none)'}, {endpoint.host}:{endpoint.port}"
            # Not as its cause: PyMySQL's errors contain what was sent to the server.
            raise _connection_error(error, login, self.connect_seconds) from None
        try:
            _lift_limits(connection)
        except pymysql.MySQLError as error:
            connection.close()
            if error_code(error) in LIMIT_REACHED:
                login = f"a statement of user {user}, {endpoint.host}:{endpoint.port}"
                raise _connection_error(error, login, self.connect_seconds) from None
            text = "The connection to MySQL was lost. Temporal retries the step."
            raise DatabaseUnreachable("Database busy", text, code=str(error_code(error))) from None
        return connection

    def _loopback_socket(self, endpoint: Endpoint) -> socket.socket | None:
        """A connection to a name of this machine; None lets the driver resolve any other name."""
        address = loopback_address(endpoint.host)
        if address is None:
            return None
        try:
            return socket.create_connection((address, endpoint.port), self.connect_seconds)
        except OSError as error:
            text = f"Can't connect to MySQL server on '{endpoint.host}' ({error})"
            raise pymysql.OperationalError(CR.CR_CONN_HOST_ERROR, text) from None

    def _tls_options(self) -> _TlsOptions:
        if not self.tls:
            return {"ssl_disabled": True}
        return {"ssl_ca": str(self.ca_file), "ssl_verify_cert": True, "ssl_verify_identity": True}


def _lift_limits(connection: Connection[Cursor]) -> None:
    """MySQL has the first of the names, MariaDB the second.

    Source: MySQL Reference Manual, max_execution_time, SET TRANSACTION.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION READ WRITE")
        cursor.execute("SHOW SESSION VARIABLES WHERE Variable_name IN ('max_execution_time', 'max_statement_time')")
        for name, value in list(cursor.fetchall()):
            if float(value):
                cursor.execute(f"SET SESSION {name} = 0")


def error_code(error: pymysql.MySQLError) -> int:
    """MySQL's number of the error; 0 if the driver has none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def error_text(error: pymysql.MySQLError) -> str:
    """The server's message, in one line."""
    return " ".join(str(error.args[1] if len(error.args) > 1 else type(error).__name__).split())


def _connection_error(error: pymysql.MySQLError, connection: str, seconds: int) -> DatabaseUnreachable:
    number, message = error_code(error), error_text(error)
    if number in LOGIN_REFUSED:
        return DatabaseUnreachable(
            "Login refused", f"MySQL refused {connection}: {message}. Check the secret of this user.", code=str(number)
        )
    if number in LIMIT_REACHED:
        text = (
            f"MySQL refused {connection}: {message}. Raise the limit of the account at the source, or in an SQL file."
        )
        return DatabaseUnreachable("Connection limit reached", text, code=str(number))
    if (refusal := certificate_refusal(message, connection)) is not None:
        return refusal
    if number not in NETWORK_ERRORS:
        # The server has answered, so it is not the network: too many connections, unknown database, TLS is required.
        text = f"MySQL refused {connection}: {message}. If this lasts, check the database's name in the request."
        return DatabaseUnreachable("Connection refused by the database", text, code=str(number) if number else None)
    text = (
        f"No connection within {seconds} s ({connection}): {message}. "
        "Check the security groups between the worker and the cluster."
    )
    return DatabaseUnreachable("Connection timeout", text, code=str(number))
