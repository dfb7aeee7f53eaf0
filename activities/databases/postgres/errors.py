"""Which errors of PostgreSQL are transient, by their SQLSTATE.

Source: PostgreSQL documentation, Appendix A, "PostgreSQL Error Codes".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from activities.databases.sql_errors import OperatorSql, describe_answer
from errors import DatabaseUnreachable, StepFailed

TRANSIENT = ("08", "40", "53", "57", "XX", "55P03")
"""First characters of a SQLSTATE: connection, rollback, resources, operator intervention, internal error, lock timeout.

XX also means a conflict with another attempt over a row of a catalogue ("tuple concurrently updated").
"""
READ_ONLY = "25006"
"""During a failover the endpoint leads to a reader. In a check the query itself writes."""
UNIQUE_VIOLATION = "23505"
"""The pipeline's own statements add rows to catalogues only, so another attempt has just added the same row.

In an SQL file it is the operator's own data.
"""
TRANSIENT_IN_OUR_STATEMENTS = (*TRANSIENT, READ_ONLY, UNIQUE_VIOLATION)
TRANSIENT_IN_SQL_FILES = (*TRANSIENT, READ_ONLY)
TRANSIENT_IN_CHECKS = TRANSIENT


@contextmanager
def translate_errors(
    short: str, transient: tuple[str, ...] = TRANSIENT_IN_OUR_STATEMENTS, sql: OperatorSql | None = None
) -> Iterator[None]:
    """Raise psycopg's errors as ours: `DatabaseUnreachable` if transient, else `StepFailed` with this short text.

    `sql` is what runs in the block if an operator wrote it.
    """
    try:
        yield
    except psycopg.Error as error:
        # Not as its cause: Temporal keeps a cause's text too, and psycopg's text quotes the statement.
        raise translated_error(error, short, transient, sql) from None


def translated_error(
    error: psycopg.Error, short: str, transient: tuple[str, ...], sql: OperatorSql | None = None
) -> StepFailed | DatabaseUnreachable:
    """Our error for one of psycopg's. For the pipeline's own statements it has the server's primary message.

    That quotes neither the statement nor data, only names. For an operator's SQL it may quote both.
    A lost connection is transient, and so is a SQLSTATE that begins with one of `transient`.
    """
    if error.sqlstate is None:
        return _error_without_sqlstate(error, short)
    message = " ".join((error.diag.message_primary or type(error).__name__).split())
    if sql is None:
        text, server_text = f"PostgreSQL answered {error.sqlstate}: {message}.", None
    else:
        condition, place = _condition_name(error.sqlstate), sql.place(_position(error))
        text, server_text = describe_answer("PostgreSQL", error.sqlstate, condition, sql, place), message
    if error.sqlstate.startswith(transient):
        text = f"{text} Temporal retries the step."
        return DatabaseUnreachable("Database busy", text, code=error.sqlstate, server_text=server_text)
    return StepFailed(short, text, code=error.sqlstate, server_text=server_text)


def _condition_name(sqlstate: str) -> str | None:
    """As Appendix A names it, such as invalid_text_representation; None for a SQLSTATE of the operator's own."""
    try:
        name = psycopg.errors.lookup(sqlstate).__name__
    except KeyError:
        return None
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _position(error: psycopg.Error) -> int | None:
    """The character of the SQL at which the error is, counted from 1; an error of a row's data has none."""
    position = error.diag.statement_position
    return int(position) if position else None


def _error_without_sqlstate(error: psycopg.Error, short: str) -> StepFailed | DatabaseUnreachable:
    if isinstance(error, psycopg.OperationalError):
        return DatabaseUnreachable("Database busy", "The connection to PostgreSQL was lost. Temporal retries the step.")
    return StepFailed(short, f"The driver refused the statement or its result: {type(error).__name__}.")
