"""The interceptor that mirrors activity outcomes to the trail: one class, two sides.

The workflow's side sees how a step ended as Temporal knows it (`audit.trail`). The activity's side sees attempts: it
records that a step began and every attempt that failed, off the event loop, with short timeouts, and never changes an
activity's outcome. It alone would record a timed-out step as a success and a lost one not at all.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
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
from audit.table import AuditTable
from audit.trail import RECORD_OUTCOME, WorkflowTrail
from clients.aws import changing_request_ids
from errors import InvalidRequest, fault_of
from models.operation import StepInput, StepOutcome
from models.steps import AuditedStep, Status, audited_step

ATTEMPT_WRITE_SECONDS = 8
"""How long an activity waits for its attempt's row; after that the row is left to DynamoDB's mercy and logged."""

log = structlog.stdlib.get_logger("audit")


class AuditInterceptor(Interceptor):
    """Both sides. Without a table it is the workflow's side alone, as the Replayer and a client need it."""

    def __init__(self, table: AuditTable | None = None) -> None:
        """`table` is the trail."""
        self._table = table
        # Its own threads: behind a full activity pool the trail would wait for the very calls it is to report.
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="audit") if table else None

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """See base class."""
        return _AttemptMirror(next, self) if self._table else next

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: ARG002 - the SDK's signature
        """See base class."""
        return _OutcomeMirror

    @activity.defn(name=RECORD_OUTCOME)
    async def record_outcome(self, row: AuditRow) -> None:
        """Write a step's outcome into the trail.

        Run twice: one row, because its key is the same and the write is conditional.
        """
        await self.put(row)

    async def put(self, row: AuditRow) -> None:
        """Write a row off the event loop."""
        if self._table is None or self._threads is None:
            raise RuntimeError("this interceptor was made without a table, for replay; a worker needs one with a table")
        await asyncio.get_running_loop().run_in_executor(self._threads, self._table.put, row)


class _AttemptMirror(ActivityInboundInterceptor):
    """The activity's side."""

    def __init__(self, next: ActivityInboundInterceptor, audit: AuditInterceptor) -> None:
        super().__init__(next)
        self._audit = audit

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        step, of = _step_of(activity.info().activity_type, input.args)
        if step is None or of is None:
            return await self.next.execute_activity(input)
        if of.poll == 1 and not step.destructive:  # a step that deletes declares its intent itself, just before it acts
            await self._record(_started_row(step, of))
        began = time.monotonic()
        requests: list[str] = []
        changing_request_ids.set(requests)
        try:
            outcome = await self.next.execute_activity(input)
        except Exception as error:
            if not is_cancelled_exception(error):
                await self._record(_attempt_row(step, of, error, time.monotonic() - began, requests))
            raise
        if not isinstance(outcome, StepOutcome):
            return outcome
        return outcome.model_copy(update=_stamped(time.monotonic() - began, requests))

    async def _record(self, row: AuditRow) -> None:
        """Never raises: an attempt whose row cannot be written is still the attempt that it was."""
        try:
            await asyncio.wait_for(self._audit.put(row), ATTEMPT_WRITE_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not the activity's
            log.warning("attempt row not written", step=row.step, phase=row.phase, error=repr(error))


def _stamped(seconds: float, request_ids: list[str]) -> dict[str, Any]:
    """What makes this answer's row the same however often a workflow tells it, also after a reset, under another run."""
    info = activity.info()
    return {
        "attempt": info.attempt,
        "request_ids": tuple(request_ids),
        "run_id": info.workflow_run_id,
        # Temporal's clock plus what this process measured: its own clock may be wrong.
        "ended_at": info.started_time + timedelta(seconds=seconds),
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
        # Temporal's clock plus what this process measured: its own clock may be wrong.
        timestamp=info.started_time + timedelta(seconds=seconds),
        attempt=info.attempt,
        poll=step_input.poll,
        workflow_id=info.workflow_id or "",
        run_id=info.workflow_run_id or "",
        duration_seconds=round(seconds, 3),
        request_ids=tuple(request_ids),
        fault=fault,
    )


class _OutcomeMirror(WorkflowInboundInterceptor):
    """The workflow's side, inbound: one trail per run, written to the end before the run ends."""

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        self._trail = WorkflowTrail()
        super().init(_WatchingOutbound(outbound, self._trail))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        if len(input.args) > 1:
            # Temporal hands more inputs than the workflow takes to it all the same, and would retry for ever.
            raise InvalidRequest("Invalid request", f"found {len(input.args)} inputs, wanted one: a restore request.")
        trail.enter(self._trail)
        try:
            return await self.next.execute_workflow(input)
        finally:
            await self._trail.written_at_last()


class _WatchingOutbound(WorkflowOutboundInterceptor):
    """The workflow's side, outbound: sees every activity of a step start and end."""

    def __init__(self, next: WorkflowOutboundInterceptor, workflow_trail: WorkflowTrail) -> None:
        super().__init__(next)
        self._trail = workflow_trail

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        handle = super().start_activity(input)
        step, of = _step_of(input.activity, input.args)
        if step is not None and of is not None:
            self._trail.watch(step, of, handle)
        return handle


def _step_of(activity_type: str, args: Any) -> tuple[AuditedStep | None, StepInput | None]:
    """What the trail calls an activity, and what it was told; nothing for an activity of which it has no rows."""
    step = audited_step(activity_type)
    of = args[0] if step and args and isinstance(args[0], StepInput) else None
    return step, of
