"""Which errors of MySQL are transient, by their number.

Source: MySQL Error Message Reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymysql.constants import ER
from pymysql.err import InterfaceError, MySQLError

from clients.mysql import NETWORK_ERRORS, error_code, error_text
from errors import DatabaseUnreachable, StepFailed

TRANSIENT = (
    *NETWORK_ERRORS,
    ER.LOCK_WAIT_TIMEOUT,
    ER.LOCK_DEADLOCK,
    ER.SERVER_SHUTDOWN,
    ER.QUERY_INTERRUPTED,
    ER.CON_COUNT_ERROR,
    1836,  # ER_READ_ONLY_MODE
)
READ_ONLY = "read-only"
"""In the text of ER_OPTION_PREVENTS_STATEMENT after a failover made the server a reader; other options are permanent."""


@contextmanager
def translate_errors(short: str) -> Iterator[None]:
    """Raise PyMySQL's errors as ours: `DatabaseUnreachable` if transient, else `StepFailed` with this short text."""
    try:
        yield
    except MySQLError as error:
        # Not as its cause: PyMySQL's text may quote the statement.
        raise translated_error(error, short) from None


def translated_error(error: MySQLError, short: str) -> StepFailed | DatabaseUnreachable:
    """Our error for one of PyMySQL's.

    Without the server's text for a syntax error, which quotes the statement, and with it perhaps a password's hash.
    """
    if isinstance(error, InterfaceError):
        # PyMySQL raises it for a connection that an earlier statement found closed.
        return DatabaseUnreachable("Database busy", "The connection to MySQL was lost. Temporal retries the step.")
    number = error_code(error)
    message = "it did not understand the statement" if number == ER.PARSE_ERROR else error_text(error)
    text = f"MySQL answered {number}: {message}."
    if number in TRANSIENT or (number == ER.OPTION_PREVENTS_STATEMENT and READ_ONLY in message):
        return DatabaseUnreachable("Database busy", f"{text} Temporal retries the step.", code=str(number))
    return StepFailed(short, text, code=str(number))
