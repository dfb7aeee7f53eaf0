"""The operator's own SQL: each file once a night, in order, below its directory only; and checks that end a night."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from activities.databases.data_checks import hold_against
from activities.databases.postgres.session_lock import LOCKS, Lock
from activities.databases.sql_files import unusable_sql_files
from errors import DatabaseUnreachable, StepFailed
from models.users import DataCheck, SqlFile
from tests.rigs.databases import MASTER, MASTER_PASSWORD, Database, Mysql, Postgres

ADD_EVE = "-- it's a comment; with a semicolon\nINSERT INTO orders VALUES (2, 'Eve; 100%s 名');\n"
EVE = ("Eve; 100%s 名",)


def test_a_file_runs_once_although_the_activity_runs_twice(database: Database) -> None:
    """The second attempt of an operation finds the mark; the digest is of what was run, also when the file changed."""
    file = database.file("mask.sql", ADD_EVE)
    digest = hashlib.sha256(ADD_EVE.encode()).hexdigest()
    answer = database.set_up(sql_files=(file,))
    [ran] = answer.sql_files
    assert answer.facts[f"sql_file {database.name}/mask.sql"] == f"sha256:{digest}"
    assert (ran.file, ran.database, ran.digest) == ("mask.sql", database.name, digest)
    database.file("mask.sql", "DELETE FROM orders")
    assert [again.digest for again in database.set_up(sql_files=(file,)).sql_files] == [digest]
    assert database.orders() == [("Ada",), EVE]


def test_another_night_runs_it_again(database: Database) -> None:
    """An older version's workflow does not say which cluster it restored: a mark counts for its operation only."""
    file = database.file("mask.sql", "UPDATE orders SET customer = concat(customer, '!');")
    database.set_up(sql_files=(file,), operation_id="op-001")
    database.set_up(sql_files=(file,), operation_id="op-002")
    assert database.orders() == [("Ada!!",)]


def test_files_run_in_their_order_after_the_users(database: Database) -> None:
    """The second finds what the first did; both find the user."""
    user = database.user(database.unique("app"), "p")
    host = "" if isinstance(database, Postgres) else "@'%'"
    first = database.file("deep/er/1.sql", "INSERT INTO orders VALUES (2, 'Eve')")
    second = database.file(
        "0.sql", f"UPDATE orders SET customer = 'Bob' WHERE id = 2; GRANT SELECT ON orders TO {user.name}{host}"
    )
    database.set_up(user, sql_files=(first, second))
    assert database.orders() == [("Ada",), ("Bob",)]


def test_a_file_that_breaks_a_key_has_failed(database: Database) -> None:
    """A duplicate in the operator's own data is no rival attempt of ours: it is not tried again."""
    with pytest.raises(StepFailed, match=r"SQL file failed: twice\.sql.*[Dd]uplicate"):
        database.set_up(sql_files=(database.file("twice.sql", "INSERT INTO orders VALUES (1, 'Ada')"),))


def test_a_file_that_fails_changes_nothing_and_is_named(database: Database) -> None:
    """Rows of a statement before the one that failed are taken back; no mark says that it was run."""
    file = database.file("mask.sql", ADD_EVE + "INSERT INTO misspelt VALUES (1);")
    with pytest.raises(StepFailed, match=r"SQL file failed: mask\.sql.*misspelt") as failed:
        database.set_up(sql_files=(file,))
    assert failed.value.__cause__ is None
    assert database.orders() == [("Ada",)]
    database.file("mask.sql", ADD_EVE)
    database.set_up(sql_files=(file,))
    assert database.orders() == [("Ada",), EVE]


def test_users_are_not_shown_the_marks(database: Database) -> None:
    """Who may read every schema of a database may not read ours."""
    user = database.user(database.unique("app"), "p")
    database.set_up(user, sql_files=(database.file("mask.sql", ADD_EVE),))
    database.set_up(user)
    with pytest.raises(Exception, match="denied"):
        database.as_user(user.name, "p", "SELECT * FROM aurora_restore.ran_files")


@pytest.mark.parametrize("ending", ["COMMIT;", "ROLLBACK;", "COMMIT; BEGIN;"])
def test_a_file_that_ends_its_transaction_is_refused(postgres: Postgres, ending: str) -> None:
    """What is not in one transaction with its mark cannot be run once; no mark says that it was."""
    file = postgres.file("mask.sql", f"{ADD_EVE}{ending}")
    with pytest.raises(StepFailed, match="SQL file ends its transaction"):
        postgres.set_up(sql_files=(file,))
    if postgres.as_master("SELECT to_regclass('aurora_restore.ran_files') IS NOT NULL") == [(True,)]:
        assert postgres.as_master("SELECT file FROM aurora_restore.ran_files") == []


def test_an_exception_of_the_file_ends_the_night(postgres: Postgres) -> None:
    """RAISE EXCEPTION is the operator's own refusal, not a database that is busy."""
    file = postgres.file("mask.sql", "DO $$ BEGIN RAISE EXCEPTION 'not masked'; END $$")
    with pytest.raises(StepFailed, match="not masked"):
        postgres.set_up(sql_files=(file,))


