"""What a mark means on both engines: the table is masked, with the rules that the mark has the digest of."""

from __future__ import annotations

from typing import NamedTuple

from activities.databases.masking.units import MaskedTable
from errors import StepFailed


class Mark(NamedTuple):
    """What was done to a table of this restored cluster."""

    digest: str
    rows: int


def require_same_rules(masked: MaskedTable, mark: Mark | None) -> int:
    """The rows that were masked. Raises `StepFailed` if an earlier attempt has masked the table with other rules."""
    if mark is None or mark.digest != masked.digest:
        table = f"{masked.table.database}.{masked.table.text}"
        raise StepFailed(
            "Masking rules changed",
            f"An earlier attempt has masked {table} with other rules, or without a table that its foreign keys now join to "
            "it, and the original values are gone. Restore the cluster again, so that the new rules find them.",
        )
    return mark.rows
