"""Whether a rule can mask a column: by its type, its length, and what the table requires of its values."""

from __future__ import annotations

from collections.abc import Iterator

from activities.databases.masking.names import LONGEST
from activities.databases.masking.schema import Column, Kind, Table
from models.masking import UNCHANGED, ColumnRule, Rule

HASH_CHARACTERS, MIN_HASH_CHARACTERS = 64, 16
"""A hash is cut to the length of a shorter column, but never below 64 bits."""
EMAIL_DIGITS = 20
EMAIL_CHARACTERS = len("u@example.com") + EMAIL_DIGITS
PHONE_DIGITS = 9
PHONE_CHARACTERS = len("+999") + PHONE_DIGITS
MYSQL = "aurora-mysql"

_KINDS = {
    Rule.HASH: (Kind.TEXT, Kind.BIGINT, Kind.UUID, Kind.BYTES),
    Rule.EMAIL: (Kind.TEXT,),
    Rule.NAME: (Kind.TEXT,),
    Rule.PHONE: (Kind.TEXT,),
    Rule.DATE_SHIFT: (Kind.DATE, Kind.TIME_STAMP),
}
_LENGTHS = {
    Rule.HASH: MIN_HASH_CHARACTERS,
    Rule.EMAIL: EMAIL_CHARACTERS,
    Rule.NAME: LONGEST,
    Rule.PHONE: PHONE_CHARACTERS,
}
_NOT_UNIQUE = frozenset({Rule.CONSTANT, Rule.NAME, Rule.PHONE, Rule.DATE_SHIFT, Rule.SHUFFLE})
"""They give the same value to several rows, or, shuffle, do so for a moment."""


def find_misfits(engine: str, table: Table, column: Column, rule: ColumnRule) -> Iterator[str]:
    """Why the rule cannot mask the column: each reason completes "the rule … does not fit …, because"."""
    name = rule.rule
    if name in UNCHANGED:
        return
    if table.cannot_change:
        yield table.cannot_change
    if column.generated_always:
        yield "the column is an identity that no statement can set; only keep fits"
    kinds = _KINDS.get(name)
    if kinds and column.kind not in kinds:
        yield f"it masks {' or '.join(kind.value for kind in kinds)}, and the column is {column.type}"
    elif column.max_length is not None and column.max_length < _LENGTHS.get(name, 0):
        yield f"it needs {_LENGTHS[name]} characters, and the column is {column.type}"
    if name is Rule.NULL and not column.nullable:
        yield "the column is NOT NULL"
    if name in _NOT_UNIQUE and table.is_unique(column.name):
        yield "an index requires different values; hash and email keep them different"
    if name is Rule.SHUFFLE and engine == MYSQL and not table.primary_key:
        yield "the table has no primary key"
