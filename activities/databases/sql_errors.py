"""What a failure says of the operator's own SQL: where it failed and with which code, never what the server said.

A server's text may quote data (`invalid input syntax for type integer: "ada@example.com"`) or the statement, and a
failure is in Temporal's history, in the trail and in the notification.
"""

from __future__ import annotations

from dataclasses import dataclass

from limits import MAX_QUOTED, shorten

LOG_HINT = "The server's own text may quote data; the worker's log has it if AURORA_RESTORE_LOG_SQL_ERRORS is true."


@dataclass(frozen=True)
class OperatorSql:
    """SQL that an operator wrote, and how a failure names it."""

    name: str
    """Such as mask.sql, or the query of a check."""
    text: str

    def place(self, position: int | None) -> str:
        """Line and column of a character, counted from 1, as a server reports it; "" if it reported none."""
        if position is None:
            return ""
        before = self.text[: position - 1]
        return f" at line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


def query_of_check(query: str, database: str) -> OperatorSql:
    """The query of a check; the request has it, and so may its failure."""
    return OperatorSql(f"the check {shorten(query, MAX_QUOTED)} in database {database}", query)


def describe_answer(engine: str, code: str, condition: str | None, sql: OperatorSql, place: str) -> str:
    """One server's refusal of an operator's SQL, without a word of the server's."""
    named = f" ({condition})" if condition else ""
    return f"{engine} answered {code}{named} to {sql.name}{place}. {LOG_HINT}"
