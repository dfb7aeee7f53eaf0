"""An attempt that was lost in the middle of an SQL file is ended by the next one, and what its file did is undone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager

import psycopg
import pytest

from activities.databases.mysql.session_lock import FILE_LOCK
from activities.databases.postgres.session_lock import LOCK_CLASS, Lock
from errors import DatabaseUnreachable
from models.users import SqlFile
from tests.rigs.databases import MASTER, MASTER_PASSWORD, Database, Mysql, Postgres

ADD_EVE = "INSERT INTO orders VALUES (2, 'Eve')"
BOTH = [("Ada",), ("Eve",)]


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until the other thread's statement is where the test needs it."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true within 20 s"
        time.sleep(0.05)


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
        wait_until(lambda: attempt.done() or database.as_master(is_asleep))
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
    key = f"{LOCK_CLASS}, {Lock.DATABASE.value}"
    is_waiting = f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND database = {oid} AND NOT granted"
    with (
        closing(postgres.session(MASTER, MASTER_PASSWORD)) as holder,
        closing(postgres.session(MASTER, MASTER_PASSWORD)) as queued,
        ThreadPoolExecutor(1) as thread,
    ):
        holder.execute(f"SELECT pg_advisory_lock({key})".encode())
        waiting = thread.submit(queued.execute, f"SELECT pg_advisory_lock({key}), pg_sleep(60)".encode())
        wait_until(lambda: postgres.as_master(is_waiting))
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
        cursor.execute(f"SELECT GET_LOCK('{FILE_LOCK}', 0)")
        with pytest.raises(DatabaseUnreachable, match="Database busy.*still holds the session lock"):
            mysql.set_up(sql_files=(mysql.file("mask.sql", ADD_EVE),))
    assert mysql.orders() == [("Ada",)]
