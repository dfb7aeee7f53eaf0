"""setup-db-users on both engines: whom it lets in, to do what, whom it locks out, and that no name is more than a name."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import psycopg
import pymysql
import pytest
from pymysql.cursors import Cursor

from errors import DatabaseUnreachable, StepFailed
from models.users import Access, OtherLogins
from tests.rigs.databases import MASTER, MASTER_PASSWORD, Database, Mysql, Postgres

REFUSALS = (psycopg.errors.InsufficientPrivilege, pymysql.err.OperationalError, pymysql.err.ProgrammingError)
HOSTILE_NAMES = [
    'app"quoted',
    "o'hara",
    "back`tick",
    "100%s",
    "%(name)s",
    "{braces}",
    "'; DROP USER boss; --",
    "Grün-ß-名前",
    "x" * 32,
    "with space",
    "back\\slash",
    "ends in \\",
    "\\'",
    "-- comment",
    "SELECT",
    "a@b",
    "tab\tand\nline",
]
HOSTILE_PASSWORDS = ["it's", 'say "x"', "100%s", "back\\slash\\", "'; DROP USER boss; --", "{}", "pässwörd名😀", " x "]
WRITES = ["INSERT INTO orders VALUES (2, 'Eve')", "UPDATE orders SET customer = 'Eve'", "DELETE FROM orders"]


def test_users_are_made_and_can_log_in(database: Database) -> None:
    """Made, granted, and told who is new; the login is the proof."""
    name = database.unique("app")
    answer = database.set_up(database.user(name, "first"))
    assert (answer.details, answer.created, answer.altered) == ("Users configured", (name,), ())
    assert database.as_user(name, "first", "SELECT customer FROM orders") == [("Ada",)]


def test_a_second_run_doubles_nothing(database: Database) -> None:
    """Run twice: the user is altered and can do what it could."""
    user = database.user(database.unique("app"), "first", Access.READ_WRITE)
    database.set_up(user)
    answer = database.set_up(user)
    assert (answer.created, answer.altered) == ((), (user.name,))
    assert database.as_user(user.name, "first", "SELECT customer FROM orders") == [("Ada",)]


def test_a_password_that_came_with_the_snapshot_is_replaced(database: Database) -> None:
    """Production's password opens nothing in staging."""
    name = database.unique("app")
    database.make_login(name, "of-production")
    assert database.set_up(database.user(name, "of-staging")).altered == (name,)
    assert database.as_user(name, "of-staging", "SELECT 1") == [(1,)]
    with pytest.raises(DatabaseUnreachable, match="Login refused"):
        database.as_user(name, "of-production", "SELECT 1")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_is_only_a_name(database: Database, name: str) -> None:
    """Quotes, backticks, backslashes, percent signs, SQL, other scripts, the longest: exactly this name can log in."""
    assert database.set_up(database.user(name, "p")).created == (name,)
    assert database.as_user(name, "p", "SELECT customer FROM orders") == [("Ada",)]
    assert database.as_master("SELECT 1") == [(1,)], "the master user is still there"


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_login_with_any_name_is_locked(database: Database, name: str) -> None:
    """Nobody escapes by a name that breaks a statement."""
    name = f"{name[:25]}!{database.rig.number}"
    database.make_login(name, "of-production")
    database.as_user(
        name, "of-production", "SELECT 1", "postgres" if isinstance(database, Postgres) else "information_schema"
    )
    assert name in [locked.removesuffix("@%") for locked in database.set_up().locked]
    with pytest.raises(DatabaseUnreachable):
        database.session(name, "of-production", "postgres" if isinstance(database, Postgres) else "information_schema")


@pytest.mark.parametrize("password", HOSTILE_PASSWORDS)
def test_a_password_is_only_a_password(database: Database, password: str) -> None:
    """Any text that a secret can hold opens the door, and no other does."""
    name = database.unique("app")
    database.set_up(database.user(name, password))
    assert database.as_user(name, password, "SELECT 1") == [(1,)]
    with pytest.raises(DatabaseUnreachable, match="Login refused"):
        database.as_user(name, password + "x", "SELECT 1")


@pytest.mark.parametrize("hostile", ["or`d\"er's; DROP", "back\\slash", "100%", "ünïcode"])
def test_a_hostile_database_name_is_only_a_name(database: Database, hostile: str) -> None:
    """The database of a grant is quoted like everything else."""
    database.name = f"{hostile}{database.rig.number}"
    database.make_database(database.name)
    user = database.user(database.unique("app"), "p")
    database.set_up(user)
    assert database.as_user(user.name, "p", "SELECT 1") == [(1,)]


def test_read_only_cannot_write(database: Database) -> None:
    """Not even where production allowed it."""
    name = database.unique("report")
    database.set_up(database.user(name, "p", Access.READ_WRITE))
    database.set_up(database.user(name, "p", Access.READ_ONLY))
    assert database.as_user(name, "p", "SELECT customer FROM orders") == [("Ada",)]
    for statement in (*WRITES, "CREATE TABLE mine (id int)", "DROP TABLE orders"):
        with pytest.raises(REFUSALS):
            database.as_user(name, "p", statement)
    assert database.orders() == [("Ada",)]


def test_read_write_can_write(database: Database) -> None:
    """Rows; the tables stay the owner's."""
    name = database.unique("app")
    database.set_up(database.user(name, "p", Access.READ_WRITE))
    for statement in WRITES:
        database.as_user(name, "p", statement)
    with pytest.raises(REFUSALS):
        database.as_user(name, "p", "DROP TABLE orders")


# Who came with the snapshot


