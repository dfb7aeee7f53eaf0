"""When each target is restored next, and what was missed: from Temporal's schedules."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import NamedTuple
from zoneinfo import ZoneInfo

from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleCalendarSpec,
    ScheduleDescription,
)
from temporalio.service import RPCError

from errors import InvalidRequest
from limits import join_names, shorten
from models.identifiers import canonical_workflow_id
from models.request import RestoreRequest
from models.workflow_names import RESTORE_WORKFLOW
from runs.pauses import Pause, pause_of
from runs.restores import RestoreRefused
from runs.schedules import find_schedule, fleet_of, nightly_of

READS_AT_ONCE = 16
STARTED_WITHIN = timedelta(minutes=1)
"""A start that is less than this away from the due time is its start; until then none is missed."""
MAX_LISTED = 300
"""Characters of the names that are listed for one that is not known."""


class ScheduledTarget(NamedTuple):
    """A schedule of restores."""

    schedule_id: str
    target_arn: str
    task_queue: str
    fleet: str | None
    """The fleet that declares it, if one does."""
    next_at: datetime | None
    """None if it is paused without an end, or has ended."""
    pause: Pause | None
    missed: int
    """How many restores Temporal did not start, because it was away for longer than the schedule's catch-up window."""
    start_before: timedelta
    topic_arns: tuple[str, ...]
    """The topics that its request notifies."""
    zone: ZoneInfo
    drills: bool = False
    """Whether it starts drills."""
    missed_at: datetime | None = None
    """The last time at which it should have started a restore, if no start is known; None if it was not due then."""

    @property
    def kind(self) -> str:
        """What it starts: a restore or a drill."""
        return "drill" if self.drills else "restore"

    @property
    def cluster(self) -> str:
        """The target cluster's name."""
        return self.target_arn.rpartition(":")[2]

    @property
    def target_workflow_id(self) -> str:
        """The one workflow id of its target."""
        _, _, _, region, account_id, _, cluster = self.target_arn.split(":")
        return canonical_workflow_id(region, account_id, cluster)


class ScheduledTargets(NamedTuple):
    """Every schedule that starts restores, in the order of their ids."""

    readable: list[ScheduledTarget]
    unreadable: dict[str, str]
    """By the id of a schedule that this version cannot read: why. Restores of an invalid request fail when they start."""


async def list_scheduled_targets(client: Client, also: Sequence[str] = ()) -> ScheduledTargets:
    """Read each schedule that starts restores, once.

    `also` are ids that may exist and may be so new that Temporal's list does not have them yet.
    """
    listed = [
        entry.id
        async for entry in await client.list_schedules()
        if entry.schedule and getattr(entry.schedule.action, "workflow", None) == RESTORE_WORKFLOW
    ]
    limit = asyncio.Semaphore(READS_AT_ONCE)

    async def read(schedule_id: str) -> ScheduledTarget | str | None:
        async with limit:
            try:
                described = await find_schedule(client, schedule_id)
                return await _scheduled_target(client, described) if described else None
            except InvalidRequest as error:
                return error.message
            except RPCError:
                raise
            except Exception as error:  # noqa: BLE001 - one that others have made can hold anything, such as a zone
                return f"{type(error).__name__}: {error}"

    ids = sorted({*listed, *also})
    read_schedules = dict(zip(ids, await asyncio.gather(*map(read, ids)), strict=True))
    return ScheduledTargets(
        [each for each in read_schedules.values() if isinstance(each, ScheduledTarget)],
        {name: each for name, each in read_schedules.items() if isinstance(each, str)},
    )


def unreadable_text(schedule_id: str, reason: str) -> str:
    """The text about a schedule that cannot be read."""
    why = shorten("; ".join(reason.splitlines()), MAX_LISTED)
    return (
        f"Schedule {schedule_id} cannot be read; if its request is invalid, its restores fail at once: {why}\n"
        "Store it again with starter.py apply or schedule, or delete it:\n"
        f"    temporal schedule delete --schedule-id {shlex.quote(schedule_id)}"
    )


