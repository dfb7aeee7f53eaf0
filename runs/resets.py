"""Going on after a failure, the engine's way: a run that ended is reset to just before a step that it took.

Temporal keeps everything up to there, number and answers of the steps before included, and goes on as a new run.
Source: Temporal docs, "Workflow Execution: Reset"; ResetWorkflowExecutionRequest in the Temporal API.
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

from models.steps import Outcome, Step
from models.workflow_names import CLEANUP_WORKFLOW, RESTORE_WORKFLOW
from runs.restores import RestoreRefused, operation_of

NOT_AGAIN = (
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_CANCEL_REQUEST,
)
"""What came after the point of the reset was said of a night that has ended: a cancelled one is not cancelled again."""


@dataclass(frozen=True)
class CompletedStep:
    """A step that the run took, and the end of the workflow task that scheduled its first look."""

    step: Step
    task_completed_id: int


@dataclass(frozen=True)
class EndedRun:
    """A run that ended without success, as its history tells."""

    workflow_id: str
    run_id: str
    operation_id: str
    ended_at: datetime
    newest_run_id: str
    """What ran last under the workflow's id: this run, or a cleanup that came after it."""
    steps: tuple[CompletedStep, ...]
    """Each step once, in the order in which it was first taken; an error notification is not one."""

    def before(self, step: Step | None) -> CompletedStep:
        """Where to go on: at a step that was taken, by default the last one, which failed or was under way.

        Raises `RestoreRefused`.
        """
        if not self.steps:
            raise RestoreRefused(
                f"{self.operation_id} ended before its first step; there is nothing to go on from. "
                "Start a new night: python starter.py start"
            )
        taken = {each.step: each for each in self.steps}
        if step is None:
            return self.steps[-1]
        if step not in taken:
            raise RestoreRefused(f"{self.operation_id} did not come to {step}; it took {', '.join(taken)}.")
        return taken[step]


class Resets:
    """Goes on with nights that ended."""

    def __init__(self, client: Client) -> None:
        """`client` has the plugin, for its data converter."""
        self._client = client

    async def ended(self, workflow_id: str, operation_id: str) -> EndedRun:
        """The last run of a workflow id, if it is of this operation and has ended without success.

        Asks Temporal for the run itself, not its lists, which lag: two resets in a row are told apart.
        Raises `RestoreRefused` otherwise.
        """
        newest = await self._described(workflow_id)
        last = await self._before_cleanups(newest)
        ended = await self._read(last, newest.run_id)
        if ended.operation_id != operation_id:
            raise RestoreRefused(
                f"{operation_id} is not the last night of its target: {ended.operation_id} came after it and "
                f"{_stands(last)}. Retry that one, or start a new night."
            )
        if last.status is WorkflowExecutionStatus.RUNNING:
            raise RestoreRefused(f"{ended.operation_id} is running; there is nothing to retry.")
        if last.status is WorkflowExecutionStatus.COMPLETED:
            raise RestoreRefused(f"{ended.operation_id} succeeded; there is nothing to retry.")
        return ended

    async def reset(self, ended: EndedRun, at: CompletedStep, reason: str) -> str:
        """Go on with a run that ended from just before a step; returns the new run's id.

        Twice is once: a run is reset one time at most.
        Raises `RestoreRefused` if another night of the target was started meanwhile, which a reset would terminate.
        Temporal takes no condition with a reset: a night that a schedule starts between this look and the reset, one
        call to Temporal later, is terminated in its first moments. The run that goes on is then the target's night; the
        terminated one stands in Temporal with the reset's reason.
        Source: ResetWorkflowExecutionRequest, "In all cases the current run will be terminated".
        """
        if (await self._described(ended.workflow_id)).run_id != ended.newest_run_id:
            raise RestoreRefused(f"Another run of {ended.workflow_id} has begun meanwhile; look at it with status.")
        answer = await self._client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=self._client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=ended.workflow_id, run_id=ended.run_id),
                reason=reason,
                workflow_task_finish_event_id=at.task_completed_id,
                request_id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"retry:{ended.run_id}")),
                reset_reapply_exclude_types=NOT_AGAIN,
                identity=self._client.identity,
            )
        )
        return answer.run_id

    async def _described(self, workflow_id: str) -> WorkflowExecutionDescription:
        try:
            return await self._client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            raise _forgotten(error, workflow_id, self._client.namespace) from None

    async def _before_cleanups(self, newest: WorkflowExecutionDescription) -> WorkflowExecutionDescription:
        """The last night: one that failed may be gone on with after what older ones left was removed.

        Raises `RestoreRefused` while a cleanup runs, which a reset would terminate.
        """
        if newest.workflow_type != CLEANUP_WORKFLOW:
            return newest
        if newest.status is WorkflowExecutionStatus.RUNNING:
            raise RestoreRefused(
                f"{operation_of(newest) or newest.id} is a cleanup and running; retry when it has ended."
            )
        query = f"WorkflowId = '{newest.id}' AND WorkflowType = '{RESTORE_WORKFLOW}'"
        async for night in self._client.list_workflows(query):
            return await self._client.get_workflow_handle(newest.id, run_id=night.run_id).describe()
        raise RestoreRefused(f"Temporal knows no night of {newest.id}, only a cleanup; there is nothing to go on from.")

    async def _read(self, run: WorkflowExecutionDescription, newest_run_id: str) -> EndedRun:
        try:
            handle = self._client.get_workflow_handle(run.id, run_id=run.run_id)
            events = (await handle.fetch_history()).events
        except RPCError as error:
            raise _forgotten(error, run.id, self._client.namespace) from None
        return EndedRun(
            workflow_id=run.id,
            run_id=run.run_id,
            operation_id=operation_of(run) or run.id,
            ended_at=run.close_time or datetime.now(UTC),
            newest_run_id=newest_run_id,
            steps=await self._taken(events),
        )

    async def _taken(self, events: Sequence[HistoryEvent]) -> tuple[CompletedStep, ...]:
        taken: dict[Step, CompletedStep] = {}
        names = {step.value: step for step in Step}
        for event in events:
            scheduled = event.activity_task_scheduled_event_attributes
            if (step := names.get(scheduled.activity_type.name)) is None or step in taken:
                continue
            of = await self._plain(scheduled.input)
            # An error notification is no step of the night: it goes out again when the night ends again.
            if step is Step.SNS_NOTIFICATION and of["state"]["outcome"] != Outcome.SUCCEEDED:
                continue
            taken[step] = CompletedStep(step, scheduled.workflow_task_completed_event_id)
        return tuple(taken.values())

    async def _plain(self, payloads: Payloads) -> dict[str, Any]:
        [value] = await self._client.data_converter.decode(payloads.payloads, [dict[str, Any]])
        plain: dict[str, Any] = value
        return plain


def _stands(run: WorkflowExecutionDescription) -> str:
    if run.status is None or run.status is WorkflowExecutionStatus.RUNNING:
        return "is running"
    return f"ended as {run.status.name.lower()}"


def _forgotten(error: RPCError, workflow_id: str, namespace: str) -> Exception:
    if error.status is not RPCStatusCode.NOT_FOUND:
        return error
    return RestoreRefused(
        f"Temporal's history of {workflow_id} in namespace {namespace} is gone after its retention; "
        "there is nothing to go on from. Start a new night: python starter.py start"
    )
