"""Masks the tables of a MySQL database: one UPDATE a table, in one transaction with its mark.

Source: MySQL Reference Manual, UPDATE, TRUNCATE TABLE, "Server System Variables" (foreign_key_checks, sql_log_off).
"""

from __future__ import annotations

from collections.abc import Iterator

from pymysql.err import MySQLError

from activities.databases.masking.key import MaskingKey
from activities.databases.masking.marks import require_same_rules
from activities.databases.masking.units import MaskedTable, Unit
from activities.databases.mysql.accounts import MysqlConnection, execute, quote_identifier
from activities.databases.mysql.masking_marks import CREATE_MARK_TABLE, find_mark, insert_mark
from activities.databases.mysql.masking_rules import INNER, MASKED, OUTER, expression, value_of
from activities.databases.mysql.side_effects import DENIED
from clients.mysql import error_code
from models.masking import Rule

_PREPARE = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",  # a value that does not fit is an error
    "SET SESSION sql_safe_updates = 0",
    "SET SESSION time_zone = '+00:00'",
    # Both ends of a foreign key are masked alike; with its checks, ON UPDATE CASCADE would mask a row twice.
    "SET SESSION foreign_key_checks = 0",
)
_KEEP_OUT_OF_LOGS = (
    "SET SESSION sql_log_off = 1",
    "SET SESSION binlog_format = 'ROW'",
    "SET SESSION long_query_time = 31536000",
)
"""General log, binary log, slow query log. The first two need SESSION_VARIABLES_ADMIN, which RDS's master user has."""
ROWS = "aurora_restore_rows"


def mask_once(connection: MysqlConnection, cluster_resource_id: str, unit: Unit, key: MaskingKey | None) -> int:
    """Mask the tables of the unit that were not masked in this restored cluster; returns how many rows changed.

    The connection must hold the lock and not commit by itself. TRUNCATE commits at once and is harmless to repeat, so
    that it comes first; all other tables are masked in one transaction with their marks.
    Raises `StepFailed` if a table was masked with other rules.
    """
    for statement in (*_PREPARE, *CREATE_MARK_TABLE):
        execute(connection, statement)
    if key is not None:
        _give_key(connection, key)
    total = 0
    for masked in sorted(unit.tables, key=lambda table: not table.truncate):
        mark = find_mark(connection, cluster_resource_id, masked)
        if mark is not None:
            total += require_same_rules(masked, mark)
            continue
        rows = _change(connection, masked)
        insert_mark(connection, cluster_resource_id, masked, rows)
        total += rows
        if masked.truncate:
            connection.commit()
    connection.commit()
    return total


def _give_key(connection: MysqlConnection, key: MaskingKey) -> None:
    """In variables of the session, after the session is kept out of the server's logs as far as it may."""
    for statement in _KEEP_OUT_OF_LOGS:
        _execute_if_allowed(connection, statement)
    execute(connection, f"SET {INNER} = x'{key.inner.hex()}', {OUTER} = x'{key.outer.hex()}'")


def _execute_if_allowed(connection: MysqlConnection, statement: str) -> None:
    try:
        execute(connection, statement)
    except MySQLError as error:
        if error_code(error) not in DENIED:
            raise


def _name(masked: MaskedTable) -> str:
    return f"{quote_identifier(masked.table.database)}.{quote_identifier(masked.table.name)}"


def _change(connection: MysqlConnection, masked: MaskedTable) -> int:
    """Mask the rows, or remove them; returns how many were masked: counting removed ones would read a table of any size."""
    if not masked.truncate:
        return _update(connection, masked)
    execute(connection, f"TRUNCATE TABLE {_name(masked)}")
    return 0


def explain(connection: MysqlConnection, unit: Unit) -> None:
    """Parse and plan each UPDATE of the unit."""
    for statement in _PREPARE:
        execute(connection, statement)
    for masked in unit.tables:
        if not masked.truncate:
            execute(connection, f"EXPLAIN {_update_statement(connection, masked)}")


def _update(connection: MysqlConnection, masked: MaskedTable) -> int:
    with connection.cursor() as cursor:
        return int(cursor.execute(_update_statement(connection, masked)))


def _update_statement(connection: MysqlConnection, masked: MaskedTable) -> str:
    assignments = ", ".join(_assignments(connection, masked))
    return f"UPDATE {_name(masked)} AS {MASKED}{_shuffled(masked)} SET {assignments}"  # noqa: S608 - quoted


def _assignments(connection: MysqlConnection, masked: MaskedTable) -> Iterator[str]:
    """The operator's expressions first: MySQL assigns from left to right, and an expression sees what is assigned."""
    shuffled = _shuffled_columns(masked)
    for column, rule in sorted(masked.columns, key=lambda each: each[1].rule is not Rule.SQL):
        if rule.rule is Rule.SHUFFLE:
            yield f"{value_of(column)} = {ROWS}.aurora_restore_{shuffled.index(column.name)}"
        else:
            yield f"{value_of(column)} = {expression(connection, column, rule)}"
    changed = {column.name for column, _ in masked.columns}
    for column in masked.table.columns:
        if column.sets_itself and column.name not in changed:
            yield f"{value_of(column)} = {value_of(column)}"


def _shuffled_columns(masked: MaskedTable) -> list[str]:
    return [column.name for column, rule in masked.columns if rule.rule is Rule.SHUFFLE]


def _shuffled(masked: MaskedTable) -> str:
    """Each row's primary key with the values of other rows; each column in an order of its own."""
    columns, table = _shuffled_columns(masked), _name(masked)
    if not columns:
        return ""
    keys = [quote_identifier(name) for name in masked.table.primary_key]
    joins = "".join(
        f" JOIN (SELECT {quote_identifier(column)} AS aurora_restore_{number},"  # noqa: S608 - quoted
        f" ROW_NUMBER() OVER (ORDER BY RAND()) AS number FROM {table}) AS aurora_restore_{number} USING (number)"
        for number, column in enumerate(columns)
    )
    places = f"SELECT {', '.join(keys)}, ROW_NUMBER() OVER (ORDER BY {', '.join(keys)}) AS number FROM {table}"  # noqa: S608 - quoted
    same_row = " AND ".join(f"{MASKED}.{key} = {ROWS}.{key}" for key in keys)
    return f" JOIN (SELECT * FROM ({places}) AS places{joins}) AS {ROWS} ON {same_row}"  # noqa: S608 - quoted
