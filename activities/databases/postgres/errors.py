"""Which of PostgreSQL's refusals may pass, told by their SQLSTATE.

Source: PostgreSQL documentation, Appendix A, "PostgreSQL Error Codes".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from errors import DatabaseUnreachable, StepFailed

PASSING = ("08", "40", "53", "57", "XX", "55P03")
"""How the SQLSTATE begins: connection, rolled back, resources, an operator's hand, a failure inside, a lock.

Inside, XX, is also where another attempt changed the same row of a catalogue ("tuple concurrently updated").
"""
READ_ONLY = "25006"
"""A failover is under way; or, in a check, the query is one that writes."""
RIVAL = "23505"
"""Unique violation: our own statements add rows to catalogues only, where another attempt has added the same meanwhile.

In an SQL file it is the operator's own.
"""
IN_OURS = (*PASSING, READ_ONLY, RIVAL)
IN_A_FILE = (*PASSING, READ_ONLY)
IN_A_CHECK = PASSING


@contextmanager
def refusing(short: str, passing: tuple[str, ...] = IN_OURS) -> Iterator[None]:
    """Let PostgreSQL's errors leave as ours, as `refused` tells them."""
    try:
        yield
    except psycopg.Error as error:
        # Not as its cause: a cause's text goes into the history as well, and PostgreSQL's quotes the statement.
        raise refused(error, short, passing) from None


def refused(error: psycopg.Error, short: str, passing: tuple[str, ...]) -> StepFailed | DatabaseUnreachable:
    """A statement that failed: its first line, which names what is wrong and does not quote the statement.

    A lost connection and what begins as `passing` says are tried again; a refusal, which `short` names, is not.
    """
    if error.sqlstate is None:
        return _without_answer(error, short)
    said = " ".join((error.diag.message_primary or type(error).__name__).split())
    text = f"PostgreSQL answered {error.sqlstate}: {said}."
    if error.sqlstate.startswith(passing):
        return DatabaseUnreachable("Database busy", f"{text} It is tried again.", code=error.sqlstate)
    return StepFailed(short, text, code=error.sqlstate)


def _without_answer(error: psycopg.Error, short: str) -> StepFailed | DatabaseUnreachable:
    if isinstance(error, psycopg.OperationalError):
        return DatabaseUnreachable("Database busy", "the connection was lost. It is tried again.")
    return StepFailed(short, f"the driver refused the statement, or what came of it: {type(error).__name__}.")
