"""Running small nights on the real Temporal server, and reading its history as the trail should tell it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence
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
from tests.rigs.restores import WORKER_OPTIONS
from tests.rigs.scripted_activities import ACTIVITIES, Call, Night
from tests.rigs.small_workflows import SmallNight


@dataclass(frozen=True)
class Ended:
    """A small night that is over."""

    result: list[str] | None
    failure: BaseException | None
    run_id: str
    """The history names the first run, also of one that was reset."""
    history: WorkflowHistory
    rows: list[AuditRow]

    def phase(self, phase: Phase) -> list[AuditRow]:
        """The rows of one phase."""
        return [row for row in self.rows if row.phase is phase]


@dataclass(frozen=True)
class Told:
    """An activity's end, in the words that history and trail share."""

    step: str
    status: Status
    attempt: int
    details: str


class Office:
    """A worker with the audit interceptor, and nights for it."""

    def __init__(self, client: Client, task_queue: str, table: AuditTable) -> None:
        self.client = client
        self.task_queue = task_queue
        self.table = table

    async def start(self, *calls: Call, operation_id: str | None = None, **options: Any) -> WorkflowHandle[Any, Any]:
        """Begin a night of these calls, under an operation id that is also its workflow id."""
        operation_id = operation_id or f"op-{uuid.uuid4().hex[:8]}"
        night = Night(operation_id=operation_id, calls=calls, **options)
        return await self.client.start_workflow(SmallNight.run, night, id=operation_id, task_queue=self.task_queue)

    async def ended(self, handle: WorkflowHandle[Any, Any]) -> Ended:
        """Wait for the end of a night, and see what is left of it at that very moment."""
        result, failure = None, None
        try:
            result = await handle.result()
        except WorkflowFailureError as error:
            failure = error.cause
        run_id = (await handle.describe()).run_id
        return Ended(result, failure, run_id, await handle.fetch_history(), self.table.list_rows(handle.id))

    async def night(self, *calls: Call, **options: Any) -> Ended:
        """A whole night of these calls."""
        return await self.ended(await self.start(*calls, **options))


@asynccontextmanager
async def office(
    temporal: TemporalServer, table: AuditTable, activities: Sequence[Any] = (), /, **worker_options: Any
) -> AsyncIterator[Office]:
    """A worker that is up for as long as the block runs; `activities` are more than the scripted ones."""
    writer = TrailWriter(table)
    plugin = AuroraRestorePlugin(AuditInterceptor(writer))
    client = await Client.connect(temporal.address, plugins=[plugin])
    task_queue = f"queue-{uuid.uuid4().hex[:8]}"
    with ThreadPoolExecutor(20) as threads:
        async with Worker(
            client,
            task_queue=task_queue,
            workflows=[SmallNight],
            activities=[*ACTIVITIES, OutcomeActivities(writer).record_outcome, *activities],
            activity_executor=threads,
            **(WORKER_OPTIONS | worker_options),
        ):
            yield Office(client, task_queue, table)


def history_tells(history: WorkflowHistory) -> list[Told]:
    """How Temporal's own history says that activities ended; a look that found nothing is no end."""
    events = {event.event_id: event for event in history.events}
    ends = [_told(event, events) for event in history.events]
    return [told for told in ends if told is not None]


def trail_tells(rows: list[AuditRow]) -> list[Told]:
    """How the trail's outcome rows say that steps ended."""
    return [Told(row.step, row.status, row.attempt, row.details) for row in rows if row.phase is Phase.OUTCOME]


def _told(event: HistoryEvent, events: dict[int, HistoryEvent]) -> Told | None:
    kind = event.WhichOneof("attributes") or ""
    ends: Any = getattr(event, kind)
    if kind == "activity_task_completed_event_attributes":
        outcome = _json(ends.result)
        if not outcome["done"]:
            return None
        attempt = events[ends.started_event_id].activity_task_started_event_attributes.attempt
        return Told(_step(ends, events), Status.SUCCESS, attempt, outcome["details"])
    if kind == "activity_task_failed_event_attributes":
        return Told(_step(ends, events), Status.FAILED, 0, _short(ends.failure))
    if kind == "activity_task_timed_out_event_attributes":
        timeout = TimeoutType.Name(ends.failure.timeout_failure_info.timeout_type).removeprefix("TIMEOUT_TYPE_")
        return Told(_step(ends, events), Status.FAILED, 0, f"Timed out ({timeout})")
    if kind == "activity_task_canceled_event_attributes":
        return Told(_step(ends, events), Status.FAILED, 0, "Cancelled")
    return None


def _step(ends: Any, events: dict[int, HistoryEvent]) -> Step:
    scheduled = events[ends.scheduled_event_id].activity_task_scheduled_event_attributes
    return Step(scheduled.activity_type.name)


def _short(failure: Any) -> str:
    info = failure.application_failure_info
    return str(_json(info.details)["short"]) if info.details.payloads else "Unexpected error"


def _json(payloads: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(payloads.payloads[0].data)
    return read


async def at_work(handle: WorkflowHandle[Any, Any]) -> None:
    """Until a worker has begun its activity: a cancellation that comes before would leave nothing to tell."""
    while not any(  # noqa: ASYNC110 - it watches another process
        pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
        for pending in (await handle.describe()).raw_description.pending_activities
    ):
        await asyncio.sleep(0.05)
