"""What a database says of an operator's SQL may quote data: only code, name and place leave the worker."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultPayloadConverter

from clients.data_converter import BoundedFailureConverter
from errors import PipelineError, StepFailed
from tests.rigs.databases import Database, Postgres

PERSON = "ada@example.com"
PASSWORD = "hunter2-secret"


@dataclass(frozen=True)
class Mistake:
    """SQL that fails, and what a failure says of it on each engine."""

    sql: str
    postgresql: str
    mysql: str
    quoted: str


MISTAKES = {
    "a person's data": Mistake(
        sql="-- converts\nUPDATE orders SET id = {number};\n",
        postgresql=r"22P02 \(invalid_text_representation\) to mask\.sql\. ",
        mysql=r"1366 \(ER_TRUNCATED_WRONG_VALUE_FOR_FIELD\) to mask\.sql after 0 results",
        quoted=PERSON,
    ),
    "an unterminated password": Mistake(
        sql=f"SELECT 1;\n SELECT '{PASSWORD}",
        postgresql=r"42601 \(syntax_error\) to mask\.sql at line 2, column 9\. ",
        mysql=r"1064 \(ER_PARSE_ERROR\) to mask\.sql after 1 results at line 1 of the statement\. ",
        quoted=PASSWORD,
    ),
}


def _sql(database: Database, mistake: Mistake) -> str:
    return mistake.sql.format(number="customer::integer" if isinstance(database, Postgres) else "customer")


def _everything_that_leaves(error: PipelineError) -> str:
    """The failure as Temporal keeps it, causes and stack traces included, and the fault of trail and notification."""
    failure = Failure()
    BoundedFailureConverter().to_failure(error, DefaultPayloadConverter(), failure)
    return f"{failure} {error.fault}"


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_failed_file_is_named_by_code_and_place(database: Database, mistake: Mistake) -> None:
    """The file, the SQLSTATE or MySQL's number with its name, and the line as far as the database says."""
    database.as_master(f"UPDATE orders SET customer = '{PERSON}'")
    file = database.file("mask.sql", _sql(database, mistake))
    with pytest.raises(StepFailed, match="SQL file failed: mask.sql: ") as failed:
        database.set_up(sql_files=(file,))
    expected = mistake.postgresql if isinstance(database, Postgres) else mistake.mysql
    assert failed.match(expected)
    assert failed.match("AURORA_RESTORE_LOG_SQL_ERRORS")
    assert mistake.quoted not in _everything_that_leaves(failed.value)
    assert mistake.quoted in str(failed.value.server_text), "for the worker's own log"


def test_a_failed_check_is_named_by_code_and_place(database: Database) -> None:
    """Its query is the request's, and so may be quoted; what the database says may not."""
    database.as_master(f"UPDATE orders SET customer = '{PERSON}'")
    if isinstance(database, Postgres):
        query, expected = (
            "SELECT id\nFROM orders WHERE id = customer::integer",
            r"22P02 \(invalid_text_representation\)",
        )
    else:
        query = "SELECT id FROM orders WHERE customer ="
        expected = r"1064 \(ER_PARSE_ERROR\)"
    with pytest.raises(StepFailed, match="Check failed: ") as failed:
        database.set_up(checks=(database.check(query, (1,)),))
    assert failed.match(f"answered {expected} to the check SELECT id")
    assert failed.value.server_text
    for text in (PERSON, failed.value.server_text):
        assert text not in _everything_that_leaves(failed.value)
