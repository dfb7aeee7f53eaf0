"""setup-db-users on a real PostgreSQL, as Aurora's master user, who is no superuser: what only PostgreSQL has.

What both engines have: tests/integration/databases/test_users.py.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from devstack.postgres import PostgresHost
from devstack.processes import free_port
from errors import DatabaseUnreachable, StepFailed
from models.users import Access, DatabaseUser, Grant
from tests.rigs.activity_resources import UNUSABLE_SECRETS
from tests.rigs.users_database import MASTER_PASSWORD, SECRET_NUMBERS, UsersDatabase


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


def test_a_role_without_login_can_log_in_afterwards(database: UsersDatabase) -> None:
    """A role that came without LOGIN becomes a user."""
    name = database.unique("app")
    database.as_master(f"CREATE ROLE {name}")
    assert database.set_up(database.user(name, "x")).altered == (name,)
    assert database.as_user(name, "x", "SELECT 1") == [(1,)]


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


def test_a_database_that_refuses_the_connection_is_no_network_problem(database: UsersDatabase) -> None:
    """The server answered: the message does not send anybody to the security groups."""
    user = database.user(database.unique("app"), "p")
    grants = (Grant(database="rdsadmin", access=Access.READ_ONLY),)
    with pytest.raises(DatabaseUnreachable, match="Connection refused by the database.*rdsadmin"):
        database.set_up(user.model_copy(update={"grants": grants}))


def test_a_name_that_postgresql_would_cut_is_refused(database: UsersDatabase) -> None:
    """63 bytes are the limit; a longer name, cut, could be another user's."""
    longest = "x" * 63
    database.set_up(database.user(longest, "p"))
    assert database.as_user(longest, "p", "SELECT session_user::text") == [(longest,)]
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
