"""Acting as the owner of an object: only the owner may change it, and the master user seldom is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

POSTGRES_16 = 160000


@contextmanager
def as_role(connection: psycopg.Connection, role: str) -> Iterator[None]:
    """Have the rights of a role in one transaction: only the owner may change what it owns.

    Source: PostgreSQL documentation, SET ROLE; since PostgreSQL 16 a member may not always take the role.
    """
    quoted = sql.Identifier(role)
    privilege = "SET" if connection.info.server_version >= POSTGRES_16 else "MEMBER"
    with connection.transaction():
        has_role = "SELECT pg_has_role(current_user, %s::name, %s)"
        [(is_member,)] = connection.execute(has_role, (role, privilege)).fetchall()
        if not is_member:
            connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(quoted))
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(quoted))
        yield
        connection.execute("RESET ROLE")
        if not is_member:
            connection.execute(sql.SQL("REVOKE {} FROM CURRENT_USER").format(quoted))
