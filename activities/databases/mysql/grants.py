"""The grants of a request in MySQL, and what a read-only user can really do.

Sources: MySQL Reference Manual, GRANT, REVOKE, SHOW GRANTS, "Using Roles".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from activities.databases.mysql.accounts import (
    Account,
    MysqlConnection,
    accounts_of,
    execute,
    quote_account,
    quote_identifier,
)
from limits import MAX_QUOTED, join_names
from models.users import Access, DatabaseUser, Grant

PRIVILEGES = {
    Access.READ_ONLY: "SELECT, SHOW VIEW",
    Access.READ_WRITE: "SELECT, SHOW VIEW, INSERT, UPDATE, DELETE, EXECUTE, CREATE TEMPORARY TABLES, LOCK TABLES",
}

READ_PRIVILEGES = {"USAGE", "SELECT", "SHOW VIEW", "SHOW DATABASES", "PROXY", "PROCESS", "REPLICATION CLIENT"}
"""Every other privilege changes something, or may."""
_PRIVILEGES_OF_GRANT = re.compile(r"GRANT (?P<privileges>.+?) ON (?P<object>.+?) TO ")
_ROLES_OF_GRANT = re.compile(r"GRANT (?P<roles>[`'\"].+?) TO ")
_ACCOUNT = re.compile(r"[`'\"](?P<name>[^`'\"]*)[`'\"](?:@[`'\"](?P<host>[^`'\"]*)[`'\"])?")
_COLUMNS = re.compile(r"\([^)]*\)")


def grant_access(connection: MysqlConnection, name: str, grants: tuple[Grant, ...]) -> None:
    """Give a user these grants and revoke every other that it has directly; what it has through a role stays.

    All others, because one INSERT on ``*.*`` or on a single table would survive any REVOKE on the database.
    """
    has_wildcards = not _has_partial_revokes(connection)
    for account in accounts_of(connection, name):
        for statement in grant_statements(quote_account(connection, account), grants, has_wildcards):
            execute(connection, statement)


def grant_statements(account: str, grants: tuple[Grant, ...], has_wildcards: bool) -> Iterator[str]:
    """Without grants in the request, those of the snapshot stay."""
    if grants:
        yield f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {account}"
    for grant in grants:
        database = escape_wildcards(grant.database) if has_wildcards else grant.database
        yield f"GRANT {PRIVILEGES[grant.access]} ON {quote_identifier(database)}.* TO {account}"


def escape_wildcards(database: str) -> str:
    """A database's name for GRANT, where ``_`` matches any character: my_db would also grant on myXdb."""
    return database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")


def _has_partial_revokes(connection: MysqlConnection) -> bool:
    """With partial_revokes, GRANT has no wildcards. Source: MySQL Reference Manual, "Partial Revokes"."""
    rows = execute(connection, "SHOW GLOBAL VARIABLES LIKE 'partial\\_revokes'")
    return bool(rows) and rows[0][1] == "ON"


def describe_write_access(connection: MysqlConnection, user: DatabaseUser) -> str | None:
    """A sentence if a user whose grants are all read-only can write, most often through a role of the source."""
    if not user.grants or any(grant.access is not Access.READ_ONLY for grant in user.grants):
        return None
    rights: list[str] = []
    for account in accounts_of(connection, user.name):
        rights += _write_grants(connection, quote_account(connection, account), set())
    if not rights:
        return None
    return (
        f"{user.name} is read-only in the request, but it has {join_names(list(dict.fromkeys(rights)), MAX_QUOTED)}. Revoke "
        "it at the source, or in an SQL file."
    )


def _write_grants(connection: MysqlConnection, grantee: str, seen: set[str], through: str = "") -> Iterator[str]:
    """What an account or role may change, and through which role; each role once."""
    seen.add(grantee)
    for (statement,) in execute(connection, f"SHOW GRANTS FOR {grantee}"):
        if match := _PRIVILEGES_OF_GRANT.match(str(statement)):
            held = _COLUMNS.sub("", match["privileges"]).split(", ")
            writes = [privilege for privilege in map(str.strip, held) if privilege not in READ_PRIVILEGES]
            if writes:
                yield f"{', '.join(writes)} on {match['object']}{through}"
        elif match := _ROLES_OF_GRANT.match(str(statement)):
            for role in _ACCOUNT.finditer(match["roles"]):
                quoted = _quote_role(connection, role["name"], role["host"])
                if quoted not in seen:
                    yield from _write_grants(connection, quoted, seen, f" through role {role['name']}")


def _quote_role(connection: MysqlConnection, name: str, host: str | None) -> str:
    """MySQL's roles are accounts with a host; MariaDB's are not."""
    return quote_identifier(name) if host is None else quote_account(connection, Account(name, host))
