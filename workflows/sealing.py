"""Sealing the trail: before the notification, in which the seal stands, and when the operation is over."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import FailureError
from temporalio.workflow import ActivityConfig

from workflows.policies import with_summary

with workflow.unsafe.imports_passed_through():
    from audit import trail
    from audit.seal import SealActivities
    from errors import TrailConflict, fault_of
    from models.seal import Seal, SealInput


async def seal_trail(operation_id: str, target_arn: str, policy: ActivityConfig) -> Seal | None:
    """A seal over everything so far; None if DynamoDB does not take it within the policy's time.

    A night is never failed by its seal: `starter.py audit verify` says what is not sealed, and can seal it.
    """
    try:
        if not await trail.written_within(policy["schedule_to_close_timeout"]):
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
