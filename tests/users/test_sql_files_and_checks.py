"""The operator's own SQL: each file once a night, in order, below its directory only; and checks that end a night."""

from __future__ import annotations

import hashlib
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from activities.checks import hold_against
from activities.sql_files import missing_sql_files
from errors import DatabaseUnreachable, StepFailed
from models.users import Check
from tests.users.databases import MASTER, MASTER_PASSWORD, Database, Mysql, Postgres

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
    """A mark that came with a snapshot of a restored cluster counts for its own operation only."""
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
        database.as_user(user.name, "p", "SELECT * FROM aurora_restore.sql_files")


@pytest.mark.parametrize("ending", ["COMMIT;", "ROLLBACK;", "COMMIT; BEGIN;"])
def test_a_file_that_ends_its_transaction_is_refused(postgres: Postgres, ending: str) -> None:
    """What is not in one transaction with its mark cannot be run once; no mark says that it was."""
    file = postgres.file("mask.sql", f"{ADD_EVE}{ending}")
    with pytest.raises(StepFailed, match="SQL file ends its transaction"):
        postgres.set_up(sql_files=(file,))
    if postgres.as_master("SELECT to_regclass('aurora_restore.sql_files') IS NOT NULL") == [(True,)]:
        assert postgres.as_master("SELECT file FROM aurora_restore.sql_files") == []


def test_an_exception_of_the_file_ends_the_night(postgres: Postgres) -> None:
    """RAISE EXCEPTION is the operator's own refusal, not a database that is busy."""
    file = postgres.file("mask.sql", "DO $$ BEGIN RAISE EXCEPTION 'not masked'; END $$")
    with pytest.raises(StepFailed, match="not masked"):
        postgres.set_up(sql_files=(file,))


def test_two_attempts_do_not_run_a_file_side_by_side(mysql: Mysql, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first, and is tried again when that takes long."""
    monkeypatch.setattr("activities.mysql_database.LOCK_SECONDS", 0)
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
    faults = missing_sql_files(below, names)
    assert [fault.split()[0] for fault in faults] == names[:6]
    assert missing_sql_files(None, ["good.sql"]) == [
        "good.sql: the worker has no directory for SQL files; set AURORA_RESTORE_SQL_DIRECTORY"
    ]
    assert missing_sql_files(None, []) == []


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
    assert len(str(failed.value)) < 800


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM orders",
        "SELECT 1; DELETE FROM orders",
        "DROP TABLE orders",
        "COMMIT; DELETE FROM orders",
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
    found: list[tuple[object]], expected: tuple[tuple[object]], holds: bool
) -> None:
    """As JSON has them: a number is not its text, nothing is not zero."""
    check = Check.model_construct(database="orders", query="SELECT", expected=expected)
    if holds:
        hold_against(check, found)
    else:
        with pytest.raises(StepFailed):
            hold_against(check, found)
