"""Masks the tables of a PostgreSQL database: one UPDATE a table, as its owner, in one transaction with its mark.

What would undo or leak the masking is handled in the same transaction: triggers and rules do not fire, row security
filters no row, the planner's statistics, which quote frequent values, are made anew, and so are materialized views.
Source: PostgreSQL documentation, ALTER TABLE, ANALYZE, pg_stats, "Row Security Policies", REFRESH MATERIALIZED VIEW.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from activities.databases.masking.key import MaskingKey
from activities.databases.masking.marks import require_same_rules
from activities.databases.masking.units import MaskedTable, Unit
from activities.databases.postgres.acting_role import as_role
from activities.databases.postgres.masking_marks import CREATE_MARK_TABLE, find_mark, insert_mark
from activities.databases.postgres.masking_rules import KEY_TABLE, MASKED, expression
from models.masking import Rule

_PREPARE = (
    "SET LOCAL row_security = off",  # a policy that hides a row is an error, not an unmasked row
    "SET LOCAL datestyle = 'ISO, YMD'",  # the text of a value, and so its hash, depends on these
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL bytea_output = 'hex'",
    "SET CONSTRAINTS ALL IMMEDIATE",  # a table with deferred checks cannot be altered
)
_RELATIONS = """
    SELECT pg_class.oid, nspname, relname, relforcerowsecurity, relkind = 'p' FROM pg_catalog.pg_class
    JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND pg_class.oid IN (
        SELECT %(table)s::regclass UNION SELECT relid FROM pg_partition_tree(%(table)s::regclass))
    ORDER BY relkind
"""
"""A table and its partitions."""
_ENABLE = {"O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
"""How a trigger or a rule is enabled again, by its tgenabled or ev_enabled."""


def mask_once(connection: psycopg.Connection, cluster_resource_id: str, unit: Unit, key: MaskingKey | None) -> int:
    """Mask the tables of the unit unless they were masked in this restored cluster; returns how many rows were masked.

    The connection must hold the database's lock, and be in a transaction, which the caller commits.
    Raises `StepFailed` if a table was masked with other rules.
    """
    connection.execute(CREATE_MARK_TABLE)
    marks = [find_mark(connection, cluster_resource_id, masked) for masked in unit.tables]
    if any(marks):
        return sum(require_same_rules(masked, mark) for masked, mark in zip(unit.tables, marks, strict=True))
    _prepare(connection, key)
    total = 0
    with _without_foreign_keys(connection, unit):
        for masked in unit.tables:
            with as_role(connection, masked.table.owner), _without_obstacles(connection, masked):
                rows = _change(connection, masked)
            insert_mark(connection, cluster_resource_id, masked, rows)
            total += rows
    connection.execute(sql.SQL("DROP TABLE IF EXISTS pg_temp.{}").format(sql.Identifier(KEY_TABLE)))
    return total


def explain(connection: psycopg.Connection, unit: Unit, key: MaskingKey | None) -> None:
    """Parse and plan each UPDATE of the unit as the table's owner; nothing stays of it."""
    with connection.transaction(force_rollback=True):
        _prepare(connection, key)
        for masked in unit.tables:
            if not masked.truncate:
                with as_role(connection, masked.table.owner), _without_obstacles(connection, masked):
                    connection.execute(sql.SQL("EXPLAIN {}").format(_update_statement(masked)))


def _prepare(connection: psycopg.Connection, key: MaskingKey | None) -> None:
    for statement in _PREPARE:
        connection.execute(statement)
    if key is not None:
        _give_key(connection, key)


def _give_key(connection: psycopg.Connection, key: MaskingKey) -> None:
    """Through COPY, whose data no log of the server has; another session cannot read a temporary table."""
    table = sql.Identifier(KEY_TABLE)
    connection.execute(sql.SQL("CREATE TEMP TABLE {} (inner_pad bytea, outer_pad bytea)").format(table))
    connection.execute(sql.SQL("GRANT SELECT ON {} TO PUBLIC").format(table))
    with connection.cursor().copy(sql.SQL("COPY pg_temp.{} FROM STDIN").format(table)) as copy:
        copy.write_row((key.inner, key.outer))


