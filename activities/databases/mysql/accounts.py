"""Accounts, passwords and grants in MySQL, as SQL that may run again on any earlier state of itself.

A name is either an identifier in backticks or a literal that the driver escapes, and no password is ever in a
statement: the server is given what it would have kept of it. A user of the request is every account of that name:
with `app`@`10.%` from production beside `app`@`%`, MySQL would let the more specific one in.
Sources: MySQL Reference Manual, CREATE USER, ALTER USER, GRANT, REVOKE; Aurora User Guide, "Creating a database account
using IAM authentication".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from pymysql.connections import Connection
from pymysql.constants import ER
from pymysql.cursors import Cursor
from pymysql.err import MySQLError

from activities.databases.mysql.password_hashes import Plugin, authentication_string
from clients.mysql import error_code
from errors import StepFailed
from models.users import Access, Grant, belongs_to_the_service

PRIVILEGES = {
    Access.READ_ONLY: "SELECT, SHOW VIEW",
    Access.READ_WRITE: "SELECT, SHOW VIEW, INSERT, UPDATE, DELETE, EXECUTE, CREATE TEMPORARY TABLES, LOCK TABLES",
}
ANY_HOST = "%"
Mysql: TypeAlias = "Connection[Cursor]"  # only the stubs know it as generic


class Account(NamedTuple):
    """Whom MySQL knows: a name, and from where it may come."""

    name: str
    host: str


def identifier(name: str) -> str:
    """A name in backticks."""
    return "`" + name.replace("`", "``") + "`"


def literal(connection: Mysql, text: str) -> str:
    """A text in quotes, escaped as the session's sql_mode wants it."""
    return str(connection.escape(text))


def quoted(connection: Mysql, account: Account) -> str:
    """The account as statements name it."""
    return f"{literal(connection, account.name)}@{literal(connection, account.host)}"


def rows(connection: Mysql, statement: str, *values: str) -> list[tuple[Any, ...]]:
    """What a statement of ours returns; with `values` each %s stands for one, and without them for itself."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())


def accounts(connection: Mysql) -> list[Account]:
    """Everyone whom the server knows, roles included, which are accounts that are locked."""
    found = rows(connection, "SELECT User, Host FROM mysql.user ORDER BY User, Host")
    return [Account(_text(name), _text(host)) for name, host in found]


def set_user(connection: Mysql, name: str, password: str | None, *, require_ssl: bool) -> bool:
    """Have a user who may log in with this password, or with a token of IAM if it is None; returns if it is new.

    A password that came with the snapshot opens nothing any more, from whichever host it came.
    """
    hosts = [account for account in accounts(connection) if account.name == name]
    plugin = Plugin.IAM if password is None else password_plugin(connection)
    kept = "RDS" if password is None else authentication_string(plugin, password)
    proof = identified(connection, plugin, kept)
    for account in hosts or [Account(name, ANY_HOST)]:
        for statement in login_statements(quoted(connection, account), proof, require_ssl or plugin is Plugin.IAM):
            rows(connection, statement)
    return not hosts


def identified(connection: Mysql, plugin: Plugin, kept: str) -> str:
    """The clause that says how an account proves who it is."""
    return f"IDENTIFIED WITH {plugin.value} AS {literal(connection, kept)}"


def login_statements(account: str, proof: str, require_ssl: bool) -> Iterator[str]:
    """CREATE leaves an account as it is that is there, also if another attempt has just made it; ALTER makes it ours."""
    yield f"CREATE USER IF NOT EXISTS {account} {proof}"
    yield f"ALTER USER {account} {proof}{' REQUIRE SSL' if require_ssl else ''} ACCOUNT UNLOCK"


def password_plugin(connection: Mysql) -> Plugin:
    """The server's own choice, as far as we can compute it: with neither variable the server is MariaDB."""
    names = ("default_authentication_plugin", "authentication_policy")
    found = dict(rows(connection, "SHOW GLOBAL VARIABLES WHERE Variable_name IN (%s, %s)", *names))
    if not found:
        return Plugin.NATIVE
    default = _text(found.get("default_authentication_plugin", found.get("authentication_policy", "")))
    return Plugin.NATIVE if Plugin.NATIVE in default else Plugin.CACHING_SHA2


