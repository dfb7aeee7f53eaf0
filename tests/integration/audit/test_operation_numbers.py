"""Operation numbers op-001, op-002 …: no gap and no duplicate, under concurrency and when DynamoDB fails."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from audit.numbers import MAX_CONFLICTS, OperationNumbersTable
from devstack.aws import Emulator
from errors import TrailUnavailable
from models.operation import OpenOperationInput, Operation
from tests.rigs.audit_tables import START, later

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from devstack.aws.fault_injection import Kind

CONCURRENT = 16
WORKFLOW_ID = "aurora-restore:111122223333:eu-central-1:orders"
TARGET_ARN = "arn:aws:rds:eu-central-1:111122223333:cluster:orders"


@pytest.fixture
def numbers(dynamodb: DynamoDBClient, operations_table: str) -> OperationNumbersTable:
    """An empty table of numbers."""
    return OperationNumbersTable(dynamodb, operations_table)


def request(run: int, workflow_id: str = WORKFLOW_ID) -> OpenOperationInput:
    """The request of one workflow run."""
    return OpenOperationInput(
        workflow_id=workflow_id, first_run_id=f"run-{run}", target_arn=TARGET_ARN, opened_at=later(seconds=run)
    )


def open_with_retries(numbers: OperationNumbersTable, operation: OpenOperationInput) -> Operation:
    """Open the operation as Temporal does: retry while the error is transient."""
    while True:
        try:
            return numbers.open(operation)
        except TrailUnavailable as error:
            assert not error.non_retryable


def first_ids(count: int) -> list[str]:
    return [f"op-{number:03d}" for number in range(1, count + 1)]


def test_each_workflow_gets_the_next_number(numbers: OperationNumbersTable) -> None:
    """Numbers count up from op-001 in the order of the requests."""
    assert [numbers.open(request(run)).operation_id for run in range(12)] == first_ids(12)


def test_a_workflow_that_asks_again_gets_the_same_number(numbers: OperationNumbersTable) -> None:
    """The number and the time of the first request; the second request uses up no number."""
    first = numbers.open(request(1))
    again = numbers.open(request(1).model_copy(update={"opened_at": later(hours=1)}))
    assert again == first == Operation(operation_id="op-001", opened_at=later(seconds=1))
    assert numbers.open(request(2)).operation_id == "op-002"


def test_all_workflows_share_one_counter(numbers: OperationNumbersTable) -> None:
    """Numbers belong to the table, not to a target; the same run id under another workflow id is another operation."""
    opened = [numbers.open(request(1, workflow_id)).operation_id for workflow_id in ("a", "b", "a#run", "a")]
    assert opened == ["op-001", "op-002", "op-003", "op-001"]


def test_concurrent_workflows_get_different_numbers_without_a_gap(numbers: OperationNumbersTable) -> None:
    """Sixteen requests at once get sixteen consecutive numbers."""
    with ThreadPoolExecutor(CONCURRENT) as threads:
        opened = list(threads.map(lambda run: open_with_retries(numbers, request(run)), range(CONCURRENT)))
    assert sorted(operation.operation_id for operation in opened) == first_ids(CONCURRENT)


def test_concurrent_requests_of_one_workflow_get_one_number(numbers: OperationNumbersTable) -> None:
    """Several attempts of open-operation at once return the same operation."""
    with ThreadPoolExecutor(CONCURRENT) as threads:
        opened = list(threads.map(lambda _: open_with_retries(numbers, request(1)), range(CONCURRENT)))
    assert {operation.operation_id for operation in opened} == {"op-001"}
    assert numbers.open(request(2)).operation_id == "op-002"


@pytest.mark.parametrize("kind", ["http500", "reset-before", "reset-after"])
@pytest.mark.parametrize("times", [1, 3, 7])
def test_a_transaction_with_a_lost_response_uses_up_one_number(
    aws: Emulator, numbers: OperationNumbersTable, kind: Kind, times: int
) -> None:
    """Whether or not the transaction took effect before the connection broke, its workflow has one number."""
    aws.faults.add("dynamodb", "TransactWriteItems", kind, count=times)
    opened = [open_with_retries(numbers, request(run)).operation_id for run in (1, 2, 1)]
    assert opened == ["op-001", "op-002", "op-001"]


def test_concurrency_and_lost_responses_together_leave_no_gap(aws: Emulator, numbers: OperationNumbersTable) -> None:
    """Each number is allocated once, although the connection breaks during a third of the transactions."""
    for skip in range(0, 30, 3):
        aws.faults.add("dynamodb", "TransactWriteItems", "reset-after", skip=skip)
        aws.faults.add("dynamodb", "GetItem", "reset-before", skip=2 * skip)
    with ThreadPoolExecutor(CONCURRENT) as threads:
        opened = list(threads.map(lambda run: open_with_retries(numbers, request(run)), range(CONCURRENT)))
    assert sorted(operation.operation_id for operation in opened) == first_ids(CONCURRENT)


def test_an_unavailable_table_is_a_transient_error_and_uses_up_no_number(
    aws: Emulator, numbers: OperationNumbersTable
) -> None:
    """The error has DynamoDB's code and the setup command; the next request gets op-001."""
    fault = aws.faults.add("dynamodb", "*", "error", code="ResourceNotFoundException", count=None)
    with pytest.raises(TrailUnavailable, match="python starter.py setup") as refused:
        numbers.open(request(1))
    assert refused.value.fault.code == "ResourceNotFoundException"
    assert not refused.value.non_retryable
    with pytest.raises(TrailUnavailable):
        numbers.find("op-001")
    with pytest.raises(TrailUnavailable):
        numbers.list_opened_since(START)
    aws.faults.remove(fault)
    assert numbers.open(request(1)).operation_id == "op-001"


