"""What a restore and a cleanup have in common: an operation number at the beginning, a seal of the trail at the end."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import FailureError
from temporalio.workflow import ActivityConfig

from workflows.cancellation import await_outcome
from workflows.policies import TRAIL_CALL, with_summary

with workflow.unsafe.imports_passed_through():
    from activities.operations import OperationActivities
    from audit import trail
    from audit.activities import SealActivities
    from errors import TrailConflict, fault_of
    from models.operation import OpenOperationInput, Operation
    from models.seal import Seal, SealInput


async def open_operation(target_arn: str) -> Operation:
    """Allocate the number under which the trail keeps this workflow."""
    info = workflow.info()
    open_input = OpenOperationInput(
        workflow_id=info.workflow_id,
        first_run_id=info.first_execution_run_id,
        target_arn=target_arn,
        opened_at=workflow.now(),
    )
    policy = with_summary(TRAIL_CALL, "allocate the operation number")
    return await await_outcome(workflow.start_activity_method(OperationActivities.open_operation, open_input, **policy))


async def seal_trail(operation_id: str, target_arn: str, policy: ActivityConfig) -> Seal | None:
    """Seal everything that the trail holds of the operation; returns None if DynamoDB refuses for the policy's time.

    A missing seal fails no workflow: `starter.py audit verify` reports what is not sealed, and can seal it.
    """
    try:
        if not await trail.wait_until_written_within(policy["schedule_to_close_timeout"]):
            return None
        seal_input = SealInput(
            operation_id=operation_id,
            target_arn=target_arn,
            workflow_id=workflow.info().workflow_id,
            sealed_at=workflow.now(),
        )
        seal: Seal = await workflow.execute_activity_method(
            SealActivities.seal_trail, seal_input, **with_summary(policy, f"seal the trail of {operation_id}")
        )
        return seal
    except (FailureError, TrailConflict) as error:
        workflow.logger.error("trail not sealed: %s", fault_of(error).message)
        return None
