"""Each rule as an expression of MySQL, which one UPDATE evaluates for every row.

The pads of the key are in two variables of the session (`masking.give_key`).
Source: MySQL Reference Manual, "Encryption and Compression Functions" (SHA2), "Date and Time Functions".
"""

from __future__ import annotations

from collections.abc import Callable

from activities.databases.masking.fit import EMAIL_DIGITS, HASH_CHARACTERS, PHONE_DIGITS
from activities.databases.masking.names import NAMES
from activities.databases.masking.rule_values import FIRST_REAL_YEAR, FIRST_SENTINEL_YEAR, shift_steps
from activities.databases.masking.schema import Column, Kind
from activities.databases.mysql.accounts import MysqlConnection, quote_identifier
from models.masking import ColumnRule, NamePart, Rule

MASKED = "aurora_restore_masked"
"""The alias of the table that is masked."""
INNER, OUTER = "@aurora_restore_inner", "@aurora_restore_outer"
FIRST_TIMESTAMP_YEAR, LAST_TIMESTAMP_YEAR = 1971, 2036
"""A TIMESTAMP begins in 1970 and ends in January 2038."""
DAYS_PER_YEAR = 365


def expression(connection: MysqlConnection, column: Column, rule: ColumnRule) -> str:
    """The new value of the column; NULL stays NULL, but for constant and sql."""
    match rule.rule:
        case Rule.NULL:
            return "NULL"
        case Rule.CONSTANT:
            return _literal(connection, rule.value)
        case Rule.SQL:
            # The line break ends a comment at the end of the operator's text.
            return f"({rule.expression}\n)"
        case _:
            return _EXPRESSIONS[rule.rule](column, rule)


def value_of(column: Column) -> str:
    """The column of the row that is masked."""
    return f"{MASKED}.{quote_identifier(column.name)}"


def _literal(connection: MysqlConnection, value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return str(connection.escape(value))


def _hash(column: Column) -> str:
    """In hexadecimal, of the value's text in UTF-8, whatever the type, so that equal texts have equal hashes."""
    value = value_of(column)
    if column.kind is Kind.TEXT:
        value = f"CONVERT({value} USING utf8mb4)"
    elif column.kind is not Kind.BYTES:
        value = f"CAST({value} AS CHAR CHARACTER SET utf8mb4)"
    return f"SHA2(CONCAT({OUTER}, UNHEX(SHA2(CONCAT({INNER}, {value}), 256))), 256)"


def _number(column: Column) -> str:
    return f"CAST(CONV(LEFT({_hash(column)}, 15), 16, 10) AS SIGNED)"


def _hashed(column: Column, _: ColumnRule) -> str:
    length = min(column.max_length or HASH_CHARACTERS, HASH_CHARACTERS)
    match column.kind:
        case Kind.BYTES:
            return f"LEFT(UNHEX({_hash(column)}), {length})"
        case Kind.BIGINT:
            return _number(column)
        case _:
            return f"LEFT({_hash(column)}, {length})"


def _email(column: Column, _: ColumnRule) -> str:
    return f"CONCAT('u', LEFT({_hash(column)}, {EMAIL_DIGITS}), '@example.com')"


def _phone(column: Column, _: ColumnRule) -> str:
    return f"CONCAT('+999', LPAD({_number(column)} % {10**PHONE_DIGITS}, {PHONE_DIGITS}, '0'))"


def _name(column: Column, rule: ColumnRule) -> str:
    names = NAMES[rule.part or NamePart.FULL]
    listed = ", ".join(f"'{name}'" for name in names)
    return f"ELT(1 + CONV(LEFT({_hash(column)}, 2), 16, 10) % {len(names)}, {listed})"


def _shifted(column: Column, rule: ColumnRule) -> str:
    value, steps = value_of(column), shift_steps(rule)
    first, last = FIRST_REAL_YEAR, FIRST_SENTINEL_YEAR - 1
    if column.type.startswith("timestamp"):
        years = steps // DAYS_PER_YEAR
        first, last = FIRST_TIMESTAMP_YEAR + years, LAST_TIMESTAMP_YEAR - years
    days = f"{_number(column)} % {steps} * 2 + 1 - {steps}"
    return f"CASE WHEN YEAR({value}) BETWEEN {first} AND {last} THEN DATE_ADD({value}, INTERVAL ({days}) DAY) ELSE {value} END"


_EXPRESSIONS: dict[Rule, Callable[[Column, ColumnRule], str]] = {
    Rule.HASH: _hashed,
    Rule.EMAIL: _email,
    Rule.NAME: _name,
    Rule.PHONE: _phone,
    Rule.DATE_SHIFT: _shifted,
}
"""The rules that need the key."""
