"""The workflow's side of the trail: how each step ended as Temporal knows it, timeouts and cancellations included.

A local activity writes each outcome, and Temporal retries it until DynamoDB has the row: an outage of DynamoDB repeats the
write, never the AWS call. Meanwhile the next step may begin; `wait_until_written` is for the places where it must not.

This module runs inside the workflow: it is deterministic, and its commands are part of the history.
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

from audit.activities import RECORD_OUTCOME
from audit.decisions import decision_row
from audit.durations import durations_fact
from audit.rows import AuditRow, Phase
from errors import Fault, TrailConflict, fault_of
from models.decisions import OperatorDecision
from models.step_call import StepInput, StepOutcome
from models.steps import AuditedStep, Status, Step

SUMMARY_BYTES = 200

_RECORDING = LocalActivityConfig(
    # Shorter than a workflow task (10 s), which a local activity keeps open.
    start_to_close_timeout=timedelta(seconds=8),
    # The interval doubles, so after an outage the row is written no later than the outage was long, and no later than
    # 5 minutes. Each retry is 6 history events: about 900 for one row in an outage of 12 hours.
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=5)),
    # Below the first interval, so that every retry waits with a durable timer: a wait inside the workflow task would
    # delay the command that starts the next step.
    local_retry_threshold=timedelta(seconds=1),
)

_current: ContextVar[WorkflowTrail] = ContextVar("workflow_trail")


class WorkflowTrail:
    """The rows that one workflow run is writing."""

    def __init__(self) -> None:
        """Nothing is being written yet."""
        self._writes: list[asyncio.Task[None]] = []
        self._conflicts: list[str] = []

    def watch(self, step: AuditedStep, step_input: StepInput, activity: asyncio.Task[Any]) -> None:
        """Record the outcome of this activity when it ends, if that ends the step."""
        activity.add_done_callback(lambda ended: self._record_outcome(step, step_input, ended))

    async def write_and_wait(self, row: AuditRow) -> None:
        """Write a row, and wait until the trail has it. If the wait is cancelled, the write continues."""
        await asyncio.shield(self._start_writing(row))

    async def wait_until_written(self) -> None:
        """Wait until the trail has every row so far, however long DynamoDB is unavailable.

        Raises `TrailConflict` if the trail has another row under the key of one of them.
        """
        await workflow.wait_condition(self._is_idle)
        if self._conflicts:
            raise TrailConflict("Trail holds another row", " ".join(self._conflicts))

    async def wait_until_written_within(self, timeout: timedelta | None) -> bool:
        """Wait as `wait_until_written`, at most for `timeout`; return whether the trail has every row."""
        if not self._is_idle():  # wait_condition with a timeout starts a timer, even if the condition is true already
            with suppress(TimeoutError):
                await workflow.wait_condition(self._is_idle, timeout=timeout)
        return self._is_idle() and not self._conflicts

    async def finish(self) -> None:
        """Wait for all writes at the end of the workflow, through cancellations: they no longer change anything."""
        while not self._is_idle():
            try:
                await self.wait_until_written()
            except asyncio.CancelledError:
                continue
            except TrailConflict:
                return  # the workflow's own result stays; `audit verify` reports the conflict

    def _record_outcome(self, step: AuditedStep, step_input: StepInput, activity: asyncio.Task[Any]) -> None:
        if activity.cancelled() or not isinstance(activity.exception(), Exception | None):
            return  # the worker evicts the workflow from its cache; the activity has not ended
        row = outcome_row(step, step_input, activity)
        if row is not None:
            self._start_writing(row)

    def _start_writing(self, row: AuditRow) -> asyncio.Task[None]:
        write = asyncio.create_task(self._write(row))
        self._writes.append(write)
        return write

    async def _write(self, row: AuditRow) -> None:
        try:
            # In bytes, as Temporal's limit is.
            summary = f"{row.step}: {row.status}, {row.details}".encode()[:SUMMARY_BYTES].decode(errors="ignore")
            recording: LocalActivityConfig = {**_RECORDING, "summary": summary}
            await workflow.execute_local_activity(RECORD_OUTCOME, row, **recording)
        except FailureError as error:
            workflow.logger.error("trail row not written: %s", error.cause or error)
            self._conflicts.append(f"{row.step} {row.status}: {fault_of(error).message}")

    def _is_idle(self) -> bool:
        return all(write.done() for write in self._writes)


def use(trail: WorkflowTrail) -> None:
    """Make this the trail of the current workflow run."""
    _current.set(trail)


async def record_decision(operation_id: str, step: Step, decision: OperatorDecision, asked_at: datetime) -> None:
    """Write an operator's decision about a failed step, and wait until the trail has it.

    `asked_at` is when the notification asked for the decision. Raises `asyncio.CancelledError` if the workflow is
    cancelled meanwhile; the row is written nevertheless.
    """
    info = workflow.info()
    row = decision_row(
        operation_id,
        step,
        decision,
        # One millisecond later, so that it follows the rows of the notification, which have `asked_at` in their keys.
        asked_at=asked_at + timedelta(milliseconds=1),
        decided_at=workflow.now(),
        workflow_id=info.workflow_id,
        # A run that was reset after the decision writes the same row again: the first run's id does not change.
        run_id=info.first_execution_run_id,
    )
    await _current.get().write_and_wait(row)


async def wait_until_written() -> None:
    """Wait until the trail has every row so far.

    Raises `TrailConflict`, and `LookupError` in a worker without the audit interceptor, which must not delete anything.
    """
    await _current.get().wait_until_written()


async def wait_until_written_within(timeout: timedelta | None) -> bool:
    """Wait for every row so far, at most for `timeout`; return whether the trail has them all."""
    return await _current.get().wait_until_written_within(timeout)


def outcome_row(step: AuditedStep, step_input: StepInput, activity: asyncio.Task[Any]) -> AuditRow | None:
    """The row for an activity that has ended, or None if the step has not."""
    error = activity.exception()
    if isinstance(error, ActivityError) and not error.scheduled_event_id:
        return None  # cancelled before Temporal scheduled it: the history contains neither the activity nor its end
    if error is not None:
        return _failure_row(step, step_input, fault_of(error))
    outcome = activity.result()
    return _success_row(step, step_input, outcome) if isinstance(outcome, StepOutcome) and outcome.done else None


def _success_row(step: AuditedStep, step_input: StepInput, outcome: StepOutcome) -> AuditRow:
    """The row with the run and the time in the activity's result, so that a reset workflow writes the same row."""
    info = workflow.info()
    return AuditRow(
        **_outcome_fields(step, step_input, outcome.ended_at or workflow.now()),
        workflow_id=info.workflow_id,
        run_id=outcome.run_id or info.run_id,
        status=Status.SUCCESS,
        details=outcome.details,
        attempt=outcome.attempt,
        request_ids=outcome.request_ids,
        resource_arns=outcome.resource_arns,
        facts=outcome.facts | durations_fact(outcome.durations),
    )


def _failure_row(step: AuditedStep, step_input: StepInput, fault: Fault) -> AuditRow:
    """The row with the current run: a failure names no run, because perhaps no worker saw it (a timeout)."""
    info = workflow.info()
    return AuditRow(
        **_outcome_fields(step, step_input, workflow.now()),
        workflow_id=info.workflow_id,
        run_id=info.run_id,
        status=Status.FAILED,
        details=fault.short,
        attempt=0,
        request_ids=(fault.request_id,) if fault.request_id else (),
        fault=fault,
    )


def _outcome_fields(step: AuditedStep, step_input: StepInput, ended_at: datetime) -> dict[str, Any]:
    return {
        "operation_id": step_input.operation_id,
        "step": step,
        "phase": Phase.OUTCOME,
        "step_started_at": step_input.step_started_at,
        "timestamp": ended_at,
        "poll": step_input.poll,
        "duration_seconds": round((ended_at - step_input.step_started_at).total_seconds(), 3),
    }
