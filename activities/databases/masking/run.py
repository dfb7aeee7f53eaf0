"""The one door of masking: the gate, the tables one after the other, and the gate again after the SQL files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from activities.databases.masking.gate import require_rules, require_rules_after_files
from activities.databases.masking.key import MaskingKey
from activities.databases.masking.rules_file import read_masking_rules
from activities.databases.masking.units import units
from activities.databases.restored_database import LockedSession, RestoredDatabase
from models.masking import Masking, MaskingRules


class MaskingProgress(Protocol):
    """Where the progress is recorded as it happens."""

    def set_masked(self, tables: int, rows: int, left: int) -> None:
        """So many tables with so many rows are masked, and so many tables are left."""

    def add_empty_views(self, names: tuple[str, ...]) -> None:
        """These materialized views could not be filled from masked tables."""


@dataclass(frozen=True)
class DatabaseMasking:
    """The rules of one restore and their key."""

    masking: Masking
    rules: MaskingRules
    key: MaskingKey | None

    @classmethod
    def read(cls, directory: Path | None, masking: Masking, read_key: Callable[[str], MaskingKey]) -> Self:
        """From the worker's directory and from Secrets Manager. Raises `StepFailed` if either cannot be used."""
        rules = read_masking_rules(directory, masking)
        key = read_key(masking.key_secret_id) if masking.key_secret_id and rules.needs_key else None
        return cls(masking, rules, key)

    def mask(self, database: RestoredDatabase, session: LockedSession, progress: MaskingProgress) -> None:
        """Compare the schema with the rules, then mask every table that a rule changes.

        Raises `StepFailed` if a column has no rule, a rule does not fit, or the server refuses a statement before any is
        run: then nothing was masked.
        Run twice: a table that was masked in this restored cluster is not masked again.
        """
        schema = database.read_schema()
        require_rules(schema, self.rules, self.masking)
        todo = units(schema, self.rules, self.masking)
        for unit in todo:
            session.explain_masking(unit, self.key)
        tables, rows, left = 0, 0, sum(len(unit.tables) for unit in todo)
        progress.set_masked(tables, rows, left)
        for unit in todo:
            rows += session.mask_once(unit, self.key)
            tables, left = tables + len(unit.tables), left - len(unit.tables)
            progress.set_masked(tables, rows, left)
        for name in dict.fromkeys(unit.database for unit in todo):
            progress.add_empty_views(session.refresh_views(name))

    def check_after_files(self, database: RestoredDatabase) -> None:
        """Raises `StepFailed` if an SQL file has made a table or a column that the rules do not name."""
        require_rules_after_files(database.read_schema(), self.rules, self.masking)
