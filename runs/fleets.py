"""Makes Temporal's schedules match a fleet: what differs, and the changes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from temporalio.client import Client, Schedule
from temporalio.service import RPCError, RPCStatusCode

from models.fleet_file import DeclaredRestore, Fleet
from runs.pauses import Pause, pause_of
from runs.restores import DisplayMetadata, RestoreRefused
from runs.schedule_changes import Change, list_changes
from runs.scheduled_targets import READS_AT_ONCE, ScheduledTarget, list_scheduled_targets
from runs.schedules import Nightly, apply_schedule, find_schedule, fleet_of, nightly_schedule, require_same_target
from runs.summary_schedules import summary_schedule, summary_schedule_id

SUMMARY = "summary"
"""In place of a target, for the schedule of the fleet's summary."""


class Action(StrEnum):
    """What `apply` does with a schedule."""

    CREATE = "create"
    CHANGE = "change"
    NONE = "none"
    DELETE = "delete"
    """The fleet had declared it, and no longer does."""
    LEAVE = "leave"
    """It is not in the file, and stays as it is."""


@dataclass(frozen=True)
class PlannedSchedule:
    """One schedule, and what `apply` does with it."""

    schedule_id: str
    target_arn: str
    action: Action
    changes: Sequence[Change] = ()
    """Of a schedule that is changed: every field that differs."""
    pause: Pause | None = None
    """That of the existing schedule, which stays."""
    restore: DeclaredRestore | None = None
    schedule: Schedule | None = None
    """As it is declared; None if it is not in the file."""
    fleet: str | None = None
    """The fleet that has declared the existing schedule."""

    @property
    def cluster(self) -> str:
        """The target cluster's name."""
        return self.target_arn.rpartition(":")[2]


def nightly_of_entry(declared: DeclaredRestore) -> Nightly:
    """When an entry's restore starts."""
    schedule = declared.entry.schedule
    return Nightly(schedule.time, schedule.zone, schedule.catch_up)


class FleetSchedules:
    """The schedules of one fleet in Temporal."""

    def __init__(self, client: Client, fleet: Fleet, task_queue: str, now: datetime) -> None:
        """`task_queue` is that of the environment whose schedules these are."""
        self._client = client
        self._fleet = fleet
        self._task_queue = task_queue
        self._now = now

    async def plan(
        self, displays: Sequence[DisplayMetadata], *, prune: bool
    ) -> tuple[list[PlannedSchedule], list[PlannedSchedule]]:
        """What differs: of each entry, with its display metadata, and of the schedules that are not in the file.

        Reads every schedule once. Raises `OtherSchedule` if an id is in use for another target, `RestoreRefused` if
        another environment has the schedule.
        """
        limit = asyncio.Semaphore(READS_AT_ONCE)

        async def plan_entry(declared: DeclaredRestore, display: DisplayMetadata) -> PlannedSchedule:
            async with limit:
                return await self._plan_entry(declared, display)

        entries = await asyncio.gather(*map(plan_entry, self._fleet.restores, displays))
        declared = {planned.schedule_id for planned in entries}
        others = [
            self._plan_other(scheduled, prune=prune)
            for scheduled in (await list_scheduled_targets(self._client)).readable
            if scheduled.schedule_id not in declared and scheduled.task_queue == self._task_queue
        ]
        return list(entries), [*await self._plan_summary(displays[0], prune=prune), *others]

    async def _plan_summary(self, display: DisplayMetadata, *, prune: bool) -> list[PlannedSchedule]:
        """The schedule of the fleet's summary, or the one that the fleet no longer declares."""
        schedule_id = summary_schedule_id(self._fleet)
        schedule = summary_schedule(self._fleet, self._task_queue, display)
        described = await find_schedule(self._client, schedule_id)
        if described is None:
            return [PlannedSchedule(schedule_id, SUMMARY, Action.CREATE, schedule=schedule)] if schedule else []
        existing = described.schedule
        self._require_own_queue(schedule_id, existing)
        pause, fleet = pause_of(existing, self._now), await fleet_of(self._client, existing)
        if schedule is None:
            action = Action.DELETE if prune and fleet == self._fleet.name else Action.LEAVE
            return [PlannedSchedule(schedule_id, SUMMARY, action, pause=pause, fleet=fleet)]
        changes = await list_changes(self._client, existing, schedule)
        action = Action.CHANGE if changes else Action.NONE
        return [PlannedSchedule(schedule_id, SUMMARY, action, changes, pause, schedule=schedule, fleet=fleet)]

    async def _plan_entry(self, declared: DeclaredRestore, display: DisplayMetadata) -> PlannedSchedule:
        entry = declared.entry
        schedule = nightly_schedule(
            entry.request,
            nightly_of_entry(declared),
            self._task_queue,
            display,
            priority=entry.schedule.priority,
            fleet=self._fleet.name,
        )
        described = await find_schedule(self._client, entry.schedule_id)
        arn = entry.target.arn
        if described is None:
            return PlannedSchedule(entry.schedule_id, arn, Action.CREATE, restore=declared, schedule=schedule)
        existing = described.schedule
        await require_same_target(self._client, entry.schedule_id, existing, schedule)
        self._require_own_queue(entry.schedule_id, existing)
        changes = await list_changes(self._client, existing, schedule)
        return PlannedSchedule(
            schedule_id=entry.schedule_id,
            target_arn=arn,
            action=Action.CHANGE if changes else Action.NONE,
            changes=changes,
            pause=pause_of(existing, self._now),
            restore=declared,
            schedule=schedule,
            fleet=await fleet_of(self._client, existing),
        )

    def _require_own_queue(self, schedule_id: str, existing: Schedule) -> None:
        """Raises `RestoreRefused` for a schedule of another environment."""
        task_queue = getattr(existing.action, "task_queue", None)
        if task_queue != self._task_queue:
            raise RestoreRefused(
                f"The schedule {schedule_id} is of the task queue {task_queue}, not of {self._task_queue}: another "
                "environment restores this target. Set schedule.id, or check AURORA_RESTORE_TASK_QUEUE."
            )

    def _plan_other(self, scheduled: ScheduledTarget, *, prune: bool) -> PlannedSchedule:
        is_own = scheduled.fleet == self._fleet.name
        return PlannedSchedule(
            scheduled.schedule_id,
            scheduled.target_arn,
            Action.DELETE if prune and is_own else Action.LEAVE,
            pause=scheduled.pause,
            fleet=scheduled.fleet,
        )

    async def carry_out(self, planned: PlannedSchedule) -> None:
        """Create, change or delete one schedule. Run twice: the second run changes nothing.

        Raises `OtherSchedule` if the id is in use for another target by now.
        """
        if planned.action is Action.DELETE:
            await self._delete(planned.schedule_id)
        elif planned.schedule is not None and planned.action is not Action.NONE:
            paused = planned.restore is not None and planned.restore.entry.schedule.initially_paused
            await apply_schedule(self._client, planned.schedule_id, planned.schedule, paused=paused)

    async def _delete(self, schedule_id: str) -> None:
        try:
            await self._client.get_schedule_handle(schedule_id).delete()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
