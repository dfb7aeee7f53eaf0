"""The swap of names, which is taken back if it fails or if an operator wants it: the old cluster then answers as before."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import FailureError

from models import search_attributes
from workflows import steps
from workflows.cancellation import shield
from workflows.policies import AWS_CALL, with_summary
from workflows.polling import Pause, policy_of_poll, poll_until_done
from workflows.step_runner import StepRunner

with workflow.unsafe.imports_passed_through():
    from activities.clusters.swap import SwapActivities
    from audit import trail
    from errors import StepFailed, fault_of
    from models.clusters import CheckRestoreOutcome, SwapClustersInput, SwapClustersOutcome
    from models.decisions import OperatorDecision
    from models.request import RestoreRequest
    from models.snapshots import SnapshotCheckOutcome
    from models.steps import Housekeeping, Step
    from models.swap import Swap
    from models.waits import Wait

WAY_BACK = timedelta(minutes=30)
"""How long the old cluster has at least to get its name back: two renames, and a minute in which they may not show yet."""
DENSE = timedelta(seconds=2)
"""The longest time between two polls: the target's name leads nowhere between the two renames."""


async def swap_clusters(
    runner: StepRunner,
    request: RestoreRequest,
    checked: SnapshotCheckOutcome,
    cluster_resource_id: str,
    restored: CheckRestoreOutcome,
) -> None:
    """Swap the names. If that fails, or is cancelled, the old cluster gets its name back before the error is raised.

    If that fails too, its own error is raised, which says which cluster has which name.
    """
    start = runner.begin(Step.SWAP_CLUSTERS)
    step_input = steps.swap_clusters_input(start, request, checked, cluster_resource_id, restored)
    swapped = await _swap(runner, step_input)
    if keep_old := request.target.swap_limits.keep_old:
        runner.progress.keep_old(workflow.now() + keep_old)
    endpoint = swapped.required_endpoint
    runner.progress.record(cluster_arn=swapped.cluster_arn, endpoint=endpoint.host, port=endpoint.port)


async def keep_old_cluster(
    runner: StepRunner,
    request: RestoreRequest,
    checked: SnapshotCheckOutcome,
    cluster_resource_id: str,
    restored: CheckRestoreOutcome,
) -> None:
    """Keep the old cluster until its time is over, or until an operator wants the swap to be rolled back.

    Then it raises `StepFailed` when the old cluster has its name back: the restore did not replace the target. Raises the
    error of swap-back otherwise.
    """
    decision = await _wait_for_rollback(runner)
    if decision is not None:
        start = runner.begin(Step.SWAP_CLUSTERS)
        await shield(_swap_back(steps.swap_clusters_input(start, request, checked, cluster_resource_id, restored)))
        because = f": {decision.reason}" if decision.reason else ""
        raise StepFailed(
            "Rolled back",
            f"{decision.by} rolled the swap back{because}. {request.target.cluster} is the old cluster again. "
            "Find out what was wrong with the restored data, then start a new restore.",
        )


def dense_wait(deadline: timedelta) -> Wait:
    """The wait of a swap: with short intervals, because nobody answers meanwhile."""
    # Temporal's history takes a thousand polls.
    return Wait(deadline=deadline, first_interval=timedelta(seconds=1), maximum_interval=max(DENSE, deadline / 1000))


def way_back_wait(limits: Swap) -> Wait:
    """The wait of swap-back, which a short deadline of the swap must not end: it would leave no cluster with the name."""
    return dense_wait(max(limits.deadline, WAY_BACK))


async def _swap(runner: StepRunner, step_input: SwapClustersInput) -> SwapClustersOutcome:
    # No trail, no rename: the trail must hold every outcome so far.
    await trail.wait_until_written()
    wait = dense_wait(step_input.target.swap_limits.deadline)
    try:
        return await runner.poll(Step.SWAP_CLUSTERS, SwapActivities.swap_clusters, step_input, wait)
    except (FailureError, asyncio.CancelledError) as error:
        fault = fault_of(error)
        workflow.logger.error("clusters not swapped: %s", fault.message)
        runner.progress.warn(f"The clusters were not swapped: {fault.short}")
        await shield(_swap_back(step_input))
        raise


async def _wait_for_rollback(runner: StepRunner) -> OperatorDecision | None:
    until, progress = runner.progress.state.old_kept_until, runner.progress
    if until is None:
        raise RuntimeError("no old cluster is kept")
    runner.operator.open_rollback()
    workflow.upsert_search_attributes([search_attributes.STEP.value_set(search_attributes.KEEPING_OLD)])
    opened_at = workflow.now()
    progress.begin_keeping_old()
    decision = await runner.operator.wait(max(until - opened_at, timedelta(0)))
    progress.end_keeping_old()
    if decision is not None:
        progress.resume()
        await shield(trail.record_decision(progress.operation_id, Step.SWAP_CLUSTERS, decision, opened_at))
    return decision


async def _swap_back(step_input: SwapClustersInput) -> None:
    async def call(polled: SwapClustersInput) -> SwapClustersOutcome:
        policy = with_summary(policy_of_poll(polled, AWS_CALL), f"swap back, poll {polled.poll}")
        outcome: SwapClustersOutcome = await workflow.execute_activity_method(
            SwapActivities.swap_back, polled, **policy
        )
        return outcome

    back = step_input.model_copy(update={"step_started_at": workflow.now()})
    # A cancelled restore ends in order: neither the first nor a second cancellation ends this wait.
    wait = way_back_wait(step_input.target.swap_limits)
    await poll_until_done(call, back, wait, Pause(ignore_cancellation=True), Housekeeping.SWAP_BACK)
