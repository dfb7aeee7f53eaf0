"""Materialized views: they hold rows of production until they are refreshed from the masked tables.

Source: PostgreSQL documentation, REFRESH MATERIALIZED VIEW.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from activities.databases.postgres.acting_role import as_role

_VIEWS = """
    SELECT nspname, relname, rolname FROM pg_catalog.pg_class
    JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace JOIN pg_catalog.pg_roles ON pg_roles.oid = relowner
    WHERE relkind = 'm' AND relispopulated AND NOT rolsuper ORDER BY 1, 2
"""
View = tuple[str, str, str]


def refresh_views(connection: psycopg.Connection) -> tuple[str, ...]:
    """Empty every materialized view, then fill each again; returns the names of those that cannot be filled.

    One that reads another can be filled only after it; one that reads a foreign server may not be filled at all.
    The connection must be in a transaction, which the caller commits.
    """
    views: list[View] = connection.execute(_VIEWS).fetchall()
    for view in views:
        _refresh(connection, view, "WITH NO DATA")
    empty = views
    while left := [view for view in empty if not _is_filled(connection, view)]:
        if len(left) == len(empty):
            break
        empty = left
    return tuple(f"{schema}.{name}" for schema, name, _ in left)


def _is_filled(connection: psycopg.Connection, view: View) -> bool:
    """Whether it could be filled now."""
    try:
        with connection.transaction():
            _refresh(connection, view, "WITH DATA")
            schema, name, owner = view
            with as_role(connection, owner):
                connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(schema, name)))
    except psycopg.DatabaseError:
        if connection.closed:
            raise
        return False
    return True


def _refresh(connection: psycopg.Connection, view: View, how: str) -> None:
    schema, name, owner = view
    statement = sql.SQL("REFRESH MATERIALIZED VIEW {} {}")
    with as_role(connection, owner):
        connection.execute(statement.format(sql.Identifier(schema, name), sql.SQL(how)))
