"""Roles, passwords and grants in PostgreSQL, as SQL that can run again after any earlier, unfinished run.

psycopg quotes every identifier. No statement contains a password: the server receives a SCRAM verifier, which is
computed here. Sources: PostgreSQL documentation, CREATE ROLE, GRANT, and libpq's PQencryptPasswordConn.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.errors import DuplicateObject, InsufficientPrivilege, UniqueViolation

from activities.databases.restored_database import MustLock
from activities.databases.sql_files import MARKER
from errors import StepFailed
from models.users import SERVICE_LOGINS, Access, Grant

_PRIVILEGES: dict[Access, tuple[tuple[LiteralString, LiteralString, LiteralString], ...]] = {
    Access.READ_ONLY: (
        ("TABLES", "SELECT", "INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"),
        ("SEQUENCES", "SELECT", "USAGE, UPDATE"),
    ),
    Access.READ_WRITE: (("TABLES", "SELECT, INSERT, UPDATE, DELETE", ""), ("SEQUENCES", "SELECT, USAGE", "")),
}
"""By access, for each kind of object: the privileges to grant, and those to revoke first."""


def create_role(connection: psycopg.Connection, name: str) -> bool:
    """Create a role that cannot log in yet, unless it exists. Returns whether it is new."""
    if _exists(connection, name):
        return False
    try:
        connection.execute(sql.SQL("CREATE ROLE {} WITH NOLOGIN").format(sql.Identifier(name)))
    except (DuplicateObject, UniqueViolation):
        return False  # another attempt has created the role since this one checked
    return True


def open_role(connection: psycopg.Connection, name: str, password: str | None) -> None:
    """Let a role log in with this password, or with IAM if it is None.

    A role that came with the snapshot keeps its memberships, except for rds_iam; its password expires no more.
    """
    connection.execute(
        sql.SQL("ALTER ROLE {} WITH LOGIN PASSWORD {} VALID UNTIL 'infinity'").format(
            sql.Identifier(name),
            sql.NULL if password is None else sql.Literal(_verifier(connection, name, password)),
        )
    )
    if (password is None) != has_rds_iam(connection, name):
        # PostgreSQL ignores a member's password: "rds_iam takes precedence" (Aurora User Guide, IAM authentication).
        change = "GRANT rds_iam TO {}" if password is None else "REVOKE rds_iam FROM {}"
        connection.execute(sql.SQL(change).format(sql.Identifier(name)))


def _exists(connection: psycopg.Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", (name,)).fetchone() is not None


def has_rds_iam(connection: psycopg.Connection, name: str) -> bool:
    """Whether a role can log in and is a member of rds_iam; false outside of RDS, where rds_iam does not exist."""
    membership = connection.execute(
        """
        SELECT 1 FROM pg_catalog.pg_auth_members
        JOIN pg_catalog.pg_roles AS parent ON parent.oid = roleid
        JOIN pg_catalog.pg_roles AS child ON child.oid = member
        WHERE parent.rolname = 'rds_iam' AND child.rolname = %s AND child.rolcanlogin
        """,
        (name,),
    )
    return membership.fetchone() is not None


def _verifier(connection: psycopg.Connection, name: str, password: str) -> str:
    return connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()


def lock_roles(connection: psycopg.Connection, must_lock: MustLock) -> Iterator[str]:
    """Set NOLOGIN on every role that must be locked, then end the sessions of all locked roles and of the master user.

    Yields each role as soon as it is locked. A role keeps its password, its privileges and what it owns. The master user
    and superusers, which only RDS has, are not locked.
    """
    roles = connection.execute(
        "SELECT rolname FROM pg_catalog.pg_roles"
        " WHERE rolcanlogin AND NOT rolsuper AND rolname <> current_user ORDER BY 1"
    )
    for (name,) in roles.fetchall():
        if must_lock(name) and name not in SERVICE_LOGINS:
            _lock(connection, name)
            yield name
    # Also the sessions of roles that an earlier attempt locked before it died: NOLOGIN does not end open sessions. The
    # master user's were opened with the password that came with the snapshot.
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"
        " JOIN pg_catalog.pg_roles ON pg_roles.oid = usesysid"
        " WHERE pid <> pg_backend_pid() AND NOT rolsuper AND (NOT rolcanlogin OR rolname = current_user)"
    )


def _lock(connection: psycopg.Connection, name: str) -> None:
    try:
        connection.execute(sql.SQL("ALTER ROLE {} WITH NOLOGIN").format(sql.Identifier(name)))
    except InsufficientPrivilege as error:
        text = (
            f"The master user is not allowed to lock the role {name}, so its password from the source still works. "
            "At the source, grant the master user ADMIN OPTION on it, or list it in keep_logins."
        )
        raise StepFailed("Logins not locked", text, code=error.sqlstate) from None


def grant_access(connection: psycopg.Connection, role: str, grant: Grant) -> None:
    """Grant a role access to every schema of the connected database, future tables included, in one transaction.

    A read-only role loses the write privileges that it was granted at the source. It keeps what it owns and what it has
    through another role.
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
    """Make the master user a member of every role that owns something in the schemas, while the block runs.

    Yields the owners, the master user included. It seldom owns the tables of a production database, and may grant on
    them only as a member of their owner. Source: PostgreSQL documentation, GRANT ("Notes").
    """
    owners = _other_owners(connection, schemas)
    for owner in owners:
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(owner)))
    yield [connection.info.user, *owners]
    for owner in owners:
        connection.execute(sql.SQL("REVOKE {} FROM CURRENT_USER").format(sql.Identifier(owner)))


def _other_owners(connection: psycopg.Connection, schemas: list[str]) -> list[str]:
    """Owners of tables and schemas whose privileges the master user lacks; never a superuser of the service."""
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
    for kind, to_grant, to_revoke in _PRIVILEGES[access]:
        revoke = [("REVOKE", to_revoke, "FROM")] if to_revoke else []
        for verb, privileges, direction in (*revoke, ("GRANT", to_grant, "TO")):
            clauses = {
                "change": sql.SQL(f"{verb} {privileges} ON"),
                "kind": sql.SQL(kind),
                "to": sql.SQL(direction),
            }
            yield sql.SQL("{change} ALL {kind} IN SCHEMA {schema} {to} {role}").format(**names, **clauses)
            for owner in owners:
                yield sql.SQL(
                    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} {change} {kind} {to} {role}"
                ).format(owner=sql.Identifier(owner), **names, **clauses)
