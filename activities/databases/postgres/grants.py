"""The grants of a request in PostgreSQL, given as the owners of what they are on.

psycopg quotes every identifier. Sources: PostgreSQL documentation, GRANT, ALTER DEFAULT PRIVILEGES.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import LiteralString, NamedTuple

import psycopg
from psycopg import sql

from activities.databases.postgres.memberships import can_join, join, joinable_owners
from activities.databases.sql_files import MARKER
from errors import StepFailed
from limits import MAX_QUOTED, join_names
from models.users import Access, Grant


class _Privileges(NamedTuple):
    """On one kind of object."""

    kind: LiteralString
    grant: LiteralString
    revoke: LiteralString
    """What is revoked first; "" for nothing."""


_PRIVILEGES: dict[Access, tuple[_Privileges, ...]] = {
    Access.READ_ONLY: (
        _Privileges("TABLES", "SELECT", "INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"),
        _Privileges("SEQUENCES", "SELECT", "USAGE, UPDATE"),
    ),
    Access.READ_WRITE: (
        _Privileges("TABLES", "SELECT, INSERT, UPDATE, DELETE", ""),
        _Privileges("SEQUENCES", "SELECT, USAGE", ""),
    ),
}
MAX_NAMES = 500
"""Tables that one statement names."""


class _Owned(NamedTuple):
    """A schema, or a table or sequence in one."""

    name: str
    owner: str
    grantable: bool
    """Whether the master user may grant on it, as a member of the owners."""
    service_owned: bool
    """Whether it belongs to a superuser, which only RDS has."""


def grant_access(connection: psycopg.Connection, role: str, grant: Grant) -> list[str]:
    """Grant a role access to every schema of the connected database, later tables included, in one transaction.

    A read-only role loses the write privileges that it was granted at the source. It keeps what it owns and what it has
    through another role. Returns the names of what belongs to RDS and so is left out.
    Raises `StepFailed` for another owner whose rights the master user cannot get.
    """
    left_out: list[str] = []
    with connection.transaction():
        owners = joinable_owners(connection)
        with join(connection, owners):
            _grant_connect(connection, role, grant.database)
            for schema in _schemas(connection):
                if _grant_usage(connection, schema, role):
                    left_out += _grant_in_schema(connection, schema.name, role, grant.access)
                    owners_with_own = [connection.info.user, *owners]
                    for statement in _default_grants(schema.name, role, grant.access, owners_with_own):
                        connection.execute(statement)
                else:
                    left_out.append(f"schema {schema.name}")
            if grant.access is Access.READ_ONLY:
                _revoke_global_defaults(connection, role, [connection.info.user, *owners])
    return left_out


def let_master_user_connect(session: psycopg.Connection) -> None:
    """Grant the master user CONNECT on every database, as the owner: it works in each of them.

    Left out are databases whose owner it cannot become, such as Aurora's own, rdsadmin.
    """
    rows = session.execute(
        "SELECT datname, rolname FROM pg_catalog.pg_database JOIN pg_catalog.pg_roles ON pg_roles.oid = datdba"
        " WHERE datallowconn AND NOT datistemplate AND NOT has_database_privilege(pg_database.oid, 'CONNECT') ORDER BY 1"
    )
    for database, owner in rows.fetchall():
        if can_join(session, owner):
            with session.transaction(), join(session, [owner]):
                grant = sql.SQL("GRANT CONNECT ON DATABASE {} TO CURRENT_USER")
                session.execute(grant.format(sql.Identifier(database)))


def _grant_connect(connection: psycopg.Connection, role: str, database: str) -> None:
    """As the database's owner. PostgreSQL only warns of a GRANT that does nothing, so the result is checked."""
    names = {"database": sql.Identifier(database), "role": sql.Identifier(role)}
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {database} TO {role}").format(**names))
    query = "SELECT has_database_privilege(%s::name, current_database(), 'CONNECT')"
    if connection.execute(query, (role,)).fetchone() != (True,):
        text = (
            f"{role} may not connect to database {database}, and the master user cannot grant it: the database belongs to "
            "a role whose rights it cannot get. At the source, grant the master user this owner with ADMIN OPTION."
        )
        raise StepFailed("Users not configured", text)


def _grant_usage(connection: psycopg.Connection, schema: _Owned, role: str) -> bool:
    """Returns whether the role may use the schema now; raises `StepFailed` if the owner is not RDS's own."""
    if schema.grantable:
        names = {"schema": sql.Identifier(schema.name), "role": sql.Identifier(role)}
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {schema} TO {role}").format(**names))
        return True
    query = "SELECT has_schema_privilege(%s::name, %s, 'USAGE')"
    if connection.execute(query, (role, schema.name)).fetchone() == (True,):
        return True  # such as public, which is everybody's
    if not schema.service_owned:
        raise _cannot_grant(f"schema {schema.name}", schema.owner)
    return False


def _cannot_grant(what: str, owner: str) -> StepFailed:
    text = (
        f"The master user cannot grant on {what}, which belongs to {owner}: it cannot get the rights of this role. At the "
        "source, grant the master user this owner with ADMIN OPTION."
    )
    return StepFailed("Users not configured", text)


