"""The masking file: whether it can be used, and, for the plan, what its rules do. The columns are compared later.

Only the restored database has the snapshot's schema: `setup-db-users` compares it, and `starter.py masking check` compares
that of the live target.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from activities.databases.masking.rules_file import find_unusable, read_masking_rules
from activities.preflight.guards import PreflightCheck, Violation
from models.masking import Masking, TableRule


def masking_checks(directory: Path | None, masking: Masking | None) -> list[PreflightCheck]:
    """`directory` has the file."""
    return [PreflightCheck(("masking-file",), lambda: _find_unusable(directory, masking))]


def _find_unusable(directory: Path | None, masking: Masking | None) -> Iterator[Violation]:
    if masking is not None and (reason := find_unusable(directory, masking)):
        text = f"{reason}. Correct the file or the request's masking."
        yield Violation("masking-file", "Masking file not usable", text)


def describe_masking(directory: Path | None, masking: Masking | None) -> tuple[tuple[str, str], ...]:
    """Each database and what becomes of its tables; empty without a usable file, which a check reports."""
    if masking is None or find_unusable(directory, masking):
        return ()
    rules = read_masking_rules(directory, masking)
    return tuple((database, _describe(list(tables.values()))) for database, tables in rules.root.items())


def _describe(entries: list[object]) -> str:
    of_tables = Counter(entry for entry in entries if isinstance(entry, TableRule))
    of_columns = Counter(str(rule.rule) for entry in entries if isinstance(entry, dict) for rule in entry.values())
    parts = [f"{sum(isinstance(entry, dict) for entry in entries)} tables by column"]
    parts += [f"{count} {rule}" for rule, count in of_tables.items()]
    columns = ", ".join(f"{count} {rule}" for rule, count in of_columns.items())
    return f"{', '.join(parts)}; columns: {columns or 'none'}"
