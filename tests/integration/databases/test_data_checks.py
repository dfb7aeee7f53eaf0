"""Data checks: a query that only reads, whose rows must be the expected ones before anything is archived."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from activities.databases.data_checks import require_expected_rows
from errors import StepFailed
from models.checks import read_checks
from models.users import DataCheck
from tests.rigs.databases import Database, Postgres


def test_checks_with_the_expected_rows_pass(database: Database) -> None:
    """A request may have several; they see what the SQL files did. MySQL returns 1 for true."""
    checks = (
        database.check("SELECT count(*) > 1 FROM orders", (True,)),
        database.check("SELECT id, customer, NULL FROM orders ORDER BY id LIMIT 1", (1, "Ada", None)),
        database.check("SELECT customer FROM orders WHERE customer LIKE '%@%'"),
        database.check("SELECT sum(id) FROM orders", (3,)),
    )
    outcome = database.set_up(
        sql_files=(database.file("mask.sql", "INSERT INTO orders VALUES (2, 'Eve')"),), checks=checks
    )
    kept = [check for check in read_checks(outcome.facts) if check.expected == "[[3]]"]
    assert [(check.name.partition(": ")[2], check.actual) for check in kept] == [
        ("SELECT sum(id) FROM orders", "[[3]]")
    ]


def test_a_check_with_other_rows_fails_the_step(database: Database) -> None:
    """The message has the actual and the expected rows, shortened; of a text in the database only how long it is."""
    database.as_master(f"UPDATE orders SET customer = '{'x' * 1000}'")
    with pytest.raises(StepFailed, match="Check failed") as failure:
        database.set_up(checks=(database.check("SELECT customer FROM orders", ("masked",)),))
    assert "returned [['text of 1000 characters']], expected [['masked']]. Nothing was archived." in str(failure.value)
    assert len(str(failure.value).partition("Logins locked")[0]) < 800


def test_a_check_has_no_statement_timeout(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting a large table takes minutes, and the step may take hours."""
    monkeypatch.setattr("clients.postgres.STATEMENT_SECONDS", 1)
    monkeypatch.setattr("clients.mysql.STATEMENT_SECONDS", 1)
    query, result = ("SELECT pg_sleep(2)::text", "") if isinstance(database, Postgres) else ("SELECT sleep(2)", 0)
    database.set_up(checks=(database.check(query, (result,)),))


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
def test_a_check_that_is_not_one_reading_query_is_refused(database: Database, query: str) -> None:
    """It fails the step and changes nothing."""
    with pytest.raises(StepFailed, match="Check failed"):
        database.set_up(checks=(database.check(query, (1,)),))
    assert database.orders() == [("Ada",)]


@pytest.mark.parametrize(
    ("actual", "expected", "is_equal"),
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
def test_rows_are_compared_in_order_and_by_json_type(
    actual: list[tuple[Any]], expected: tuple[tuple[Any]], is_equal: bool
) -> None:
    """A number is not its text, and null is not zero."""
    check = DataCheck.model_construct(database="orders", query="SELECT", expected=expected)
    if is_equal:
        require_expected_rows(check, actual)
    else:
        with pytest.raises(StepFailed):
            require_expected_rows(check, actual)
