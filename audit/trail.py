"""The workflow's side of the trail: every outcome as Temporal knows it, timeouts and cancellations included.

An outcome is written by a local activity that Temporal repeats until DynamoDB has it. A DynamoDB outage therefore
repeats the write, never the AWS call. The next step may go on meanwhile; `written` is where it may not.

Runs inside the workflow: deterministic, and its commands are part of the history.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, FailureError
from temporalio.workflow import LocalActivityConfig

from audit.decisions import decision_row
from audit.rows import AuditRow, Phase
from errors import Fault, TrailConflict, fault_of
from models.decisions import OperatorDecision
from models.operation import StepInput, StepOutcome
from models.steps import AuditedStep, Status, Step

RECORD_OUTCOME = "record-outcome"
SUMMARY_BYTES = 200

_RECORDING = LocalActivityConfig(
    # Shorter than a workflow task (10 s), which a local activity keeps open.
    start_to_close_timeout=timedelta(seconds=8),
    # The back-off doubles, so a row comes no later after an outage than the outage was long, nor than 5 minutes. Each
    # one is 6 events of history: an outage of 12 hours is about 900 for a row.
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=5)),
    # Below the first back-off, so that each is a durable timer: a back-off inside the workflow task would hold back
    # the command that starts the next step.
    local_retry_threshold=timedelta(seconds=1),
)

_current: ContextVar[WorkflowTrail] = ContextVar("workflow_trail")


class WorkflowTrail:
    """The outcomes of one workflow run that are on their way into the trail."""

    def __init__(self) -> None:
        """Nothing is on its way yet."""
        self._writing: list[asyncio.Task[None]] = []
        self._lost: list[str] = []

    def watch(self, step: AuditedStep, step_input: StepInput, activity: asyncio.Task[Any]) -> None:
        """Record how this activity ends, if its end is the step's."""
        activity.add_done_callback(lambda ended: self._ended(step, step_input, ended))

    def _ended(self, step: AuditedStep, step_input: StepInput, activity: asyncio.Task[Any]) -> None:
        if activity.cancelled() or not isinstance(activity.exception(), Exception | None):
            return  # the workflow leaves this worker's cache; the outcome is still to come
        row = outcome_row(step, step_input, activity)
        if row is not None:
            self._writing.append(asyncio.create_task(self._write(row)))

    async def _write(self, row: AuditRow) -> None:
        try:
            # In bytes, as Temporal's limit is.
            summary = f"{row.step}: {row.status}, {row.details}".encode()[:SUMMARY_BYTES].decode(errors="ignore")
            recording: LocalActivityConfig = {**_RECORDING, "summary": summary}
            await workflow.execute_local_activity(RECORD_OUTCOME, row, **recording)
        except FailureError as error:
            workflow.logger.error("trail row lost: %s", error.cause or error)
            self._lost.append(f"{row.step} {row.status}: {fault_of(error).message}")

    async def decided(self, row: AuditRow) -> None:
        """Write a decision and wait until it stands: on whose word a night goes on is told before it does.

        A cancellation meanwhile leaves the write to go on.
        """
        writing = asyncio.create_task(self._write(row))
        self._writing.append(writing)
        await asyncio.shield(writing)

    async def written(self) -> None:
        """Wait until the trail holds every outcome so far, however long DynamoDB is away.

        Raises `TrailConflict` if the trail holds something else in the place of one.
        """
        await workflow.wait_condition(lambda: all(task.done() for task in self._writing))
        if self._lost:
            raise TrailConflict("Trail holds another row", " ".join(self._lost))

    async def written_within(self, length: timedelta | None) -> bool:
        """Whether the trail holds every outcome so far, after waiting for it for at most this long."""
        if not all(task.done() for task in self._writing):  # a wait with an end is a timer, also if it is over at once
            with suppress(TimeoutError):
                await workflow.wait_condition(lambda: all(task.done() for task in self._writing), timeout=length)
        return all(task.done() for task in self._writing) and not self._lost

    async def written_at_last(self) -> None:
        """As `written`, at the end of the workflow: a cancellation that comes now comes too late to matter."""
        while not all(task.done() for task in self._writing):
            try:
                await self.written()
            except asyncio.CancelledError:
                continue
            except TrailConflict:
                return  # the workflow ends as it ended; `audit verify` compares the trail with the history


def enter(trail: WorkflowTrail) -> None:
    """Make this the trail of the workflow that runs now."""
    _current.set(trail)


async def decided(operation_id: str, step: Step, decision: OperatorDecision, asked_at: datetime) -> None:
    """Write what an operator decided of a failed step, of which people were told at `asked_at`, and wait for it.

    Raises `asyncio.CancelledError` if the workflow is cancelled meanwhile; the row is written all the same.
    """
    info = workflow.info()
    row = decision_row(
        operation_id,
        step,
        decision,
        # After the rows of the notification, which began then.
        asked_at=asked_at + timedelta(milliseconds=1),
        decided_at=workflow.now(),
        workflow_id=info.workflow_id,
        # A run that was reset after the decision has its row already, and may tell it again: the first one's id stays.
        run_id=info.first_execution_run_id,
    )
    await _current.get().decided(row)


async def written() -> None:
    """Wait until the trail holds every outcome so far.

    Raises `LookupError` in a worker without the audit interceptor: nothing is deleted by one.
    """
    await _current.get().written()


async def written_within(length: timedelta | None) -> bool:
    """Whether the trail holds every outcome so far, after waiting for it for at most this long."""
    return await _current.get().written_within(length)


def outcome_row(step: AuditedStep, step_input: StepInput, activity: asyncio.Task[Any]) -> AuditRow | None:
    """The row for an activity that ended, or None if its step goes on."""
    error = activity.exception()
    if isinstance(error, ActivityError) and not error.scheduled_event_id:
        return None  # cancelled before Temporal heard of it: its history has neither the call nor its end
    if error is not None:
        return _failed_row(step, step_input, fault_of(error))
    outcome = activity.result()
    return _success_row(step, step_input, outcome) if isinstance(outcome, StepOutcome) and outcome.done else None


def _success_row(step: AuditedStep, step_input: StepInput, outcome: StepOutcome) -> AuditRow:
    """Of the run and the time that the answer itself names: a reset workflow that tells it again tells the same row."""
    info = workflow.info()
    return AuditRow(
        **_ended(step, step_input, outcome.ended_at or workflow.now()),
        workflow_id=info.workflow_id,
        run_id=outcome.run_id or info.run_id,
        status=Status.SUCCESS,
        details=outcome.details,
        attempt=outcome.attempt,
        request_ids=outcome.request_ids,
        resource_arns=outcome.resource_arns,
        facts=outcome.facts,
    )


def _failed_row(step: AuditedStep, step_input: StepInput, fault: Fault) -> AuditRow:
    """Of the run that saw it: what failed may have been seen by no worker, and nobody else can name the run."""
    info = workflow.info()
    return AuditRow(
        **_ended(step, step_input, workflow.now()),
        workflow_id=info.workflow_id,
        run_id=info.run_id,
        status=Status.FAILED,
        details=fault.short,
        attempt=0,
        request_ids=(fault.request_id,) if fault.request_id else (),
        fault=fault,
    )


def _ended(step: AuditedStep, step_input: StepInput, at: datetime) -> dict[str, Any]:
    return {
        "operation_id": step_input.operation_id,
        "step": step,
        "phase": Phase.OUTCOME,
        "step_started_at": step_input.step_started_at,
        "timestamp": at,
        "poll": step_input.poll,
        "duration_seconds": round((at - step_input.step_started_at).total_seconds(), 3),
    }
