"""Roles, passwords and grants in PostgreSQL, as SQL that may run again on any earlier state of itself.

Every identifier is quoted by psycopg and no password is ever in a statement: the server is given a SCRAM verifier
that is computed here. Source: PostgreSQL documentation, CREATE ROLE, GRANT, and libpq's PQencryptPasswordConn.
"""

from __future__ import annotations

import psycopg
from psycopg import sql
from psycopg.errors import DuplicateObject

from models.request import Access, Grant

_TABLE_PRIVILEGES = {
    Access.READ_ONLY: sql.SQL("SELECT"),
    Access.READ_WRITE: sql.SQL("SELECT, INSERT, UPDATE, DELETE"),
}
_SEQUENCE_PRIVILEGES = {Access.READ_ONLY: sql.SQL("SELECT"), Access.READ_WRITE: sql.SQL("SELECT, USAGE")}


def set_role(connection: psycopg.Connection, name: str, password: str) -> bool:
    """Have a role that may log in with this password; returns whether it was created.

    A role that came with the snapshot keeps its memberships and gets the new password.
    """
    if not _exists(connection, name):
        try:
            _login_role(connection, "CREATE", name, password)
            return True
        except DuplicateObject:
            pass  # made by another attempt between our look and our call
    _login_role(connection, "ALTER", name, password)
    return False


def _exists(connection: psycopg.Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", (name,)).fetchone() is not None


def _login_role(connection: psycopg.Connection, verb: str, name: str, password: str) -> None:
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    connection.execute(
        sql.SQL("{} ROLE {} WITH LOGIN PASSWORD {}").format(
            sql.SQL(verb),  # CREATE or ALTER, from this module only
            sql.Identifier(name),
            sql.Literal(verifier),
        )
    )


def grant_access(connection: psycopg.Connection, role: str, grant: Grant) -> None:
    """Give a role its access to every schema of the connected database, tables to come included.

    In one transaction, so that a role never has half of it.
    """
    with connection.transaction():
        connection.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(grant.database), sql.Identifier(role))
        )
        for schema in _schemas(connection):
            for statement in _schema_grants(schema, role, grant.access):
                connection.execute(statement)


def _schemas(connection: psycopg.Connection) -> list[str]:
    rows = connection.execute(
        r"SELECT nspname FROM pg_catalog.pg_namespace"
        r" WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY nspname"
    )
    return [row[0] for row in rows]


def _schema_grants(schema: str, role: str, access: Access) -> list[sql.Composed]:
    names = {"schema": sql.Identifier(schema), "role": sql.Identifier(role)}
    privileges = {"tables": _TABLE_PRIVILEGES[access], "sequences": _SEQUENCE_PRIVILEGES[access]}
    return [
        sql.SQL("GRANT USAGE ON SCHEMA {schema} TO {role}").format(**names),
        sql.SQL("GRANT {tables} ON ALL TABLES IN SCHEMA {schema} TO {role}").format(**names, **privileges),
        sql.SQL("GRANT {sequences} ON ALL SEQUENCES IN SCHEMA {schema} TO {role}").format(**names, **privileges),
        sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {tables} ON TABLES TO {role}").format(
            **names, **privileges
        ),
        sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {sequences} ON SEQUENCES TO {role}").format(
            **names, **privileges
        ),
    ]
