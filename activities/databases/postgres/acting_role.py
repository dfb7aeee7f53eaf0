"""Acting as the owner of an object: only the owner may change it, and the master user seldom is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from activities.databases.postgres.memberships import join


@contextmanager
def as_role(connection: psycopg.Connection, role: str) -> Iterator[None]:
    """Have the rights of a role in one transaction: only the owner may change what it owns.

    Source: PostgreSQL documentation, SET ROLE.
    """
    with connection.transaction(), join(connection, [role]):
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
        yield
        connection.execute("RESET ROLE")
