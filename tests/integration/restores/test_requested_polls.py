"""The signal `poll_now` while an activity watches: the worker that runs both ends the watch's pause."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from models.step_call import StepInput, StepOutcome
    from models.waits import Interval, Watch
    from models.workflow_names import POLL_NOW_SIGNAL
    from waiting.watching import WatchInterceptor

LONG = timedelta(seconds=170)
"""As long as a pause of a watch may be."""


@activity.defn(name="watched")
async def watched(_: StepInput) -> StepOutcome:
    return StepOutcome(details="done")


@workflow.defn(name="Watching")
class Watching:
    """Waits in one watch; what the signal does to the workflow itself does not matter here."""

    @workflow.run
    async def run(self) -> str:
        interval = Interval(shortest=LONG, longest=LONG)
        watch = Watch(first_pause=LONG, length=2 * LONG, interval=interval, earlier={})
        step_input = StepInput(operation_id="op-001", step_started_at=workflow.now(), watch=watch)
        outcome = await workflow.execute_activity(watched, step_input, start_to_close_timeout=3 * LONG)
        return outcome.details

    @workflow.signal(name=POLL_NOW_SIGNAL)
    def poll_now(self) -> None:
        """Only the interceptor hears it."""


async def test_poll_now_ends_a_pause_of_a_watch_in_the_same_worker(temporal: Client) -> None:
    """Within seconds, not at the end of almost three minutes."""
    worker = Worker(
        temporal, task_queue="watching", workflows=[Watching], activities=[watched], interceptors=[WatchInterceptor(1)]
    )
    async with worker:
        handle = await temporal.start_workflow(Watching.run, id="watching", task_queue="watching")
        while not (await handle.describe()).raw_description.pending_activities:  # noqa: ASYNC110 - it watches Temporal
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        began = time.monotonic()
        await handle.signal(Watching.poll_now)
        assert await handle.result() == "done"
        assert time.monotonic() - began < LONG.total_seconds() / 4