def test_too_many_conflicts_are_a_transient_error(aws: Emulator, numbers: OperationNumbersTable) -> None:
    """If other operations always get the next number first, Temporal tries again later."""
    aws.faults.add("dynamodb", "TransactWriteItems", "error", code="TransactionCanceledException", count=MAX_CONFLICTS)
    with pytest.raises(TrailUnavailable, match="Could not allocate an operation number") as refused:
        numbers.open(request(1))
    assert not refused.value.non_retryable
    assert f"{MAX_CONFLICTS} times" in refused.value.message
    assert numbers.open(request(1)).operation_id == "op-001"


def test_an_operation_is_found_by_its_number(numbers: OperationNumbersTable) -> None:
    """With its workflow, its first run, its target and its time; a number that was not allocated is not found."""
    numbers.open(request(1))
    operation = numbers.find("op-001")
    assert operation is not None
    assert (operation.workflow_id, operation.first_run_id) == (WORKFLOW_ID, "run-1")
    assert (operation.target_arn, operation.opened_at) == (TARGET_ARN, later(seconds=1))
    assert numbers.find("op-002") is None


def test_operations_are_listed_from_the_newest_back_to_a_time(numbers: OperationNumbersTable) -> None:
    """An operation that was opened exactly at the time is included; an empty table has none."""

    def ids(first: datetime) -> list[str]:
        return [operation.operation_id for operation in numbers.list_opened_since(first)]

    assert ids(START) == []
    for run in range(1, 10):
        numbers.open(request(run))
    assert ids(later(seconds=7)) == ["op-009", "op-008", "op-007"]
    assert ids(START) == list(reversed(first_ids(9)))
    assert ids(later(seconds=10)) == []


def test_reads_are_strongly_consistent(dynamodb: DynamoDBClient, numbers: OperationNumbersTable) -> None:
    """A number that another worker has just allocated must be seen; DynamoDB's default reads may miss it."""
    reads: list[dict[str, Any]] = []
    dynamodb.meta.events.register("provide-client-params.dynamodb.GetItem", lambda params, **_: reads.append(params))
    numbers.open(request(1))
    numbers.find("op-001")
    numbers.list_opened_since(START)
    assert reads
    assert all(read.get("ConsistentRead") for read in reads)


def test_op_1000_follows_op_999(
    dynamodb: DynamoDBClient, operations_table: str, numbers: OperationNumbersTable
) -> None:
    """The number has at least three digits, and more when it needs them."""
    dynamodb.put_item(TableName=operations_table, Item={"record": {"S": "counter"}, "last_number": {"N": "998"}})
    assert [numbers.open(request(run)).operation_id for run in (1, 2)] == ["op-999", "op-1000"]
