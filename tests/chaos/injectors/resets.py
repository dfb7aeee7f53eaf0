"""What an operator does to runs in Temporal's Web UI: reset the newest or an older run to any task, or delete a run.

Temporal terminates the run that is running when any run of its workflow id is reset, and continues from the reset one.
Source: temporalio/api, ResetWorkflowExecutionRequest, DeleteWorkflowExecutionRequest.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, ResetWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from models.workflow_names import RESTORE_WORKFLOW
from tests.chaos.campaign_fault import STEPS, SUCCEEDED, CampaignFault, delay_step_call
from tests.chaos.environment import TASK_QUEUE
from tests.chaos.injectors.operator import RETRYABLE_STEPS, deny_step_call
from tests.chaos.observed_restore import WORKFLOW_ID, ObservedRestore

AFTER_THE_END = "after-the-end"
PLACES = (*STEPS, AFTER_THE_END)
RUN_SECONDS = 180
"""How long the older run may take, and Temporal to delete a run, which it does in the background."""
LAST_CALL_SECONDS = 1.5
"""How long a terminated run's last call may take."""
RESET_OUTCOMES = frozenset({"succeeded", "failed"})
"""A reset restore fails where it would delete what was restored since; the check `resets` knows where it may."""

Act = Callable[[ObservedRestore], Awaitable[None]]


async def reset_run(restore: ObservedRestore, run_id: str) -> None:
    """Reset a run to one of its completed workflow tasks, at random."""
    events = (await _handle(restore, run_id).fetch_history()).events
    tasks = [event.event_id for event in events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
    task = restore.random.choice(tasks)
    steps = [event.activity_task_scheduled_event_attributes.activity_type.name for event in events[:task]]
    restore.acts.append(f"run {run_id} is reset to task {task}, after {[step for step in steps if step][-1:]}")
    await restore.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=restore.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=WORKFLOW_ID, run_id=run_id),
            reason="reset by the campaign",
            workflow_task_finish_event_id=task,
            request_id=str(uuid.uuid4()),
        )
    )


async def _reset_newest(restore: ObservedRestore) -> None:
    await reset_run(restore, await restore.add_newest_run())


async def _reset_older(restore: ObservedRestore) -> None:
    older = restore.earlier_run_ids[0]
    await restore.add_newest_run()
    await reset_run(restore, older)


async def _terminate_and_reset(restore: ObservedRestore) -> None:
    newest = await restore.add_newest_run()
    await _handle(restore, newest).terminate("terminated by the campaign")
    await reset_run(restore, newest)


async def _delete_newest(restore: ObservedRestore) -> None:
    newest = await restore.add_newest_run()
    await _delete(restore, newest)
    restore.is_deleted = True


async def _delete_older(restore: ObservedRestore) -> None:
    await _delete(restore, restore.earlier_run_ids[0])


async def _delete(restore: ObservedRestore, run_id: str) -> None:
    restore.histories[run_id] = list((await _handle(restore, run_id).fetch_history()).events)
    restore.acts.append(f"run {run_id} is deleted")
    restore.deleted_run_ids.add(run_id)
    await restore.client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=restore.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=WORKFLOW_ID, run_id=run_id),
        )
    )
    await _wait_for_status(restore, run_id, deleted=True)


async def _wait_for_status(restore: ObservedRestore, run_id: str, *, deleted: bool = False) -> None:
    """Wait until a run has ended, or until Temporal has deleted it. Raises `TimeoutError`."""
    for _ in range(RUN_SECONDS * 10):
        try:
            status = (await _handle(restore, run_id).describe()).status
        except RPCError as error:
            if deleted and error.status is RPCStatusCode.NOT_FOUND:
                return
            raise
        if not deleted and status is not WorkflowExecutionStatus.RUNNING:
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(run_id)


async def _run_older_restore(restore: ObservedRestore) -> None:
    """Run an older restore, which succeeds, fails or is terminated at a random step; then take a newer snapshot."""
    environment, random = restore.environment, restore.random
    started = await restore.client.start_workflow(
        RESTORE_WORKFLOW, environment.request(), id=WORKFLOW_ID, task_queue=TASK_QUEUE
    )
    older = _handle(restore, started.first_execution_run_id or "")
    ending, step = random.choice(("succeeds", "fails", "is terminated")), random.choice(RETRYABLE_STEPS)
    if ending == "fails":
        deny_step_call(restore, step)
    elif ending == "is terminated":
        delayed = delay_step_call(restore, step, 0.7)
        await restore.wait_until(lambda: delayed.fired > 0)
        await older.terminate("terminated by the campaign")
        await asyncio.sleep(LAST_CALL_SECONDS)
    await _wait_for_status(restore, older.run_id or "")
    restore.acts.append(f"the older run {ending}{'' if ending == 'succeeds' else f' at {step}'}")
    restore.earlier_run_ids.append(older.run_id or "")
    restore.snapshot = await asyncio.to_thread(environment.prepare_restore)


def _handle(restore: ObservedRestore, run_id: str) -> WorkflowHandle[Any, Any]:
    return restore.client.get_workflow_handle(WORKFLOW_ID, run_id=run_id)


def _fault(
    name: str,
    description: str,
    act: Act,
    outcomes: frozenset[str],
    prepare: Act | None = None,
    places: tuple[str, ...] = PLACES,
) -> CampaignFault:
    """A fault whose act comes during a step's call, or when the restore has ended."""

    async def act_after_end(restore: ObservedRestore) -> None:
        restore.injections.append((name, AFTER_THE_END))
        await act(restore)

    async def prepare_act(restore: ObservedRestore, place: str) -> None:
        if prepare is not None:
            await prepare(restore)
        if place == AFTER_THE_END:
            restore.act_after_end = act_after_end

    async def inject(restore: ObservedRestore, place: str) -> None:
        if place != AFTER_THE_END:
            delayed = delay_step_call(restore, place, 0.7)
            await restore.wait_until(lambda: delayed.fired > 0)
            restore.record_injection(place)
            restore.is_operator_acting = True
            await act(restore)
            restore.is_operator_acting = False

    return CampaignFault(name, description, places, inject, outcomes=lambda _: outcomes, prepare=prepare_act)


FAULTS = (
    _fault("newest-run-reset", "the operator resets the restore to any of its tasks", _reset_newest, RESET_OUTCOMES),
    _fault(
        "terminated-and-reset", "the operator terminates the restore and resets it to any of its tasks",
        _terminate_and_reset, RESET_OUTCOMES, places=STEPS,
    ),
    _fault(
        "older-run-reset", "the operator resets an older run to any of its tasks", _reset_older, RESET_OUTCOMES,
        _run_older_restore,
    ),
    _fault("newest-run-deleted", "the operator deletes the restore in Temporal", _delete_newest, frozenset({"deleted"})),
    _fault(
        "older-run-deleted", "the operator deletes an older run in Temporal", _delete_older, SUCCEEDED, _run_older_restore
    ),
)  # fmt: skip
