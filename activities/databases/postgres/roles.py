"""Roles and passwords in PostgreSQL, as SQL that can run again after any earlier, unfinished run.

psycopg quotes every identifier. No statement contains a password: the server receives a SCRAM verifier, which is
computed here. Sources: PostgreSQL documentation, CREATE ROLE, GRANT, pg_auth_members, and libpq's PQencryptPasswordConn.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from psycopg import sql
from psycopg.errors import DuplicateObject, InsufficientPrivilege, UniqueViolation

from activities.databases.postgres.memberships import POSTGRES_16, can_join, join
from activities.databases.restored_database import MustLock
from errors import StepFailed
from limits import MAX_QUOTED, join_names
from models.users import SERVICE_LOGINS


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
    set_authentication(connection, name, uses_iam=password is None)


def set_authentication(connection: psycopg.Connection, name: str, *, uses_iam: bool) -> None:
    """Make a role a member of rds_iam, or take it out, by any role that granted it.

    PostgreSQL ignores a member's password: "rds_iam takes precedence" (Aurora User Guide, IAM authentication).
    Raises `StepFailed` if the role stays a member, through another role or by a grant that the master user cannot revoke.
    """
    if uses_iam:
        if not is_member_of_rds_iam(connection, name):
            connection.execute(sql.SQL("GRANT rds_iam TO {}").format(sql.Identifier(name)))
        return
    with connection.transaction():
        for grantor in _grantors_of_rds_iam(connection, name):
            _revoke_rds_iam(connection, name, grantor)
    if paths := _paths_to_rds_iam(connection, name):
        text = (
            f"{name} is a member of rds_iam through {join_names(paths, MAX_QUOTED)}, so RDS would refuse its password. "
            "At the source, revoke that membership, or set its authentication to iam in the request."
        )
        raise StepFailed("Password not usable", text)


def _grantors_of_rds_iam(connection: psycopg.Connection, name: str) -> list[str]:
    """Since PostgreSQL 16 each of them has a grant of its own."""
    rows = connection.execute(
        "SELECT grantor.rolname FROM pg_catalog.pg_auth_members"
        " JOIN pg_catalog.pg_roles AS parent ON parent.oid = roleid JOIN pg_catalog.pg_roles AS child ON child.oid = member"
        " JOIN pg_catalog.pg_roles AS grantor ON grantor.oid = grantor"
        " WHERE parent.rolname = 'rds_iam' AND child.rolname = %s ORDER BY 1",
        (name,),
    )
    return [grantor for (grantor,) in rows.fetchall()]


def _revoke_rds_iam(connection: psycopg.Connection, name: str, grantor: str) -> None:
    """Revoke one grant, as its grantor where the server distinguishes them; without that right, leave it."""
    if connection.info.server_version < POSTGRES_16:
        connection.execute(sql.SQL("REVOKE rds_iam FROM {}").format(sql.Identifier(name)))
    elif can_join(connection, grantor):
        revoke = sql.SQL("REVOKE rds_iam FROM {} GRANTED BY {}")
        with join(connection, [grantor]):
            connection.execute(revoke.format(sql.Identifier(name), sql.Identifier(grantor)))


def _exists(connection: psycopg.Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", (name,)).fetchone() is not None


def is_member_of_rds_iam(connection: psycopg.Connection, name: str) -> bool:
    """Whether a role is a member, directly or not; false outside of RDS, where rds_iam does not exist."""
    return bool(_paths_to_rds_iam(connection, name))


def logs_in_with_iam(connection: psycopg.Connection, name: str) -> bool:
    """Whether the role can log in, and RDS asks for a token of IAM."""
    can_log_in = connection.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s AND rolcanlogin", (name,))
    return can_log_in.fetchone() is not None and is_member_of_rds_iam(connection, name)


def _paths_to_rds_iam(connection: psycopg.Connection, name: str) -> list[str]:
    """The roles through which a role is a member of rds_iam; "a grant of NAME" for a membership of its own.

    The options of a membership, such as INHERIT, do not matter to RDS. rds_superuser is no path: its members, such as the
    master user, log in with a password.
    """
    rows = connection.execute(
        """
        SELECT CASE WHEN child.rolname = %(name)s THEN 'a grant of ' || grantor.rolname ELSE child.rolname END
        FROM pg_catalog.pg_auth_members
            JOIN pg_catalog.pg_roles AS parent ON parent.oid = roleid
            JOIN pg_catalog.pg_roles AS child ON child.oid = member
            JOIN pg_catalog.pg_roles AS grantor ON grantor.oid = grantor
        WHERE parent.rolname = 'rds_iam' AND child.rolname <> 'rds_superuser'
            AND pg_has_role(%(name)s::name, child.oid, 'MEMBER') ORDER BY 1
        """,
        {"name": name},
    )
    return [path for (path,) in rows.fetchall()]


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
