"""Retrying a restore that ended, by a reset of its workflow to just before one of the steps that it ran.

Temporal keeps the history up to there, with the operation's number and the results of the steps before, and continues in
a new run. Source: Temporal docs, "Workflow Execution: Reset"; ResetWorkflowExecutionRequest in the Temporal API.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.enums.v1 import ResetReapplyExcludeType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from models.cures import START_COMMAND
from models.steps import Outcome, Step
from models.workflow_names import CLEANUP_WORKFLOW, RESTORE_WORKFLOW
from runs.restores import RestoreRefused, operation_of

NOT_REAPPLIED = (
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_CANCEL_REQUEST,
)
"""Signals, updates and cancellations after the reset point were meant for the run that ended, not for the new one."""

START = f"Start a new restore:\n    {START_COMMAND}"


@dataclass(frozen=True)
class StartedStep:
    """A step that the run started, and the reset point just before it."""

    step: Step
    task_completed_id: int
    """The event id of the completed workflow task that scheduled the step's first activity."""


@dataclass(frozen=True)
class EndedRun:
    """A run that ended without success, read from its history."""

    workflow_id: str
    run_id: str
    operation_id: str
    ended_at: datetime
    newest_run_id: str
    """The newest run under the workflow id: this run, or a later cleanup."""
    steps: tuple[StartedStep, ...]
    """Each step once, in the order in which it first started; an error notification does not count."""

    def reset_point(self, step: Step | None) -> StartedStep:
        """The point just before a step that the run started; by default its last one, which failed or was running.

        Raises `RestoreRefused` if the run did not start that step, or any.
        """
        if not self.steps:
            raise RestoreRefused(f"{self.operation_id} ended before its first step; there is nothing to retry. {START}")
        started = {each.step: each for each in self.steps}
        if step is None:
            return self.steps[-1]
        if step not in started:
            raise RestoreRefused(f"{self.operation_id} did not reach {step}. Its steps: {', '.join(started)}.")
        return started[step]


class Resets:
    """Resets restores that ended."""

    def __init__(self, client: Client) -> None:
        """`client` has the plugin, for its data converter."""
        self._client = client

    async def find_ended(self, workflow_id: str, operation_id: str) -> EndedRun:
        """The last restore under a workflow id, if it belongs to this operation and ended without success.

        Reads the run itself and not Temporal's lists, which lag: otherwise two resets in a row would get the same run.
        Raises `RestoreRefused` otherwise.
        """
        newest = await self._describe(workflow_id)
        last = await self._skip_cleanups(newest)
        ended = await self._read(last, newest.run_id)
        if ended.operation_id != operation_id:
            raise RestoreRefused(
                f"{operation_id} is not the newest operation of its target: {ended.operation_id} is newer and "
                f"{_status(last)}. Retry that one, or start a new restore:\n    {START_COMMAND}"
            )
        if last.status is WorkflowExecutionStatus.RUNNING:
            raise RestoreRefused(f"{ended.operation_id} is running; there is nothing to retry.")
        if last.status is WorkflowExecutionStatus.COMPLETED:
            raise RestoreRefused(f"{ended.operation_id} succeeded; there is nothing to retry.")
        return ended

    async def reset(self, ended: EndedRun, at: StartedStep, reason: str) -> str:
        """Reset an ended run to just before a step; returns the new run's id. Called twice, it resets once.

        Raises `RestoreRefused` if another run of the target has started since, which a reset would terminate.
        Temporal offers no conditional reset: a restore that a schedule starts between this check and the reset, one call
        to Temporal later, is terminated in its first moments, with the reset's reason in its history. The reset run is
        then the restore of the target.
        Source: ResetWorkflowExecutionRequest, "In all cases the current run will be terminated".
        """
        if (await self._describe(ended.workflow_id)).run_id != ended.newest_run_id:
            raise RestoreRefused(
                f"Another run of {ended.workflow_id} has started since. See its state:\n"
                f"    python starter.py status {ended.workflow_id}"
            )
        answer = await self._client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=self._client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=ended.workflow_id, run_id=ended.run_id),
                reason=reason,
                workflow_task_finish_event_id=at.task_completed_id,
                request_id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"retry:{ended.run_id}")),
                reset_reapply_exclude_types=NOT_REAPPLIED,
                identity=self._client.identity,
            )
        )
        return answer.run_id

    async def _describe(self, workflow_id: str) -> WorkflowExecutionDescription:
        try:
            return await self._client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            raise _history_gone(error, workflow_id, self._client.namespace) from None

    async def _skip_cleanups(self, newest: WorkflowExecutionDescription) -> WorkflowExecutionDescription:
        """The last restore: a failed one may be retried after a cleanup has run.

        Raises `RestoreRefused` while a cleanup runs, which a reset would terminate.
        """
        if newest.workflow_type != CLEANUP_WORKFLOW:
            return newest
        if newest.status is WorkflowExecutionStatus.RUNNING:
            raise RestoreRefused(
                f"{operation_of(newest) or newest.id} is a cleanup and is running; retry when it has ended."
            )
        query = f"WorkflowId = '{newest.id}' AND WorkflowType = '{RESTORE_WORKFLOW}'"
        async for restore in self._client.list_workflows(query):
            return await self._client.get_workflow_handle(newest.id, run_id=restore.run_id).describe()
        raise RestoreRefused(
            f"Temporal has no restore of {newest.id}, only a cleanup; there is nothing to retry. {START}"
        )

    async def _read(self, run: WorkflowExecutionDescription, newest_run_id: str) -> EndedRun:
        try:
            handle = self._client.get_workflow_handle(run.id, run_id=run.run_id)
            events = (await handle.fetch_history()).events
        except RPCError as error:
            raise _history_gone(error, run.id, self._client.namespace) from None
        return EndedRun(
            workflow_id=run.id,
            run_id=run.run_id,
            operation_id=operation_of(run) or run.id,
            ended_at=run.close_time or datetime.now(UTC),
            newest_run_id=newest_run_id,
            steps=await self._started_steps(events),
        )

    async def _started_steps(self, events: Sequence[HistoryEvent]) -> tuple[StartedStep, ...]:
        started: dict[Step, StartedStep] = {}
        names = {step.value: step for step in Step}
        for event in events:
            scheduled = event.activity_task_scheduled_event_attributes
            step = names.get(scheduled.activity_type.name)
            if step is None or step in started:
                continue
            step_input = await self._decode(scheduled.input)
            # An error notification is not retried: it is sent again when the restore ends again.
            if step is Step.SNS_NOTIFICATION and step_input["state"]["outcome"] != Outcome.SUCCEEDED:
                continue
            started[step] = StartedStep(step, scheduled.workflow_task_completed_event_id)
        return tuple(started.values())

    async def _decode(self, payloads: Payloads) -> dict[str, Any]:
        [value] = await self._client.data_converter.decode(payloads.payloads, [dict[str, Any]])
        decoded: dict[str, Any] = value
        return decoded


def _status(run: WorkflowExecutionDescription) -> str:
    if run.status is None or run.status is WorkflowExecutionStatus.RUNNING:
        return "is running"
    return f"ended as {run.status.name.lower()}"


def _history_gone(error: RPCError, workflow_id: str, namespace: str) -> Exception:
    if error.status is not RPCStatusCode.NOT_FOUND:
        return error
    return RestoreRefused(
        f"Temporal has no history of {workflow_id} in namespace {namespace}: its retention period is over. "
        f"There is nothing to retry. {START}"
    )
