"""An attempt that was lost in the middle of an SQL file is ended by the next one, and what its file did is undone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest

from activities.databases.mysql import sql_files as mysql_sql_files
from activities.databases.postgres import sql_files as postgres_sql_files
from activities.databases.sql_files import read_sql_file
from errors import DatabaseUnreachable
from models.users import SqlFile
from tests.rigs.databases import MASTER, MASTER_PASSWORD, Database, Mysql, Postgres, wait_until

ADD_EVE = "INSERT INTO orders VALUES (2, 'Eve')"
BOTH = [("Ada",), ("Eve",)]


@contextmanager
def attempt_lost_in(database: Database, file: SqlFile, first: str = "", **fields: object) -> Iterator[Future[object]]:
    """An attempt whose worker is frozen while the server executes the file for a minute."""
    text = (database.directory / file.file).read_text("utf-8")
    database.file(file.file, f"{first} UPDATE orders SET customer = 'half-done'; SELECT {database.sleep}(60);")
    query, activity = (
        ("query", "pg_stat_activity") if isinstance(database, Postgres) else ("info", "information_schema.processlist")
    )
    with ThreadPoolExecutor(1) as thread:
        attempt = thread.submit(database.set_up, sql_files=(file,), **fields)
        is_asleep = (
            f"SELECT 1 FROM {activity} WHERE {query} LIKE '%{database.sleep}(60%' AND {query} NOT LIKE 'SELECT 1 FROM%'"
        )
        wait_until(lambda: attempt.done() or database.as_rdsadmin(is_asleep))
        database.file(file.file, text)
        yield attempt


def test_an_attempt_lost_in_a_file_is_ended_by_the_next(database: Database) -> None:
    """Its session would hold the lock for as long as the file runs; what the file did is rolled back."""
    file = database.file("mask.sql", ADD_EVE)
    with attempt_lost_in(database, file) as lost:
        started = time.monotonic()
        database.set_up(sql_files=(file,))
        assert time.monotonic() - started < 20
        assert database.orders() == BOTH, "only the second attempt's file was committed, and once"
        with pytest.raises(DatabaseUnreachable, match="Database busy"):
            lost.result()
    assert database.orders() == BOTH


def test_an_attempt_lost_while_it_waited_for_the_lock_is_ended_too(postgres: Postgres) -> None:
    """It would get the lock as soon as the attempt before it is gone."""
    file = postgres.file("mask.sql", ADD_EVE)
    [(oid,)] = postgres.as_master("SELECT oid FROM pg_database WHERE datname = current_database()")
    is_waiting = f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND database = {oid} AND NOT granted"
    with (
        closing(postgres.session(MASTER, MASTER_PASSWORD)) as holder,
        closing(postgres.session(MASTER, MASTER_PASSWORD)) as queued,
        ThreadPoolExecutor(1) as thread,
    ):
        holder.execute(postgres.take_file_lock.encode())
        waiting = thread.submit(queued.execute, f"{postgres.take_file_lock}, pg_sleep(60)".encode())
        wait_until(lambda: postgres.as_rdsadmin(is_waiting))
        postgres.set_up(sql_files=(file,))
        with pytest.raises(psycopg.errors.AdminShutdown):
            waiting.result()
    assert postgres.orders() == BOTH


def test_a_file_that_releases_all_its_locks_is_ended_all_the_same(postgres: Postgres) -> None:
    """The next attempt finds its session by a lock of the transaction, which the file cannot release."""
    file = postgres.file("mask.sql", ADD_EVE)
    with attempt_lost_in(postgres, file, first="SELECT pg_advisory_unlock_all();") as lost:
        postgres.set_up(sql_files=(file,))
        with pytest.raises(DatabaseUnreachable, match="Database busy"):
            lost.result()
    assert postgres.orders() == BOTH


def test_a_session_that_does_not_end_is_waited_for_by_retries(mysql: Mysql, monkeypatch: pytest.MonkeyPatch) -> None:
    """MySQL releases the lock only after it has rolled back what the file did, which may take hours."""
    monkeypatch.setattr("activities.databases.mysql.session_lock.LOCK_SECONDS", 0)
    monkeypatch.setattr("activities.databases.mysql.session_lock.LOCK_TRIES", 2)
    monkeypatch.setattr("activities.databases.mysql.session_lock.end_session", lambda *_: None)
    with closing(mysql.session(MASTER, MASTER_PASSWORD)) as earlier, earlier.cursor() as cursor:
        cursor.execute(mysql.take_file_lock)
        with pytest.raises(DatabaseUnreachable, match="Database busy.*still holds the session lock"):
            mysql.set_up(sql_files=(mysql.file("mask.sql", ADD_EVE),))
    assert mysql.orders() == [("Ada",)]


def test_marks_are_read_only_after_the_session_of_a_lost_attempt_is_gone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a moment until an ended session is gone; it may commit its file and the mark in that moment."""
    script = read_sql_file(database.directory, database.file("mask.sql", ADD_EVE))
    do_not_end_sessions(monkeypatch)

    def read_marks() -> bool:
        with database.restored_database().session_lock("cluster-1", (script,)) as session:
            return session.has_run_files

    with ThreadPoolExecutor(1) as thread:
        with session_with_file_lock(database) as lost:
            has_run_files = thread.submit(read_marks)
            wait_until(lambda: has_run_files.done() or is_lock_waited_for(database))
            if isinstance(database, Postgres):
                lost.execute("BEGIN")
                postgres_sql_files.run_once(lost, "cluster-1", script)
                lost.execute("COMMIT")
            else:
                mysql_sql_files.run_once(lost, "cluster-1", script)
        assert has_run_files.result()


def do_not_end_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the session lock without ending the sessions that still have another lock."""
    monkeypatch.setattr("activities.databases.postgres.session_lock._take_session_lock", lambda _: 1)
    monkeypatch.setattr("activities.databases.mysql.session_lock.end_session", lambda *_: None)


@contextmanager
def session_with_file_lock(database: Database) -> Iterator[Any]:
    """A session that holds the lock under which a file runs."""
    with closing(database.session(MASTER, MASTER_PASSWORD)) as session:
        session.cursor().execute(database.take_file_lock)
        yield session


def is_lock_waited_for(database: Database) -> bool:
    if isinstance(database, Postgres):
        return bool(database.as_master("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
    waiting = "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT GET_LOCK%' AND state = 'User lock'"
    return bool(database.as_master(waiting))
