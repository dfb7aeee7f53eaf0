"""Which errors of MySQL are transient, by their number.

Source: MySQL Error Message Reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pymysql.constants import ER
from pymysql.err import InterfaceError, MySQLError

from activities.databases.sql_errors import OperatorSql, describe_answer
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
_LINE = re.compile(r" at line (\d+)$")
"""The end of a syntax error's text, and of few others."""
READ_ONLY = "read-only"
"""In the text of ER_OPTION_PREVENTS_STATEMENT after a failover made the server a reader; other options are permanent."""


CONDITIONS = {number: f"ER_{name}" for name, number in vars(ER).items() if isinstance(number, int)}
"""The names of the Error Message Reference, by number."""


@contextmanager
def translate_errors(short: str, sql: OperatorSql | None = None) -> Iterator[None]:
    """Raise PyMySQL's errors as ours: `DatabaseUnreachable` if transient, else `StepFailed` with this short text.

    `sql` is what runs in the block if an operator wrote it.
    """
    try:
        yield
    except MySQLError as error:
        # Not as its cause: PyMySQL's text may quote the statement.
        raise translated_error(error, short, sql) from None


def translated_error(
    error: MySQLError, short: str, sql: OperatorSql | None = None, place: str = ""
) -> StepFailed | DatabaseUnreachable:
    """Our error for one of PyMySQL's. For the pipeline's own statements it has the server's text.

    Not for a syntax error, which quotes the statement, and with it perhaps a password's hash; and not for an operator's
    SQL, of which it quotes statements and data. `place` says where in that SQL the error is.
    """
    if isinstance(error, InterfaceError):
        # PyMySQL raises it for a connection that an earlier statement found closed.
        return DatabaseUnreachable("Database busy", "The connection to MySQL was lost. Temporal retries the step.")
    number, message = error_code(error), error_text(error)
    if sql is None:
        quoted = "it did not understand the statement" if number == ER.PARSE_ERROR else message
        text, server_text = f"MySQL answered {number}: {quoted}.", None
    else:
        line = _LINE.search(message)
        place += f" at line {line[1]} of the statement" if line else ""
        text, server_text = describe_answer("MySQL", str(number), CONDITIONS.get(number), sql, place), message
    if number in TRANSIENT or (number == ER.OPTION_PREVENTS_STATEMENT and READ_ONLY in message):
        text = f"{text} Temporal retries the step."
        return DatabaseUnreachable("Database busy", text, code=str(number), server_text=server_text)
    return StepFailed(short, text, code=str(number), server_text=server_text)
