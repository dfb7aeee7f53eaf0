"""Which of MySQL's refusals may pass, told by their number.

Source: MySQL Error Message Reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymysql.constants import ER
from pymysql.err import InterfaceError, MySQLError

from clients.mysql import NETWORK, error_code, error_text
from errors import DatabaseUnreachable, StepFailed

PASSING = (
    *NETWORK,
    ER.LOCK_WAIT_TIMEOUT,
    ER.LOCK_DEADLOCK,
    ER.SERVER_SHUTDOWN,
    ER.QUERY_INTERRUPTED,
    ER.CON_COUNT_ERROR,
    1836,  # ER_READ_ONLY_MODE
)
READ_ONLY = "read-only"
"""So says ER_OPTION_PREVENTS_STATEMENT of a server that a failover has made a reader; other options prevent for good."""


@contextmanager
def refusing(short: str) -> Iterator[None]:
    """Let MySQL's errors leave as ours."""
    try:
        yield
    except MySQLError as error:
        # Not as its cause: PyMySQL's errors may quote the statement.
        raise _refused(error, short) from None


def _refused(error: MySQLError, short: str) -> StepFailed | DatabaseUnreachable:
    """A statement that failed; of one that was not understood MySQL quotes the text, which may be a hash."""
    if isinstance(error, InterfaceError):
        # The driver's word for a connection that a statement before has found ended.
        return DatabaseUnreachable("Database busy", "the connection was lost. It is tried again.")
    number = error_code(error)
    said = "it did not understand the statement" if number == ER.PARSE_ERROR else error_text(error)
    if number in PASSING or (number == ER.OPTION_PREVENTS_STATEMENT and READ_ONLY in said):
        return DatabaseUnreachable(
            "Database busy", f"MySQL answered {number}: {said}. It is tried again.", code=str(number)
        )
    return StepFailed(short, f"MySQL answered {number}: {said}.", code=str(number))