async def _scheduled_target(client: Client, described: ScheduleDescription) -> ScheduledTarget | None:
    """None if it starts another workflow."""
    action, state = described.schedule.action, described.schedule.state
    if not isinstance(action, ScheduleActionStartWorkflow) or action.workflow != RESTORE_WORKFLOW:
        return None
    payloads = [arg for arg in action.args if isinstance(arg, Payload)]
    request: RestoreRequest = (await client.data_converter.decode(payloads, [RestoreRequest]))[0]
    topics = (request.notification.topic_arn, request.notification.success_topic_arn)
    starts = described.info.next_action_times
    return ScheduledTarget(
        schedule_id=described.id,
        target_arn=request.target.arn,
        task_queue=action.task_queue,
        fleet=await fleet_of(client, described.schedule),
        next_at=starts[0] if starts and not state.paused else None,
        pause=pause_of(described.schedule, datetime.now(UTC)),
        missed=described.info.num_actions_missed_catchup_window,
        start_before=request.start_before,
        topic_arns=tuple(dict.fromkeys(topic for topic in topics if topic)),
        zone=ZoneInfo(described.schedule.spec.time_zone_name or "UTC"),
        drills=request.target.drills,
        missed_at=_find_missed(described, datetime.now(UTC)),
    )


def _find_missed(described: ScheduleDescription, now: datetime) -> datetime | None:
    """The last due time before `now`, if no start for it is known; only of a schedule that runs every day without an end.

    A schedule that was created, changed, paused or resumed by `starter.py` since was perhaps not due then. Of a pause
    that ended by other means Temporal keeps no time: what was due in it counts as missed, until the next start.
    """
    schedule, info = described.schedule, described.info
    when = nightly_of(schedule)
    if when is None or not _is_due_every_day(schedule):
        return None
    days = (now.astimezone(when.zone).date() - timedelta(days=days) for days in (0, 1))
    due_times = (datetime.combine(day, when.at, when.zone).astimezone(UTC) for day in days)
    # A time that the change of the clocks skips is another one when it comes back from UTC.
    existing = (due for due in due_times if due.astimezone(when.zone).time() == when.at)
    due_at = next((due for due in existing if due <= now - STARTED_WITHIN), None)
    changed_at = [each for each in (info.created_at, info.last_updated_at, schedule.spec.start_at) if each]
    if due_at is None or due_at < max(changed_at):
        return None
    started = any(abs(action.scheduled_at - due_at) < STARTED_WITHIN for action in info.recent_actions)
    return None if started else due_at


def _is_due_every_day(schedule: Schedule) -> bool:
    """Whether it is due at one time of every day, as those of `nightly_schedule` are, and neither paused nor limited."""
    [calendar], spec, state = schedule.spec.calendars, schedule.spec, schedule.state
    daily = ScheduleCalendarSpec(hour=calendar.hour, minute=calendar.minute, comment=calendar.comment)
    one_time = all(len(part) == 1 and part[0].end <= part[0].start for part in (calendar.hour, calendar.minute))
    more = (spec.intervals, spec.cron_expressions, spec.skip, spec.end_at, state.paused, state.limited_actions)
    return one_time and calendar == daily and not any(more)


def find_scheduled_targets(
    scheduled: Sequence[ScheduledTarget], names: Sequence[str], task_queue: str
) -> list[ScheduledTarget]:
    """The schedules of the named targets (a cluster's name or ARN, or a schedule's id); without names, all of this queue.

    Raises `RestoreRefused` for a name that has no schedule, or that clusters of two regions or accounts have.
    """
    own = [each for each in scheduled if each.task_queue == task_queue]
    if not names:
        return own
    found = [each for name in names for each in _find(own, name, task_queue)]
    return list(dict.fromkeys(found))


def _find(own: Sequence[ScheduledTarget], name: str, task_queue: str) -> list[ScheduledTarget]:
    if exact := [each for each in own if each.schedule_id == name]:
        return exact
    found = [each for each in own if name.lower() in (each.target_arn, each.cluster)]
    arns = sorted({each.target_arn for each in found})
    if len(arns) > 1:
        raise RestoreRefused(
            f"More than one target is called {name}. Name one of these: {join_names(arns, MAX_LISTED)}"
        )
    if not arns:
        known = sorted({each.cluster for each in own})
        similar = get_close_matches(name.lower(), known, n=1)
        hint = f"did you mean {similar[0]}?" if similar else f"it has {join_names(known, MAX_LISTED) or 'none'}."
        raise RestoreRefused(f"Temporal has no schedule of {name} on the task queue {task_queue}; {hint}")
    return found
