"""A cancellation that reaches a restore in the same workflow task as an activity's result."""

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

from activities.operations import OPEN_OPERATION
from audit.activities import OutcomeActivities
from audit.writer import TrailWriter
from devstack.demo_environment import DemoEnvironment
from models.steps import Step
from registrations import WORKFLOWS, create_activities
from tests.rigs.durations import MINUTES
from tests.rigs.emulator import demo_without_databases
from tests.rigs.requests import request
from tests.rigs.restores import ERROR_NOTIFICATION_SENT, ActivityHooks, RestoreRig, worker_parts

FOUND = ("snapshot-check", "SUCCESS")
COPY_STARTED = ("copy-snapshot", "SUCCESS")
CANCELLED_IN_COPY = ("check-copy-status", "FAILED", "Cancelled: copy at copying")


class HeldResult(Interceptor):
    """Holds back the first result of one activity type."""

    def __init__(self, activity_type: str) -> None:
        self.activity_type = activity_type
        self.ready = asyncio.Event()
        self.release = asyncio.Event()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _HeldResult(next, self)


class _HeldResult(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, held: HeldResult) -> None:
        super().__init__(next)
        self._held = held

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        result = await self.next.execute_activity(input)
        if activity.info().activity_type == self._held.activity_type and not self._held.ready.is_set():
            self._held.ready.set()
            await self._held.release.wait()
        return result


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoEnvironment]:
    with demo_without_databases(MINUTES) as demo:
        yield demo


@asynccontextmanager
async def activity_worker(
    temporal: Client, demo: DemoEnvironment, name: str, held: HeldResult
) -> AsyncIterator[RestoreRig]:
    """A worker that runs activities only: their results wait for a worker that runs workflows."""
    parts, hooks = worker_parts(demo, name), ActivityHooks(demo)
    with ThreadPoolExecutor(4) as threads:
        activities_only = Worker(
            temporal,
            task_queue=parts.settings.task_queue,
            activities=create_activities(parts.settings, parts.aws, parts.table),
            activity_executor=threads,
            max_concurrent_activities=4,
            interceptors=[hooks, held],
        )
        async with activities_only:
            yield RestoreRig(temporal, demo, parts, hooks)


def workflow_worker(rig: RestoreRig) -> Worker:
    """A worker that runs workflows only, and evicts them from its cache after each task."""
    return Worker(
        rig.client,
        task_queue=rig.settings.task_queue,
        workflows=WORKFLOWS,
        activities=[OutcomeActivities(TrailWriter(rig.table)).record_outcome],
        no_remote_activities=True,
        max_cached_workflows=0,
    )


async def wait_for_result_in_history(handle: WorkflowHandle[Any, Any], activity_type: str) -> None:
    """Wait until Temporal has the result of the activity."""
    while True:
        events = [event async for event in handle.fetch_history_events()]
        types = {event.event_id: event.activity_task_scheduled_event_attributes.activity_type.name for event in events}
        completed = {event.activity_task_completed_event_attributes.scheduled_event_id for event in events}
        if activity_type in {types.get(event_id) for event_id in completed}:
            return
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("cancelled_first", [True, False], ids=["cancelled-first", "result-first"])
@pytest.mark.parametrize(
    ("activity_type", "expected"),
    [
        (OPEN_OPERATION, [ERROR_NOTIFICATION_SENT]),
        (Step.SNAPSHOT_CHECK, [FOUND, ERROR_NOTIFICATION_SENT]),
        (Step.COPY_SNAPSHOT, [FOUND, COPY_STARTED, ERROR_NOTIFICATION_SENT]),
        (Step.CHECK_COPY_STATUS, [FOUND, COPY_STARTED, CANCELLED_IN_COPY, ERROR_NOTIFICATION_SENT]),
    ],
    ids=["open-operation", "snapshot-check", "copy-snapshot", "check-copy-status"],
)
async def test_neither_is_lost(
    temporal: Client, demo: DemoEnvironment, activity_type: str, expected: list[tuple[str, ...]], cancelled_first: bool
) -> None:
    """The trail has the result under the operation's number, and the restore ends as cancelled, with a notification."""
    demo.take_automated_snapshot()
    demo.receive_notifications()
    held = HeldResult(activity_type)
    name = f"both-{activity_type}-{'cancelled' if cancelled_first else 'result'}"
    async with activity_worker(temporal, demo, name, held) as rig:
        async with workflow_worker(rig):
            handle = await rig.start(request(users=[]))
            await held.ready.wait()
        if cancelled_first:
            await handle.cancel()
        held.release.set()
        await wait_for_result_in_history(handle, activity_type)
        if not cancelled_first:
            await handle.cancel()
        async with workflow_worker(rig):
            with pytest.raises(WorkflowFailureError):
                await handle.result()
        assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
        rows = rig.trail()
        assert [row[: len(cells)] for row, cells in zip(rows, expected, strict=True)] == expected
        [message] = demo.receive_notifications()
        assert message["Subject"].startswith("op-001 cancelled")
