"""setup-db-users on both engines: who can log in afterwards, to do what, and that a hostile name is only a name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import psycopg
import pymysql
import pytest
from psycopg import sql
from pymysql.cursors import Cursor

from errors import DatabaseUnreachable, StepFailed
from models.users import Access
from tests.rigs.databases import MASTER, MASTER_PASSWORD, Database, Mysql, Postgres
from tests.rigs.hostile_names import HOSTILE_NAMES

REFUSALS = (psycopg.errors.InsufficientPrivilege, pymysql.err.OperationalError, pymysql.err.ProgrammingError)
HOSTILE_PASSWORDS = ["it's", 'say "x"', "100%s", "back\\slash\\", "'; DROP USER boss; --", "{}", "pässwörd名😀", " x "]
WRITES = ["INSERT INTO orders VALUES (2, 'Eve')", "UPDATE orders SET customer = 'Eve'", "DELETE FROM orders"]


def test_a_new_user_can_log_in_and_read(database: Database) -> None:
    """The outcome names the user as created."""
    name = database.unique("app")
    outcome = database.set_up(database.user(name, "first"))
    assert (outcome.details, outcome.created, outcome.altered) == ("Users configured", (name,), ())
    assert database.as_user(name, "first", "SELECT customer FROM orders") == [("Ada",)]


def test_a_second_run_alters_the_user_and_changes_no_right(database: Database) -> None:
    """Run twice: the user can do what it could after the first run."""
    user = database.user(database.unique("app"), "first", Access.READ_WRITE)
    database.set_up(user)
    outcome = database.set_up(user)
    assert (outcome.created, outcome.altered) == ((), (user.name,))
    assert database.as_user(user.name, "first", "SELECT customer FROM orders") == [("Ada",)]


def test_a_password_that_came_with_the_snapshot_is_replaced(database: Database) -> None:
    """The source's password does not work in the restored database."""
    name = database.unique("app")
    database.make_login(name, "of-production")
    assert database.set_up(database.user(name, "of-staging")).altered == (name,)
    assert database.as_user(name, "of-staging", "SELECT 1") == [(1,)]
    with pytest.raises(DatabaseUnreachable, match="Login refused"):
        database.as_user(name, "of-production", "SELECT 1")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_user_name_is_only_a_name(database: Database, name: str) -> None:
    """Quotes, backslashes, percent signs, SQL, other scripts, the longest: exactly this name can log in."""
    assert database.set_up(database.user(name, "p")).created == (name,)
    assert database.as_user(name, "p", "SELECT customer FROM orders") == [("Ada",)]
    assert database.as_master("SELECT 1") == [(1,)], "the master user still exists"


@pytest.mark.parametrize("password", HOSTILE_PASSWORDS)
def test_a_hostile_password_is_only_a_password(database: Database, password: str) -> None:
    """Any text that a secret can hold works, and no other."""
    name = database.unique("app")
    database.set_up(database.user(name, password))
    assert database.as_user(name, password, "SELECT 1") == [(1,)]
    with pytest.raises(DatabaseUnreachable, match="Login refused"):
        database.as_user(name, password + "x", "SELECT 1")


@pytest.mark.parametrize("hostile", ["or`d\"er's; DROP", "back\\slash", "100%", "ünïcode"])
def test_a_hostile_database_name_is_only_a_name(database: Database, hostile: str) -> None:
    """The database of a grant is quoted like every other name."""
    database.name = f"{hostile}{database.rig.number}"
    database.make_database(database.name)
    user = database.user(database.unique("app"), "p")
    database.set_up(user)
    assert database.as_user(user.name, "p", "SELECT 1") == [(1,)]


def test_a_read_only_user_cannot_write(database: Database) -> None:
    """Even if it could before."""
    name = database.unique("report")
    database.set_up(database.user(name, "p", Access.READ_WRITE))
    database.set_up(database.user(name, "p", Access.READ_ONLY))
    assert database.as_user(name, "p", "SELECT customer FROM orders") == [("Ada",)]
    for statement in (*WRITES, "CREATE TABLE mine (id int)", "DROP TABLE orders"):
        with pytest.raises(REFUSALS):
            database.as_user(name, "p", statement)
    assert database.orders() == [("Ada",)]


def test_a_read_write_user_can_change_rows_but_not_tables(database: Database) -> None:
    """The tables stay their owner's."""
    name = database.unique("app")
    database.set_up(database.user(name, "p", Access.READ_WRITE))
    for statement in WRITES:
        database.as_user(name, "p", statement)
    with pytest.raises(REFUSALS):
        database.as_user(name, "p", "DROP TABLE orders")


# Failures


def test_the_master_user_cannot_be_one_of_the_users(database: Database) -> None:
    """Its new password would lock the pipeline out of the cluster."""
    with pytest.raises(StepFailed, match="master user"):
        database.set_up(database.user(MASTER, "p"))
    assert database.as_master("SELECT 1") == [(1,)]


def test_a_wrong_master_password_is_a_refused_login(database: Database) -> None:
    """Not a network problem; and the password is not quoted."""
    wrong = database.rig.make_secret("wrong-master", '{"password": "plant-wrong"}')
    endpoint = database.endpoint.model_copy(update={"master_user_secret_id": wrong})
    with pytest.raises(DatabaseUnreachable, match="Login refused") as failure:
        database.set_up(endpoint=endpoint)
    assert "plant-wrong" not in str(failure.value)