def test_productions_logins_are_locked(database: Database) -> None:
    """Whom the request does not name cannot log in, also when it names nobody."""
    name = database.unique("production")
    database.make_login(name, "of-production")
    locked = database.set_up().locked
    assert [login for login in locked if login.removesuffix("@%") == name]
    with pytest.raises(DatabaseUnreachable):
        database.session(name, "of-production")
    assert database.as_master("SELECT 1") == [(1,)]
    assert not [login for login in locked if login.startswith((MASTER, "rds"))]
    if isinstance(database, Postgres):  # MariaDB does not tell who is locked already
        assert database.set_up().locked == (), "run twice: there is nobody left"


def test_open_sessions_of_locked_logins_end(database: Database) -> None:
    """Who is in when the door is locked is put out, also by the attempt after one that died at the door."""
    name = database.unique("production")
    database.make_login(name, "of-production")
    session = database.session(
        name, "of-production", "postgres" if isinstance(database, Postgres) else "information_schema"
    )
    database.set_up()
    with pytest.raises((psycopg.OperationalError, pymysql.err.OperationalError)):
        session.cursor().execute("SELECT 1")


def test_logins_that_are_to_stay_stay(database: Database) -> None:
    """keep_logins keeps one as it is, password and session included; other_logins keep keeps them all."""
    kept, other = database.unique("kept"), database.unique("other")
    for name in (kept, other):
        database.make_login(name, "of-production")
    place = "postgres" if isinstance(database, Postgres) else "information_schema"
    session = database.session(kept, "of-production", place)
    assert database.set_up(other_logins=OtherLogins.KEEP).locked == ()
    assert database.as_user(other, "of-production", "SELECT 1", place) == [(1,)]
    database.set_up(keep_logins=(kept,))
    session.cursor().execute("SELECT 1")
    session.close()
    assert database.as_user(kept, "of-production", "SELECT 1", place) == [(1,)]
    with pytest.raises(DatabaseUnreachable):
        database.session(other, "of-production", place)


def test_a_locked_login_that_the_request_names_is_opened(database: Database) -> None:
    """Locked last night, wanted tonight."""
    name = database.unique("app")
    database.make_login(name, "of-production")
    database.set_up()
    database.set_up(database.user(name, "p"))
    assert database.as_user(name, "p", "SELECT 1") == [(1,)]


# What goes wrong


def test_the_master_user_is_nobodys_user(database: Database) -> None:
    """A user of the master's name would lock the pipeline out of its own cluster."""
    with pytest.raises(StepFailed, match="master user"):
        database.set_up(database.user(MASTER, "p"))
    assert database.as_master("SELECT 1") == [(1,)]


def test_a_wrong_master_password_is_told_apart(database: Database) -> None:
    """A refused login is not a network problem, and is not quoted."""
    wrong = database.rig.make_secret("wrong-master", '{"password": "plant-wrong"}')
    endpoint = database.endpoint.model_copy(update={"master_user_secret_id": wrong})
    with pytest.raises(DatabaseUnreachable, match="Login refused") as failed:
        database.set_up(endpoint=endpoint)
    assert "plant-wrong" not in str(failed.value)


def test_a_database_that_is_not_there_is_no_network_problem(database: Database) -> None:
    """The text names it, and nobody is sent to the security groups."""
    user = database.user(database.unique("app"), "p")
    grants = (user.grants[0].model_copy(update={"database": "misspelt"}),)
    with pytest.raises((DatabaseUnreachable, StepFailed), match="misspelt") as failed:
        database.set_up(user.model_copy(update={"grants": grants}))
    assert failed.value.fault.short != "Connection timeout"


def _dying_at(statement: int, kind: type[Any]) -> Callable[..., Any]:
    seen = itertools.count(1)
    execute = kind.execute

    def dying(self: Any, *arguments: Any, **named: Any) -> Any:
        result = execute(self, *arguments, **named)
        if next(seen) == statement:
            raise KeyboardInterrupt("the worker dies")
        return result

    return dying


def test_a_death_after_any_statement_changes_nothing(database: Database) -> None:
    """Wherever the worker died: the user can do what was asked, production cannot come in, the file ran, no row twice."""
    kind = psycopg.Connection if isinstance(database, Postgres) else Cursor
    for statement in range(1, 300):
        database.as_master("DELETE FROM orders WHERE id > 1")
        production = database.unique(f"prod{statement}")
        database.make_login(production, "of-production")
        user = database.user(database.unique(f"app{statement}"), "p", Access.READ_WRITE)
        file = database.file("add.sql", f"INSERT INTO orders VALUES ({statement + 1}, 'Eve');")
        given = {"sql_files": (file,), "operation_id": f"op-{statement}"}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kind, "execute", _dying_at(statement, kind))
            try:
                database.set_up(user, **given)
            except KeyboardInterrupt:
                pass
            else:
                break
        database.set_up(user, **given)
        assert database.as_user(user.name, "p", "SELECT customer FROM orders ORDER BY id") == [("Ada",), ("Eve",)]
        with pytest.raises(DatabaseUnreachable):
            database.session(production, "of-production")
        if isinstance(database, Mysql):  # MariaDB does not tell who is locked already; each would be one statement more
            database.as_master(f"DROP USER {user.name}, {production}")
    assert statement > 15, "the sweep went over nothing"


def test_no_password_is_told_to_the_server(mysql: Mysql) -> None:
    """With every statement logged, MySQL's log has no password: it is given what it keeps of it."""
    name = mysql.unique("app")
    mysql.set_up(mysql.user(name, "plant-7f3a9c"))
    log = mysql.host.log("restored")
    assert f"ALTER USER '{name}'@'%' IDENTIFIED WITH mysql_native_password AS '*" in log
    assert "plant-7f3a9c" not in log
    assert MASTER_PASSWORD not in log
