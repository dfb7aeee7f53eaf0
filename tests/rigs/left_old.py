"""A target whose swap has ended and whose old cluster nobody has deleted."""

from __future__ import annotations

from audit.numbers import COUNTER, OperationNumbersTable
from audit.rows import AuditRow, Phase
from models.clusters import SwapClustersInput
from models.operation import OpenOperationInput
from models.steps import Replacement, Status, Step
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import OPERATIONS, TARGET_REGION, Shared

FIRST_NUMBER = 800_000
"""Above those of the operations that have none in the table."""


def swap_under_a_number(rig: ActivityRig) -> SwapClustersInput:
    """Rename both clusters in an operation with a number, which ends before the old one is deleted."""
    dynamodb = rig.aws.dynamodb(TARGET_REGION)
    numbers = OperationNumbersTable(dynamodb, OPERATIONS)
    if not dynamodb.scan(TableName=OPERATIONS)["Items"]:
        counter = {"record": {"S": COUNTER}, "last_number": {"N": str(FIRST_NUMBER)}}
        dynamodb.put_item(TableName=OPERATIONS, Item=counter)
    opening = OpenOperationInput(
        workflow_id=rig.target.arn, first_run_id="run-1", target_arn=rig.target.arn, opened_at=rig.now
    )
    rig.operation_id = numbers.open(opening).operation_id
    rig.make_source()
    rig.target = rig.target.model_copy(update={"replacement": Replacement.SWAP})
    new = rig.restore_beside(rig.make_snapshot())
    step_input = rig.swap_input(rig.make_target(instances=1), new)
    step_input = step_input.model_copy(update={"step_started_at": rig.now})
    rig.poll_until_done(rig.swap.swap_clusters, step_input)
    return step_input


def record_success(rig: ActivityRig, swap: SwapClustersInput) -> None:
    """The trail gets the swap's outcome, too."""
    rig.shared.table.put(
        AuditRow(
            operation_id=rig.operation_id,
            step=Step.SWAP_CLUSTERS,
            phase=Phase.OUTCOME,
            status=Status.SUCCESS,
            details="Clusters swapped",
            step_started_at=swap.step_started_at,
            timestamp=rig.now,
            workflow_id="aurora-restore:test",
            run_id="run-1",
        )
    )


def forget_numbers(shared: Shared) -> None:
    """Most tests of activities have operations without numbers, which are not read where some have them.

    The counter goes on, so that no operation gets the rows of an earlier one.
    """
    dynamodb = shared.clients.dynamodb(TARGET_REGION)
    for item in dynamodb.scan(TableName=OPERATIONS)["Items"]:
        if item["record"]["S"] == COUNTER:
            kept = {name: item[name] for name in ("record", "last_number")}
            dynamodb.put_item(TableName=OPERATIONS, Item=kept)
        else:
            dynamodb.delete_item(TableName=OPERATIONS, Key={"record": item["record"]})