def _name(masked: MaskedTable) -> sql.Identifier:
    return sql.Identifier(masked.table.schema, masked.table.name)


def _name_text(connection: psycopg.Connection, masked: MaskedTable) -> str:
    return _name(masked).as_string(connection)


def _change(connection: psycopg.Connection, masked: MaskedTable) -> int:
    """Mask the rows, or remove them; returns how many were masked: counting removed ones would read a table of any size."""
    if not masked.truncate:
        return _update(connection, masked)
    _truncate(connection, masked)
    return 0


def _update(connection: psycopg.Connection, masked: MaskedTable) -> int:
    rows = connection.execute(_update_statement(masked)).rowcount
    connection.execute(sql.SQL("ANALYZE {}").format(_name(masked)))
    return rows


def _update_statement(masked: MaskedTable) -> sql.Composed:
    """Every column in one UPDATE; each expression sees the row as it was."""
    only = sql.SQL("" if masked.table.partitioned else "ONLY ")
    shuffled = [column.name for column, rule in masked.columns if rule.rule is Rule.SHUFFLE]
    assignments = [
        sql.SQL("{} = {}").format(
            sql.Identifier(column.name),
            sql.Identifier("aurora_restore_rows", f"aurora_restore_{shuffled.index(column.name)}")
            if rule.rule is Rule.SHUFFLE
            else expression(column, rule),
        )
        for column, rule in masked.columns
    ]
    return sql.SQL("UPDATE {only}{table} AS {alias} SET {assignments}{source}").format(
        only=only,
        table=_name(masked),
        alias=MASKED,
        assignments=sql.SQL(", ").join(assignments),
        source=_shuffled(sql.SQL("{}{}").format(only, _name(masked)), shuffled),
    )


def _shuffled(table: sql.Composed, columns: list[str]) -> sql.Composable:
    """Each row's place with the values of other rows; each column in an order of its own."""
    if not columns:
        return sql.SQL("")
    joins = [
        sql.SQL(
            " JOIN (SELECT {column} AS {name}, row_number() OVER (ORDER BY random()) AS number FROM {table}) AS {name}"
            " USING (number)"
        ).format(column=sql.Identifier(column), name=sql.Identifier(f"aurora_restore_{number}"), table=table)
        for number, column in enumerate(columns)
    ]
    return sql.SQL(
        " FROM (SELECT * FROM (SELECT tableoid AS aurora_restore_table, ctid AS aurora_restore_row,"
        " row_number() OVER () AS number FROM {table}) AS places{joins}) AS aurora_restore_rows"
        " WHERE {alias}.tableoid = aurora_restore_table AND {alias}.ctid = aurora_restore_row"
    ).format(table=table, joins=sql.SQL("").join(joins), alias=MASKED)


def _truncate(connection: psycopg.Connection, masked: MaskedTable) -> None:
    """Remove every row. Of an empty table ANALYZE keeps the old statistics, which quote values: one row makes them anew."""
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in masked.table.columns)
    for _, schema, name, _, is_partitioned in _relations(connection, masked):
        if is_partitioned:
            continue
        leaf = sql.Identifier(schema, name)
        for text in (
            "CREATE TEMP TABLE aurora_restore_row AS SELECT {columns} FROM ONLY {leaf} LIMIT 1",
            "TRUNCATE {leaf}",
            "INSERT INTO {leaf} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM pg_temp.aurora_restore_row",
            "ANALYZE {leaf}",
            "TRUNCATE {leaf}",
            "DROP TABLE pg_temp.aurora_restore_row",
        ):
            connection.execute(sql.SQL(text).format(leaf=leaf, columns=columns))
    if masked.table.partitioned:
        connection.execute(sql.SQL("ANALYZE {}").format(_name(masked)))


