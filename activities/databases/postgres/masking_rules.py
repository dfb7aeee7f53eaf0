"""Each rule as an expression of PostgreSQL, which one UPDATE evaluates for every row.

The pads of the key are read from a temporary table, so that no statement has them (`masking.give_key`).
Source: PostgreSQL documentation, "Binary String Functions and Operators" (sha256), "Date/Time Functions and Operators".
"""

from __future__ import annotations

from collections.abc import Callable

from psycopg import sql

from activities.databases.masking.fit import EMAIL_DIGITS, HASH_CHARACTERS, PHONE_DIGITS
from activities.databases.masking.names import NAMES
from activities.databases.masking.rule_values import FIRST_REAL_YEAR, FIRST_SENTINEL_YEAR, shift_steps
from activities.databases.masking.schema import Column, Kind
from models.masking import ColumnRule, NamePart, Rule

KEY_TABLE = "aurora_restore_key"
MASKED = sql.Identifier("aurora_restore_masked")
"""The alias of the table that is masked."""
_HASH = sql.SQL(
    "sha256((SELECT outer_pad FROM pg_temp.aurora_restore_key) || sha256((SELECT inner_pad FROM pg_temp.aurora_restore_key)"
    " || {bytes}))"
)
_NUMBER = sql.SQL("('x' || left(encode({hash}, 'hex'), 15))::bit(60)::bigint")


def expression(column: Column, rule: ColumnRule) -> sql.Composable:
    """The new value of the column; NULL stays NULL, but for constant and sql."""
    return _EXPRESSIONS[rule.rule](column, rule)


def _constant(_: Column, rule: ColumnRule) -> sql.Composable:
    return sql.Literal(rule.value)


def _operators(_: Column, rule: ColumnRule) -> sql.Composable:
    # The line break ends a comment at the end of the operator's text.
    return sql.Composed([sql.SQL("("), sql.SQL(rule.expression or "NULL"), sql.SQL("\n)")])


def _email(column: Column, _: ColumnRule) -> sql.Composable:
    text = "'u' || left(encode({hash}, 'hex'), {digits}) || '@example.com'"
    return sql.SQL(text).format(hash=_hash(column), digits=sql.Literal(EMAIL_DIGITS))


def _phone(column: Column, _: ColumnRule) -> sql.Composable:
    return sql.SQL("'+999' || lpad(({number} % {range})::text, {digits}, '0')").format(
        number=_NUMBER.format(hash=_hash(column)),
        range=sql.Literal(10**PHONE_DIGITS),
        digits=sql.Literal(PHONE_DIGITS),
    )


def _value(column: Column) -> sql.Composed:
    return sql.SQL("{}.{}").format(MASKED, sql.Identifier(column.name))


def _hash(column: Column) -> sql.Composed:
    """Of the value's text in UTF-8, whatever the type, so that equal texts have equal hashes."""
    value = _value(column)
    text = value if column.kind is Kind.BYTES else sql.SQL("convert_to({}::text, 'UTF8')").format(value)
    return _HASH.format(bytes=text)


def _hashed(column: Column, _: ColumnRule) -> sql.Composable:
    digest = _hash(column)
    match column.kind:
        case Kind.BYTES:
            return digest
        case Kind.BIGINT:
            return _NUMBER.format(hash=digest)
        case Kind.UUID:
            return sql.SQL("left(encode({}, 'hex'), 32)::uuid").format(digest)
        case _:
            length = min(column.max_length or HASH_CHARACTERS, HASH_CHARACTERS)
            return sql.SQL("left(encode({}, 'hex'), {})").format(digest, sql.Literal(length))


def _name(column: Column, rule: ColumnRule) -> sql.Composable:
    names = NAMES[rule.part or NamePart.FULL]
    return sql.SQL("({names}::text[])[1 + get_byte({hash}, 0) % {count}]").format(
        names=sql.Literal(list(names)), hash=_hash(column), count=sql.Literal(len(names))
    )


def _shifted(column: Column, rule: ColumnRule) -> sql.Composable:
    steps = shift_steps(rule)
    shifted = (
        "{value} + ({number} % {steps} * 2 + 1 - {steps})::int"
        if column.kind is Kind.DATE
        else "{value} + make_interval(days => ({number} % {steps} * 2 + 1 - {steps})::int)"
    )
    # Dates far away from people's lives, such as 9999-12-31, mean something else, and infinity cannot move.
    guarded = f"CASE WHEN {{value}} >= {{first}} AND {{value}} < {{last}} THEN {shifted} ELSE {{value}} END"
    return sql.SQL(guarded).format(
        value=_value(column),
        number=_NUMBER.format(hash=_hash(column)),
        steps=sql.Literal(steps),
        first=sql.Literal(f"{FIRST_REAL_YEAR}-01-01"),
        last=sql.Literal(f"{FIRST_SENTINEL_YEAR}-01-01"),
    )


_EXPRESSIONS: dict[Rule, Callable[[Column, ColumnRule], sql.Composable]] = {
    Rule.NULL: lambda _column, _rule: sql.NULL,
    Rule.CONSTANT: _constant,
    Rule.SQL: _operators,
    Rule.HASH: _hashed,
    Rule.EMAIL: _email,
    Rule.NAME: _name,
    Rule.PHONE: _phone,
    Rule.DATE_SHIFT: _shifted,
}
"""All rules that change a column, but for shuffle, which needs other rows."""