def _schemas(connection: psycopg.Connection) -> list[_Owned]:
    rows = connection.execute(
        "SELECT nspname, rolname, pg_has_role(current_user, nspowner, 'USAGE')"
        " OR has_schema_privilege(current_user, pg_namespace.oid, 'USAGE WITH GRANT OPTION'), rolsuper"
        " FROM pg_catalog.pg_namespace JOIN pg_catalog.pg_roles ON pg_roles.oid = nspowner"
        " WHERE nspname !~ '^pg_' AND nspname <> ALL (%s) ORDER BY nspname",
        (["information_schema", MARKER],),
    )
    return [_Owned(*row) for row in rows.fetchall()]


def _grant_in_schema(connection: psycopg.Connection, schema: str, role: str, access: Access) -> list[str]:
    """Grant on every table and sequence; returns the tables of RDS that the role cannot read."""
    left_out = []
    for privileges in _PRIVILEGES[access]:
        objects = _objects(connection, schema, privileges.kind)
        for entry in objects:
            if not entry.grantable and not entry.service_owned:
                raise _cannot_grant(f"{schema}.{entry.name}", entry.owner)
        for target in _targets(schema, privileges.kind, objects):
            for statement in _changes(privileges, sql.SQL("ON {}").format(target), role):
                connection.execute(statement)
        left_out += _unreadable(connection, schema, role, privileges.kind, objects)
    return left_out


def _objects(connection: psycopg.Connection, schema: str, kind: str) -> list[_Owned]:
    rows = connection.execute(
        "SELECT relname, rolname, pg_has_role(current_user, relowner, 'USAGE')"
        " OR has_table_privilege(current_user, pg_class.oid, 'SELECT WITH GRANT OPTION'), rolsuper"
        " FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace"
        " JOIN pg_catalog.pg_roles ON pg_roles.oid = relowner"
        " WHERE nspname = %s AND relkind = ANY (%s) ORDER BY relname",
        (schema, ["S"] if kind == "SEQUENCES" else ["r", "p", "v", "m", "f"]),
    )
    return [_Owned(*row) for row in rows.fetchall()]


def _targets(schema: str, kind: LiteralString, objects: Sequence[_Owned]) -> Iterator[sql.Composable]:
    """What GRANT names: the whole schema, or, if it has anything of RDS's, each table of the others."""
    if all(entry.grantable for entry in objects):
        yield sql.SQL("ALL {} IN SCHEMA {}").format(sql.SQL(kind), sql.Identifier(schema))
        return
    names = [sql.Identifier(schema, entry.name) for entry in objects if entry.grantable]
    for first in range(0, len(names), MAX_NAMES):
        some = sql.SQL(", ").join(names[first : first + MAX_NAMES])
        yield sql.SQL("{} {}").format(sql.SQL(kind[:-1]), some)


def _changes(privileges: _Privileges, target: sql.Composable, role: str) -> Iterator[sql.Composed]:
    change = sql.SQL("{} {} {} {} {}")
    named = sql.Identifier(role)
    if privileges.revoke:
        yield change.format(sql.SQL("REVOKE"), sql.SQL(privileges.revoke), target, sql.SQL("FROM"), named)
    yield change.format(sql.SQL("GRANT"), sql.SQL(privileges.grant), target, sql.SQL("TO"), named)


def _default_grants(schema: str, role: str, access: Access, owners: Sequence[str]) -> Iterator[sql.Composed]:
    """For the tables and sequences that each owner creates later in the schema."""
    for owner in owners:
        prefix = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} ").format(
            sql.Identifier(owner), sql.Identifier(schema)
        )
        for privileges in _PRIVILEGES[access]:
            for change in _changes(privileges, sql.SQL("ON {}").format(sql.SQL(privileges.kind)), role):
                yield prefix + change


def _revoke_global_defaults(connection: psycopg.Connection, role: str, owners: Sequence[str]) -> None:
    """Those of the whole database, which no REVOKE in a schema takes away."""
    for owner in owners:
        prefix = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} ").format(sql.Identifier(owner))
        for privileges in _PRIVILEGES[Access.READ_ONLY]:
            target = sql.SQL("ON {}").format(sql.SQL(privileges.kind))
            connection.execute(prefix + next(_changes(privileges, target, role)))


def _unreadable(
    connection: psycopg.Connection, schema: str, role: str, kind: str, objects: Sequence[_Owned]
) -> list[str]:
    """The tables of RDS that the role cannot read; a view of an extension is most often everybody's."""
    names = [entry.name for entry in objects if not entry.grantable]
    if not names or kind == "SEQUENCES":
        return []
    rows = connection.execute(
        "SELECT nspname || '.' || relname FROM pg_catalog.pg_class"
        " JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = %s AND relname = ANY (%s)"
        " AND NOT has_table_privilege(%s::name, pg_class.oid, 'SELECT') ORDER BY 1",
        (schema, names, role),
    )
    return [name for (name,) in rows.fetchall()]


def describe_left_out(role: str, database: str, left_out: Sequence[str]) -> str:
    """The warning for what `grant_access` has left out."""
    return (
        f"{role} has no access to {join_names(left_out, MAX_QUOTED)} in database {database}, which belong to RDS's own "
        "superuser: the master user cannot grant on them."
    )
