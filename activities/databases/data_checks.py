"""Data checks: a query and the rows that it must return before anything is archived."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from errors import StepFailed
from limits import MAX_COMPARED, MAX_QUOTED, shorten
from models.checks import Comparison
from models.users import DataCheck, Scalar


def require_expected_rows(check: DataCheck, actual: Sequence[Sequence[Any]]) -> Comparison:
    """Compare the rows of a check's query with the expected ones, in order and by JSON type; returns what was compared.

    Raises `StepFailed` if they differ.
    """
    rows = tuple(tuple(_to_json_scalar(value) for value in row) for row in actual)
    if rows != check.expected:
        text = (
            f"In database {check.database}, {shorten(check.query, MAX_QUOTED)} returned "
            f"{shorten(_format_rows(_without_texts(rows)), MAX_QUOTED)}, expected "
            f"{shorten(_format_rows(check.expected), MAX_QUOTED)}. Nothing was archived. Check the data, or correct the "
            "check in the request."
        )
        raise StepFailed("Check failed", text)
    # What it found is what the request says; it is no more of the data than the request has.
    shown = shorten(_format_rows(check.expected), MAX_COMPARED)
    return Comparison(shorten(f"{check.database}: {check.query}", MAX_COMPARED), shown, shown)


def _to_json_scalar(value: Any) -> Scalar:
    """A database's value as a request can write it; a type that JSON lacks is compared as text."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case bytes():
            return value.hex()
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return str(value)


def _format_rows(rows: Sequence[Sequence[Scalar]]) -> str:
    return str([list(row) for row in rows])


def _without_texts(rows: Sequence[Sequence[Scalar]]) -> list[list[Scalar]]:
    """The rows as a failure may show them: a text may be what a person's row contains, so only its length is shown."""
    return [[f"text of {len(value)} characters" if isinstance(value, str) else value for value in row] for row in rows]
