"""The swap of names, which is taken back if it fails: the old cluster then answers as before."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import FailureError

from workflows.cancellation import shield
from workflows.policies import AWS_CALL, WATCH, with_summary
from workflows.polling import Pause, poll_until_done
from workflows.step_runner import StepRunner

with workflow.unsafe.imports_passed_through():
    from activities.clusters.swap import SwapActivities
    from audit import trail
    from errors import fault_of
    from models.clusters import SwapClustersInput, SwapClustersOutcome
    from models.steps import Housekeeping, Step
    from models.waits import Wait

DENSE = timedelta(seconds=2)
"""The longest time between two polls: the target's name leads nowhere between the two renames."""


async def swap_clusters(runner: StepRunner, step_input: SwapClustersInput) -> SwapClustersOutcome:
    """Swap the names. If that fails, or is cancelled, the old cluster gets its name back before the error is raised.

    If that fails too, its own error is raised, which says which cluster has which name.
    """
    # No trail, no rename: the trail must hold every outcome so far.
    await trail.wait_until_written()
    deadline = step_input.target.swap_limits.deadline
    # Temporal's history takes a thousand polls.
    wait = Wait(deadline=deadline, first_interval=timedelta(seconds=1), maximum_interval=max(DENSE, deadline / 1000))
    try:
        return await runner.poll(Step.SWAP_CLUSTERS, SwapActivities.swap_clusters, step_input, wait)
    except (FailureError, asyncio.CancelledError) as error:
        fault = fault_of(error)
        workflow.logger.error("clusters not swapped: %s", fault.message)
        runner.progress.warn(f"The clusters were not swapped: {fault.short}")
        await shield(_swap_back(step_input, wait))
        raise


async def _swap_back(step_input: SwapClustersInput, wait: Wait) -> None:
    async def call(polled: SwapClustersInput) -> SwapClustersOutcome:
        policy = WATCH if polled.watch and polled.watch.length else AWS_CALL
        outcome: SwapClustersOutcome = await workflow.execute_activity_method(
            SwapActivities.swap_back, polled, **with_summary(policy, f"swap back, poll {polled.poll}")
        )
        return outcome

    back = step_input.model_copy(update={"step_started_at": workflow.now()})
    # A cancelled restore ends in order: neither the first nor a second cancellation ends this wait.
    await poll_until_done(call, back, wait, Pause(ignore_cancellation=True), Housekeeping.SWAP_BACK)
