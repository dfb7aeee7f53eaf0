"""Pauses of a schedule, with who paused it, why, and until when.

A pause without an end is Temporal's own (`state.paused`). One with an end is the schedule's `start_at`: Temporal itself
starts nothing before it and goes on after it, so that nothing of ours must be alive at the end of a pause, and none can be
left behind. The note, which Temporal's Web UI shows, has the words.
Source: Temporal docs, Schedule, "Start time and end time", "Pause".
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.client import Client, Schedule, ScheduleUpdate, ScheduleUpdateInput

NOTE = re.compile(
    r"Paused(?: until (?P<until>[0-9 :-]{16} UTC))? by (?P<by>.{1,500}?) on (?P<at>[0-9 :-]{16} UTC)(?:: (?P<reason>.*))?",
    re.DOTALL,
)
MAX_PAUSE = timedelta(days=366)
TIME = "%Y-%m-%d %H:%M UTC"


@dataclass(frozen=True)
class Pause:
    """Why a schedule starts no restore."""

    reason: str | None
    """As the operator gave it, or the note of somebody who paused it by other means; None if there is none."""
    by: str | None = None
    """None if it was paused by other means than `starter.py pause`."""
    until: datetime | None = None
    """When it ends by itself, UTC; None if `starter.py resume` must end it."""

    @property
    def text(self) -> str:
        """In one line: until when, by whom, why."""
        until = f" until {self.until:{TIME}}" if self.until else ""
        by = f" by {self.by}" if self.by else ""
        return f"paused{until}{by}{f': {self.reason}' if self.reason else ''}"

    def note(self, now: datetime) -> str:
        """What Temporal's Web UI shows, and `pause_of` reads back."""
        until = f" until {self.until:{TIME}}" if self.until else ""
        return f"Paused{until} by {self.by} on {now:{TIME}}{f': {self.reason}' if self.reason else ''}"


def pause_of(schedule: Schedule, now: datetime) -> Pause | None:
    """The pause of a schedule; None if it starts restores.

    Whether it is paused and until when is Temporal's own, whatever the note says.
    """
    start_at, note = schedule.spec.start_at, schedule.state.note
    until = start_at if start_at and start_at > now and not schedule.state.paused else None
    if until is None and not schedule.state.paused:
        return None
    words = NOTE.fullmatch(note or "")
    if words is None:
        return Pause(note if schedule.state.paused else None, until=until)
    return Pause(words["reason"], words["by"], until)


async def pause_schedule(client: Client, schedule_id: str, pause: Pause, now: datetime) -> Pause | None:
    """Pause a schedule, or change its pause; returns the pause that it had. Run twice: the pause is the same."""
    note = pause.note(now)
    return await _change(client, schedule_id, now, note, paused=pause.until is None, start_at=pause.until)


async def resume_schedule(client: Client, schedule_id: str, by: str, now: datetime) -> Pause | None:
    """End the pause of a schedule; returns the pause that it had, None if it had none. Run twice: changes nothing more."""
    note = f"Resumed by {by} on {now:{TIME}}"
    return await _change(client, schedule_id, now, note, paused=False, start_at=None, only_if_paused=True)


async def _change(
    client: Client,
    schedule_id: str,
    now: datetime,
    note: str,
    *,
    paused: bool,
    start_at: datetime | None,
    only_if_paused: bool = False,
) -> Pause | None:
    had: Pause | None = None

    async def change(current: ScheduleUpdateInput) -> ScheduleUpdate | None:
        nonlocal had
        schedule = current.description.schedule
        had = pause_of(schedule, now)
        if only_if_paused and had is None:
            return None
        spec = dataclasses.replace(schedule.spec, start_at=start_at)
        state = dataclasses.replace(schedule.state, note=note, paused=paused)
        return ScheduleUpdate(dataclasses.replace(schedule, spec=spec, state=state))

    await client.get_schedule_handle(schedule_id).update(change)
    return had


def as_utc(moment: datetime) -> datetime:
    """The moment in UTC, without a fraction of a minute, which a note does not have."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)
