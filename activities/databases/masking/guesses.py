"""The first rule of a column: guessed from its name and type, always one that fits, and none that leaves a text as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from activities.databases.masking.fit import find_misfits
from activities.databases.masking.schema import Column, Kind, Schema, Table
from models.masking import ColumnRule, NamePart, Rule

_EMAIL = re.compile(r"e_?mail|mail_?addr", re.IGNORECASE)
_PHONE = re.compile(r"phone|mobile|fax|(^|_)(tel|msisdn)(_|$)", re.IGNORECASE)
_NAME = re.compile(r"(^|_)(name|full_?name|display_?name|customer|contact|holder|recipient)(_|$)", re.IGNORECASE)
_FIRST = re.compile(r"first_?name|given_?name|forename", re.IGNORECASE)
_LAST = re.compile(r"last_?name|sur_?name|family_?name|maiden", re.IGNORECASE)
_PERSONAL = re.compile(
    r"birth|(^|_)(dob|ssn|iban|bic|cvc|pin|tax|vat|passport|card|account|salary|lat|lon|latitude|longitude)(_|$)",
    re.IGNORECASE,
)
_KEPT = frozenset({Kind.INTEGER, Kind.BIGINT, Kind.NUMBER, Kind.BOOLEAN, Kind.UUID, Kind.DATE, Kind.TIME_STAMP})
"""Kinds that seldom say who somebody is, unless the column's name says so."""
_EMPTY = {Kind.TEXT: "", Kind.JSON: "{}", Kind.BYTES: ""}
MAX_PARENTS = 10


def guess(schema: Schema, table: Table, column: Column) -> ColumnRule:
    """A rule that fits the column. The columns of a foreign key get the same rule as those that it refers to."""
    table, column = _referenced(schema, table, column)
    for candidate in _candidates(column):
        if not any(find_misfits(schema.engine, table, column, candidate)):
            return candidate
    return ColumnRule(rule=Rule.KEEP)


def _referenced(schema: Schema, table: Table, column: Column) -> tuple[Table, Column]:
    """The column at the end of the foreign keys; the column itself without one."""
    for _ in range(MAX_PARENTS):
        parents = (
            (schema.by_name.get((key.database, key.parent)), dict(key.pairs)[column.name])
            for key in schema.foreign_keys
            if (key.database, key.table) == (table.database, table.text) and column.name in key.columns
        )
        parent, name = next(parents, (None, ""))
        found = parent.column(name) if parent else None
        if parent is None or found is None or found is column:
            break
        table, column = parent, found
    return table, column


def _candidates(column: Column) -> Iterator[ColumnRule]:
    """From the most useful one to the ones that fit more columns."""
    if column.kind is Kind.TEXT:
        yield from _texts(column.name)
    is_personal = any(pattern.search(column.name) for pattern in (_EMAIL, _PHONE, _PERSONAL))
    if column.kind in _KEPT and not is_personal:
        yield ColumnRule(rule=Rule.KEEP)
    if column.kind in (Kind.DATE, Kind.TIME_STAMP):
        yield ColumnRule(rule=Rule.DATE_SHIFT)
    yield ColumnRule(rule=Rule.HASH)
    yield ColumnRule(rule=Rule.NULL)
    if column.kind in _EMPTY:
        yield ColumnRule(rule=Rule.CONSTANT, value=_EMPTY[column.kind])
    elif column.kind in (Kind.INTEGER, Kind.NUMBER):
        yield ColumnRule(rule=Rule.CONSTANT, value=0)


def _texts(name: str) -> Iterator[ColumnRule]:
    if _EMAIL.search(name):
        yield ColumnRule(rule=Rule.EMAIL)
    if _PHONE.search(name):
        yield ColumnRule(rule=Rule.PHONE)
    for pattern, part in ((_FIRST, NamePart.FIRST), (_LAST, NamePart.LAST), (_NAME, None)):
        if pattern.search(name):
            yield ColumnRule(rule=Rule.NAME, part=part)
