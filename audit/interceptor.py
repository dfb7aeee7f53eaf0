"""The interceptor that records what activities do in the trail: one class with two sides.

The workflow's side records how each step ended as Temporal knows it (`audit.trail`). The activity's side records that a
step began and each attempt that failed, off the event loop and with short timeouts; it never changes how an activity
ends. The activity's side alone would record a step that timed out as a success, and a step whose worker died not at all.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import structlog
from temporalio import activity, workflow
from temporalio.exceptions import is_cancelled_exception
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from audit import trail
from audit.rows import AuditRow, Phase
from audit.trail import WorkflowTrail
from audit.writer import TrailWriter
from clients.aws import changing_request_ids
from errors import InvalidRequest, fault_of
from models.step_call import StepInput, StepOutcome
from models.steps import AuditedStep, Status, audited_step
from waiting import clock
from waiting.only_reads import ChangeDue

ATTEMPT_WRITE_SECONDS = 8
"""How long an activity waits until its row is written. After that the write may still succeed, and a log line says so."""

log = structlog.stdlib.get_logger("audit")


class AuditInterceptor(Interceptor):
    """Both sides. Without a writer only the workflow's side: what a client and a Replayer need."""

    def __init__(self, writer: TrailWriter | None = None) -> None:
        """`writer` writes into the trail; a worker must have one."""
        self._writer = writer

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """See base class."""
        return _AttemptInterceptor(next, self._writer) if self._writer else next

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: ARG002 - the SDK's signature
        """See base class."""
        return _WorkflowInterceptor


class _AttemptInterceptor(ActivityInboundInterceptor):
    """The activity's side."""

    def __init__(self, next: ActivityInboundInterceptor, writer: TrailWriter) -> None:
        super().__init__(next)
        self._writer = writer

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        step, step_input = _step_of(activity.info().activity_type, input.args)
        if step is None or step_input is None:
            return await self.next.execute_activity(input)
        if step_input.poll == 1 and not step.destructive:  # a destructive step writes its own intent before it acts
            await self._record(_started_row(step, step_input))
        started = clock.monotonic()
        request_ids: list[str] = []
        changing_request_ids.set(request_ids)
        try:
            outcome = await self.next.execute_activity(input)
        except Exception as error:
            # A poll that leaves a change to the next one has not failed.
            if not is_cancelled_exception(error) and not isinstance(error, ChangeDue):
                await self._record(_attempt_row(step, step_input, error, clock.monotonic() - started, request_ids))
            raise
        if not isinstance(outcome, StepOutcome):
            return outcome
        return outcome.model_copy(update=_origin(outcome, clock.monotonic() - started, request_ids))

    async def _record(self, row: AuditRow) -> None:
        """Write a row; on failure log it, because a missing row must not change how the activity ends."""
        try:
            await asyncio.wait_for(self._writer.write(row), ATTEMPT_WRITE_SECONDS)
        except Exception as error:  # noqa: BLE001 - no error of the trail is the activity's
            log.warning("attempt row not written", step=row.step, phase=row.phase, error=repr(error))


def _origin(outcome: StepOutcome, seconds: float, request_ids: list[str]) -> dict[str, Any]:
    """Fields of the outcome that make its row the same for every workflow run that writes it, also after a reset."""
    info = activity.info()
    return {
        "attempt": info.attempt,
        "request_ids": tuple(request_ids),
        "run_id": info.workflow_run_id,
        # Temporal's clock plus the measured duration: the worker's clock may be wrong.
        "ended_at": outcome.ended_at or info.started_time + timedelta(seconds=seconds),
    }


def _started_row(step: AuditedStep, step_input: StepInput) -> AuditRow:
    info = activity.info()
    return AuditRow(
        operation_id=step_input.operation_id,
        step=step,
        phase=Phase.STARTED,
        status=Status.IN_PROGRESS,
        details="Started",
        step_started_at=step_input.step_started_at,
        timestamp=step_input.step_started_at,
        workflow_id=info.workflow_id or "",
        run_id=info.workflow_run_id or "",
        facts=step_input.first_facts,
    )


def _attempt_row(
    step: AuditedStep, step_input: StepInput, error: Exception, seconds: float, request_ids: list[str]
) -> AuditRow:
    info = activity.info()
    fault = fault_of(error)
    return AuditRow(
        operation_id=step_input.operation_id,
        step=step,
        phase=Phase.ATTEMPT,
        status=Status.FAILED,
        details=fault.short,
        step_started_at=step_input.step_started_at,
        # Temporal's clock plus the measured duration: the worker's clock may be wrong.
        timestamp=info.started_time + timedelta(seconds=seconds),
        attempt=info.attempt,
        poll=step_input.poll,
        workflow_id=info.workflow_id or "",
        run_id=info.workflow_run_id or "",
        duration_seconds=round(seconds, 3),
        request_ids=tuple(request_ids),
        fault=fault,
    )


class _WorkflowInterceptor(WorkflowInboundInterceptor):
    """The workflow's side, inbound: one trail per run, completely written before the run ends."""

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        self._trail = WorkflowTrail()
        super().init(_StepInterceptor(outbound, self._trail))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        if len(input.args) > 1:
            # The SDK would pass all of them to the workflow, which would raise TypeError and retry its task for ever.
            raise InvalidRequest(
                "Invalid request",
                f"The workflow has {len(input.args)} inputs; expected one, a restore request in JSON.",
            )
        trail.use(self._trail)
        try:
            return await self.next.execute_workflow(input)
        finally:
            await self._trail.finish()


class _StepInterceptor(WorkflowOutboundInterceptor):
    """The workflow's side, outbound: sees the activities of the steps start and end."""

    def __init__(self, next: WorkflowOutboundInterceptor, workflow_trail: WorkflowTrail) -> None:
        super().__init__(next)
        self._trail = workflow_trail

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        handle = super().start_activity(input)
        step, step_input = _step_of(input.activity, input.args)
        if step is not None and step_input is not None:
            self._trail.watch(step, step_input, handle)
        return handle


def _step_of(activity_type: str, args: Any) -> tuple[AuditedStep | None, StepInput | None]:
    """The audited step of an activity and its input; None for an activity that the trail does not record."""
    step = audited_step(activity_type)
    step_input = args[0] if step and args and isinstance(args[0], StepInput) else None
    return step, step_input
