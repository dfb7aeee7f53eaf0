"""A cancellation that reaches a night in the same workflow task as an activity's answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor, Worker

import worker
from activities.operations import OPEN_OPERATION
from audit.activities import OutcomeActivities
from audit.plugin import AuroraRestorePlugin
from audit.report import report_rows
from audit.writer import TrailWriter
from devstack.aws import Durations
from devstack.demo_environment import DemoEnvironment
from models.steps import Step
from tests.rigs.emulator import clusters_alone
from tests.rigs.restores import Bench, Between, parts, request, skipped_time

CANCELLED_IN_COPY = ("check-copy-status", "FAILED", "Cancelled: copy at copying")
FOUND = ("snapshot-check", "SUCCESS")
TOLD = ("sns-notification", "SUCCESS", "Error notification sent")


class Held(Interceptor):
    """Holds back the first answer of one activity."""

    def __init__(self, activity_type: str) -> None:
        self.activity_type = activity_type
        self.ready = asyncio.Event()
        self.let_go = asyncio.Event()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Held(next, self)


class _Held(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, held: Held) -> None:
        super().__init__(next)
        self._held = held

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        answer = await self.next.execute_activity(input)
        if activity.info().activity_type == self._held.activity_type and not self._held.ready.is_set():
            self._held.ready.set()
            await self._held.let_go.wait()
        return answer


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoEnvironment]:
    with clusters_alone(Durations(snapshot=60, copy=540)) as demo:
        yield demo


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[Client]:
    async with skipped_time(AuroraRestorePlugin()) as client:
        yield client


@asynccontextmanager
async def activity_worker(temporal: Client, demo: DemoEnvironment, name: str, held: Held) -> AsyncIterator[Bench]:
    """A worker that takes activities alone, so that its answers wait for a worker that takes workflows."""
    plugin, table, settings, aws = parts(demo, name)
    between = Between(demo)
    with ThreadPoolExecutor(4) as threads:
        taking = Worker(
            temporal,
            task_queue=settings.task_queue,
            activities=worker.activities(settings, aws, table),
            activity_executor=threads,
            max_concurrent_activities=4,
            interceptors=[between, held],
        )
        async with taking:
            yield Bench(temporal, demo, settings, table, between, plugin)


def workflow_worker(on: Bench) -> Worker:
    """A worker that takes workflows alone, and forgets them after each task."""
    return Worker(
        on.client,
        task_queue=on.settings.task_queue,
        workflows=worker.WORKFLOWS,
        activities=[OutcomeActivities(TrailWriter(on.table)).record_outcome],
        no_remote_activities=True,
        max_cached_workflows=0,
    )


async def answer_is_in(handle: WorkflowHandle[Any, Any], activity_type: str) -> None:
    """Wait until Temporal has the answer."""
    while True:
        events = [event async for event in handle.fetch_history_events()]
        scheduled = {
            event.event_id: event.activity_task_scheduled_event_attributes.activity_type.name for event in events
        }
        ended = {event.activity_task_completed_event_attributes.scheduled_event_id for event in events}
        if activity_type in {name for number, name in scheduled.items() if number in ended}:
            return
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("cancelled_first", [True, False], ids=["cancelled-first", "answered-first"])
@pytest.mark.parametrize(
    ("activity_type", "rows"),
    [
        (OPEN_OPERATION, [TOLD]),
        (Step.SNAPSHOT_CHECK, [FOUND, TOLD]),
        (Step.COPY_SNAPSHOT, [FOUND, ("copy-snapshot", "SUCCESS"), TOLD]),
        (Step.CHECK_COPY_STATUS, [FOUND, ("copy-snapshot", "SUCCESS"), CANCELLED_IN_COPY, TOLD]),
    ],
    ids=["open-operation", "snapshot-check", "copy-snapshot", "check-copy-status"],
)
async def test_neither_is_lost(
    temporal: Client, demo: DemoEnvironment, activity_type: str, rows: list[tuple[str, ...]], cancelled_first: bool
) -> None:
    """What the answer says stands in the trail under the night's number, and the night ends as cancelled, and told."""
    demo.take_automated_snapshot()
    demo.receive_notifications()
    held = Held(activity_type)
    name = f"both-{activity_type}-{'cancelled' if cancelled_first else 'answered'}"
    async with activity_worker(temporal, demo, name, held) as on:
        async with workflow_worker(on):
            handle = await on.start(request(users=[]))
            await held.ready.wait()
        if cancelled_first:
            await handle.cancel()
        held.let_go.set()
        await answer_is_in(handle, activity_type)
        if not cancelled_first:
            await handle.cancel()
        async with workflow_worker(on):
            with pytest.raises(WorkflowFailureError):
                await handle.result()
        assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
        found = [(row.step.value, row.status.value, row.details) for row in report_rows(on.table.list_rows("op-001"))]
        assert [row[: len(wanted)] for row, wanted in zip(found, rows, strict=True)] == rows
        [message] = demo.receive_notifications()
        assert message["Subject"].startswith("op-001 cancelled")
