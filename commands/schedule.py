"""`starter.py schedule`."""

from __future__ import annotations

import argparse
import asyncio
from datetime import datetime, time
from typing import TYPE_CHECKING

from commands.arguments import duration, request_argument, time_of_day, time_zone
from commands.exit_codes import FINE
from commands.restores import display_metadata, temporal_client
from commands.terminal import say
from models.workflow_names import SCHEDULE_ID_PREFIX

if TYPE_CHECKING:
    from models.request import RestoreRequest


def arguments(verb: argparse.ArgumentParser) -> None:
    """What it is told."""
    request_argument(verb)
    verb.add_argument("--id", metavar="ID", help=f"the schedule's id; default {SCHEDULE_ID_PREFIX}CLUSTER")
    verb.add_argument("--at", type=time_of_day, default=time(0, 5), metavar="HH:MM", help="default 00:05")
    verb.add_argument(
        "--time-zone", type=time_zone, default="UTC", metavar="ZONE", help="such as Europe/Berlin; default UTC"
    )
    verb.add_argument(
        "--catch-up",
        type=duration,
        default="1h",
        metavar="LENGTH",
        help="how late a missed night may still start, such as 90m or 2h; default 1h",
    )
    paused = verb.add_mutually_exclusive_group()
    paused.add_argument(
        "--paused",
        action="store_true",
        default=None,
        help="start no night; default, as it was, and not paused at first",
    )
    paused.add_argument("--unpaused", action="store_false", dest="paused", default=None, help="start nights again")


def run(args: argparse.Namespace) -> int:
    """Create or update the nightly schedule of a request."""
    from models.request_file import read_request
    from runs.schedules import Nightly, clock_changes
    from settings import TrailSettings, load_settings

    request, task_queue = read_request(args.request_file), load_settings(TrailSettings).task_queue
    when = Nightly(args.at, args.time_zone, args.catch_up)
    for sentence in clock_changes(when, datetime.now(args.time_zone).date()):
        say(f"Warning: {sentence}. UTC, or a time after 03:00, has no such day.")
    return asyncio.run(_schedule(request, task_queue, args))


async def _schedule(request: RestoreRequest, task_queue: str, args: argparse.Namespace) -> int:
    from runs.schedules import Nightly, apply_schedule, nightly_schedule

    client = await temporal_client()
    schedule_id = args.id or f"{SCHEDULE_ID_PREFIX}{request.target.cluster}"
    wanted = nightly_schedule(
        request, Nightly(args.at, args.time_zone, args.catch_up), task_queue, display_metadata(request)
    )
    applied = await apply_schedule(client, schedule_id, wanted, args.paused)
    there = await client.get_schedule_handle(schedule_id).describe()
    following = there.info.next_action_times[0].astimezone(args.time_zone) if there.info.next_action_times else None
    stands = (
        "paused" if there.schedule.state.paused else f"next {following:%Y-%m-%d %H:%M %Z}" if following else "ended"
    )
    print(f"{applied} schedule {schedule_id}: every night at {args.at:%H:%M} {args.time_zone}, {stands}")
    return FINE
