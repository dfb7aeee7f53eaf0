"""setup-db-users on a real PostgreSQL, as Aurora's master user, who is no superuser."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import sql

from devstack.postgres import PostgresHost
from devstack.processes import free_port
from errors import DatabaseUnreachable, StepFailed
from models.users import Access, DatabaseUser, Grant
from tests.rigs.activity_resources import UNUSABLE_SECRETS
from tests.rigs.users_database import CONNECTOR, MASTER, MASTER_PASSWORD, SECRET_NUMBERS, UsersDatabase

HOSTILE_NAMES = [
    'app"quoted',
    "o'hara",
    "100%s",
    "%(name)s",
    "{braces}",
    'x"; DROP ROLE boss; --',
    "Grün-ß-名前",
    "x" * 63,
    "with space",
    "back\\slash",
    "-- comment",
    "SELECT",
]
HOSTILE_PASSWORDS = ["it's", 'say "x"', "100%s", "back\\slash", "'; DROP ROLE boss; --", "{}", "pässwörd名", " blank "]


def test_users_are_created_and_can_log_in(database: UsersDatabase) -> None:
    """Created, granted, and named in the outcome; the login proves it."""
    name = database.unique("app")
    outcome = database.set_up(database.user(name, "first"))
    assert (outcome.details, outcome.created, outcome.altered) == ("Users configured", (name,), ())
    assert outcome.resource_arns == (database.rig.target.arn,)
    assert database.as_user(name, "first", "SELECT customer FROM orders") == [("Ada",)]


def test_a_second_run_alters_the_role_and_keeps_the_grants(database: UsersDatabase) -> None:
    """Run twice: the role is altered, the grants are the same."""
    name = database.unique("app")
    user = database.user(name, "first", Access.READ_WRITE)
    database.set_up(user)
    grants = database.as_master("SELECT relacl FROM pg_class WHERE relname = 'orders'")
    outcome = database.set_up(user)
    assert (outcome.created, outcome.altered) == ((), (name,))
    assert database.as_master("SELECT relacl FROM pg_class WHERE relname = 'orders'") == grants
    assert database.as_user(name, "first", "SELECT customer FROM orders") == [("Ada",)]


def test_a_password_that_came_with_the_snapshot_is_replaced(database: UsersDatabase) -> None:
    """Production's password opens nothing in staging; nor does an earlier one, once the secret has another."""
    name = database.unique("app")
    database.set_up(database.user(name, "of-production"))
    database.set_up(database.user(name, "of-staging"))
    assert database.as_user(name, "of-staging", "SELECT 1") == [(1,)]
    with pytest.raises(DatabaseUnreachable, match="Login refused"):
        database.as_user(name, "of-production", "SELECT 1")


def test_a_role_without_login_can_log_in_afterwards(database: UsersDatabase) -> None:
    """A role that came without LOGIN becomes a user."""
    name = database.unique("app")
    database.as_master(f"CREATE ROLE {name}")
    assert database.set_up(database.user(name, "x")).altered == (name,)
    assert database.as_user(name, "x", "SELECT 1") == [(1,)]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_user_name_is_taken_literally(database: UsersDatabase, name: str) -> None:
    """Quotes, percent signs, SQL, other scripts, 63 characters: the user has exactly this name and can log in."""
    assert database.set_up(database.user(name, "p")).created == (name,)
    assert database.as_user(name, "p", "SELECT session_user::text") == [(name,)]
    assert database.as_master("SELECT 1 FROM pg_roles WHERE rolname = %s", MASTER) == [(1,)]


@pytest.mark.parametrize("password", HOSTILE_PASSWORDS)
def test_a_hostile_password_is_taken_literally(database: UsersDatabase, password: str) -> None:
    """Any text that a secret can hold logs in, and no other does."""
    name = database.unique("app")
    database.set_up(database.user(name, password))
    assert database.as_user(name, password, "SELECT 1") == [(1,)]
    with pytest.raises(DatabaseUnreachable, match="Login refused"):
        database.as_user(name, password + "x", "SELECT 1")


def test_a_hostile_database_name_is_taken_literally(database: UsersDatabase) -> None:
    """The database of a grant is quoted like everything else."""
    hostile = f'or"ders; DROP % {database.rig.number}'
    with CONNECTOR.connect(database.endpoint, "postgres", MASTER, MASTER_PASSWORD) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(hostile)))
    database.name = hostile
    name = database.unique("app")
    database.set_up(database.user(name, "p"))
    assert database.as_user(name, "p", "SELECT current_database()::text") == [(hostile,)]


def test_the_servers_log_has_no_password(database: UsersDatabase, postgres_host: PostgresHost) -> None:
    """With every statement logged: the server gets a verifier."""
    name = database.unique("app")
    database.set_up(database.user(name, "plant-7f3a9c"))
    log = postgres_host._clusters["restored"].server._log.read_text()
    assert f'CREATE ROLE "{name}"' in log
    assert "SCRAM-SHA-256$" in log
    assert "plant-7f3a9c" not in log
    assert MASTER_PASSWORD not in log


def test_without_users_the_database_is_not_called(database: UsersDatabase) -> None:
    """Its port does not even have a server."""
    assert database.set_up(port=free_port()).details == "Users configured"


# Failures


