"""When each target is restored next, and what was missed: from Temporal's schedules."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import NamedTuple

from temporalio.api.common.v1 import Payload
from temporalio.client import Client, ScheduleActionStartWorkflow

from models.request import RestoreRequest
from models.workflow_names import RESTORE_WORKFLOW

READS_AT_ONCE = 16


class ScheduledTarget(NamedTuple):
    """A schedule of restores."""

    schedule_id: str
    target_arn: str
    next_at: datetime | None
    """None if it is paused, or has ended."""
    paused_note: str | None
    """Why it is paused, or an empty text; None if it is not."""
    missed: int
    """How many restores Temporal did not start, because it was away for longer than the schedule's catch-up window."""
    start_before: timedelta


async def list_scheduled_targets(client: Client) -> list[ScheduledTarget]:
    """Every schedule that starts restores, in the order of its id. Reads each schedule once."""
    ids = [
        entry.id
        async for entry in await client.list_schedules()
        if entry.schedule and getattr(entry.schedule.action, "workflow", None) == RESTORE_WORKFLOW
    ]
    limit = asyncio.Semaphore(READS_AT_ONCE)

    async def read(schedule_id: str) -> ScheduledTarget:
        async with limit:
            return await _read(client, schedule_id)

    return list(await asyncio.gather(*map(read, sorted(ids))))


async def _read(client: Client, schedule_id: str) -> ScheduledTarget:
    described = await client.get_schedule_handle(schedule_id).describe()
    action, state = described.schedule.action, described.schedule.state
    if not isinstance(action, ScheduleActionStartWorkflow):
        raise TypeError(f"{schedule_id} starts no workflow")
    payloads = [arg for arg in action.args if isinstance(arg, Payload)]
    request: RestoreRequest = (await client.data_converter.decode(payloads, [RestoreRequest]))[0]
    starts = described.info.next_action_times
    return ScheduledTarget(
        schedule_id=schedule_id,
        target_arn=request.target.arn,
        next_at=starts[0] if starts and not state.paused else None,
        paused_note=(state.note or "") if state.paused else None,
        missed=described.info.num_actions_missed_catchup_window,
        start_before=request.start_before,
    )
