"""Roles, passwords and grants in PostgreSQL, as SQL that may run again on any earlier state of itself.

Every identifier is quoted by psycopg and no password is ever in a statement: the server is given a SCRAM verifier
that is computed here. Source: PostgreSQL documentation, CREATE ROLE, GRANT, and libpq's PQencryptPasswordConn.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.errors import DuplicateObject, InsufficientPrivilege, UniqueViolation

from activities.databases.sql_files import MARKER
from errors import StepFailed
from models.users import Access, Grant, belongs_to_the_service

_PRIVILEGES: dict[Access, tuple[tuple[LiteralString, LiteralString, LiteralString], ...]] = {
    Access.READ_ONLY: (
        ("TABLES", "SELECT", "INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"),
        ("SEQUENCES", "SELECT", "USAGE, UPDATE"),
    ),
    Access.READ_WRITE: (("TABLES", "SELECT, INSERT, UPDATE, DELETE", ""), ("SEQUENCES", "SELECT, USAGE", "")),
}
"""By kind of object: what is granted, and what is taken away first."""


def set_role(connection: psycopg.Connection, name: str, password: str | None) -> bool:
    """Have a role that may log in with this password, or with a token of IAM if it is None; returns if it is new.

    A role that came with the snapshot keeps its memberships, but for that which says how it logs in.
    """
    created = _create_or_alter(connection, name, password)
    if (password is None) != has_rds_iam(connection, name):
        # A member's password is not looked at: "rds_iam takes precedence" (Aurora User Guide, IAM authentication).
        change = "GRANT rds_iam TO {}" if password is None else "REVOKE rds_iam FROM {}"
        connection.execute(sql.SQL(change).format(sql.Identifier(name)))
    return created


def _create_or_alter(connection: psycopg.Connection, name: str, password: str | None) -> bool:
    if not _exists(connection, name):
        try:
            _login_role(connection, "CREATE", name, password)
            return True
        except (DuplicateObject, UniqueViolation):
            pass  # made by another attempt between our look and our call, or while our call was under way
    _login_role(connection, "ALTER", name, password)
    return False


def _exists(connection: psycopg.Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", (name,)).fetchone() is not None


def has_rds_iam(connection: psycopg.Connection, name: str) -> bool:
    """Whether a role was given rds_iam; false where there is no such role, outside of RDS."""
    found = connection.execute(
        """
        SELECT 1 FROM pg_catalog.pg_auth_members
        JOIN pg_catalog.pg_roles AS given ON given.oid = roleid
        JOIN pg_catalog.pg_roles AS taker ON taker.oid = member
        WHERE given.rolname = 'rds_iam' AND taker.rolname = %s AND taker.rolcanlogin
        """,
        (name,),
    )
    return found.fetchone() is not None


def _login_role(connection: psycopg.Connection, verb: LiteralString, name: str, password: str | None) -> None:
    connection.execute(
        sql.SQL("{} ROLE {} WITH LOGIN PASSWORD {}").format(
            sql.SQL(verb),  # CREATE or ALTER
            sql.Identifier(name),
            sql.NULL if password is None else sql.Literal(_verifier(connection, name, password)),
        )
    )


def _verifier(connection: psycopg.Connection, name: str, password: str) -> str:
    return connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()


def lock_roles(connection: psycopg.Connection, stay: frozenset[str]) -> Iterator[str]:
    """Take LOGIN from every role that is neither named nor the service's own, and end their sessions.

    Gives each that was locked. Its password, its rights and what it owns stay.
    """
    found = connection.execute("SELECT rolname FROM pg_catalog.pg_roles WHERE rolcanlogin AND NOT rolsuper ORDER BY 1")
    for (name,) in found.fetchall():
        if name not in stay and not belongs_to_the_service(name):
            _lock(connection, name)
            yield name
    # Also of those that an earlier attempt locked before it died: an open session goes on until it is ended.
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"
        " JOIN pg_catalog.pg_roles ON pg_roles.oid = usesysid WHERE NOT rolcanlogin"
    )


def _lock(connection: psycopg.Connection, name: str) -> None:
    try:
        connection.execute(sql.SQL("ALTER ROLE {} WITH NOLOGIN").format(sql.Identifier(name)))
    except InsufficientPrivilege as error:
        text = (
            f"the master user may not lock {name}, which can log in as it can at the source. "
            f"Give the source's master user ADMIN OPTION on it, or name it in keep_logins."
        )
        raise StepFailed("Logins not locked", text, code=error.sqlstate) from None


def grant_access(connection: psycopg.Connection, role: str, grant: Grant) -> None:
    """Give a role its access to every schema of the connected database, tables to come included.

    In one transaction, so that a role never has half of it. A read-only role loses the writing that it was granted
    where the snapshot was taken; what it owns, or has through another role, it keeps.
    """
    with connection.transaction():
        connection.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(grant.database), sql.Identifier(role))
        )
        schemas = _schemas(connection)
        with _as_owners(connection, schemas) as owners:
            for schema in schemas:
                for statement in _schema_grants(schema, role, grant.access, owners):
                    connection.execute(statement)


@contextmanager
def _as_owners(connection: psycopg.Connection, schemas: list[str]) -> Iterator[list[str]]:
    """Be a member of every role that owns something in the schemas; gives their names, the connection's own included.

    The tables of a production database seldom belong to its master user, who may grant on them only as a member of
    their owner. Source: PostgreSQL documentation, GRANT ("Notes").
    """
    joined = _foreign_owners(connection, schemas)
    for owner in joined:
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(owner)))
    yield [connection.info.user, *joined]
    for owner in joined:
        connection.execute(sql.SQL("REVOKE {} FROM CURRENT_USER").format(sql.Identifier(owner)))


def _foreign_owners(connection: psycopg.Connection, schemas: list[str]) -> list[str]:
    """Owners of tables and schemas whose rights the connection does not have; never the service's own superuser."""
    rows = connection.execute(
        """
        SELECT rolname FROM pg_catalog.pg_roles
        WHERE NOT rolsuper AND rolname !~ '^pg_' AND NOT pg_has_role(current_user, oid, 'USAGE')
          AND oid IN (
            SELECT nspowner FROM pg_catalog.pg_namespace WHERE nspname = ANY (%(schemas)s)
            UNION SELECT relowner FROM pg_catalog.pg_class
              JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
              WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND nspname = ANY (%(schemas)s))
        ORDER BY rolname
        """,
        {"schemas": schemas},
    )
    return [row[0] for row in rows]


def _schemas(connection: psycopg.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND nspname <> ALL (%s) ORDER BY nspname",
        (["information_schema", MARKER],),
    )
    return [row[0] for row in rows]


def _schema_grants(schema: str, role: str, access: Access, owners: list[str]) -> Iterator[sql.Composed]:
    names = {"schema": sql.Identifier(schema), "role": sql.Identifier(role)}
    yield sql.SQL("GRANT USAGE ON SCHEMA {schema} TO {role}").format(**names)
    for kind, wanted, unwanted in _PRIVILEGES[access]:
        now = [("REVOKE", unwanted, "FROM")] if unwanted else []
        for verb, privileges, direction in (*now, ("GRANT", wanted, "TO")):
            words = {
                "change": sql.SQL(f"{verb} {privileges} ON"),
                "kind": sql.SQL(kind),
                "to": sql.SQL(direction),
            }
            yield sql.SQL("{change} ALL {kind} IN SCHEMA {schema} {to} {role}").format(**names, **words)
            for owner in owners:
                yield sql.SQL(
                    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} {change} {kind} {to} {role}"
                ).format(owner=sql.Identifier(owner), **names, **words)
