"""Accounts and passwords in MySQL, as SQL that can run again after any earlier, unfinished run.

A name in a statement is either an identifier in backticks or a literal that the driver escapes. No statement contains a
password: the server receives the authentication string that it would store. A user of the request is every account of
that name: if production has `app`@`10.%` beside `app`@`%`, MySQL prefers the more specific one.
Sources: MySQL Reference Manual, CREATE USER, ALTER USER; Aurora User Guide, "Creating a database account
using IAM authentication".
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from pymysql.connections import Connection
from pymysql.constants import ER
from pymysql.cursors import Cursor
from pymysql.err import MySQLError

from activities.databases.mysql.password_hashes import Plugin, authentication_string
from activities.databases.restored_database import MustLock
from clients.mysql import error_code
from errors import StepFailed
from models.users import SERVICE_LOGINS

ANY_HOST = "%"
PASSWORD_BYTES = 32
MysqlConnection: TypeAlias = "Connection[Cursor]"  # generic in the stubs only


class Account(NamedTuple):
    """An account as MySQL identifies it: the user's name, and the host that the user connects from."""

    name: str
    host: str


RESERVED_ACCOUNTS = tuple(Account(f"mysql.{name}", "localhost") for name in ("sys", "session", "infoschema"))
"""The server's own. Source: MySQL Reference Manual, "Reserved Accounts"."""


def quote_identifier(name: str) -> str:
    """A name in backticks."""
    return "`" + name.replace("`", "``") + "`"


def quote_literal(connection: MysqlConnection, text: str) -> str:
    """A text in quotes, escaped for the session's sql_mode."""
    return str(connection.escape(text))


def quote_account(connection: MysqlConnection, account: Account) -> str:
    """The account as statements name it."""
    return f"{quote_literal(connection, account.name)}@{quote_literal(connection, account.host)}"


def execute(connection: MysqlConnection, statement: str, *values: str) -> list[tuple[Any, ...]]:
    """Execute a statement and return its rows.

    With `values`, each %s in the statement is a placeholder for one of them; without, a percent sign is only itself.
    """
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())


def list_accounts(connection: MysqlConnection) -> list[Account]:
    """Every account of the server. MySQL's roles are included, because they are locked accounts."""
    rows = execute(connection, "SELECT User, Host FROM mysql.user ORDER BY User, Host")
    return [Account(_text(name), _text(host)) for name, host in rows]


def create_user(connection: MysqlConnection, name: str, host: str | None, *, uses_iam: bool) -> bool:
    """Create a user that cannot log in yet, unless it exists, for this host or any. Returns whether the user is new."""
    hosts = [account.host for account in accounts_of(connection, name)]
    if host in hosts or (hosts and host is None):
        return False
    # Nobody knows this password; an empty one could break the server's rules of strength.
    password = None if uses_iam else secrets.token_urlsafe(PASSWORD_BYTES)
    account = quote_account(connection, Account(name, host or ANY_HOST))
    execute(connection, creation_statement(account, _authentication(connection, password)))
    return not hosts


def open_user(connection: MysqlConnection, name: str, password: str | None, *, require_ssl: bool) -> None:
    """Let a user log in with this password, or with IAM if it is None.

    The passwords that came with the snapshot stop working, for every host.
    """
    authentication, needs_ssl = _authentication(connection, password), require_ssl or password is None
    # A user that an SQL file has dropped is refused by MySQL.
    for account in accounts_of(connection, name) or [Account(name, ANY_HOST)]:
        quoted = quote_account(connection, account)
        execute(connection, opening_statement(quoted, authentication, needs_ssl))


def _authentication(connection: MysqlConnection, password: str | None) -> str:
    """With this password, or with IAM if it is None."""
    plugin = Plugin.IAM if password is None else password_plugin(connection)
    stored = "RDS" if password is None else authentication_string(plugin, password)
    return authentication_clause(connection, plugin, stored)


def accounts_of(connection: MysqlConnection, name: str) -> list[Account]:
    """Every account of this name, whatever its host."""
    return [account for account in list_accounts(connection) if account.name == name]


def authentication_clause(connection: MysqlConnection, plugin: Plugin, stored: str) -> str:
    """How an account authenticates; `stored` is the authentication string that the server keeps."""
    return f"IDENTIFIED WITH {plugin.value} AS {quote_literal(connection, stored)}"


def creation_statement(account: str, authentication: str) -> str:
    """Does not change an existing account, even one that another attempt has just created."""
    return f"CREATE USER IF NOT EXISTS {account} {authentication} ACCOUNT LOCK"


