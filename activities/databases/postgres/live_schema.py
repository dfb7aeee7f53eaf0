"""The tables of every database of a PostgreSQL server, from its catalogues.

Partitions belong to their partitioned table. Left out: views, foreign tables, whose rows are elsewhere, tables of
extensions, and columns that the server computes from others.
Source: PostgreSQL documentation, "System Catalogs" (pg_class, pg_attribute, pg_index, pg_constraint).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

import psycopg

from activities.databases.masking.schema import Column, ForeignKey, Kind, Schema, Table
from activities.databases.postgres.masking_marks import MARK_TABLES
from activities.databases.sql_files import MARKER

ENGINE = "aurora-postgresql"
Connect = Callable[[str], psycopg.Connection]

_KINDS = {
    **dict.fromkeys(("text", "varchar", "bpchar", "citext", "name"), Kind.TEXT),
    **dict.fromkeys(("int2", "int4"), Kind.INTEGER),
    **dict.fromkeys(("numeric", "float4", "float8", "money"), Kind.NUMBER),
    **dict.fromkeys(("timestamp", "timestamptz"), Kind.TIME_STAMP),
    **dict.fromkeys(("json", "jsonb"), Kind.JSON),
    "int8": Kind.BIGINT, "bool": Kind.BOOLEAN, "uuid": Kind.UUID, "bytea": Kind.BYTES, "date": Kind.DATE,
}  # fmt: skip
LENGTH_HEADER = 4
"""What the modifier of a type such as varchar(20) is greater than its length."""

_DATABASES = """
    SELECT datname, has_database_privilege(oid, 'CONNECT') FROM pg_catalog.pg_database
    WHERE datallowconn AND datname <> 'rdsadmin' ORDER BY 1
"""
"""rdsadmin is RDS's own, to which nobody else can connect."""
_TABLES = """
    SELECT pg_class.oid, nspname, relname, rolname, rolsuper, relkind = 'p'
    FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
        JOIN pg_catalog.pg_roles ON pg_roles.oid = relowner
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND relpersistence <> 't'
        AND nspname !~ '^pg_' AND nspname <> 'information_schema'
        AND NOT (nspname = %(marker)s AND relname = ANY (%(marks)s))
        AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend WHERE classid = 'pg_catalog.pg_class'::regclass
            AND objid = pg_class.oid AND deptype = 'e')
    ORDER BY 2, 3
"""
_COLUMNS = """
    SELECT attrelid, attname, format_type(atttypid, atttypmod), coalesce(base.typname, type.typname),
        CASE WHEN type.typtype = 'd' THEN type.typtypmod ELSE atttypmod END,
        attnotnull OR type.typnotnull, attidentity = 'a'
    FROM pg_catalog.pg_attribute JOIN pg_catalog.pg_type AS type ON type.oid = atttypid
        LEFT JOIN pg_catalog.pg_type AS base ON type.typtype = 'd' AND base.oid = type.typbasetype
    WHERE attrelid = ANY (%(tables)s) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
    ORDER BY attrelid, attnum
"""
_INDEXES = """
    SELECT indrelid, indisprimary, ARRAY(
        SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = indrelid AND (attnum = ANY (indkey) OR attnum IN (
            SELECT refobjsubid FROM pg_catalog.pg_depend WHERE objid = indexrelid AND refobjid = indrelid)))
    FROM pg_catalog.pg_index WHERE indrelid = ANY (%(tables)s) AND (indisunique OR indisexclusion)
"""
_FOREIGN_KEYS = """
    SELECT conname, conrelid, confrelid,
        ARRAY(SELECT attname FROM unnest(conkey) WITH ORDINALITY AS key (number, place)
            JOIN pg_catalog.pg_attribute ON attrelid = conrelid AND attnum = number ORDER BY place),
        ARRAY(SELECT attname FROM unnest(confkey) WITH ORDINALITY AS key (number, place)
            JOIN pg_catalog.pg_attribute ON attrelid = confrelid AND attnum = number ORDER BY place)
    FROM pg_catalog.pg_constraint
    WHERE contype = 'f' AND conparentid = 0 AND conrelid = ANY (%(tables)s) AND confrelid = ANY (%(tables)s)
    ORDER BY conname
"""


@dataclass
class _Parts:
    """What the catalogues say of the tables of one database, by the table's oid."""

    columns: dict[int, list[Column]] = field(default_factory=lambda: defaultdict(list))
    unique: dict[int, list[frozenset[str]]] = field(default_factory=lambda: defaultdict(list))
    primary: dict[int, tuple[str, ...]] = field(default_factory=dict)


def read_schema(connect: Connect, session: psycopg.Connection) -> Schema:
    """The tables of every database; `connect` opens a connection to one of them, `session` is connected to any."""
    tables: list[Table] = []
    keys: list[ForeignKey] = []
    large_objects = {}
    found = session.execute(_DATABASES).fetchall()
    databases = [name for name, can_connect in found if can_connect]
    for database in databases:
        with closing(connect(database)) as connection:
            by_oid = _tables(connection, database)
            tables += by_oid.values()
            keys += _foreign_keys(connection, database, by_oid)
            [(large_objects[database],)] = connection.execute(
                "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata"
            ).fetchall()
    return Schema(
        ENGINE, tuple(tables), tuple(keys), large_objects, tuple(name for name, can_connect in found if not can_connect)
    )


def _tables(connection: psycopg.Connection, database: str) -> dict[int, Table]:
    rows = connection.execute(_TABLES, {"marker": MARKER, "marks": list(MARK_TABLES)}).fetchall()
    parts = _read_parts(connection, [row[0] for row in rows])
    return {
        oid: Table(
            database=database,
            schema=schema,
            name=name,
            columns=tuple(parts.columns[oid]),
            text=f"{_part(schema)}.{_part(name)}",
            owner=owner,
            primary_key=parts.primary.get(oid, ()),
            unique=tuple(parts.unique[oid]),
            partitioned=partitioned,
            cannot_change=f"it belongs to {owner}, a superuser, as whom nobody can act" if is_superuser else None,
        )
        for oid, schema, name, owner, is_superuser, partitioned in rows
    }


def _part(name: str) -> str:
    """A name in quotes if it has a dot or quotes itself, so that no two tables have the same text."""
    return '"' + name.replace('"', '""') + '"' if set(name) & set('."') else name


def _read_parts(connection: psycopg.Connection, oids: list[int]) -> _Parts:
    parts = _Parts()
    for oid, *column in connection.execute(_COLUMNS, {"tables": oids}).fetchall():
        parts.columns[oid].append(_column(*column))
    for oid, is_primary, names in connection.execute(_INDEXES, {"tables": oids}).fetchall():
        parts.unique[oid].append(frozenset(names))
        if is_primary:
            parts.primary[oid] = tuple(names)
    return parts


def _column(name: str, text: str, type_name: str, modifier: int, not_null: bool, generated_always: bool) -> Column:
    kind = _KINDS.get(type_name, Kind.OTHER)
    has_length = kind is Kind.TEXT and modifier > LENGTH_HEADER
    return Column(
        name=name,
        type=text,
        kind=kind,
        max_length=modifier - LENGTH_HEADER if has_length else None,
        nullable=not not_null,
        generated_always=generated_always,
    )


def _foreign_keys(connection: psycopg.Connection, database: str, tables: dict[int, Table]) -> list[ForeignKey]:
    return [
        ForeignKey(database, name, tables[child].text, tuple(columns), tables[parent].text, tuple(parent_columns))
        for name, child, parent, columns, parent_columns in connection.execute(_FOREIGN_KEYS, {"tables": list(tables)})
    ]
