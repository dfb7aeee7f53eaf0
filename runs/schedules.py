"""The nightly schedule in Temporal: built from a request, made or changed only if it has to be.

A scheduled run makes itself a child under its target's one workflow id, so that a schedule, too, cannot start a second
restore of a target. Overlap SKIP and a catch-up window are for the schedule's own runs: after an outage, yesterday's
restore does not start at noon. Source: Temporal docs, Schedule.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from models.request import RestoreRequest
from models.workflow_names import RESTORE_WORKFLOW, SCHEDULED_ID_PREFIX
from runs.restores import DisplayMetadata

NOTE = "Made by starter.py schedule"
DAYS_AHEAD = 366
"""How far to look for days on which the clocks change."""


class OtherSchedule(Exception):
    """The schedule's id belongs to something else; the text names it."""


class Applied(StrEnum):
    """What became of the schedule."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Nightly:
    """When the night starts."""

    at: time
    zone: ZoneInfo
    catch_up: timedelta
    """How late a missed night may still start."""


def nightly_schedule(request: RestoreRequest, when: Nightly, task_queue: str, shown: DisplayMetadata) -> Schedule:
    """The schedule that restores this request every night."""
    # Tuples, as Temporal's answers have them: that is how the two are found to be the same.
    at = ScheduleCalendarSpec(
        hour=(ScheduleRange(when.at.hour),),
        minute=(ScheduleRange(when.at.minute),),
        comment=f"every night at {when.at:%H:%M}",
    )
    return Schedule(
        action=ScheduleActionStartWorkflow(
            RESTORE_WORKFLOW,
            request,
            id=f"{SCHEDULED_ID_PREFIX}{request.target.cluster}",
            task_queue=task_queue,
            static_summary=shown.summary,
            static_details=shown.details,
        ),
        spec=ScheduleSpec(calendars=[at], time_zone_name=when.zone.key),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=when.catch_up),
        state=ScheduleState(note=NOTE),
    )


async def apply_schedule(client: Client, schedule_id: str, wanted: Schedule, paused: bool | None) -> Applied:
    """Create the schedule, or change the one that is there; `paused` None leaves it paused or running as it is.

    Run twice: unchanged. Raises `OtherSchedule` if the id belongs to another target or to something else.
    """
    state = dataclasses.replace(wanted.state, paused=bool(paused))
    try:
        await client.create_schedule(schedule_id, dataclasses.replace(wanted, state=state))
        return Applied.CREATED
    except ScheduleAlreadyRunningError:
        return await _update(client, schedule_id, wanted, paused)


async def _update(client: Client, schedule_id: str, wanted: Schedule, paused: bool | None) -> Applied:
    applied = Applied.UNCHANGED

    async def change(current: ScheduleUpdateInput) -> ScheduleUpdate | None:
        nonlocal applied
        there = current.description.schedule
        await _refuse_other_target(client, schedule_id, there, wanted)
        # Whoever paused it said why in its note; both stay as they are unless asked for.
        state = there.state if paused is None else dataclasses.replace(there.state, paused=paused)
        changed = dataclasses.replace(wanted, state=state)
        same = await _facts(client, there) == await _facts(client, changed)
        applied = Applied.UNCHANGED if same else Applied.UPDATED
        return None if same else ScheduleUpdate(changed)

    await client.get_schedule_handle(schedule_id).update(change)
    return applied


async def _refuse_other_target(client: Client, schedule_id: str, there: Schedule, wanted: Schedule) -> None:
    """Two clusters may have one name in two regions; a nightly deletion must not move from one to the other."""
    found, asked = await _target(client, there), await _target(client, wanted)
    if found != asked:
        raise OtherSchedule(
            f"The schedule {schedule_id} is there already and is for {found or 'something else'}, not for {asked}. "
            "Choose another name with --id, or delete it: "
            f"temporal schedule delete --schedule-id {schedule_id}"
        )


async def _target(client: Client, schedule: Schedule) -> str | None:
    """The ARN of the cluster that the schedule restores; None if it restores none."""
    action = schedule.action
    if not isinstance(action, ScheduleActionStartWorkflow) or action.workflow != RESTORE_WORKFLOW:
        return None
    [payload] = await _payloads(client, action.args)
    request: RestoreRequest = (await client.data_converter.decode([payload], [RestoreRequest]))[0]
    return request.target.arn


async def _facts(client: Client, schedule: Schedule) -> dict[str, Any]:
    """Everything about a schedule that we set, in a form that can be compared; one that Temporal returns is encoded."""
    action = schedule.action
    if not isinstance(action, ScheduleActionStartWorkflow):
        return {}
    shown = await _payloads(client, [action.static_summary, action.static_details])
    return {
        "workflow": (action.workflow, action.id, action.task_queue),
        "input": [payload.data for payload in await _payloads(client, action.args)],
        "shown": [payload.data for payload in shown],
        "spec": dataclasses.asdict(schedule.spec),
        "policy": dataclasses.asdict(schedule.policy),
        "state": dataclasses.asdict(schedule.state),
    }


async def _payloads(client: Client, values: Any) -> list[Any]:
    return [
        value if isinstance(value, Payload) else (await client.data_converter.encode([value]))[0] for value in values
    ]


def clock_changes(when: Nightly, first: date) -> list[str]:
    """A sentence for each day of the coming year on which the time does not exist or comes twice in its zone."""
    days = (first + timedelta(days=offset) for offset in range(DAYS_AHEAD))
    return [sentence for day in days if (sentence := _clock_change(when, day))]


def _clock_change(when: Nightly, day: date) -> str | None:
    earlier = datetime.combine(day, when.at, tzinfo=when.zone)
    later = earlier.replace(fold=1)
    if earlier.utcoffset() == later.utcoffset():
        return None
    there_and_back = earlier.astimezone(UTC).astimezone(when.zone)
    if there_and_back.replace(tzinfo=None) != earlier.replace(tzinfo=None):
        return f"{day}: {when.at:%H:%M} does not exist in {when.zone.key}; no night starts on that day"
    return f"{day}: {when.at:%H:%M} comes twice in {when.zone.key}; two nights start on that day"
