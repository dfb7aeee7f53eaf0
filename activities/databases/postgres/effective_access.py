"""What a read-only user can really do in a PostgreSQL database: by its attributes, its roles, PUBLIC and default privileges.

The master user takes away what the user was granted itself. What it has through another role, as an owner, or like
everybody is not taken away, because others have it too; it is reported.
Sources: PostgreSQL documentation, "Predefined Roles", "Role Attributes", pg_default_acl, has_table_privilege.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from activities.databases.sql_files import MARKER
from limits import MAX_QUOTED, join_names

POWERFUL_ROLES = ("rds_superuser", "pg_write_all_data", "pg_write_server_files", "pg_execute_server_program")
"""Who may write what it was not granted."""
MAX_ROWS = 200
"""Tables or roles that are named at most."""
_WRITES = "INSERT, UPDATE, DELETE, TRUNCATE"


def describe_write_access(connection: psycopg.Connection, user: str) -> str | None:
    """A sentence if a read-only user can write in the connected database, now or in tables created later."""
    rights = list(_find_write_access(connection, user))
    if not rights:
        return None
    return (
        f"{user} is read-only in the request, but in database {connection.info.dbname} it {'; it '.join(rights)}. Revoke "
        "it at the source, or in an SQL file."
    )


def _find_write_access(connection: psycopg.Connection, user: str) -> Iterator[str]:
    """Also through roles that the user does not inherit, because it can SET ROLE to them."""
    if attributes := _attributes(connection, user):
        yield f"has {join_names(attributes, MAX_QUOTED)}"
    if tables := _writable_tables(connection, user):
        yield f"can write {join_names(tables, MAX_QUOTED)}"
    if creators := _later_tables(connection, user):
        yield f"can write tables that are created later by {join_names(creators, MAX_QUOTED)}"


def _attributes(connection: psycopg.Connection, user: str) -> list[str]:
    rows = connection.execute(
        """
        SELECT right_held || CASE WHEN rolname = %(user)s OR right_held = rolname THEN '' ELSE ' through ' || rolname END
        FROM pg_catalog.pg_roles, unnest(ARRAY[
            CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
            CASE WHEN rolbypassrls THEN 'BYPASSRLS' END,
            CASE WHEN rolname = ANY (%(powerful)s) THEN rolname::text END]) AS right_held
        WHERE right_held IS NOT NULL AND pg_has_role(%(user)s::name, pg_roles.oid, 'MEMBER') ORDER BY 1 LIMIT %(limit)s
        """,
        {"user": user, "powerful": list(POWERFUL_ROLES), "limit": MAX_ROWS},
    )
    return [name for (name,) in rows.fetchall()]


def _writable_tables(connection: psycopg.Connection, user: str) -> list[str]:
    """An owner may always grant itself what was revoked from it."""
    rows = connection.execute(
        f"""
        WITH acting AS (SELECT oid FROM pg_catalog.pg_roles WHERE pg_has_role(%(user)s::name, oid, 'MEMBER'))
        SELECT nspname || '.' || relname FROM pg_catalog.pg_class
            JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
        WHERE relkind IN ('r', 'p', 'v', 'f') AND nspname !~ '^pg_' AND nspname <> ALL (%(excluded)s)
            AND EXISTS (SELECT FROM acting WHERE acting.oid = relowner OR has_table_privilege(acting.oid, pg_class.oid, '{_WRITES}')
                OR has_any_column_privilege(acting.oid, pg_class.oid, 'INSERT, UPDATE'))
        ORDER BY 1 LIMIT %(limit)s
        """,  # noqa: S608 - a constant
        {"user": user, "excluded": ["information_schema", MARKER], "limit": MAX_ROWS},
    )
    return [name for (name,) in rows.fetchall()]


def _later_tables(connection: psycopg.Connection, user: str) -> list[str]:
    """Roles whose later tables the user may write, by default privileges of any schema or of the database."""
    rows = connection.execute(
        """
        SELECT DISTINCT creator.rolname FROM pg_catalog.pg_default_acl
            JOIN pg_catalog.pg_roles AS creator ON creator.oid = defaclrole, aclexplode(defaclacl) AS entry
        WHERE defaclobjtype = 'r' AND entry.privilege_type = ANY (%(writes)s) AND creator.rolname <> %(user)s
            AND (entry.grantee = 0 OR pg_has_role(%(user)s::name, entry.grantee, 'MEMBER')) ORDER BY 1 LIMIT %(limit)s
        """,
        {"user": user, "writes": _WRITES.split(", "), "limit": MAX_ROWS},
    )
    return [name for (name,) in rows.fetchall()]