def grant_access(connection: Mysql, name: str, grants: tuple[Grant, ...]) -> None:
    """Give a user these grants, and take every other that it has itself; what it has through a role it keeps.

    All of them are taken, because one INSERT on ``*.*`` or on a single table would outlive any REVOKE on the database.
    """
    wildcards = not _taken_literally(connection)
    for account in (account for account in accounts(connection) if account.name == name):
        for statement in grant_statements(quoted(connection, account), grants, wildcards):
            rows(connection, statement)


def grant_statements(account: str, grants: tuple[Grant, ...], wildcards: bool) -> Iterator[str]:
    """Without grants in the request, those of the snapshot stay."""
    if grants:
        yield f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {account}"
    for grant in grants:
        database = as_pattern(grant.database) if wildcards else grant.database
        yield f"GRANT {PRIVILEGES[grant.access]} ON {identifier(database)}.* TO {account}"


def as_pattern(database: str) -> str:
    """A database's name as GRANT wants it, where ``_`` would stand for any character: my_db would grant on myXdb too."""
    return database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")


def _taken_literally(connection: Mysql) -> bool:
    found = rows(connection, "SHOW GLOBAL VARIABLES LIKE 'partial\\_revokes'")
    return bool(found) and found[0][1] == "ON"


def authenticates_by_iam(connection: Mysql, name: str) -> bool:
    """Whether every account of that name takes a token of IAM."""
    found = rows(connection, "SELECT plugin FROM mysql.user WHERE User = %s", name)
    return bool(found) and all(_text(plugin) == Plugin.IAM for (plugin,) in found)


def lock_accounts(connection: Mysql, stay: frozenset[str]) -> Iterator[Account]:
    """Lock everyone who is neither named nor the service's own, and end their sessions; gives each that was locked."""
    for account in _unlocked(connection):
        if account.name not in stay:
            _lock(connection, account)
            yield account
    # Also of those that an earlier attempt locked before it died: an open session goes on until it is ended.
    _end_sessions(connection, stay)


def _lock(connection: Mysql, account: Account) -> None:
    try:
        rows(connection, f"ALTER USER {quoted(connection, account)} ACCOUNT LOCK")
    except MySQLError as error:
        if error_code(error) not in {ER.SPECIFIC_ACCESS_DENIED_ERROR, ER.CANNOT_USER}:
            raise
        text = (
            f"the master user may not lock {account.name}@{account.host}, which can log in as it can at the source. "
            f"Take SYSTEM_USER from it at the source, or name {account.name} in keep_logins."
        )
        raise StepFailed("Logins not locked", text, code=str(error_code(error))) from None


def _unlocked(connection: Mysql) -> list[Account]:
    """Whoever may be a login: MariaDB's roles are not, and cannot be locked."""
    columns = {_text(name) for name, *_ in rows(connection, "SHOW COLUMNS FROM mysql.user")}
    out = "account_locked" if "account_locked" in columns else "is_role"
    found = rows(connection, f"SELECT User, Host FROM mysql.user WHERE {out} <> 'Y' ORDER BY User, Host")  # noqa: S608 - ours
    people = [Account(_text(name), _text(host)) for name, host in found]
    return [account for account in people if not belongs_to_the_service(account.name)]


def _end_sessions(connection: Mysql, stay: frozenset[str]) -> None:
    names = {account.name for account in accounts(connection)} - stay  # the server's own threads have no account
    for session, name in rows(connection, "SELECT ID, USER FROM information_schema.PROCESSLIST"):
        if _text(name) in names and not belongs_to_the_service(_text(name)):
            end_session(connection, int(session))


def end_session(connection: Mysql, session: int) -> None:
    """End a session of anybody's; one that is gone already is no error.

    Source: Aurora User Guide, "Ending a session or query" (mysql.rds_kill), which a server outside of RDS lacks.
    """
    end = "CALL mysql.rds_kill({})" if _has_rds_kill(connection) else "KILL {}"
    try:
        rows(connection, end.format(session))
    except MySQLError as error:
        if error_code(error) != ER.NO_SUCH_THREAD:  # it ended by itself
            raise


def _has_rds_kill(connection: Mysql) -> bool:
    routine = "SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'mysql' AND ROUTINE_NAME = 'rds_kill'"
    return bool(rows(connection, routine))


def _text(value: object) -> str:
    """Some of the server's own tables give bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