def wait_until(holds: Callable[[], object]) -> None:
    """The other thread's statement is where the test wants it."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)


@contextmanager
def lost_in_a_file(database: Database, file: SqlFile, before: str = "", **more: object) -> Iterator[Future[object]]:
    """An attempt whose worker stands still while the server is in the middle of the file for a minute."""
    sleep = "pg_sleep" if isinstance(database, Postgres) else "sleep"
    changed = (database.directory / file.file).read_text("utf-8")
    database.file(file.file, f"{before} UPDATE orders SET customer = 'half-done'; SELECT {sleep}(60);")
    query, activity = (
        ("query", "pg_stat_activity") if isinstance(database, Postgres) else ("info", "information_schema.processlist")
    )
    with ThreadPoolExecutor(1) as thread:
        attempt = thread.submit(database.set_up, sql_files=(file,), **more)
        asleep = f"SELECT 1 FROM {activity} WHERE {query} LIKE '%{sleep}(60%' AND {query} NOT LIKE 'SELECT 1 FROM%'"
        wait_until(lambda: attempt.done() or database.as_master(asleep))
        database.file(file.file, changed)
        yield attempt


def test_an_attempt_that_was_lost_within_a_file_is_ended_by_the_next(database: Database) -> None:
    """Its session on the server would hold the lock for as long as the file runs; what it did is taken back."""
    file = database.file("mask.sql", ADD_EVE)
    with lost_in_a_file(database, file) as lost:
        begun = time.monotonic()
        database.set_up(sql_files=(file,))
        assert time.monotonic() - begun < 20
        assert database.orders() == [("Ada",), EVE], "only the second attempt's file has run, and once"
        with pytest.raises(DatabaseUnreachable, match="Database busy"):
            lost.result()
    assert database.orders() == [("Ada",), EVE]


def test_an_attempt_that_was_lost_in_the_queue_is_ended_too(postgres: Postgres) -> None:
    """It would have the lock as soon as the one before it is gone."""
    file = postgres.file("mask.sql", ADD_EVE)
    [(oid,)] = postgres.as_master("SELECT oid FROM pg_database WHERE datname = current_database()")
    key = f"{LOCKS}, {Lock.WORK.value}"
    locks = f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND database = {oid} AND NOT granted"
    with (
        closing(postgres.session(MASTER, MASTER_PASSWORD)) as holder,
        closing(postgres.session(MASTER, MASTER_PASSWORD)) as queued,
        ThreadPoolExecutor(1) as thread,
    ):
        holder.execute(f"SELECT pg_advisory_lock({key})".encode())
        waiting = thread.submit(queued.execute, f"SELECT pg_advisory_lock({key}), pg_sleep(60)".encode())
        wait_until(lambda: postgres.as_master(locks))
        postgres.set_up(sql_files=(file,))
        with pytest.raises(psycopg.errors.AdminShutdown):
            waiting.result()
    assert postgres.orders() == [("Ada",), EVE]


def test_who_works_in_another_database_is_ended_too(postgres: Postgres) -> None:
    """An advisory lock belongs to a database, and an attempt works in several; somebody else's locks are let be."""
    with (
        closing(postgres.session(MASTER, MASTER_PASSWORD, "postgres")) as earlier,
        closing(postgres.session(MASTER, MASTER_PASSWORD)) as other,
    ):
        earlier.execute(f"SELECT pg_advisory_lock({LOCKS}, {Lock.WORK.value})".encode())
        other.execute("SELECT pg_advisory_lock(7, 1)")
        postgres.set_up()
        assert other.execute("SELECT 1").fetchall() == [(1,)]
        with pytest.raises(psycopg.errors.AdminShutdown):
            earlier.execute("SELECT 1")


def test_a_file_that_lets_its_locks_go_is_ended_all_the_same(postgres: Postgres) -> None:
    """The lock that the next attempt finds it by is of its transaction too."""
    file = postgres.file("mask.sql", ADD_EVE)
    with lost_in_a_file(postgres, file, before="SELECT pg_advisory_unlock_all();") as lost:
        postgres.set_up(sql_files=(file,))
        with pytest.raises(DatabaseUnreachable, match="Database busy"):
            lost.result()
    assert postgres.orders() == [("Ada",), EVE]


def test_a_session_that_does_not_end_lets_it_be_tried_again(mysql: Mysql, monkeypatch: pytest.MonkeyPatch) -> None:
    """MySQL takes back what a file did before it lets the lock go; that may take hours."""
    monkeypatch.setattr("activities.databases.mysql.session_lock.LOCK_SECONDS", 0)
    monkeypatch.setattr("activities.databases.mysql.session_lock.LOCK_TRIES", 2)
    monkeypatch.setattr("activities.databases.mysql.session_lock.end_session", lambda *_: None)
    with closing(mysql.session(MASTER, MASTER_PASSWORD)) as first, first.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK('aurora-restore', 0)")
        with pytest.raises(DatabaseUnreachable, match="Database busy"):
            mysql.set_up(sql_files=(mysql.file("mask.sql", ADD_EVE),))
    assert mysql.orders() == [("Ada",)]


