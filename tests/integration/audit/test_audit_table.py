"""The table of the trail: append-only, once, and loud when it is not there."""

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
from tests.rigs.audit_tables import NIGHT, later, row

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from devstack.aws.fault_injection import Kind

KINDS: list[Kind] = ["throttle", "http500", "reset-before", "reset-after"]
OFTEN = 3
"""As often as botocore tries."""


def _items(dynamodb: DynamoDBClient, table_name: str) -> list[dict[str, Any]]:
    return list(dynamodb.scan(TableName=table_name)["Items"])


def test_the_same_row_twice_is_one_row(table: AuditTable) -> None:
    """A write that is repeated changes nothing and is no error."""
    for _ in range(3):
        table.put(row())
    assert table.list_rows("op-001") == [row()]


def test_a_row_is_never_replaced(table: AuditTable) -> None:
    """Another row under the same key is refused, names table, operation and key, and the first one stays."""
    table.put(row())
    with pytest.raises(TrailConflict) as refused:
        table.put(row(status=Status.FAILED, details="Invalid snapshot ID"))
    assert "op-001" in refused.value.message
    assert row().event_key in refused.value.message
    assert refused.value.non_retryable
    assert table.list_rows("op-001") == [row()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("times", [1, 2 * OFTEN])
def test_a_failing_dynamodb_doubles_and_loses_nothing(aws: Emulator, table: AuditTable, kind: Kind, times: int) -> None:
    """However a put fails, repeating it until it succeeds leaves one row; a short failure is not even noticed."""
    aws.faults.add("dynamodb", "PutItem", kind, count=times)
    refusals = 0
    while True:
        try:
            table.put(row())
            break
        except TrailUnavailable as error:
            assert not error.non_retryable
            refusals += 1
    # A reset after the effect costs one refusal less: the first retry finds the row.
    assert refusals <= times // OFTEN
    assert refusals >= (times // OFTEN if kind != "reset-after" else 0)
    assert table.list_rows("op-001") == [row()]


def test_an_outage_says_what_to_look_at(aws: Emulator, table: AuditTable, table_name: str) -> None:
    """The error of a read or a write names the table, DynamoDB's own code and the command that makes the table."""
    aws.faults.add("dynamodb", "*", "error", code="ResourceNotFoundException", count=None)
    for call in (lambda: table.put(row()), lambda: table.list_rows("op-001")):
        with pytest.raises(TrailUnavailable, match=table_name) as refused:
            call()
        assert refused.value.fault.code == "ResourceNotFoundException"
        assert "starter.py setup" in refused.value.message


def test_threads_that_write_the_same_row_all_succeed(table: AuditTable) -> None:
    """A write that overtakes its own repetition is harmless."""
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: table.put(row()), range(16)))
    assert table.list_rows("op-001") == [row()]


def test_an_operation_is_read_in_the_order_of_time(table: AuditTable) -> None:
    """However they were written, rows come back as they happened."""
    rows = [row(step=step, timestamp=later(minutes=step.number)) for step in Step]
    for written in reversed(rows):
        table.put(written)
    table.put(row(operation_id="op-002"))
    assert table.list_rows("op-001") == rows


def test_days_are_read_whole_and_in_order(table: AuditTable) -> None:
    """The past days come from the index, both ends included, with every operation of each."""
    rows = [
        row(operation_id=f"op-{night + 1:03d}", timestamp=NIGHT + timedelta(days=night, minutes=minute))
        for night in range(5)
        for minute in range(2)
    ]
    for written in rows:
        table.put(written)
    assert table.list_rows_by_day(date(2024, 3, 21), date(2024, 3, 23)) == rows[2:8]
    assert table.list_rows_by_day(date(2024, 3, 26), date(2024, 3, 27)) == []


def test_more_than_a_page_is_read_to_its_end(aws: Emulator, table: AuditTable) -> None:
    """DynamoDB answers at most 1 MB at a time; neither an operation nor a day ends there."""
    long_story = Fault(type="StepFailed", short="Invalid snapshot ID", message="x" * 15_000)
    rows = [row(phase=Phase.ATTEMPT, attempt=attempt, fault=long_story) for attempt in range(1, 81)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(table.put, rows))
    aws.calls.clear()
    assert table.list_rows("op-001") == rows
    assert table.list_rows_by_day(NIGHT.date(), NIGHT.date()) == rows
    assert sum(call.operation == "Query" for call in aws.calls) >= 4


def test_rows_are_kept_for_ever_by_default(dynamodb: DynamoDBClient, table: AuditTable, table_name: str) -> None:
    """Without retention no row has a time to live."""
    table.put(row())
    assert EXPIRES_AT not in _items(dynamodb, table_name)[0]


def test_retention_gives_each_row_its_end(dynamodb: DynamoDBClient, table_name: str) -> None:
    """With retention the time to live is the row's own time plus the retention, in whole seconds."""
    AuditTable(dynamodb, table_name, timedelta(days=400)).put(row())
    end = int((NIGHT + timedelta(days=400)).timestamp())
    assert _items(dynamodb, table_name)[0][EXPIRES_AT] == {"N": str(end)}


def test_another_retention_does_not_make_another_row(dynamodb: DynamoDBClient, table_name: str) -> None:
    """A worker with a changed setting may repeat a row that was written under the old one."""
    for retention in (None, timedelta(days=30), timedelta(days=60)):
        AuditTable(dynamodb, table_name, retention).put(row())
    assert len(_items(dynamodb, table_name)) == 1


def test_a_row_too_long_for_dynamodb_is_still_written(table: AuditTable) -> None:
    """A fault that tells half a megabyte is cut: a row that DynamoDB refuses for ever would hold the night for ever."""
    endless = "é" * 300_000
    table.put(row(details=endless, fault=Fault(type="StepFailed", short=endless, message=endless)))
    (read,) = table.list_rows("op-001")
    assert read.fault is not None
    assert read.fault.message.startswith("ééé")
    assert "cut" in read.fault.message[-40:]
