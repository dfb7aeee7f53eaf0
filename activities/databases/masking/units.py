"""What is masked together: a table, and with it the tables that a foreign key of a masked column joins to it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from activities.databases.masking.gate import changed_columns, joined_tables
from activities.databases.masking.schema import Column, Schema, Table
from models.masking import ColumnRule, Masking, MaskingRules, TableRule


@dataclass(frozen=True)
class MaskedTable:
    """A table with the columns that change; without one, its rows are removed."""

    table: Table
    columns: tuple[tuple[Column, ColumnRule], ...]
    truncate: bool
    fire_triggers: bool

    @property
    def digest(self) -> str:
        """Of what is done to the table: a mark has it, so that a changed rule is noticed."""
        rules = {column.name: rule.model_dump(mode="json") for column, rule in self.columns}
        text = json.dumps([self.truncate, rules], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Unit:
    """Tables of one database that are masked in one transaction, with one mark for each."""

    database: str
    tables: tuple[MaskedTable, ...]


def units(schema: Schema, rules: MaskingRules, masking: Masking) -> list[Unit]:
    """Every unit, in the order of the databases and of the tables' names."""
    changed = {(each.table.database, each.table.text): each for each in _masked_tables(schema, rules, masking)}
    groups: dict[tuple[str, str], set[str]] = {place: {place[1]} for place in changed}
    for database, tables in joined_tables(schema, rules):
        joined = {table for table in tables if (database, table) in changed}
        together = set().union(*(groups[database, table] for table in joined))
        groups |= {(database, table): together for table in together}
    made: dict[tuple[str, tuple[str, ...]], Unit] = {}
    for (database, _), group in sorted(groups.items()):
        names = tuple(sorted(group))
        made[database, names] = Unit(database, tuple(changed[database, name] for name in names))
    return list(made.values())


def _masked_tables(schema: Schema, rules: MaskingRules, masking: Masking) -> list[MaskedTable]:
    tables = []
    for table in schema.tables:
        truncate = rules.table(table.database, table.text) is TableRule.TRUNCATE
        columns = tuple(changed_columns(table, rules))
        if truncate or columns:
            fires = f"{table.database}.{table.text}" in masking.fire_triggers
            tables.append(MaskedTable(table, columns, truncate, fires))
    return tables