# Where files may lie


def test_only_files_below_the_directory_are_run(tmp_path: Path) -> None:
    """A link that leads out, a file that is not there, no text, a folder: each is named, and none is read."""
    below = tmp_path / "sql"
    below.mkdir()
    (tmp_path / "secret.sql").write_text("SELECT 1")
    (below / "out.sql").symlink_to(tmp_path / "secret.sql")
    (below / "folder.sql").mkdir()
    (below / "nul.sql").write_bytes(b"SELECT 1;\x00DROP TABLE orders")
    (below / "latin.sql").write_bytes("SELECT 'ü'".encode("latin-1"))
    (below / "good.sql").write_text("SELECT 1")
    (below / "link.sql").symlink_to(below / "good.sql")
    names = ["out.sql", "../secret.sql", "gone.sql", "folder.sql", "nul.sql", "latin.sql", "good.sql", "link.sql"]
    faults = unusable_sql_files(below, names)
    assert [fault.split()[0] for fault in faults] == names[:6]
    assert unusable_sql_files(None, ["good.sql"]) == [
        "good.sql: the worker has no directory for SQL files; set AURORA_RESTORE_SQL_DIRECTORY"
    ]
    assert unusable_sql_files(None, []) == []


def test_a_missing_file_changes_nothing(database: Database) -> None:
    """It ends the step before any login is touched."""
    file = database.file("mask.sql", ADD_EVE)
    (database.directory / "mask.sql").unlink()
    name = database.unique("production")
    database.make_login(name, "of-production")
    with pytest.raises(StepFailed, match="SQL file not usable"):
        database.set_up(sql_files=(file,))
    place = "postgres" if isinstance(database, Postgres) else "information_schema"
    assert database.as_user(name, "of-production", "SELECT 1", place) == [(1,)]


# Checks


def test_a_check_that_holds_lets_the_night_go_on(database: Database) -> None:
    """It sees what the files did; several are asked in one night; a truth is 1 on MySQL."""
    checks = (
        database.check("SELECT count(*) > 1 FROM orders", (True,)),
        database.check("SELECT id, customer, NULL FROM orders ORDER BY id LIMIT 1", (1, "Ada", None)),
        database.check("SELECT customer FROM orders WHERE customer LIKE '%@%'"),
        database.check("SELECT sum(id) FROM orders", (3,)),
    )
    database.set_up(sql_files=(database.file("mask.sql", ADD_EVE),), checks=checks)


def test_a_check_that_fails_ends_the_night(database: Database) -> None:
    """What was found and what was wanted, cut where a row is long."""
    database.as_master(f"UPDATE orders SET customer = '{'x' * 1000}'")
    with pytest.raises(StepFailed, match="Check failed") as failed:
        database.set_up(checks=(database.check("SELECT customer FROM orders", ("masked",)),))
    assert "[['masked']] was wanted" in str(failed.value)
    assert len(str(failed.value).partition("Logins closed")[0]) < 800


def test_a_check_may_take_longer_than_our_own_statements(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A count over a large table takes minutes, and the step is given hours for it."""
    monkeypatch.setattr("clients.postgres.STATEMENT_SECONDS", 1)
    monkeypatch.setattr("clients.mysql.STATEMENT_SECONDS", 1)
    asleep = ("pg_sleep(2)::text", "") if isinstance(database, Postgres) else ("sleep(2)", 0)
    database.set_up(checks=(database.check(f"SELECT {asleep[0]}", (asleep[1],)),))


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM orders",
        "SELECT 1; DELETE FROM orders",
        "DROP TABLE orders",
        "COMMIT; DELETE FROM orders",
        "SET @nothing = 1",
        "SELEC 1",
    ],
)
def test_a_check_changes_nothing(database: Database, query: str) -> None:
    """One query, and one that only reads; anything else is refused."""
    with pytest.raises(StepFailed, match="Check failed"):
        database.set_up(checks=(database.check(query, (1,)),))
    assert database.orders() == [("Ada",)]


@pytest.mark.parametrize(
    ("found", "expected", "holds"),
    [
        ([], (), True),
        ([(Decimal(3),)], ((3,),), True),
        ([(Decimal("0.5"),)], ((0.5,),), True),
        ([(b"\x01",)], (("01",),), True),
        ([(1,), (2,)], ((2,), (1,)), False),
        ([(1,)], ((1,), (1,)), False),
        ([(None,)], ((0,),), False),
        ([("1",)], ((1,),), False),
    ],
)
def test_rows_are_compared_in_order_and_by_type(
    found: list[tuple[Any]], expected: tuple[tuple[Any]], holds: bool
) -> None:
    """As JSON has them: a number is not its text, nothing is not zero."""
    check = DataCheck.model_construct(database="orders", query="SELECT", expected=expected)
    if holds:
        hold_against(check, found)
    else:
        with pytest.raises(StepFailed):
            hold_against(check, found)
