"""op-001, op-002 …: no gap, no double, whoever races and whatever DynamoDB loses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from audit.numbers import OperationNumbersTable
from devstack.aws import Emulator
from errors import TrailUnavailable
from models.operation import OpenOperationInput, Operation
from tests.rigs.audit_tables import NIGHT, later

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from devstack.aws.fault_injection import Kind

RACERS = 16
NIGHT_OF = "aurora-restore:111122223333:eu-central-1:orders"


@pytest.fixture
def numbers(dynamodb: DynamoDBClient, operations_table: str) -> OperationNumbersTable:
    """A fresh table of numbers."""
    return OperationNumbersTable(dynamodb, operations_table)


def _wanted(run: int, workflow_id: str = NIGHT_OF) -> OpenOperationInput:
    return OpenOperationInput(
        workflow_id=workflow_id,
        first_run_id=f"run-{run}",
        target_arn="arn:aws:rds:eu-central-1:111122223333:cluster:orders",
        opened_at=later(seconds=run),
    )


def _until_given(numbers: OperationNumbersTable, wanted: OpenOperationInput) -> Operation:
    """As Temporal does: again and again while the refusal is a transient one."""
    while True:
        try:
            return numbers.open(wanted)
        except TrailUnavailable as error:
            assert not error.non_retryable


def _ids(count: int) -> list[str]:
    return [f"op-{number:03d}" for number in range(1, count + 1)]


def test_numbers_count_upward(numbers: OperationNumbersTable) -> None:
    """Night after night the next number."""
    assert [numbers.open(_wanted(night)).operation_id for night in range(12)] == _ids(12)


def test_a_workflow_keeps_its_number(numbers: OperationNumbersTable) -> None:
    """Asked twice by the same workflow: the same number and the same time, and none is used up."""
    first = numbers.open(_wanted(1))
    again = numbers.open(_wanted(1).model_copy(update={"opened_at": later(hours=1)}))
    assert again == first == Operation(operation_id="op-001", opened_at=later(seconds=1))
    assert numbers.open(_wanted(2)).operation_id == "op-002"


def test_two_targets_share_one_count(numbers: OperationNumbersTable) -> None:
    """Numbers are the table's, not the target's; the same run id under another workflow is another operation."""
    given = [numbers.open(_wanted(1, workflow_id)).operation_id for workflow_id in ("a", "b", "a#run", "a")]
    assert given == ["op-001", "op-002", "op-003", "op-001"]


def test_racing_nights_get_every_number_once(numbers: OperationNumbersTable) -> None:
    """Sixteen at the same moment: sixteen numbers, no gap, no double."""
    with ThreadPoolExecutor(RACERS) as threads:
        given = list(threads.map(lambda run: _until_given(numbers, _wanted(run)), range(RACERS)))
    assert sorted(operation.operation_id for operation in given) == _ids(RACERS)


def test_one_workflow_racing_itself_gets_one_number(numbers: OperationNumbersTable) -> None:
    """Two attempts of open-operation at once agree."""
    with ThreadPoolExecutor(RACERS) as threads:
        given = list(threads.map(lambda _: _until_given(numbers, _wanted(1)), range(RACERS)))
    assert {operation.operation_id for operation in given} == {"op-001"}
    assert numbers.open(_wanted(2)).operation_id == "op-002"


@pytest.mark.parametrize("kind", ["http500", "reset-before", "reset-after"])
@pytest.mark.parametrize("times", [1, 3, 7])
def test_a_transaction_whose_answer_is_lost_takes_one_number(
    aws: Emulator, numbers: OperationNumbersTable, kind: Kind, times: int
) -> None:
    """Whether the transaction took effect before the connection broke or not: one number for one workflow."""
    aws.faults.add("dynamodb", "TransactWriteItems", kind, count=times)
    given = [_until_given(numbers, _wanted(run)).operation_id for run in (1, 2, 1)]
    assert given == ["op-001", "op-002", "op-001"]


def test_races_and_broken_answers_together_leave_no_gap(aws: Emulator, numbers: OperationNumbersTable) -> None:
    """Every number is given once also when a third of the transactions is answered by a reset."""
    for skip in range(0, 30, 3):
        aws.faults.add("dynamodb", "TransactWriteItems", "reset-after", skip=skip)
        aws.faults.add("dynamodb", "GetItem", "reset-before", skip=2 * skip)
    with ThreadPoolExecutor(RACERS) as threads:
        given = list(threads.map(lambda run: _until_given(numbers, _wanted(run)), range(RACERS)))
    assert sorted(operation.operation_id for operation in given) == _ids(RACERS)


def test_an_outage_is_for_temporal_to_wait_out(aws: Emulator, numbers: OperationNumbersTable) -> None:
    """DynamoDB away: a transient error with DynamoDB's own code, and no number is used up by it."""
    fault = aws.faults.add("dynamodb", "*", "error", code="ResourceNotFoundException", count=None)
    with pytest.raises(TrailUnavailable, match="starter.py setup") as refused:
        numbers.open(_wanted(1))
    assert refused.value.fault.code == "ResourceNotFoundException"
    with pytest.raises(TrailUnavailable):
        numbers.find("op-001")
    aws.faults.remove(fault)
    assert numbers.open(_wanted(1)).operation_id == "op-001"


def test_a_number_leads_to_its_workflow(numbers: OperationNumbersTable) -> None:
    """What an operator has is a number; it finds workflow, run, target and time."""
    numbers.open(_wanted(1))
    found = numbers.find("op-001")
    assert found is not None
    assert (found.workflow_id, found.first_run_id) == (NIGHT_OF, "run-1")
    assert found.target_arn.endswith(":cluster:orders")
    assert found.opened_at == later(seconds=1)
    assert found.opened_at > NIGHT
    assert numbers.find("op-002") is None


def test_after_999_the_numbers_go_on(
    dynamodb: DynamoDBClient, operations_table: str, numbers: OperationNumbersTable
) -> None:
    """op-1000 follows op-999."""
    dynamodb.put_item(TableName=operations_table, Item={"record": {"S": "counter"}, "last_number": {"N": "998"}})
    assert [numbers.open(_wanted(run)).operation_id for run in (1, 2)] == ["op-999", "op-1000"]