@pytest.mark.parametrize("value", UNUSABLE_SECRETS)
def test_an_unusable_secret_changes_nothing(database: UsersDatabase, value: str) -> None:
    """It fails the step before any role is touched, and is not quoted."""
    good, bad = database.unique("good"), database.unique("bad")
    secret = database.rig.make_secret(f"user/{next(SECRET_NUMBERS)}", value)
    with pytest.raises(StepFailed, match="Secret not usable") as failed:
        database.set_up(database.user(good, "p"), DatabaseUser(name=bad, secret_id=secret))
    assert secret in str(failed.value)
    assert "12345678" not in str(failed.value)
    assert database.as_master("SELECT 1 FROM pg_roles WHERE rolname = %s", good) == []


def test_a_missing_secret_is_named(database: UsersDatabase) -> None:
    """Deleted since snapshot-check."""
    with pytest.raises(StepFailed, match="Secret not found"):
        database.set_up(DatabaseUser(name="app", secret_id="staging/gone"))


def test_an_unreachable_database_is_a_connection_timeout(database: UsersDatabase) -> None:
    """The seed's text, and transient: an endpoint needs a while to appear."""
    with pytest.raises(DatabaseUnreachable) as failed:
        database.set_up(database.user("app", "p"), port=free_port())
    assert failed.value.fault.short == "Connection timeout"
    assert not failed.value.non_retryable
    with pytest.raises(DatabaseUnreachable):
        database.set_up(database.user("app", "p"), host="does-not-exist.invalid")


@pytest.mark.parametrize("name", ["rdsadmin", "misspelt"])
def test_a_database_that_refuses_the_connection_is_no_network_problem(database: UsersDatabase, name: str) -> None:
    """The server answered: the message does not send anybody to the security groups."""
    user = database.user(database.unique("app"), "p")
    grants = (Grant(database=name, access=Access.READ_ONLY),)
    with pytest.raises(DatabaseUnreachable, match=f"Connection refused by the database.*{name}"):
        database.set_up(user.model_copy(update={"grants": grants}))


def test_a_wrong_master_password_is_a_refused_login(database: UsersDatabase) -> None:
    """Not a network problem."""
    wrong_secret = database.rig.make_secret("wrong", json.dumps({"password": "plant-wrong"}))
    with pytest.raises(DatabaseUnreachable, match="Login refused") as failed:
        database.set_up(database.user("app", "p"), master_user_secret_id=wrong_secret)
    assert "plant-wrong" not in str(failed.value)


def test_a_user_with_the_master_users_name_is_refused(database: UsersDatabase) -> None:
    """It would lock the pipeline out of its own cluster."""
    with pytest.raises(StepFailed, match="master user"):
        database.set_up(database.user(MASTER, "p"))
    assert database.as_master("SELECT 1") == [(1,)]


def test_a_name_that_postgresql_would_cut_is_refused(database: UsersDatabase) -> None:
    """63 bytes are the limit; a longer name, cut, could be another user's."""
    with pytest.raises(StepFailed, match="63 bytes"):
        database.set_up(database.user("ü" * 40, "p"))


def test_a_refused_statement_is_reported_with_its_sqlstate(
    database: UsersDatabase, postgres_host: PostgresHost
) -> None:
    """PostgreSQL's message, without the statement."""
    name = database.unique("theirs")
    postgres_host._execute(database.endpoint.port, [f"CREATE ROLE {name}"])
    with pytest.raises(StepFailed, match="42501: permission denied to alter role") as failed:
        database.set_up(database.user(name, "p"))
    assert failed.value.fault.code == "42501"
    assert "SCRAM" not in str(failed.value)
    assert failed.value.__cause__ is None


# Crashes and concurrent attempts


def _crash_at(statement: int) -> Callable[..., Any]:
    statements = itertools.count(1)
    execute = psycopg.Connection.execute

    def execute_and_crash(self: psycopg.Connection, *arguments: Any, **named: Any) -> Any:
        result = execute(self, *arguments, **named)
        if next(statements) == statement:
            raise KeyboardInterrupt("the worker crashes")
        return result

    return execute_and_crash


def test_a_crash_after_any_statement_leaves_the_same_user(database: UsersDatabase) -> None:
    """Wherever the worker crashed, the next attempt ends with a user who has the granted rights."""
    for statement in range(1, 200):
        name = database.unique(f"app{statement}")
        user = database.user(name, "p", Access.READ_WRITE)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(psycopg.Connection, "execute", _crash_at(statement))
            try:
                database.set_up(user)
            except KeyboardInterrupt:
                pass
            else:
                break
        database.set_up(user)
        assert database.as_user(name, "p", "UPDATE orders SET customer = 'Ada' RETURNING customer") == [("Ada",)]
    assert statement > 10, "too few statements were run"


@pytest.mark.parametrize(
    "sqlstate", [psycopg.errors.AdminShutdown, psycopg.errors.LockNotAvailable, psycopg.errors.InternalError_]
)
def test_a_busy_server_is_transient(
    database: UsersDatabase, monkeypatch: pytest.MonkeyPatch, sqlstate: type[psycopg.Error]
) -> None:
    """A lost connection, a lock, a concurrent attempt."""

    def fail(*_: Any, **__: Any) -> Any:
        raise sqlstate("tuple concurrently updated")

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", fail)
        with pytest.raises(DatabaseUnreachable, match="Database busy"):
            database.set_up(database.user(database.unique("app"), "p"))
