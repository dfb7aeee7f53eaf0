"""`starter.py resume`."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime

from commands.exit_codes import FINE
from commands.pause import by_argument, find_schedules, schedules_arguments
from commands.restores import temporal_client


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which targets, and whose decision it is."""
    schedules_arguments(verb)
    by_argument(verb, "who resumes")


def run(args: argparse.Namespace) -> int:
    """End the pause of the schedules of targets; what was due meanwhile is not made up for."""
    return asyncio.run(_resume(args))


async def _resume(args: argparse.Namespace) -> int:
    from runs.pauses import resume_schedule

    client, now = await temporal_client(), datetime.now(UTC)
    for scheduled in await find_schedules(client, args):
        had = await resume_schedule(client, scheduled.schedule_id, args.by, now)
        described = await client.get_schedule_handle(scheduled.schedule_id).describe()
        starts = described.info.next_action_times
        following = f"next {starts[0].astimezone(scheduled.zone):%Y-%m-%d %H:%M %Z}" if starts else "ended"
        print(f"{scheduled.cluster}: {f'resumed, was {had.text}' if had else 'was not paused'}; {following}")
    return FINE
