"""What must be true of the restored data: a query and the rows that it must return."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from errors import StepFailed
from models.users import DataCheck, Scalar

LONGEST_SHOWN = 300
"""Characters of the rows in an error: enough to see what is wrong, too few to carry the data away."""


def hold_against(check: DataCheck, found: Sequence[Sequence[Any]]) -> None:
    """Raises `StepFailed` if the query returned anything but the rows that were wanted, in that order."""
    rows = tuple(tuple(_plain(value) for value in row) for row in found)
    if rows != check.expected:
        text = (
            f"in {check.database}, {_cut(check.query)} returned {_cut(_shown(rows))}, but {_cut(_shown(check.expected))} "
            f"was wanted. Nothing was archived. Look at the data, or correct the check in the request."
        )
        raise StepFailed("Check failed", text)


def _plain(value: Any) -> Scalar:
    """A database's value as a request can write it; what JSON lacks is compared as text."""
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


def _shown(rows: Sequence[Sequence[Scalar]]) -> str:
    return str([list(row) for row in rows])


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
