"""The nightly schedule in Temporal: built from a request, created or updated only where it differs.

A scheduled run starts a child under its target's one workflow id, so that a schedule cannot start a second restore of a
target either: a run that is due while another one lasts is started, finds the id taken, and ends as skipped, which the
trail and the notification have; Temporal's overlap policy SKIP would tell nobody. After an outage of Temporal the catch-up
window holds, after one of the worker `start_before` of the request. Source: Temporal docs, Schedule.
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

NOTE = "Created by starter.py schedule"
DAYS_AHEAD = 366
"""Days that are checked for a change of the clocks."""


class OtherSchedule(Exception):
    """The schedule's id is in use for another target; the text names it."""


class Applied(StrEnum):
    """What `apply_schedule` did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Nightly:
    """When the restore starts every day."""

    at: time
    zone: ZoneInfo
    catch_up: timedelta
    """How late a missed restore may still start."""


def nightly_schedule(request: RestoreRequest, when: Nightly, task_queue: str, display: DisplayMetadata) -> Schedule:
    """The schedule that runs this request once a day."""
    # Tuples, as in Temporal's answers, so that the two compare as equal.
    at = ScheduleCalendarSpec(
        hour=(ScheduleRange(when.at.hour),),
        minute=(ScheduleRange(when.at.minute),),
        comment=f"nightly at {when.at:%H:%M}",
    )
    return Schedule(
        action=ScheduleActionStartWorkflow(
            RESTORE_WORKFLOW,
            request,
            id=f"{SCHEDULED_ID_PREFIX}{request.target.cluster}",
            task_queue=task_queue,
            static_summary=display.summary,
            static_details=display.details,
        ),
        spec=ScheduleSpec(calendars=[at], time_zone_name=when.zone.key),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.ALLOW_ALL, catchup_window=when.catch_up),
        state=ScheduleState(note=NOTE),
    )


async def apply_schedule(client: Client, schedule_id: str, schedule: Schedule, paused: bool | None) -> Applied:
    """Create the schedule, or update the existing one; `paused` None leaves an existing one paused or running.

    Run twice: the second run changes nothing. Raises `OtherSchedule` if the id is in use for another target.
    """
    state = dataclasses.replace(schedule.state, paused=bool(paused))
    try:
        await client.create_schedule(schedule_id, dataclasses.replace(schedule, state=state))
        return Applied.CREATED
    except ScheduleAlreadyRunningError:
        return await _update(client, schedule_id, schedule, paused)


async def _update(client: Client, schedule_id: str, schedule: Schedule, paused: bool | None) -> Applied:
    applied = Applied.UNCHANGED

    async def change(current: ScheduleUpdateInput) -> ScheduleUpdate | None:
        nonlocal applied
        existing = current.description.schedule
        await _require_same_target(client, schedule_id, existing, schedule)
        # An operator who paused it has left a note why; both stay unless the command says otherwise.
        state = existing.state if paused is None else dataclasses.replace(existing.state, paused=paused)
        changed = dataclasses.replace(schedule, state=state)
        same = await _comparable(client, existing) == await _comparable(client, changed)
        applied = Applied.UNCHANGED if same else Applied.UPDATED
        return None if same else ScheduleUpdate(changed)

    await client.get_schedule_handle(schedule_id).update(change)
    return applied


async def _require_same_target(client: Client, schedule_id: str, existing: Schedule, schedule: Schedule) -> None:
    """Raise `OtherSchedule` if the two restore different clusters.

    Clusters of two regions may have one name; a nightly deletion must not move from one to the other.
    """
    actual, expected = await _target(client, existing), await _target(client, schedule)
    if actual != expected:
        raise OtherSchedule(
            f"The schedule {schedule_id} already exists for {actual or 'another workflow'}, not for {expected}. "
            "Choose another name with --id, or delete the existing schedule:\n"
            f"    temporal schedule delete --schedule-id {schedule_id}"
        )


async def _target(client: Client, schedule: Schedule) -> str | None:
    """The ARN of the cluster that the schedule restores; None if it runs another workflow."""
    action = schedule.action
    if not isinstance(action, ScheduleActionStartWorkflow) or action.workflow != RESTORE_WORKFLOW:
        return None
    [payload] = await _payloads(client, action.args)
    request: RestoreRequest = (await client.data_converter.decode([payload], [RestoreRequest]))[0]
    return request.target.arn


async def _comparable(client: Client, schedule: Schedule) -> dict[str, Any]:
    """Every part of a schedule that this module sets, in a form that can be compared; Temporal returns it encoded."""
    action = schedule.action
    if not isinstance(action, ScheduleActionStartWorkflow):
        return {}
    display = await _payloads(client, [action.static_summary, action.static_details])
    return {
        "workflow": (action.workflow, action.id, action.task_queue),
        "input": [payload.data for payload in await _payloads(client, action.args)],
        "display": [payload.data for payload in display],
        "spec": dataclasses.asdict(schedule.spec),
        "policy": dataclasses.asdict(schedule.policy),
        "state": dataclasses.asdict(schedule.state),
    }


async def _payloads(client: Client, values: Any) -> list[Any]:
    return [
        value if isinstance(value, Payload) else (await client.data_converter.encode([value]))[0] for value in values
    ]


def clock_changes(when: Nightly, first: date) -> list[str]:
    """A sentence for each day of the coming year on which the time does not exist, or occurs twice, in its zone."""
    days = (first + timedelta(days=offset) for offset in range(DAYS_AHEAD))
    sentences = (_clock_change(when, day) for day in days)
    return [sentence for sentence in sentences if sentence]


def _clock_change(when: Nightly, day: date) -> str | None:
    earlier = datetime.combine(day, when.at, tzinfo=when.zone)
    later = earlier.replace(fold=1)
    if earlier.utcoffset() == later.utcoffset():
        return None
    round_trip = earlier.astimezone(UTC).astimezone(when.zone)
    if round_trip.replace(tzinfo=None) != earlier.replace(tzinfo=None):
        return f"{day}: {when.at:%H:%M} does not exist in {when.zone.key}; no restore starts on that day"
    return f"{day}: {when.at:%H:%M} occurs twice in {when.zone.key}; two restores start on that day"
