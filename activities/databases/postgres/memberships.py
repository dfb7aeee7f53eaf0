"""The master user's memberships in other roles, for as long as one transaction needs their rights.

RDS's master user is no superuser: what it may do with another role's tables, it may do as a member of that role.
Sources: PostgreSQL documentation, GRANT ("Notes"), SET ROLE, pg_auth_members, pg_shdepend.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from errors import StepFailed

POSTGRES_16 = 160000
"""Since then a membership has the options INHERIT and SET, and only who has ADMIN OPTION on a role may grant it."""


class _Options(NamedTuple):
    """Of a membership that the master user has granted to itself."""

    inherit: bool
    set: bool


_OWNERS = """
    SELECT rolname FROM pg_catalog.pg_roles
    WHERE NOT rolsuper AND rolname !~ '^pg_' AND oid IN (
        SELECT refobjid FROM pg_catalog.pg_shdepend JOIN pg_catalog.pg_database ON datname = current_database()
        WHERE deptype = 'o' AND (dbid = pg_database.oid
            OR (classid = 'pg_catalog.pg_database'::pg_catalog.regclass AND objid = pg_database.oid)))
    ORDER BY 1
"""
"""Roles that own something in the connected database, or the database itself. A superuser is RDS's own."""


def joinable_owners(connection: psycopg.Connection) -> list[str]:
    """The owners in the connected database whose rights the master user lacks and can get."""
    owners = [name for (name,) in connection.execute(_OWNERS).fetchall()]
    return [owner for owner in owners if not _has_rights_of(connection, owner) and can_join(connection, owner)]


def can_join(connection: psycopg.Connection, role: str) -> bool:
    """Whether the master user may become a member of an existing role, or is one with all rights.

    Not of a superuser, and not of a role that is a member of the master user: PostgreSQL refuses circles.
    """
    if _has_rights_of(connection, role):
        return True
    query = """
        SELECT NOT role.rolsuper AND NOT pg_has_role(role.oid, current_user, 'MEMBER')
            AND (pg_has_role(current_user, role.oid, 'MEMBER WITH ADMIN OPTION') OR (master.rolcreaterole AND %s))
        FROM pg_catalog.pg_roles AS role, pg_catalog.pg_roles AS master
        WHERE role.rolname = %s AND master.rolname = current_user
    """
    [(can,)] = connection.execute(query, (connection.info.server_version < POSTGRES_16, role)).fetchall()
    return bool(can)


def _has_rights_of(connection: psycopg.Connection, role: str) -> bool:
    """Whether the master user has the role's rights and may SET ROLE to it."""
    privileges = ("USAGE", "SET") if connection.info.server_version >= POSTGRES_16 else ("MEMBER",)
    query = "SELECT bool_and(pg_has_role(current_user, %s::name, privilege)) FROM unnest(%s::text[]) AS privilege"
    [(has_rights,)] = connection.execute(query, (role, list(privileges))).fetchall()
    return bool(has_rights)


def rights_of(connection: psycopg.Connection, run_as: str | None) -> list[str]:
    """The roles to join for an operator's SQL: `run_as`, or every owner in the connected database that can be joined.

    Raises `StepFailed` if the master user cannot act as `run_as`.
    """
    if run_as is None:
        return joinable_owners(connection)
    exists = connection.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", (run_as,)).fetchone()
    if exists is None or not can_join(connection, run_as):
        reason = "may not act as" if exists else "does not find"
        text = (
            f"The master user {reason} the role {run_as}, which run_as names. At the source, grant the master user this role "
            "with ADMIN OPTION, or correct run_as in the request."
        )
        raise StepFailed("Role not usable", text)
    return [run_as]


def set_role(connection: psycopg.Connection, run_as: str | None) -> None:
    """Act as the role until the transaction ends; with None, stay the master user."""
    if run_as is not None:
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(run_as)))


@contextmanager
def join(connection: psycopg.Connection, roles: Iterable[str]) -> Iterator[None]:
    """Have the rights of the roles while the block runs, and be able to SET ROLE to each.

    The connection is in a transaction, which an error rolls back with the memberships. If the block itself ended the
    transaction before it failed, they are undone here.
    """
    joined = begin_memberships(connection, roles)
    try:
        yield
    except BaseException:
        if connection.info.transaction_status is TransactionStatus.IDLE:
            with suppress(psycopg.Error):
                _leave(connection, [(role, before) for role, before in joined if _has_rights_of(connection, role)])
        raise
    _leave(connection, joined)


def begin_memberships(connection: psycopg.Connection, roles: Iterable[str]) -> list[tuple[str, _Options | None]]:
    """Join the roles whose rights the master user lacks; returns each, with the options that its membership had before.

    The caller's rollback ends the memberships.
    """
    joined = [(role, _own_options(connection, role)) for role in roles if not _has_rights_of(connection, role)]
    for role, _ in joined:
        _grant(connection, role, _Options(inherit=True, set=True))
    return joined


def _own_options(connection: psycopg.Connection, role: str) -> _Options | None:
    """Of the membership that the master user has granted to itself; None if there is none."""
    if connection.info.server_version < POSTGRES_16:
        return None  # one membership for all grantors: who has it has the role's rights
    rows = connection.execute(
        "SELECT inherit_option, set_option FROM pg_catalog.pg_auth_members"
        " JOIN pg_catalog.pg_roles AS role ON role.oid = roleid JOIN pg_catalog.pg_roles AS master ON master.oid = member"
        " WHERE role.rolname = %s AND master.rolname = current_user AND grantor = member",
        (role,),
    ).fetchall()
    return _Options(*rows[0]) if rows else None


def _grant(connection: psycopg.Connection, role: str, options: _Options) -> None:
    statement = sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role))
    if connection.info.server_version >= POSTGRES_16:
        values = {"inherit": sql.Literal(options.inherit), "set": sql.Literal(options.set)}
        statement += sql.SQL(" WITH INHERIT {inherit}, SET {set}").format(**values)
    connection.execute(statement)


def _leave(connection: psycopg.Connection, joined: Iterable[tuple[str, _Options | None]]) -> None:
    """Make each membership what it was before."""
    for role, before in joined:
        if before is None:
            connection.execute(sql.SQL("REVOKE {} FROM CURRENT_USER").format(sql.Identifier(role)))
        else:
            _grant(connection, role, before)