def _relations(connection: psycopg.Connection, masked: MaskedTable) -> list[tuple[int, str, str, bool, bool]]:
    return connection.execute(_RELATIONS, {"table": _name_text(connection, masked)}).fetchall()


@contextmanager
def _without_obstacles(connection: psycopg.Connection, masked: MaskedTable) -> Iterator[None]:
    """Without triggers and rules, which may copy the old row elsewhere, and without policies that bind the owner too."""
    relations = _relations(connection, masked)
    undo: list[sql.Composed] = []
    for _, schema, name, forces_policies, _ in relations:
        if forces_policies:
            table = sql.Identifier(schema, name)
            connection.execute(sql.SQL("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY").format(table))
            undo.append(sql.SQL("ALTER TABLE {} FORCE ROW LEVEL SECURITY").format(table))
    if not masked.fire_triggers:
        undo += _disable_triggers(connection, [relation[0] for relation in relations])
    yield
    for statement in undo:
        connection.execute(statement)


def _disable_triggers(connection: psycopg.Connection, relations: list[int]) -> list[sql.Composed]:
    """Disable triggers and rules; returns the statements that enable them again as they were."""
    found = connection.execute(
        "SELECT 'TRIGGER', nspname, relname, tgname, tgenabled::text FROM pg_catalog.pg_trigger"
        " JOIN pg_catalog.pg_class ON pg_class.oid = tgrelid"
        " JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE tgrelid = ANY (%(relations)s) AND NOT tgisinternal AND tgenabled <> 'D'"
        " UNION ALL SELECT 'RULE', nspname, relname, rulename, ev_enabled::text FROM pg_catalog.pg_rewrite"
        " JOIN pg_catalog.pg_class ON pg_class.oid = ev_class"
        " JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE ev_class = ANY (%(relations)s) AND ev_enabled <> 'D'",
        {"relations": relations},
    ).fetchall()
    undo = []
    for kind, schema, table, name, enabled in found:
        change = "ALTER TABLE ONLY {} {} {}" if kind == "TRIGGER" else "ALTER TABLE {} {} {}"
        names = sql.Identifier(schema, table), sql.Identifier(name)
        connection.execute(sql.SQL(change).format(names[0], sql.SQL(f"DISABLE {kind}"), names[1]))
        undo.append(sql.SQL(change).format(names[0], sql.SQL(f"{_ENABLE[enabled]} {kind}"), names[1]))
    return undo


@contextmanager
def _without_foreign_keys(connection: psycopg.Connection, unit: Unit) -> Iterator[None]:
    """Drop the foreign keys between the tables of the unit; afterwards add them again, which checks every row."""
    dropped = []
    if len(unit.tables) > 1 or any(masked.truncate for masked in unit.tables):
        oids = [relation[0] for masked in unit.tables for relation in _relations(connection, masked)]
        dropped = connection.execute(
            "SELECT nspname, relname, rolname, conname, pg_get_constraintdef(pg_constraint.oid)"
            " FROM pg_catalog.pg_constraint JOIN pg_catalog.pg_class ON pg_class.oid = conrelid"
            " JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace"
            " JOIN pg_catalog.pg_roles ON pg_roles.oid = relowner"
            " WHERE contype = 'f' AND conparentid = 0 AND conrelid = ANY (%(oids)s) AND confrelid = ANY (%(oids)s)",
            {"oids": oids},
        ).fetchall()
    for schema, table, owner, name, _ in dropped:
        with as_role(connection, owner):
            statement = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
            connection.execute(statement.format(sql.Identifier(schema, table), sql.Identifier(name)))
    yield
    for schema, table, owner, name, definition in dropped:
        with as_role(connection, owner):
            statement = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}")
            connection.execute(
                statement.format(sql.Identifier(schema, table), sql.Identifier(name), sql.SQL(definition))
            )
