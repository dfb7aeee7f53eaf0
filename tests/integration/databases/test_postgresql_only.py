"""What only PostgreSQL has: rds_iam, names that are cut, roles that another superuser made."""

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

from activities.databases.postgres.errors import IN_OURS, refused
from errors import DatabaseUnreachable, StepFailed
from models.users import Access
from tests.rigs.databases import MASTER, MASTER_PASSWORD, Postgres


def memberships(postgres: Postgres, name: str) -> list[tuple[Any, ...]]:
    return postgres.as_master(
        f"SELECT roleid::regrole::text FROM pg_auth_members WHERE member = '{name}'::regrole ORDER BY 1"
    )


def test_a_user_of_iam_has_rds_iam_and_no_password(postgres: Postgres) -> None:
    """Created or altered, run twice, granted like everybody; production's password is gone."""
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


def test_a_user_of_iam_becomes_one_with_a_password(postgres: Postgres) -> None:
    """rds_iam takes precedence over a password, so it is taken away."""
    name = postgres.unique("app")
    postgres.set_up(postgres.user(name, None))
    postgres.set_up(postgres.user(name, "p"))
    assert memberships(postgres, name) == []
    assert postgres.as_user(name, "p", "SELECT 1") == [(1,)]


def test_a_login_that_the_master_user_may_not_lock_is_named(postgres: Postgres) -> None:
    """The night ends with what to do, rather than with a door that stays open; keep_logins lets it pass."""
    name = postgres.unique("theirs")
    postgres.host._execute(postgres.port, [f"CREATE ROLE {name} LOGIN"])
    try:
        with pytest.raises(StepFailed, match=f"Logins not locked.*{name}.*keep_logins"):
            postgres.set_up()
        postgres.set_up(keep_logins=(name,))
    finally:
        postgres.host._execute(postgres.port, [f"DROP ROLE {name}"])


def test_a_database_that_postgresql_would_cut_is_refused(postgres: Postgres) -> None:
    """64 characters are for MySQL."""
    user = postgres.user(postgres.unique("app"), "p")
    grants = (user.grants[0].model_copy(update={"database": "d" * 64}),)
    with pytest.raises(StepFailed, match="63 bytes"):
        postgres.set_up(user.model_copy(update={"grants": grants}))


@contextmanager
def rival(postgres: Postgres, database: str, statement: str) -> Iterator[None]:
    """Another attempt in the middle of a statement: it commits once what is done meanwhile waits for it."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query NOT LIKE 'SELECT 1 FROM%'"
    ended = threading.Event()

    def commit_when_waited_for(connection: psycopg.Connection) -> bool:
        while not (waited_for := bool(postgres.as_master(waiting))) and not ended.wait(0.02):
            pass
        connection.execute("COMMIT")
        return waited_for

    with closing(postgres.session(MASTER, MASTER_PASSWORD, database)) as connection, ThreadPoolExecutor(1) as thread:
        connection.execute("BEGIN")
        connection.execute(statement.encode())
        committed = thread.submit(commit_when_waited_for, connection)
        try:
            yield
        finally:
            ended.set()
        assert committed.result(), "nothing waited for the rival"


def test_a_rival_that_makes_the_same_role_is_no_failure(postgres: Postgres) -> None:
    """A worker that was frozen wakes beside the attempt that replaced it, and both make the role."""
    name = postgres.unique("app")
    with rival(postgres, "postgres", f"CREATE ROLE {name} LOGIN PASSWORD 'the-rivals'"):
        done = postgres.set_up(postgres.user(name, "p"))
    assert done.altered == (name,)
    assert postgres.as_user(name, "p", "SELECT customer FROM orders") == [("Ada",)]


def test_a_rival_that_gives_the_same_rights_lets_it_be_tried_again(postgres: Postgres) -> None:
    """Whichever row of the catalogue two attempts add at once, the later one is no refusal of the database."""
    name = postgres.unique("app")
    postgres.set_up(postgres.user(name, "p", None))
    user = postgres.user(name, "p")
    rights = f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {name}"
    with rival(postgres, postgres.name, rights), pytest.raises(DatabaseUnreachable, match="Database busy.*23505"):
        postgres.set_up(user)
    postgres.set_up(user)
    assert postgres.as_user(name, "p", "SELECT customer FROM orders") == [("Ada",)]


# What is tried again


@pytest.mark.parametrize("sqlstate", ["08006", "40001", "40P01", "53300", "57014", "57P01", "XX000", "55P03", "25006"])
def test_what_may_pass_is_tried_again(sqlstate: str) -> None:
    """Said by the SQLSTATE."""
    error = refused(psycopg.errors.lookup(sqlstate)("as it is"), "Users not configured", IN_OURS)
    assert isinstance(error, DatabaseUnreachable)
    assert (error.fault.short, error.fault.code) == ("Database busy", sqlstate)
    assert sqlstate in str(error)


@pytest.mark.parametrize("sqlstate", ["54001", "54023", "55000", "55006", "42501", "3D000"])
def test_what_does_not_pass_ends_the_night(sqlstate: str) -> None:
    """Also where psycopg counts it among its operational errors, as it does what is too complex or not in its state."""
    error = refused(psycopg.errors.lookup(sqlstate)("as it is"), "Users not configured", IN_OURS)
    assert isinstance(error, StepFailed)
    assert (error.fault.short, error.fault.code) == ("Users not configured", sqlstate)


def test_a_lost_connection_is_told_as_one(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no SQLSTATE in it, since PostgreSQL answered nothing."""
    execute = psycopg.Connection.execute

    def losing(self: psycopg.Connection, *arguments: Any, **named: Any) -> Any:
        with socket.socket(fileno=os.dup(self.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
        return execute(self, *arguments, **named)

    monkeypatch.setattr(psycopg.Connection, "execute", losing)
    with pytest.raises(DatabaseUnreachable, match="Database busy: the connection was lost") as failed:
        postgres.set_up(postgres.user(postgres.unique("app"), "p"))
    assert "None" not in str(failed.value)


def test_what_the_driver_refuses_is_final(postgres: Postgres) -> None:
    """A check that returns no rows at all is not tried again."""
    with pytest.raises(StepFailed, match="Check failed: the driver refused") as failed:
        postgres.set_up(checks=(postgres.check("SET work_mem = 1000", (1,)),))
    assert "None" not in str(failed.value)


def test_a_reader_is_waited_for(postgres: Postgres) -> None:
    """After a failover the endpoint leads to a server that only reads until DNS has the new writer."""
    postgres.as_master(f"ALTER DATABASE {postgres.name} SET default_transaction_read_only = on")
    with pytest.raises(DatabaseUnreachable, match="Database busy.*25006"):
        postgres.set_up(sql_files=(postgres.file("mask.sql", "INSERT INTO orders VALUES (2, 'Eve')"),))
