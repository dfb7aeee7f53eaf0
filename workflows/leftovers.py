"""What a night does about its resources before people are told: removes what it was asked to, and looks at the rest."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import FailureError

from workflows.policies import INVENTORY, REMOVAL, with_summary
from workflows.polling import Pause, poll_until_done

with workflow.unsafe.imports_passed_through():
    from activities.inventory import InventoryActivities
    from activities.leftovers import LeftoverActivities
    from errors import fault_of
    from models.inventory import Inventory, InventoryInput
    from models.leftovers import RemoveLeftoversInput
    from models.operation import RestoreState, StepOutcome
    from models.request import Leftover, RestoreRequest, Wait
    from models.steps import Housekeeping, Status, Step


async def take_inventory(request: RestoreRequest, operation_id: str, snapshot_copy: str | None) -> Inventory:
    """What is there now; a survey that fails says why, and keeps nobody from being told."""
    inventory_input = InventoryInput(
        operation_id=operation_id, target=request.target, archive=request.archive, snapshot_copy_arn=snapshot_copy
    )
    try:
        seen: Inventory = await workflow.execute_activity_method(
            InventoryActivities.take_inventory,
            inventory_input,
            **with_summary(INVENTORY, f"what is there of {request.target.cluster}"),
        )
        return seen
    except FailureError as error:
        workflow.logger.error("resources not seen: %s", fault_of(error).message)
        return Inventory(taken_at=workflow.now(), incomplete_reason=fault_of(error).short)


def leftovers_to_remove(request: RestoreRequest, state: RestoreState) -> RemoveLeftoversInput | None:
    """What of this night is to be removed now that it ends without success; None if there can be nothing.

    A cluster is half-restored until its users are set; one whose users are set stays, whatever failed after.
    """
    done = {of.step for of in state.steps if of.status is Status.SUCCESS}
    begun = {of.step for of in state.steps}
    wanted = request.on_failure
    copy = (
        wanted.unfinished_copy is Leftover.REMOVE and Step.COPY_SNAPSHOT in begun and Step.CHECK_COPY_STATUS not in done
    )
    cluster = wanted.half_restored_target is Leftover.REMOVE and Step.SETUP_DB_USERS not in done
    resource_id = state.cluster_resource_id if cluster else None
    if state.operation_id is None or not (copy or resource_id):
        return None
    return RemoveLeftoversInput(
        operation_id=state.operation_id,
        step_started_at=workflow.now(),
        source=request.source,
        target=request.target,
        snapshot_arn=state.snapshot_arn,
        unfinished_copy=copy,
        cluster_resource_id=resource_id,
    )


async def remove_leftovers(step_input: RemoveLeftoversInput, wait: Wait) -> tuple[str, ...]:
    """Remove it and wait until it is gone; returns the ARNs of what was removed."""

    async def look(at: RemoveLeftoversInput) -> StepOutcome:
        outcome: StepOutcome = await workflow.execute_activity_method(
            LeftoverActivities.remove_leftovers, at, **with_summary(REMOVAL, f"look {at.poll}")
        )
        return outcome

    # A cancelled night ends in order: a second cancellation does not end this wait either.
    gone = await poll_until_done(look, step_input, wait, Pause(undisturbed=True), Housekeeping.REMOVE_LEFTOVERS)
    return gone.resource_arns
