"""How a failure names the statements that mask: never by their text, which has the operator's expressions and constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from activities.databases.masking.units import Unit
from activities.databases.sql_errors import OperatorSql
from limits import MAX_QUOTED, join_names

MASKING_FAILED = "Masking failed"


@dataclass(frozen=True)
class MaskingSql(OperatorSql):
    """What runs in a block that masks. A server's text may quote a value, so a failure has its code only."""

    @classmethod
    def of_tables(cls, unit: Unit) -> Self:
        """The masking of the unit's tables."""
        tables = join_names([masked.table.text for masked in unit.tables], MAX_QUOTED)
        return cls(f"the masking of {tables} in database {unit.database}", "")

    def place(self, position: int | None) -> str:  # noqa: ARG002 - a place in a statement that nobody wrote
        """None: the statement is in no file."""
        return ""
