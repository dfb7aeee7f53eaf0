"""The nightly schedule in Temporal: built from a request, created or updated only where it differs.

A scheduled run starts a child under its target's one workflow id, so that a schedule cannot start a second restore of a
target either: a run that is due while another one lasts is started, finds the id taken, and ends as skipped, which the
trail and the notification have; Temporal's overlap policy SKIP would tell nobody. After an outage of Temporal the catch-up
window holds, after one of the worker `start_before` of the request. Source: Temporal docs, Schedule.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
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
    ScheduleDescription,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import Priority
from temporalio.service import RPCError, RPCStatusCode

from errors import InvalidRequest
from models.request import RestoreRequest
from models.workflow_names import (
    CANONICAL_ID_PREFIX,
    FLEET_MEMO,
    RESTORE_WORKFLOW,
    SCHEDULED_DRILL_ID_PREFIX,
    SCHEDULED_ID_PREFIX,
)
from runs.restores import DisplayMetadata

NOTE = "Created by starter.py"
TEMPORALS_CATCH_UP = timedelta(days=365)
"""Of a schedule that sets none. Source: Temporal API, SchedulePolicies."""
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


def nightly_schedule(
    request: RestoreRequest,
    when: Nightly,
    task_queue: str,
    display: DisplayMetadata,
    *,
    priority: int | None = None,
    fleet: str | None = None,
) -> Schedule:
    """The schedule that runs this request once a day; `fleet` is the one that declares it."""
    prefix = SCHEDULED_DRILL_ID_PREFIX if request.target.drills else SCHEDULED_ID_PREFIX
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
            id=prefix + request.target.workflow_id.removeprefix(CANONICAL_ID_PREFIX),
            task_queue=task_queue,
            static_summary=display.summary,
            static_details=display.details,
            # The memo of a schedule itself cannot be updated; that of what it starts can.
            memo={FLEET_MEMO: fleet} if fleet else None,
            priority=Priority(priority_key=priority),
        ),
        spec=ScheduleSpec(calendars=[at], time_zone_name=when.zone.key),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.ALLOW_ALL, catchup_window=when.catch_up),
        state=ScheduleState(note=NOTE),
    )


def nightly_of(schedule: Schedule) -> Nightly | None:
    """When an existing schedule starts its restore; None if that is not once a day, so that others have made it."""
    calendars, zone = schedule.spec.calendars, schedule.spec.time_zone_name
    if len(calendars) != 1 or not (calendars[0].hour and calendars[0].minute):
        return None
    at = time(calendars[0].hour[0].start, calendars[0].minute[0].start)
    return Nightly(at, ZoneInfo(zone or "UTC"), schedule.policy.catchup_window or TEMPORALS_CATCH_UP)


async def find_schedule(client: Client, schedule_id: str) -> ScheduleDescription | None:
    """The existing schedule of this id; None if there is none."""
    try:
        return await client.get_schedule_handle(schedule_id).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND or "namespace" in error.message.lower():
            raise
        return None


async def apply_schedule(client: Client, schedule_id: str, schedule: Schedule, *, paused: bool = False) -> Applied:
    """Create the schedule, or update the existing one, whose pause stays; `paused` is whether a new one begins paused.

    Run twice: the second run changes nothing. Raises `OtherSchedule` if the id is in use for another target, or for its drills.
    """
    state = dataclasses.replace(schedule.state, paused=paused)
    try:
        await client.create_schedule(schedule_id, dataclasses.replace(schedule, state=state))
        return Applied.CREATED
    except ScheduleAlreadyRunningError:
        return await _update(client, schedule_id, schedule)


async def _update(client: Client, schedule_id: str, schedule: Schedule) -> Applied:
    applied = Applied.UNCHANGED

    async def change(current: ScheduleUpdateInput) -> ScheduleUpdate | None:
        nonlocal applied
        existing = current.description.schedule
        await require_same_target(client, schedule_id, existing, schedule)
        changed = with_pause_of(existing, schedule)
        same = await comparable(client, existing) == await comparable(client, changed)
        applied = Applied.UNCHANGED if same else Applied.UPDATED
        return None if same else ScheduleUpdate(changed)

    await client.get_schedule_handle(schedule_id).update(change)
    return applied


def with_pause_of(existing: Schedule, schedule: Schedule) -> Schedule:
    """The schedule with the pause of the existing one: its state with the note, and until when it starts nothing."""
    spec = dataclasses.replace(schedule.spec, start_at=existing.spec.start_at)
    return dataclasses.replace(schedule, spec=spec, state=existing.state)


async def require_same_target(client: Client, schedule_id: str, existing: Schedule, schedule: Schedule) -> None:
    """Raise `OtherSchedule` if the two restore different clusters, or if one of them drills.

    Clusters of two regions may have one name; a nightly deletion must not move from one to the other. Nor may a drill,
    which deletes nothing of the target, become a restore: drills were once scheduled under the id of a target's restores.
    """
    actual, expected = await _purpose(client, existing), await _purpose(client, schedule)
    if actual != expected:
        raise OtherSchedule(
            f"The schedule {schedule_id} already exists for {actual or 'another workflow'}, not for {expected}. "
            "Choose another name with --id, or delete the existing schedule:\n"
            f"    temporal schedule delete --schedule-id {schedule_id}"
        )


async def _purpose(client: Client, schedule: Schedule) -> str | None:
    """What the schedule starts for which cluster; None if it runs another workflow."""
    request = await request_of(client, schedule)
    if not isinstance(request, RestoreRequest):
        return request
    return f"{'drills' if request.target.drills else 'restores'} of {request.target.arn}"


async def request_of(client: Client, schedule: Schedule) -> RestoreRequest | str | None:
    """The stored request; None if the schedule starts another workflow, words if this version cannot read it."""
    action = schedule.action
    if not isinstance(action, ScheduleActionStartWorkflow) or action.workflow != RESTORE_WORKFLOW:
        return None
    payloads = await encode(client, action.args)
    try:
        request: RestoreRequest = (await client.data_converter.decode(payloads, [RestoreRequest]))[0]
    except (InvalidRequest, IndexError):
        return "a request that this version cannot read"
    return request


async def fleet_of(client: Client, schedule: Schedule) -> str | None:
    """The name of the fleet that declares the schedule; None if none does."""
    memo = getattr(schedule.action, "memo", None) or {}
    if FLEET_MEMO not in memo:
        return None
    [payload] = await encode(client, [memo[FLEET_MEMO]])
    return str((await client.data_converter.decode([payload], [str]))[0])


async def comparable(client: Client, schedule: Schedule) -> dict[str, Any]:
    """Every part of a schedule that this module sets, in a form that can be compared; Temporal returns it encoded."""
    action = schedule.action
    if not isinstance(action, ScheduleActionStartWorkflow):
        return {}
    display = await encode(client, [action.static_summary, action.static_details])
    memo = dict(action.memo or {})
    return {
        "workflow": (action.workflow, action.id, action.task_queue, action.priority.priority_key),
        "input": [payload.data for payload in await encode(client, action.args)],
        "display": [payload.data for payload in display],
        "memo": dict(zip(memo, [payload.data for payload in await encode(client, memo.values())], strict=True)),
        "spec": dataclasses.asdict(schedule.spec),
        "policy": dataclasses.asdict(schedule.policy),
        "state": dataclasses.asdict(schedule.state),
    }


async def encode(client: Client, values: Iterable[Any]) -> list[Any]:
    """Each value as a payload; Temporal's answers have payloads already."""
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
