"""The tables of the page: every cell is a text, which the template escapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from limits import shorten

MAX_ROWS = 500
"""Of one table."""
MAX_CELL = 1_000
"""Characters."""


class Column(NamedTuple):
    """A column and how its cells are set."""

    name: str
    kind: str = ""
    """`number`, `time`, or nothing for a text."""
    code: bool = False


class Table(NamedTuple):
    """A table that the page shows, and how many rows it leaves out."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    more: int = 0


def make_table(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[str]], more: int = 0) -> Table:
    """The first rows, and how many more there are; long cells are cut."""
    shown = [[shorten(cell, MAX_CELL) for cell in row] for row in rows[:MAX_ROWS]]
    return Table(caption, columns, shown, more + max(0, len(rows) - MAX_ROWS))
