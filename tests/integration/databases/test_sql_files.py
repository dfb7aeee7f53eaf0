"""The operator's SQL files: each runs once in the restored cluster, in order, and only from the worker's directory."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from activities.databases.sql_files import unusable_sql_files
from errors import StepFailed
from tests.rigs.databases import Database, Postgres

ADD_EVE = "-- it's a comment; with a semicolon\nINSERT INTO orders VALUES (2, 'Eve; 100%s 名');\n"
EVE = ("Eve; 100%s 名",)


def test_a_file_runs_once_even_if_the_activity_runs_twice(database: Database) -> None:
    """The second attempt finds the mark. The digest is of what was run, even if the file has changed since."""
    file = database.file("mask.sql", ADD_EVE)
    digest = hashlib.sha256(ADD_EVE.encode()).hexdigest()
    outcome = database.set_up(sql_files=(file,))
    [ran] = outcome.sql_files
    assert outcome.facts[f"sql_file {database.name}/mask.sql"] == f"sha256:{digest}"
    assert (ran.file, ran.database, ran.digest) == ("mask.sql", database.name, digest)
    database.file("mask.sql", "DELETE FROM orders")
    assert [again.digest for again in database.set_up(sql_files=(file,)).sql_files] == [digest]
    assert database.orders() == [("Ada",), EVE]


def test_without_a_resource_id_a_mark_counts_for_its_operation(database: Database) -> None:
    """The input of an older history does not name the restored cluster: each operation runs the file."""
    file = database.file("mask.sql", "UPDATE orders SET customer = concat(customer, '!');")
    database.set_up(sql_files=(file,), operation_id="op-001")
    database.set_up(sql_files=(file,), operation_id="op-002")
    assert database.orders() == [("Ada!!",)]


def test_files_run_in_the_order_of_the_request_after_the_users(database: Database) -> None:
    """The second file sees what the first did, and both see the user."""
    user = database.user(database.unique("app"), "p")
    host = "" if isinstance(database, Postgres) else "@'%'"
    first = database.file("deep/er/1.sql", "INSERT INTO orders VALUES (2, 'Eve')")
    second = database.file(
        "0.sql", f"UPDATE orders SET customer = 'Bob' WHERE id = 2; GRANT SELECT ON orders TO {user.name}{host}"
    )
    database.set_up(user, sql_files=(first, second))
    assert database.orders() == [("Ada",), ("Bob",)]


def test_a_file_with_a_duplicate_key_fails_for_good(database: Database) -> None:
    """A duplicate in the operator's own data is no conflict with another attempt, so the step is not retried."""
    with pytest.raises(StepFailed, match=r"SQL file failed: twice\.sql.*(unique_violation|ER_DUP_ENTRY)"):
        database.set_up(sql_files=(database.file("twice.sql", "INSERT INTO orders VALUES (1, 'Ada')"),))


def test_a_file_that_fails_is_rolled_back_and_named(database: Database) -> None:
    """The statements before the failed one are rolled back, and the file gets no mark."""
    file = database.file("mask.sql", ADD_EVE + "INSERT INTO misspelt VALUES (1);")
    with pytest.raises(StepFailed, match=r"SQL file failed: mask\.sql.*(undefined_table|ER_NO_SUCH_TABLE)") as failure:
        database.set_up(sql_files=(file,))
    assert failure.value.__cause__ is None
    assert database.orders() == [("Ada",)]
    database.file("mask.sql", ADD_EVE)
    database.set_up(sql_files=(file,))
    assert database.orders() == [("Ada",), EVE]


def test_users_cannot_read_the_marks(database: Database) -> None:
    """Read access to every schema of a database does not include the pipeline's own."""
    user = database.user(database.unique("app"), "p")
    database.set_up(user, sql_files=(database.file("mask.sql", ADD_EVE),))
    database.set_up(user)
    with pytest.raises(Exception, match="denied"):
        database.as_user(user.name, "p", "SELECT * FROM aurora_restore.ran_files")


@pytest.mark.parametrize("ending", ["COMMIT;", "ROLLBACK;", "COMMIT; BEGIN;"])
def test_a_file_that_ends_its_transaction_is_refused(postgres: Postgres, ending: str) -> None:
    """A file that is not in one transaction with its mark cannot run exactly once; it gets no mark."""
    file = postgres.file("mask.sql", f"{ADD_EVE}{ending}")
    with pytest.raises(StepFailed, match="SQL file ends its transaction"):
        postgres.set_up(sql_files=(file,))
    if postgres.as_master("SELECT to_regclass('aurora_restore.ran_files') IS NOT NULL") == [(True,)]:
        assert postgres.as_master("SELECT file FROM aurora_restore.ran_files") == []


def test_an_exception_that_a_file_raises_fails_for_good(postgres: Postgres) -> None:
    """RAISE EXCEPTION is the operator's own check, not a database that is busy."""
    file = postgres.file("mask.sql", "DO $$ BEGIN RAISE EXCEPTION 'not masked'; END $$")
    with pytest.raises(StepFailed, match=r"P0001 \(raise_exception\)"):
        postgres.set_up(sql_files=(file,))


LARGE_RESULT = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT repeat('x', 1000000) FROM n;"


def test_the_rows_that_a_file_selects_are_not_held_in_memory(database: Database) -> None:
    """100 MB of them, in two statements; the statements after them run."""
    file = database.file("mask.sql", f"{LARGE_RESULT}\n{LARGE_RESULT}\n{ADD_EVE}")
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # the peak begins anew
    before = _memory_mb("VmRSS")
    database.set_up(sql_files=(file,))
    assert _memory_mb("VmHWM") - before < 40
    assert database.orders() == [("Ada",), EVE]


def _memory_mb(field: str) -> float:
    """Source: Linux manual, proc(5), /proc/pid/status and clear_refs."""
    [line] = [line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith(field)]
    return int(line.split()[1]) / 1000


# Which files can be run


def test_only_text_files_below_the_directory_can_be_run(tmp_path: Path) -> None:
    """A link to the outside, a missing file, a folder, no UTF-8 text: each is named, and none outside is read."""
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
    reasons = unusable_sql_files(below, names)
    assert [reason.split()[0] for reason in reasons] == names[:6]
    assert unusable_sql_files(None, ["good.sql"]) == [
        "good.sql: the worker has no directory for SQL files; set AURORA_RESTORE_SQL_DIRECTORY"
    ]
    assert unusable_sql_files(None, []) == []


def test_a_missing_file_ends_the_step_before_any_login_is_locked(database: Database) -> None:
    """The files are read before the database is opened."""
    file = database.file("mask.sql", ADD_EVE)
    (database.directory / "mask.sql").unlink()
    name = database.unique("production")
    database.make_login(name, "of-production")
    with pytest.raises(StepFailed, match="SQL file not usable"):
        database.set_up(sql_files=(file,))
    assert database.as_user(name, "of-production", "SELECT 1", database.login_database) == [(1,)]
