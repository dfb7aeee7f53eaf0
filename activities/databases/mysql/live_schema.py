"""The tables of every database of a MySQL server, from its information schema.

Left out: views, and columns that the server computes from others.
Source: MySQL Reference Manual, "INFORMATION_SCHEMA Tables" (TABLES, COLUMNS, STATISTICS, TRIGGERS, KEY_COLUMN_USAGE).
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from activities.databases.masking.schema import Column, ForeignKey, Kind, Schema, Table
from activities.databases.mysql.accounts import MysqlConnection, execute
from activities.databases.mysql.masking_marks import MARK_TABLES
from activities.databases.sql_files import MARKER

ENGINE = "aurora-mysql"
TRANSACTIONAL = "InnoDB"
_KINDS = {
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext"), Kind.TEXT),
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "year"), Kind.INTEGER),
    **dict.fromkeys(("decimal", "float", "double"), Kind.NUMBER),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), Kind.BYTES),
    **dict.fromkeys(("datetime", "timestamp"), Kind.TIME_STAMP),
    "bigint": Kind.BIGINT, "date": Kind.DATE, "json": Kind.JSON, "uuid": Kind.OTHER,
}  # fmt: skip
_NOT_OURS = "NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema', 'innodb')"
_TABLES = (
    "SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE, TABLE_TYPE FROM information_schema.TABLES"  # noqa: S608 - constants
    f" WHERE TABLE_SCHEMA {_NOT_OURS} AND TABLE_TYPE NOT IN ('VIEW', 'SYSTEM VIEW', 'SEQUENCE') ORDER BY 1, 2"
)
_COLUMNS = (
    "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, IS_NULLABLE, EXTRA"  # noqa: S608 - constants
    f" FROM information_schema.COLUMNS WHERE TABLE_SCHEMA {_NOT_OURS}"
    " AND EXTRA NOT REGEXP '(VIRTUAL|STORED|PERSISTENT) GENERATED' ORDER BY 1, 2, ORDINAL_POSITION"
)
_INDEXES = (
    "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS"  # noqa: S608 - constants
    f" WHERE NON_UNIQUE = 0 AND COLUMN_NAME IS NOT NULL AND TABLE_SCHEMA {_NOT_OURS}"
    " ORDER BY 1, 2, 3, SEQ_IN_INDEX"
)
_TRIGGERS = (
    "SELECT EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS"
    " WHERE EVENT_MANIPULATION = 'UPDATE' ORDER BY 1, 2, 3"
)
_FOREIGN_KEYS = (
    "SELECT TABLE_SCHEMA, CONSTRAINT_NAME, TABLE_NAME, REFERENCED_TABLE_NAME, COLUMN_NAME, REFERENCED_COLUMN_NAME"  # noqa: S608 - constants
    f" FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA {_NOT_OURS}"
    " AND REFERENCED_TABLE_SCHEMA = TABLE_SCHEMA ORDER BY 1, 3, 2, ORDINAL_POSITION"
)
Place = tuple[str, str]
"""Database and table."""


def read_schema(connection: MysqlConnection) -> Schema:
    """The tables of every database; the connection is the master user's."""
    columns: dict[Place, list[Column]] = defaultdict(list)
    for database, table, *column in execute(connection, _COLUMNS):
        columns[database, table].append(_column(*column))
    indexes: dict[Place, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for database, table, index, column in execute(connection, _INDEXES):
        indexes[database, table][index].append(column)
    triggers: dict[Place, list[str]] = defaultdict(list)
    for database, table, trigger in execute(connection, _TRIGGERS):
        triggers[database, table].append(trigger)
    tables = [
        Table(
            database=database,
            schema=database,
            name=name,
            columns=tuple(columns[database, name]),
            text=name,
            primary_key=tuple(indexes[database, name].get("PRIMARY", ())),
            unique=tuple(frozenset(names) for names in indexes[database, name].values()),
            triggers=tuple(triggers[database, name]),
            cannot_change=_obstacle(engine, kind),
        )
        for database, name, engine, kind in execute(connection, _TABLES)
        if not (database == MARKER and name in MARK_TABLES)
    ]
    return Schema(ENGINE, tuple(tables), tuple(_foreign_keys(connection)))


def _obstacle(engine: str | None, kind: str) -> str | None:
    if kind == "SYSTEM VERSIONED":
        return "the table keeps its old rows"
    return None if engine == TRANSACTIONAL else f"its storage engine {engine} has no transactions"


def _column(name: str, text: str, data_type: str, length: int | None, nullable: str, extra: str) -> Column:
    kind = _KINDS.get(data_type.lower(), Kind.OTHER)
    return Column(
        name=name,
        type=text,
        kind=kind,
        max_length=int(length) if length is not None and kind in (Kind.TEXT, Kind.BYTES) else None,
        nullable=nullable == "YES",
        sets_itself="on update" in extra.lower(),
    )


def _foreign_keys(connection: MysqlConnection) -> list[ForeignKey]:
    columns: dict[tuple[Any, ...], list[tuple[str, str]]] = defaultdict(list)
    for database, name, table, parent, column, referenced in execute(connection, _FOREIGN_KEYS):
        columns[database, name, table, parent].append((column, referenced))
    return [
        ForeignKey(
            database, name, table, tuple(ours for ours, _ in pairs), parent, tuple(theirs for _, theirs in pairs)
        )
        for (database, name, table, parent), pairs in columns.items()
    ]
