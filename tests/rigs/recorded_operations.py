"""Runs scripted workflows on the real Temporal server, and reads from its history which ends the trail must have."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from temporalio.api.enums.v1 import PendingActivityState, TimeoutType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.worker import Worker

from audit.activities import OutcomeActivities
from audit.interceptor import AuditInterceptor
from audit.plugin import AuroraRestorePlugin
from audit.rows import AuditRow, Phase
from audit.table import AuditTable
from audit.writer import TrailWriter
from devstack.temporal_server import TemporalServer
from models.steps import Status, Step
from tests.rigs import scripted_activities
from tests.rigs.restores import WORKER_OPTIONS
from tests.rigs.scripted_activities import ACTIVITIES, ScriptedOperation, ScriptedStep
from tests.rigs.scripted_workflow import ScriptedWorkflow


@dataclass(frozen=True)
class FinishedOperation:
    """A scripted workflow that has closed, and its trail at that moment."""

    result: list[str] | None
    failure: BaseException | None
    run_id: str
    """The last run; `history` names the first run, also after a reset."""
    history: WorkflowHistory
    rows: list[AuditRow]

    def rows_of(self, phase: Phase) -> list[AuditRow]:
        """The rows of one phase."""
        return [row for row in self.rows if row.phase is phase]


@dataclass(frozen=True)
class RecordedEnd:
    """How a step ended, in the terms that history and trail share."""

    step: str
    status: Status
    attempt: int
    details: str


class ScriptedWorker:
    """A worker with the audit interceptor, which runs scripted workflows."""

    def __init__(self, client: Client, task_queue: str, table: AuditTable) -> None:
        self.client = client
        self.task_queue = task_queue
        self.table = table

    async def start(
        self, *steps: ScriptedStep, operation_id: str | None = None, **options: Any
    ) -> WorkflowHandle[Any, Any]:
        """Start a workflow with these steps; its operation id is also its workflow id."""
        operation_id = operation_id or f"op-{uuid.uuid4().hex[:8]}"
        operation = ScriptedOperation(operation_id=operation_id, steps=steps, **options)
        return await self.client.start_workflow(
            ScriptedWorkflow.run, operation, id=operation_id, task_queue=self.task_queue
        )

    async def wait_for_end(self, handle: WorkflowHandle[Any, Any]) -> FinishedOperation:
        """Wait until the workflow closes, and read its history and its trail at once."""
        result, failure = None, None
        try:
            result = await handle.result()
        except WorkflowFailureError as error:
            failure = error.cause
        run_id = (await handle.describe()).run_id
        return FinishedOperation(result, failure, run_id, await handle.fetch_history(), self.table.list_rows(handle.id))

    async def run(self, *steps: ScriptedStep, **options: Any) -> FinishedOperation:
        """Start a workflow with these steps, and wait until it closes."""
        return await self.wait_for_end(await self.start(*steps, **options))


@asynccontextmanager
async def scripted_worker(
    temporal: TemporalServer, table: AuditTable, activities: Sequence[Any] = (), /, **worker_options: Any
) -> AsyncIterator[ScriptedWorker]:
    """Run a worker during the block; `activities` are added to the scripted ones."""
    writer = TrailWriter(table)
    client = await Client.connect(temporal.address, plugins=[AuroraRestorePlugin(AuditInterceptor(writer))])
    task_queue = f"queue-{uuid.uuid4().hex[:8]}"
    with ThreadPoolExecutor(20) as threads:
        async with Worker(
            client,
            task_queue=task_queue,
            workflows=[ScriptedWorkflow],
            activities=[*ACTIVITIES, OutcomeActivities(writer).record_outcome, *activities],
            activity_executor=threads,
            **(WORKER_OPTIONS | worker_options),
        ):
            yield ScriptedWorker(client, task_queue, table)


def run_workflow(
    temporal: TemporalServer, table: AuditTable, *steps: ScriptedStep, **options: Any
) -> FinishedOperation:
    """Run one workflow on a worker of its own."""

    async def run() -> FinishedOperation:
        async with scripted_worker(temporal, table) as worker:
            return await worker.run(*steps, **options)

    return asyncio.run(run())


def effects(operation: FinishedOperation) -> int:
    """How often the activities of an operation took effect."""
    return scripted_activities.effects[operation.history.workflow_id]


async def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until a condition is true; raises `TimeoutError` after this many seconds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - other threads make it true
            await asyncio.sleep(0.02)


def ends_in_history(history: WorkflowHistory) -> list[RecordedEnd]:
    """How the steps ended according to Temporal's history; a poll that is not done is no end."""
    events = {event.event_id: event for event in history.events}
    ends = [_recorded_end(event, events) for event in history.events]
    return [end for end in ends if end is not None]


def ends_in_trail(rows: list[AuditRow]) -> list[RecordedEnd]:
    """How the steps ended according to the outcome rows."""
    return [RecordedEnd(row.step, row.status, row.attempt, row.details) for row in rows if row.phase is Phase.OUTCOME]


async def wait_until_activity_started(handle: WorkflowHandle[Any, Any]) -> None:
    """Wait until a worker runs an activity; Temporal would not record a cancellation before that as an end."""
    while not any(  # noqa: ASYNC110 - it watches another process
        pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
        for pending in (await handle.describe()).raw_description.pending_activities
    ):
        await asyncio.sleep(0.05)


def _recorded_end(event: HistoryEvent, events: dict[int, HistoryEvent]) -> RecordedEnd | None:
    kind = event.WhichOneof("attributes") or ""
    attributes: Any = getattr(event, kind)
    if kind == "activity_task_completed_event_attributes":
        outcome = _json(attributes.result)
        if not outcome["done"]:
            return None
        attempt = events[attributes.started_event_id].activity_task_started_event_attributes.attempt
        return RecordedEnd(_step(attributes, events), Status.SUCCESS, attempt, outcome["details"])
    if kind == "activity_task_failed_event_attributes":
        return RecordedEnd(_step(attributes, events), Status.FAILED, 0, _short(attributes.failure))
    if kind == "activity_task_timed_out_event_attributes":
        timeout = TimeoutType.Name(attributes.failure.timeout_failure_info.timeout_type)
        details = f"Timed out ({timeout.removeprefix('TIMEOUT_TYPE_')})"
        return RecordedEnd(_step(attributes, events), Status.FAILED, 0, details)
    if kind == "activity_task_canceled_event_attributes":
        return RecordedEnd(_step(attributes, events), Status.FAILED, 0, "Cancelled")
    return None


def _step(attributes: Any, events: dict[int, HistoryEvent]) -> Step:
    scheduled = events[attributes.scheduled_event_id].activity_task_scheduled_event_attributes
    return Step(scheduled.activity_type.name)


def _short(failure: Any) -> str:
    info = failure.application_failure_info
    return str(_json(info.details)["short"]) if info.details.payloads else "Unexpected error"


def _json(payloads: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(payloads.payloads[0].data)
    return value
