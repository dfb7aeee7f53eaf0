"""Only the attempt that holds the session lock sets logins, gives grants and runs files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest

from activities.databases.mysql.session_lock import SESSION_LOCK, take_lock
from activities.databases.postgres import session_lock as postgres_session_lock
from activities.databases.postgres.grants import grant_access
from activities.databases.restored_database import Login
from activities.databases.sql_files import read_sql_file
from errors import DatabaseUnreachable
from tests.rigs.databases import MASTER, MASTER_PASSWORD, Database, Mysql, Postgres

LOST_LOCK = "Another attempt has taken the session lock"
ADD_TEN = "UPDATE orders SET id = id + 10"
SESSION_ENDED = "terminat|Lost connection|closed the connection"


def test_the_session_of_a_lost_attempt_is_ended_before_logins_are_locked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its file could commit during the locking, which would undo what the file did."""
    earlier = database.session(MASTER, MASTER_PASSWORD)
    earlier.cursor().execute(database.take_file_lock)

    def lock_logins(*_: object) -> Iterator[Login]:
        with pytest.raises(Exception, match=SESSION_ENDED):
            earlier.cursor().execute("SELECT 1")
        yield Login("ada", "ada")

    monkeypatch.setattr(database.locked_session_class, "lock_logins", lock_logins)
    assert database.set_up(sql_files=(database.file("mask.sql", "SELECT 1"),)).locked == ("ada",)


def test_a_frozen_worker_that_lost_the_session_lock_changes_no_login(database: Database) -> None:
    """A later attempt has set the user and run the file, which unlocked the other login."""
    user, login = database.user(database.unique("app"), "p"), database.unique("production")
    database.make_login(login, "of-production")
    file = database.file("open.sql", f"ALTER USER {login} {database.unlock_login};")
    with database.restored_database().session_lock("cluster-1", ()) as frozen:
        database.set_up(user, sql_files=(file,))
        for change in (
            lambda: list(frozen.lock_logins(lambda name: name == login)),
            lambda: list(frozen.create_users((user,))),
            lambda: list(frozen.grant((user,))),
            lambda: frozen.open_users((user,), {user.name: "of-production"}),
        ):
            with pytest.raises(DatabaseUnreachable, match="Database busy"):
                change()
    assert database.as_user(login, "of-production", "SELECT 1", database.login_database) == [(1,)]
    assert database.as_user(user.name, "p", "SELECT 1") == [(1,)]


def test_a_frozen_worker_that_lost_the_session_lock_runs_no_file(database: Database) -> None:
    """It would run after the later attempt has read the marks, and before that one has set its users."""
    script = read_sql_file(database.directory, database.file("mask.sql", ADD_TEN))
    with (
        database.restored_database().session_lock("cluster-1", (script,)) as frozen,
        database.restored_database().session_lock("cluster-1", (script,)) as later,
    ):
        assert not later.has_run_files
        with pytest.raises(DatabaseUnreachable, match=LOST_LOCK):
            frozen.run_once(script)
        assert later.run_once(script)
    assert database.as_master("SELECT id FROM orders") == [(11,)]


def test_a_frozen_worker_that_loses_the_session_lock_during_its_grants_gives_none(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grants have a session of their own, which the later attempt ends too."""
    user = postgres.user(postgres.unique("app"), "p")

    def lose_the_lock_first(*arguments: Any) -> list[str]:
        with postgres.restored_database().session_lock("cluster-1", ()):
            return grant_access(*arguments)

    monkeypatch.setattr(postgres_session_lock, "grant_access", lose_the_lock_first)
    with postgres.restored_database().session_lock("cluster-1", ()) as frozen:
        assert list(frozen.create_users((user,))) == [(user.name, True)]
        with pytest.raises(DatabaseUnreachable, match="Database busy"):
            list(frozen.grant((user,)))


def test_a_file_does_not_run_on_a_server_where_the_session_lock_is_not_held(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster's name leads to another server now, where the session lock's session does not exist."""
    script = read_sql_file(database.directory, database.file("mask.sql", ADD_TEN))
    with database.restored_database().session_lock("cluster-1", ()) as session:
        monkeypatch.setattr(session, "_session_id", 1)
        with pytest.raises(DatabaseUnreachable, match=LOST_LOCK):
            session.run_once(script)
    assert database.as_master("SELECT id FROM orders") == [(1,)]


def test_the_session_lock_survives_the_servers_idle_timeout(database: Database) -> None:
    """Its session is idle while files run; if the server ended it, another attempt could take the lock."""
    files = (
        database.file("slow.sql", f"SELECT {database.sleep}(2.5)"),
        database.file("next.sql", "INSERT INTO orders VALUES (2, 'Eve')"),
    )
    with idle_timeout_of_one_second(database):
        database.set_up(sql_files=files)
    assert database.orders() == [("Ada",), ("Eve",)]


@contextmanager
def idle_timeout_of_one_second(database: Database) -> Iterator[None]:
    """The server ends sessions that are idle for a second."""
    if isinstance(database, Mysql):
        before, after = (f"SET GLOBAL wait_timeout = {seconds}" for seconds in (1, 28800))
        database.host.as_rdsadmin("restored", before)
    else:
        before, after = f"ALTER ROLE {MASTER} SET idle_session_timeout = '1s'", f"ALTER ROLE {MASTER} RESET ALL"
        database.as_master(before)
    try:
        yield
    finally:
        if isinstance(database, Mysql):
            database.host.as_rdsadmin("restored", after)
        else:
            database.as_master(after)


def test_passwords_are_read_after_the_session_lock_is_taken(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was frozen before it took the lock does not set a password that was changed meanwhile."""
    user, session_lock = database.user(database.unique("app"), "old"), database.restored_database_class.session_lock

    def change_the_secret_first(*arguments: Any) -> Any:
        secrets = database.rig.shared.owner("secretsmanager")
        secrets.put_secret_value(SecretId=user.secret_id, SecretString=json.dumps({"password": "new"}))
        return session_lock(*arguments)

    monkeypatch.setattr(database.restored_database_class, "session_lock", change_the_secret_first)
    database.set_up(user)
    assert database.as_user(user.name, "new", "SELECT 1") == [(1,)]


def test_sessions_with_locks_in_other_databases_are_ended_too(postgres: Postgres) -> None:
    """An advisory lock belongs to a database, and an attempt uses several. Locks of others are left alone."""
    with (
        closing(postgres.session(MASTER, MASTER_PASSWORD, "postgres")) as earlier,
        closing(postgres.session(MASTER, MASTER_PASSWORD)) as other,
    ):
        earlier.execute(postgres.take_file_lock.encode())
        other.execute("SELECT pg_advisory_lock(7, 1)")
        with postgres.restored_database().session_lock("cluster-1", ()):
            assert other.execute("SELECT 1").fetchall() == [(1,)]
            with pytest.raises(psycopg.errors.AdminShutdown):
                earlier.execute("SELECT 1")


def test_an_older_attempt_does_not_end_the_session_of_a_newer_one(mysql: Mysql) -> None:
    """Both waited until the session of a lost attempt was gone, and the newer one got the lock first."""
    with (
        closing(mysql.session(MASTER, MASTER_PASSWORD)) as older,
        closing(mysql.session(MASTER, MASTER_PASSWORD)) as newer,
    ):
        take_lock(newer, SESSION_LOCK)
        with pytest.raises(DatabaseUnreachable, match="A later attempt holds the session lock"):
            take_lock(older, SESSION_LOCK)
        newer.ping(reconnect=False)
