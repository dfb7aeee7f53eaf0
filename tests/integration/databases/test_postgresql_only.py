"""What only PostgreSQL has: rds_iam, names that are truncated, roles that a superuser created, SQLSTATEs."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest

from activities.databases.postgres.errors import (
    TRANSIENT_IN_OUR_STATEMENTS,
    TRANSIENT_IN_SQL_FILES,
    translated_error,
)
from devstack.database_servers import RDSADMIN
from errors import DatabaseUnreachable, StepFailed
from models.users import Access
from tests.rigs.databases import MASTER, Postgres


def memberships(postgres: Postgres, name: str) -> list[tuple[Any, ...]]:
    return postgres.as_master(
        f"SELECT roleid::regrole::text FROM pg_auth_members WHERE member = '{name}'::regrole ORDER BY 1"
    )


def test_a_user_of_iam_has_rds_iam_and_no_password(postgres: Postgres) -> None:
    """Whether it is new or came with the snapshot, whose password it loses; it gets grants like any user."""
    new, old = postgres.unique("new"), postgres.unique("old")
    postgres.make_login(old, "of-production")
    users = (postgres.user(new, None), postgres.user(old, None, Access.READ_WRITE))
    assert postgres.set_up(*users).created == (new,)
    postgres.set_up(*users)
    for name in (new, old):
        assert memberships(postgres, name) == [("rds_iam",)]
        assert postgres.as_master(f"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{name}'") == [(True,)]
        assert postgres.as_master(f"SELECT has_table_privilege('{name}', 'orders', 'SELECT')") == [(True,)]
    verifiers: Any = postgres.host._connect(postgres.port).execute(
        "SELECT count(rolpassword) FROM pg_authid WHERE rolname = ANY (%s)", ([new, old],)
    )
    assert verifiers.fetchall() == [(0,)]


def test_a_user_of_iam_can_become_one_with_a_password(postgres: Postgres) -> None:
    """rds_iam would take precedence over the password, so it is revoked."""
    name = postgres.unique("app")
    postgres.set_up(postgres.user(name, None))
    postgres.set_up(postgres.user(name, "p"))
    assert memberships(postgres, name) == []
    assert postgres.as_user(name, "p", "SELECT 1") == [(1,)]


def test_a_login_that_the_master_user_cannot_lock_fails_the_step(postgres: Postgres) -> None:
    """The message says what to do; a login in keep_logins is accepted."""
    name = postgres.unique("of_a_superuser")
    postgres.host._execute(postgres.port, [f"CREATE ROLE {name} LOGIN"])
    try:
        with pytest.raises(StepFailed, match=f"Logins not locked.*{name}.*keep_logins"):
            postgres.set_up()
        postgres.set_up(keep_logins=(name,))
    finally:
        postgres.host._execute(postgres.port, [f"DROP ROLE {name}"])


def test_a_superuser_is_not_locked(postgres: Postgres) -> None:
    """Only the service itself has superusers, whatever their names; the master user cannot alter them."""
    name = postgres.unique("superuser")
    postgres.host._execute(postgres.port, [f"CREATE ROLE {name} SUPERUSER LOGIN"])
    try:
        assert name not in postgres.set_up().locked
    finally:
        postgres.host._execute(postgres.port, [f"DROP ROLE {name}"])


def test_a_database_name_that_postgresql_would_truncate_is_refused(postgres: Postgres) -> None:
    """The request allows 64 characters, for MySQL."""
    user = postgres.user(postgres.unique("app"), "p")
    grants = (user.grants[0].model_copy(update={"database": "d" * 64}),)
    with pytest.raises(StepFailed, match="63 bytes"):
        postgres.set_up(user.model_copy(update={"grants": grants}))


@contextmanager
def conflicting_transaction(postgres: Postgres, database: str, statement: str) -> Iterator[None]:
    """A transaction of the master user's rights, which commits as soon as the statement under test waits for it.

    It is in a session of RDS's own, because the attempt under test ends every other session of the master user.
    """
    is_waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query NOT LIKE 'SELECT 1 FROM%'"
    ended = threading.Event()

    def commit_when_waited_for(connection: psycopg.Connection) -> bool:
        while not (was_waited_for := bool(postgres.as_rdsadmin(is_waiting))) and not ended.wait(0.02):
            pass
        connection.execute("COMMIT")
        return was_waited_for

    with (
        closing(postgres.session(RDSADMIN, postgres.host._password, database)) as connection,
        ThreadPoolExecutor(1) as thread,
    ):
        connection.execute(f"SET ROLE {MASTER}".encode())
        connection.execute("BEGIN")
        connection.execute(statement.encode())
        committed = thread.submit(commit_when_waited_for, connection)
        try:
            yield
        finally:
            ended.set()
        assert committed.result(), "no statement waited for the transaction"


def test_a_role_that_another_attempt_creates_at_the_same_time_is_altered(postgres: Postgres) -> None:
    """A frozen worker wakes while the attempt that replaced it runs, and both create the role."""
    name = postgres.unique("app")
    with conflicting_transaction(postgres, "postgres", f"CREATE ROLE {name} LOGIN PASSWORD 'another'"):
        outcome = postgres.set_up(postgres.user(name, "p"))
    assert outcome.altered == (name,)
    assert postgres.as_user(name, "p", "SELECT customer FROM orders") == [("Ada",)]


def test_a_grant_that_another_attempt_gives_at_the_same_time_is_transient(postgres: Postgres) -> None:
    """Both add the same row to a catalogue; the next attempt finds it."""
    name = postgres.unique("app")
    postgres.set_up(postgres.user(name, "p", None))
    user = postgres.user(name, "p")
    statement = f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {name}"
    with (
        conflicting_transaction(postgres, postgres.name, statement),
        pytest.raises(DatabaseUnreachable, match="Database busy.*23505"),
    ):
        postgres.set_up(user)
    postgres.set_up(user)
    assert postgres.as_user(name, "p", "SELECT customer FROM orders") == [("Ada",)]


# Which errors are transient


@pytest.mark.parametrize("sqlstate", ["08006", "40001", "40P01", "53300", "57014", "57P01", "XX000", "55P03", "25006"])
def test_a_transient_sqlstate_is_retried(sqlstate: str) -> None:
    """As `DatabaseUnreachable`, with the SQLSTATE as its code."""
    error = translated_error(
        psycopg.errors.lookup(sqlstate)("message"), "Users not configured", TRANSIENT_IN_OUR_STATEMENTS
    )
    assert isinstance(error, DatabaseUnreachable)
    assert (error.fault.short, error.fault.code) == ("Database busy", sqlstate)
    assert sqlstate in str(error)


@pytest.mark.parametrize("sqlstate", ["54001", "54023", "55000", "55006", "42501", "3D000"])
def test_any_other_sqlstate_is_final(sqlstate: str) -> None:
    """Even if psycopg counts it among its operational errors, such as 54001 (statement too complex)."""
    error = translated_error(
        psycopg.errors.lookup(sqlstate)("message"), "Users not configured", TRANSIENT_IN_OUR_STATEMENTS
    )
    assert isinstance(error, StepFailed)
    assert (error.fault.short, error.fault.code) == ("Users not configured", sqlstate)


def test_a_lost_connection_is_reported_as_lost(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has no SQLSTATE, because PostgreSQL answered nothing."""
    execute = psycopg.Connection.execute

    def lose_connection(self: psycopg.Connection, *arguments: Any, **named: Any) -> Any:
        with socket.socket(fileno=os.dup(self.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
        return execute(self, *arguments, **named)

    monkeypatch.setattr(psycopg.Connection, "execute", lose_connection)
    with pytest.raises(DatabaseUnreachable, match="Database busy: The connection to PostgreSQL was lost") as failure:
        postgres.set_up(postgres.user(postgres.unique("app"), "p"))
    assert "None" not in str(failure.value)


def test_a_statement_that_the_driver_refuses_is_final(postgres: Postgres) -> None:
    """A check that is no query has no rows to fetch."""
    with pytest.raises(StepFailed, match="Check failed: The driver refused") as failure:
        postgres.set_up(checks=(postgres.check("SET work_mem = 1000", (1,)),))
    assert "None" not in str(failure.value)


def test_a_reader_is_transient_for_a_file() -> None:
    """After a failover the endpoint leads to a reader until DNS has the new writer."""
    error = translated_error(psycopg.errors.ReadOnlySqlTransaction("message"), "-", TRANSIENT_IN_SQL_FILES)
    assert isinstance(error, DatabaseUnreachable)


@pytest.mark.parametrize(
    "setting",
    ["default_transaction_read_only = on", "transaction_timeout = 300", "idle_in_transaction_session_timeout = 1"],
)
def test_settings_of_the_database_do_not_cut_off_a_file(postgres: Postgres, setting: str) -> None:
    """Not those that ALTER ROLE has set either, which go over the database's. An older server lacks the second."""
    known = f"SELECT 1 FROM pg_settings WHERE name = '{setting.split(maxsplit=1)[0]}'"
    if not postgres.as_master(known):
        return
    postgres.as_master(f"ALTER DATABASE {postgres.name} SET {setting}")
    postgres.as_master(f"ALTER ROLE {MASTER} IN DATABASE {postgres.name} SET {setting}")
    file = postgres.file("mask.sql", "UPDATE orders SET id = 2; SELECT pg_sleep(0.5)")
    postgres.set_up(postgres.user(postgres.unique("app"), "p"), sql_files=(file,))
    assert postgres.as_master("SELECT id FROM orders") == [(2,)]
