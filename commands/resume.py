"""`starter.py resume`."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime

from commands.exit_codes import FINE
from commands.json_output import print_json
from commands.pause import by_argument, find_schedules, schedules_arguments
from commands.restores import temporal_client

EXAMPLES = (
    ("resume orders-staging", "at the time of its schedule"),
    ("resume --all", "every schedule"),
)


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
    resumed = []
    for scheduled in await find_schedules(client, args):
        had = await resume_schedule(client, scheduled.schedule_id, args.by, now)
        described = await client.get_schedule_handle(scheduled.schedule_id).describe()
        starts = described.info.next_action_times
        resumed.append(
            {
                "schedule_id": scheduled.schedule_id,
                "target": scheduled.target_arn,
                "was_paused": had is not None,
                "next_at": starts[0] if starts else None,
            }
        )
        if args.output == "json":
            continue
        following = f"next {starts[0].astimezone(scheduled.zone):%Y-%m-%d %H:%M %Z}" if starts else "ended"
        print(f"{scheduled.cluster}: {f'resumed, was {had.text}' if had else 'was not paused'}; {following}")
    if args.output == "json":
        print_json({"schedules": resumed})
    return FINE