def test_the_master_user_logs_in(database: Database) -> None:
    """swap-clusters proves with it that the restored cluster answers under its new name."""
    connectors, rig = database.connectors, database.rig
    connectors.database(rig.target, rig.operation_id, database.endpoint).verify_master_login()
    wrong = rig.make_secret("wrong-for-the-proof", '{"password": "plant-wrong"}')
    endpoint = database.endpoint.model_copy(update={"master_user_secret_id": wrong})
    with pytest.raises(DatabaseUnreachable, match="Login refused"):
        connectors.database(rig.target, rig.operation_id, endpoint).verify_master_login()


def test_a_missing_database_is_named_and_is_no_connection_timeout(database: Database) -> None:
    """A timeout's message would send the operator to the security groups."""
    user = database.user(database.unique("app"), "p")
    grants = (user.grants[0].model_copy(update={"database": "misspelt"}),)
    with pytest.raises((DatabaseUnreachable, StepFailed), match="misspelt") as failure:
        database.set_up(user.model_copy(update={"grants": grants}))
    assert failure.value.fault.short != "Connection timeout"


@pytest.mark.parametrize("limit", ["MAX_QUERIES_PER_HOUR 1", "MAX_CONNECTIONS_PER_HOUR 1", "CONNECTION LIMIT 0"])
def test_a_limit_of_the_login_is_named(database: Database, limit: str) -> None:
    """Neither the secret nor the database's name is wrong. PostgreSQL has one limit, MySQL has others."""
    if limit.startswith("MAX") is isinstance(database, Postgres):
        return
    user = database.user(database.unique("app"), "p")
    database.make_login(user.name, "of-production")
    database.as_master(f"ALTER USER {user.name} {'WITH ' if isinstance(database, Mysql) else ''}{limit}")
    if "CONNECTIONS" in limit:  # the first is the test's
        user = user.model_copy(update={"grants": user.grants * 2})
    with pytest.raises(
        DatabaseUnreachable, match=r"Connection limit reached: .*(CONNECTION LIMIT|limit of the account)"
    ):
        database.set_up(user)


READ = re.compile(
    r"\s*(?:SELECT|SHOW|SET SESSION)\b(?!.*(?:lock\"?\(|terminate|xact_id|FOR UPDATE))", re.IGNORECASE | re.DOTALL
)
"""A statement after which a worker that dies leaves what it leaves after the statement before: it changes at most its session."""


def _die_after(change: int, kind: type[Any]) -> Callable[..., Any]:
    """The method `execute` of a connection or cursor, whose caller dies after this many statements that are no reads."""
    numbers = itertools.count(1)
    execute = kind.execute

    def dying_execute(self: Any, statement: Any, *arguments: Any, **named: Any) -> Any:
        result = execute(self, statement, *arguments, **named)
        if not READ.match(_text(statement)) and next(numbers) == change:
            raise KeyboardInterrupt("the worker dies")
        return result

    return dying_execute


def _text(statement: str | bytes | sql.Composable) -> str:
    if isinstance(statement, sql.Composable):
        return statement.as_string(None)
    return statement.decode() if isinstance(statement, bytes) else statement


def test_a_worker_that_dies_after_any_statement_leaves_nothing_half_done(database: Database) -> None:
    """After the next attempt the user has its rights, the other login is locked, and the file has run once.

    Reads are left out, which are two of three statements: a death after one is a death after the change before it.
    """
    kind = psycopg.Connection if isinstance(database, Postgres) else Cursor
    for statement in range(1, 300):
        database.as_master("DELETE FROM orders WHERE id > 1")
        production = database.unique(f"prod{statement}")
        database.make_login(production, "of-production")
        user = database.user(database.unique(f"app{statement}"), "p", Access.READ_WRITE)
        file = database.file("add.sql", f"INSERT INTO orders VALUES ({statement + 1}, 'Eve');")
        fields = {"sql_files": (file,), "operation_id": f"op-{statement}"}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kind, "execute", _die_after(statement, kind))
            try:
                database.set_up(user, **fields)
            except KeyboardInterrupt:
                pass
            else:
                break
        database.set_up(user, **fields)
        assert database.as_user(user.name, "p", "SELECT customer FROM orders ORDER BY id") == [("Ada",), ("Eve",)]
        with pytest.raises(DatabaseUnreachable):
            database.session(production, "of-production")
        if isinstance(database, Mysql):  # MariaDB does not show which logins are locked; each costs one more statement
            database.as_master(f"DROP USER {user.name}, {production}")
    assert statement > 15, "the attempt has too few statements to be the whole step"


def test_no_statement_contains_a_password(mysql: Mysql) -> None:
    """The server logs every statement here; it receives only the authentication string."""
    name = mysql.unique("app")
    mysql.set_up(mysql.user(name, "plant-7f3a9c"))
    log = mysql.host.log("restored")
    assert f"ALTER USER '{name}'@'%' IDENTIFIED WITH mysql_native_password AS '*" in log
    assert "plant-7f3a9c" not in log
    assert MASTER_PASSWORD not in log