def opening_statement(account: str, authentication: str, require_ssl: bool) -> str:
    """Lets an account log in, over TLS only if it must."""
    return f"ALTER USER {account} {authentication}{' REQUIRE SSL' if require_ssl else ''} ACCOUNT UNLOCK"


def password_plugin(connection: MysqlConnection) -> Plugin:
    """The server's default plugin, if its authentication string can be computed here, else caching_sha2_password.

    A server with neither variable is MariaDB, which has mysql_native_password.
    """
    names = ("default_authentication_plugin", "authentication_policy")
    variables = dict(execute(connection, "SHOW GLOBAL VARIABLES WHERE Variable_name IN (%s, %s)", *names))
    if not variables:
        return Plugin.NATIVE
    default = _text(variables.get("default_authentication_plugin", variables.get("authentication_policy", "")))
    return Plugin.NATIVE if Plugin.NATIVE in default else Plugin.CACHING_SHA2


def authenticates_by_iam(connection: MysqlConnection, name: str) -> bool:
    """Whether the user exists and every account of its name logs in with a token of IAM."""
    rows = execute(connection, "SELECT plugin FROM mysql.user WHERE User = %s", name)
    return bool(rows) and all(_text(plugin) == Plugin.IAM for (plugin,) in rows)


def lock_accounts(connection: MysqlConnection, master: str, must_lock: MustLock) -> Iterator[Account]:
    """Lock every account that must be locked, then end the sessions of all of them and of the master user.

    Yields each account as soon as it is locked. The master user and RDS's own accounts are not locked.
    """
    for account in _unlocked_accounts(connection):
        if account.name != master and must_lock(account.name):
            _lock(connection, account)
            yield account
    # Also the sessions of accounts that an earlier attempt locked before it died: a lock does not end open sessions. The
    # master user's were opened with the password that came with the snapshot.
    _end_sessions(connection, master, must_lock)


def _lock(connection: MysqlConnection, account: Account) -> None:
    try:
        execute(connection, f"ALTER USER {quote_account(connection, account)} ACCOUNT LOCK")
    except MySQLError as error:
        if error_code(error) not in {ER.SPECIFIC_ACCESS_DENIED_ERROR, ER.CANNOT_USER}:
            raise
        text = (
            f"The master user is not allowed to lock the account {account.name}@{account.host}, so its password from the "
            f"source still works. At the source, revoke SYSTEM_USER from it, or list {account.name} in keep_logins."
        )
        raise StepFailed("Logins not locked", text, code=str(error_code(error))) from None


def _unlocked_accounts(connection: MysqlConnection) -> list[Account]:
    """Accounts that may log in. MariaDB has no account_locked, and its roles, which cannot be locked, are left out."""
    columns = {_text(name) for name, *_ in execute(connection, "SHOW COLUMNS FROM mysql.user")}
    excluded = "account_locked" if "account_locked" in columns else "is_role"
    rows = execute(connection, f"SELECT User, Host FROM mysql.user WHERE {excluded} <> 'Y' ORDER BY User, Host")  # noqa: S608 - a constant
    unlocked = [Account(_text(name), _text(host)) for name, host in rows]
    return [account for account in unlocked if not _belongs_to_the_service(account)]


def _belongs_to_the_service(account: Account) -> bool:
    """RDS's roles, such as rds_superuser_role and AWS_LAMBDA_ACCESS, are locked accounts already."""
    return account.name in SERVICE_LOGINS or account in RESERVED_ACCOUNTS


def _end_sessions(connection: MysqlConnection, master: str, must_lock: MustLock) -> None:
    # Only names that have an account: the server's own threads have none.
    names = {account.name for account in list_accounts(connection) if not _belongs_to_the_service(account)}
    sessions = "SELECT ID, USER FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID()"
    for session_id, user in execute(connection, sessions):
        name = _text(user)
        if name == master or (name in names and must_lock(name)):
            end_session(connection, int(session_id))


def end_session(connection: MysqlConnection, session_id: int) -> None:
    """End any user's session; if it has ended by itself, do nothing.

    Source: Aurora User Guide, "Ending a session or query" (mysql.rds_kill), which servers outside of RDS do not have.
    """
    statement = "CALL mysql.rds_kill({})" if _has_rds_kill(connection) else "KILL {}"
    try:
        execute(connection, statement.format(session_id))
    except MySQLError as error:
        if error_code(error) != ER.NO_SUCH_THREAD:
            raise


def _has_rds_kill(connection: MysqlConnection) -> bool:
    routine = "SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'mysql' AND ROUTINE_NAME = 'rds_kill'"
    return bool(execute(connection, routine))


def _text(value: object) -> str:
    """Some columns of the server's own tables are bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
