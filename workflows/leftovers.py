"""What a restore leaves behind: it takes an inventory before it notifies, and removes what the request says to remove."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import FailureError

from workflows.cancellation import shield
from workflows.policies import INVENTORY, REMOVAL, with_summary
from workflows.polling import Pause, policy_of_poll, poll_until_done
from workflows.progress import Progress

with workflow.unsafe.imports_passed_through():
    from activities.inventory import InventoryActivities
    from activities.leftovers import LeftoverActivities
    from errors import fault_of
    from models.inventory import Inventory, InventoryInput
    from models.leftovers import RemoveLeftoversInput
    from models.request import RestoreRequest
    from models.restore_state import RestoreState
    from models.step_call import StepOutcome
    from models.steps import Housekeeping, Replacement, Status, Step
    from models.waits import Leftover, Wait


async def take_inventory(request: RestoreRequest, progress: Progress) -> Inventory:
    """The resources as they are now. If the activity fails, the inventory says why and the notification goes out."""
    inventory_input = InventoryInput(
        operation_id=progress.operation_id,
        target=request.target,
        archive=request.archive,
        snapshot_copy_arn=progress.state.snapshot_copy_arn,
        drill_resource_id=progress.state.cluster_resource_id if request.target.drills else None,
    )
    try:
        inventory: Inventory = await workflow.execute_activity_method(
            InventoryActivities.take_inventory,
            inventory_input,
            **with_summary(INVENTORY, f"inventory of {request.target.cluster}"),
        )
        return inventory
    except FailureError as error:
        workflow.logger.error("inventory not taken: %s", fault_of(error).message)
        return Inventory(taken_at=workflow.now(), incomplete_reason=fault_of(error).short)


async def remove_leftovers(request: RestoreRequest, progress: Progress) -> None:
    """Remove what the request says to remove, if there can be any. A failure is a warning: the step's error counts."""
    if (step_input := remove_leftovers_input(request, progress.state)) is None:
        return
    try:
        removed_arns = await shield(_remove(step_input, request.waits.delete_rds))
        progress.record(removed_arns=removed_arns)
    except FailureError as error:
        fault = fault_of(error)
        workflow.logger.error("leftovers not removed: %s", fault.message)
        progress.warn(f"Leftovers were not removed: {fault.short}: {fault.message}")


def remove_leftovers_input(request: RestoreRequest, state: RestoreState) -> RemoveLeftoversInput | None:
    """What to remove after this restore ended without success; None if there can be nothing.

    A cluster is half-restored until its users are set up, or until it has taken the target's place by a swap; then it
    stays, whichever step fails afterwards. That of a drill never is more than that.
    """
    begun = {step.step for step in state.steps}
    done = {step.step for step in state.steps if step.status is Status.SUCCESS}
    on_failure = request.on_failure
    unfinished_copy = (
        on_failure.unfinished_copy is Leftover.REMOVE
        and Step.COPY_SNAPSHOT in begun
        and Step.CHECK_COPY_STATUS not in done
    )
    last, default = _LAST.get(request.target.replacement, (Step.SETUP_DB_USERS, Leftover.KEEP))
    half_restored = (on_failure.half_restored_target or default) is Leftover.REMOVE and last not in done
    cluster_resource_id = state.cluster_resource_id if half_restored else None
    if state.operation_id is None or not (unfinished_copy or cluster_resource_id):
        return None
    return RemoveLeftoversInput(
        operation_id=state.operation_id,
        step_started_at=workflow.now(),
        source=request.source,
        target=request.target,
        snapshot_arn=state.snapshot_arn,
        unfinished_copy=unfinished_copy,
        cluster_resource_id=cluster_resource_id,
        beside=request.target.restores_beside,
    )


# Beside the target it is of no use until it has taken the target's place.
_LAST = {
    Replacement.SWAP: (Step.SWAP_CLUSTERS, Leftover.REMOVE),
    Replacement.DRILL: (Step.REMOVE_DRILL, Leftover.REMOVE),
}


async def _remove(step_input: RemoveLeftoversInput, wait: Wait) -> tuple[str, ...]:
    """Remove the leftovers and wait until they are gone; returns their ARNs."""

    async def call(polled: RemoveLeftoversInput) -> StepOutcome:
        outcome: StepOutcome = await workflow.execute_activity_method(
            LeftoverActivities.remove_leftovers,
            polled,
            **with_summary(policy_of_poll(polled, REMOVAL), f"poll {polled.poll}"),
        )
        return outcome

    # A cancelled restore ends in order: neither the first nor a second cancellation ends this wait.
    pause = Pause(ignore_cancellation=True)
    outcome = await poll_until_done(call, step_input, wait, pause, Housekeeping.REMOVE_LEFTOVERS)
    return outcome.resource_arns
