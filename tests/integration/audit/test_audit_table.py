"""The trail's table: each row is written once, read completely, and a failure names the table."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from audit.rows import EXPIRES_AT, Phase
from audit.table import AuditTable
from devstack.aws import Emulator
from errors import Fault, TrailConflict, TrailUnavailable
from models.steps import Status, Step
from tests.rigs.audit_tables import START, later, row

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from devstack.aws.fault_injection import Kind

FAULT_KINDS: list[Kind] = ["throttle", "http500", "reset-before", "reset-after"]
BOTOCORE_ATTEMPTS = 3


def _items(dynamodb: DynamoDBClient, table_name: str) -> list[dict[str, Any]]:
    return list(dynamodb.scan(TableName=table_name)["Items"])


def test_writing_a_row_again_changes_nothing(table: AuditTable) -> None:
    """A repeated write succeeds, and the table has one row."""
    for _ in range(3):
        table.put(row())
    assert table.list_rows("op-001") == [row()]


def test_a_different_row_under_the_same_key_is_a_conflict(table: AuditTable) -> None:
    """The write fails for good with operation and key in the message, and the first row stays."""
    table.put(row())
    with pytest.raises(TrailConflict) as refused:
        table.put(row(status=Status.FAILED, details="Invalid snapshot ID"))
    assert "op-001" in refused.value.message
    assert row().event_key in refused.value.message
    assert refused.value.non_retryable
    assert table.list_rows("op-001") == [row()]


@pytest.mark.parametrize("kind", FAULT_KINDS)
@pytest.mark.parametrize("times", [1, 2 * BOTOCORE_ATTEMPTS])
def test_retries_during_a_dynamodb_failure_write_one_row(
    aws: Emulator, table: AuditTable, kind: Kind, times: int
) -> None:
    """However a put fails, repeating it writes one row; botocore's retries hide a short failure."""
    aws.faults.add("dynamodb", "PutItem", kind, count=times)
    failures = 0
    while True:
        try:
            table.put(row())
            break
        except TrailUnavailable as error:
            assert not error.non_retryable
            failures += 1
    # If the connection is reset after the effect, the first retry finds the row: one failure less.
    assert failures <= times // BOTOCORE_ATTEMPTS
    assert failures >= (times // BOTOCORE_ATTEMPTS if kind != "reset-after" else 0)
    assert table.list_rows("op-001") == [row()]


def test_an_unavailable_table_is_named_with_the_code_and_the_setup_command(
    aws: Emulator, table: AuditTable, table_name: str
) -> None:
    """The error of a read or a write has the table's name, DynamoDB's code and the command that creates the table."""
    aws.faults.add("dynamodb", "*", "error", code="ResourceNotFoundException", count=None)
    for call in (lambda: table.put(row()), lambda: table.list_rows("op-001")):
        with pytest.raises(TrailUnavailable, match=table_name) as refused:
            call()
        assert refused.value.fault.code == "ResourceNotFoundException"
        assert "python starter.py setup" in refused.value.message


def test_threads_that_write_the_same_row_all_succeed(table: AuditTable) -> None:
    """Concurrent writes of one fact do not disturb each other."""
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: table.put(row()), range(16)))
    assert table.list_rows("op-001") == [row()]


def test_rows_of_an_operation_are_listed_in_chronological_order(table: AuditTable) -> None:
    """In whatever order they were written, and without the rows of other operations."""
    rows = [row(step=step, timestamp=later(minutes=step.number)) for step in Step]
    for written in reversed(rows):
        table.put(written)
    table.put(row(operation_id="op-002"))
    assert table.list_rows("op-001") == rows


def test_rows_by_day_include_both_days_and_every_operation(table: AuditTable) -> None:
    """The index by date has all rows from the first to the last day, in chronological order."""
    rows = [
        row(operation_id=f"op-{day + 1:03d}", timestamp=START + timedelta(days=day, minutes=minute))
        for day in range(5)
        for minute in range(2)
    ]
    for written in rows:
        table.put(written)
    assert table.list_rows_by_day(date(2024, 3, 21), date(2024, 3, 23)) == rows[2:8]
    assert table.list_rows_by_day(date(2024, 3, 26), date(2024, 3, 27)) == []


def test_a_query_reads_all_pages(aws: Emulator, table: AuditTable) -> None:
    """DynamoDB answers with at most 1 MB at a time; neither an operation nor a day is cut off there."""
    long_fault = Fault(type="StepFailed", short="Invalid snapshot ID", message="x" * 15_000)
    rows = [row(phase=Phase.ATTEMPT, attempt=attempt, fault=long_fault) for attempt in range(1, 81)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(table.put, rows))
    aws.calls.clear()
    assert table.list_rows("op-001") == rows
    assert table.list_rows_by_day(START.date(), START.date()) == rows
    assert sum(call.operation == "Query" for call in aws.calls) >= 4


def test_reads_of_an_operation_are_strongly_consistent(dynamodb: DynamoDBClient, table: AuditTable) -> None:
    """An intent that another worker has just written must be seen; DynamoDB's default reads may miss it."""
    queries: list[dict[str, Any]] = []
    dynamodb.meta.events.register("provide-client-params.dynamodb.Query", lambda params, **_: queries.append(params))
    table.list_rows("op-001")
    table.list_items("op-001")
    table.find_item("op-001", "key")
    assert [query.get("ConsistentRead") for query in queries] == [True, True, True]


def test_without_retention_a_row_never_expires(dynamodb: DynamoDBClient, table: AuditTable, table_name: str) -> None:
    """By default a row has no time to live."""
    table.put(row())
    assert EXPIRES_AT not in _items(dynamodb, table_name)[0]


def test_with_retention_a_row_expires_that_long_after_its_timestamp(dynamodb: DynamoDBClient, table_name: str) -> None:
    """The time to live is the row's timestamp plus the retention, in whole seconds."""
    AuditTable(dynamodb, table_name, timedelta(days=400)).put(row())
    expires_at = int((START + timedelta(days=400)).timestamp())
    assert _items(dynamodb, table_name)[0][EXPIRES_AT] == {"N": str(expires_at)}


def test_a_changed_retention_does_not_make_a_repeated_write_a_conflict(
    dynamodb: DynamoDBClient, table_name: str
) -> None:
    """A worker with a new setting may repeat a row that was written under the old one."""
    for retention in (None, timedelta(days=30), timedelta(days=60)):
        AuditTable(dynamodb, table_name, retention).put(row())
    assert len(_items(dynamodb, table_name)) == 1


def test_texts_that_are_too_long_for_an_item_are_cut(table: AuditTable) -> None:
    """DynamoDB refuses an item of more than 400 KB; a row that it always refuses would keep the workflow open."""
    long_text = "é" * 300_000
    table.put(row(details=long_text, fault=Fault(type="StepFailed", short=long_text, message=long_text)))
    (read,) = table.list_rows("op-001")
    assert read.fault is not None
    assert read.fault.message.startswith("ééé")
    assert "cut" in read.fault.message[-40:]
