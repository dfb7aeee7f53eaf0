"""`starter.py schedule`."""

from __future__ import annotations

import argparse
import asyncio
from datetime import datetime, time
from typing import TYPE_CHECKING

from commands.arguments import duration, request_argument, time_of_day, time_zone
from commands.exit_codes import FINE
from commands.restores import display_metadata, temporal_client
from commands.terminal import print_progress
from models.workflow_names import SCHEDULE_ID_PREFIX

if TYPE_CHECKING:
    from models.request import RestoreRequest
    from runs.schedules import Nightly


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which request, when it runs, and whether the schedule is paused."""
    request_argument(verb)
    verb.add_argument("--id", metavar="ID", help=f"the schedule's id; default: {SCHEDULE_ID_PREFIX}CLUSTER")
    verb.add_argument(
        "--at", type=time_of_day, default=time(0, 5), metavar="HH:MM", help="when it starts every day; default: 00:05"
    )
    verb.add_argument(
        "--time-zone",
        type=time_zone,
        default="UTC",
        metavar="ZONE",
        help="the time zone of --at, such as Europe/Berlin; default: UTC",
    )
    verb.add_argument(
        "--catch-up",
        type=duration,
        default="1h",
        metavar="DURATION",
        help="how late a missed restore may still start, such as 90m or 2h; default: 1h",
    )
    paused = verb.add_mutually_exclusive_group()
    paused.add_argument(
        "--paused",
        action="store_true",
        default=None,
        help="start no restores; default: an existing schedule stays as it is, a new one is not paused",
    )
    paused.add_argument("--unpaused", action="store_false", dest="paused", default=None, help="start restores again")


def run(args: argparse.Namespace) -> int:
    """Create or update the nightly schedule of a request."""
    from models.request_file import read_request
    from runs.schedules import Nightly, clock_changes
    from settings import TrailSettings, load_settings

    request, task_queue = read_request(args.request_file), load_settings(TrailSettings).task_queue
    when = Nightly(args.at, args.time_zone, args.catch_up)
    for sentence in clock_changes(when, datetime.now(args.time_zone).date()):
        print_progress(f"Warning: {sentence}. UTC, or a time after 03:00, has no such day.")
    return asyncio.run(_schedule(request, when, task_queue, args))


async def _schedule(request: RestoreRequest, when: Nightly, task_queue: str, args: argparse.Namespace) -> int:
    from runs.schedules import apply_schedule, nightly_schedule

    client = await temporal_client()
    schedule_id = args.id or f"{SCHEDULE_ID_PREFIX}{request.target.cluster}"
    schedule = nightly_schedule(request, when, task_queue, display_metadata(request))
    applied = await apply_schedule(client, schedule_id, schedule, args.paused)
    described = await client.get_schedule_handle(schedule_id).describe()
    starts = described.info.next_action_times
    if described.schedule.state.paused:
        status = "paused"
    elif starts:
        status = f"next {starts[0].astimezone(args.time_zone):%Y-%m-%d %H:%M %Z}"
    else:
        status = "ended"
    print(f"{applied} schedule {schedule_id}: daily at {args.at:%H:%M} {args.time_zone}, {status}")
    return FINE
