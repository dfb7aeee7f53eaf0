"""`starter.py schedule`."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from commands.arguments import duration, request_argument, time_of_day, time_zone
from commands.exit_codes import FINE
from commands.json_output import fields_of, print_json
from commands.restores import display_metadata, temporal_client
from commands.terminal import print_progress
from models.workflow_names import SCHEDULE_ID_PREFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temporalio.client import Client, Schedule

    from models.request import RestoreRequest
    from runs.schedule_changes import Change
    from runs.schedules import Nightly

KEPT = "; of an existing one: as it is"
MAX_CHANGES = 20
"""Fields of a schedule that are printed."""

EXAMPLES = (
    ("schedule restore.toml --at 02:30 --time-zone Europe/Berlin", "once a day"),
    ("schedule restore.toml", "the changed request, at the time that it has"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which request, and when it runs."""
    request_argument(verb)
    verb.add_argument(
        "--id", metavar="ID", help=f"the schedule's id; default: {SCHEDULE_ID_PREFIX}CLUSTER, of a drill with -drill"
    )
    verb.add_argument(
        "--at", type=time_of_day, metavar="HH:MM", help=f"when it starts every day; of a new schedule: 00:05{KEPT}"
    )
    verb.add_argument(
        "--time-zone",
        type=time_zone,
        metavar="ZONE",
        help=f"the time zone of --at, such as Europe/Berlin; of a new schedule: UTC{KEPT}",
    )
    verb.add_argument(
        "--catch-up",
        type=duration,
        metavar="DURATION",
        help=f"how late a missed restore may still start, such as 90m or 2h; of a new schedule: 1h{KEPT}",
    )


def run(args: argparse.Namespace) -> int:
    """Create the nightly schedule of a request, or update the existing one in what the command names."""
    from models.request_file import read_request
    from settings import TrailSettings, load_settings

    return asyncio.run(_schedule(read_request(args.request_file), load_settings(TrailSettings).task_queue, args))


async def _schedule(request: RestoreRequest, task_queue: str, args: argparse.Namespace) -> int:
    from models.fleet import default_schedule_id
    from runs.pauses import pause_of
    from runs.schedule_changes import list_changes
    from runs.schedules import apply_schedule, find_schedule, fleet_of, nightly_schedule

    client = await temporal_client()
    schedule_id = args.id or default_schedule_id(request.target.cluster, drills=request.target.drills)
    described = await find_schedule(client, schedule_id)
    existing = described.schedule if described else None
    when = _when(existing, args)
    print_clock_changes(when)
    fleet = await fleet_of(client, existing) if existing else None
    priority = getattr(existing.action, "priority", None) if existing else None
    schedule = nightly_schedule(
        request,
        when,
        task_queue,
        display_metadata(request),
        priority=priority.priority_key if priority else None,
        fleet=fleet,
    )
    await _warn_of_other_schedule(client, request, when)
    changes = await list_changes(client, existing, schedule) if existing else []
    applied = await apply_schedule(client, schedule_id, schedule)
    described = await client.get_schedule_handle(schedule_id).describe()
    starts = described.info.next_action_times
    pause = pause_of(described.schedule, datetime.now(UTC))
    if args.output == "json":
        print_json(
            {
                "schedule_id": schedule_id,
                "change": applied,
                "target": request.target.arn,
                "at": f"{when.at:%H:%M}",
                "time_zone": str(when.zone),
                "pause": pause,
                "next_at": starts[0] if starts and not described.schedule.state.paused else None,
                "changes": [fields_of(change) for change in changes],
                "fleet": fleet,
            }
        )
        return FINE
    if pause:
        status = pause.text
    elif starts:
        status = f"next {starts[0].astimezone(when.zone):%Y-%m-%d %H:%M %Z}"
    else:
        status = "ended"
    print(f"{applied} schedule {schedule_id}: daily at {when.at:%H:%M} {when.zone}, {status}")
    for line in change_lines(changes):
        print(line)
    if fleet and changes:
        print_progress(
            f"Warning: the fleet {fleet} declares this schedule; the next apply of its file changes it back."
        )
    return FINE


async def _warn_of_other_schedule(client: Client, request: RestoreRequest, when: Nightly) -> None:
    """Warn if the target's other schedule, of drills or restores, has this time or keeps another number of copies."""
    from models.fleet import default_schedule_id
    from models.request import RestoreRequest
    from runs.schedules import find_schedule, nightly_of, request_of

    schedule_id = default_schedule_id(request.target.cluster, drills=not request.target.drills)
    described = await find_schedule(client, schedule_id)
    beside = await request_of(client, described.schedule) if described else None
    if described is None or not isinstance(beside, RestoreRequest) or beside.target.arn != request.target.arn:
        return
    other = nightly_of(described.schedule)
    if other and (other.at, other.zone) == (when.at, when.zone):
        print_progress(
            f"Warning: {schedule_id} starts at {when.at:%H:%M} {when.zone}, too. If a drill and a restore start "
            "together, one is skipped. Choose another time with --at."
        )
    kept, kept_beside = request.archive.copies_to_keep, beside.archive.copies_to_keep
    if kept != kept_beside:
        print_progress(
            f"Warning: this request keeps {kept} copies of the target's snapshots, that of {schedule_id} keeps "
            f"{kept_beside}. A drill and a restore prune the same copies. Give both the same archive.keep: 0 if one "
            "has archive.masked."
        )


def _when(existing: Schedule | None, args: argparse.Namespace) -> Nightly:
    """What the options name, and for the rest what the existing schedule has, or a new one gets."""
    from runs.schedules import Nightly, nightly_of

    kept = (nightly_of(existing) if existing else None) or Nightly(time(0, 5), ZoneInfo("UTC"), timedelta(hours=1))
    return Nightly(args.at or kept.at, args.time_zone or kept.zone, args.catch_up or kept.catch_up)


def print_clock_changes(when: Nightly) -> None:
    """Warn of the days on which the time does not exist, or occurs twice."""
    from runs.schedules import clock_changes

    for sentence in clock_changes(when, datetime.now(when.zone).date()):
        print_progress(f"Warning: {sentence}. UTC, or a time after 03:00, has no such day.")


def change_lines(changes: Sequence[Change]) -> list[str]:
    """A line for each field that differs."""
    from limits import first_and_more

    lines = [f"{change.field}: {change.old} → {change.new}" for change in changes]
    return [f"    {line}" for line in first_and_more(lines, MAX_CHANGES)]
