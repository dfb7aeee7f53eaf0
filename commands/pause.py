"""`starter.py pause`."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.arguments import pause_end
from commands.decisions import current_user, one_line
from commands.exit_codes import FINE
from commands.json_output import print_json
from commands.restores import temporal_client
from commands.terminal import print_progress

if TYPE_CHECKING:
    from temporalio.client import Client

    from runs.pauses import Pause
    from runs.scheduled_targets import ScheduledTarget

EXAMPLES = (
    ("pause orders-staging --until 2026-11-30 --reason 'freeze'", "until Monday's midnight"),
    ("pause --all --reason 'account is being moved'", "until resume"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which targets, why, until when, and whose decision it is."""
    schedules_arguments(verb)
    verb.add_argument("--reason", type=one_line, required=True, metavar="TEXT", help="why; the Web UI and list show it")
    verb.add_argument(
        "--until",
        type=pause_end,
        metavar="WHEN",
        help="when it ends by itself: a day such as 2026-11-30, which is its midnight, or a time such as 2026-11-30T07:00, "
        "both in the schedule's time zone; default: until resume",
    )
    by_argument(verb, "who pauses")


def schedules_arguments(verb: argparse.ArgumentParser) -> None:
    """Which schedules."""
    which = verb.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "targets", nargs="*", default=[], metavar="TARGET", help="target clusters by name or ARN, or a schedule's id"
    )
    which.add_argument("--all", action="store_true", help="every schedule of this environment's task queue")


def by_argument(verb: argparse.ArgumentParser, what: str) -> None:
    """Whose decision it is."""
    verb.add_argument(
        "--by", type=one_line, default=current_user(), metavar="NAME", help=f"{what}; default: %(default)s"
    )


def run(args: argparse.Namespace) -> int:
    """Pause the schedules of targets, with a reason, until a date or until resume; a running restore goes on."""
    return asyncio.run(_pause(args))


async def find_schedules(client: Client, args: argparse.Namespace) -> list[ScheduledTarget]:
    """The schedules that `schedules_arguments` name; raises `RestoreRefused` if one has none."""
    from models.fleet import default_schedule_id
    from runs.restores import RestoreRefused
    from runs.scheduled_targets import find_scheduled_targets, list_scheduled_targets, unreadable_text
    from settings import TrailSettings, load_settings

    task_queue = load_settings(TrailSettings).task_queue
    clusters = [name.rpartition(":")[2].lower() for name in args.targets]
    new = [*args.targets, *(default_schedule_id(name, drills=drills) for name in clusters for drills in (False, True))]
    schedules, unreadable = await list_scheduled_targets(client, new)
    for schedule_id, reason in unreadable.items():
        print_progress(unreadable_text(schedule_id, reason))
    found = find_scheduled_targets(schedules, args.targets, task_queue)
    if not found:
        raise RestoreRefused(f"Temporal has no schedule of a restore on the task queue {task_queue}.")
    return found


async def _pause(args: argparse.Namespace) -> int:
    from runs.due_runs import list_running
    from runs.pauses import Pause, pause_schedule

    client, now = await temporal_client(), datetime.now(UTC)
    found = await find_schedules(client, args)
    pauses = {each: Pause(args.reason, args.by, _end(args, each, now)) for each in found}
    for scheduled, pause in pauses.items():
        had = await pause_schedule(client, scheduled.schedule_id, pause, now)
        if args.output != "json":
            _print(scheduled, pause, had)
    if args.output == "json":
        print_json(
            {
                "schedules": [
                    {"schedule_id": each.schedule_id, "target": each.target_arn, "pause": pause}
                    for each, pause in pauses.items()
                ]
            }
        )
    running, due = await list_running(client)
    ids = {each.target_workflow_id for each in found}
    for run in running:
        if run.workflow_id in ids:
            print_progress(
                f"{run.operation_id or run.workflow_id} of {run.cluster} is running and goes on. To cancel it:\n"
                f"    python starter.py cancel {run.workflow_id}"
            )
    for waiting in due:
        if waiting.target_workflow_id in ids:
            print_progress(
                f"{waiting.workflow_id} was due before and waits for a worker. To cancel it:\n"
                f"    temporal workflow cancel --workflow-id {waiting.workflow_id}"
            )
    return FINE


def _end(args: argparse.Namespace, scheduled: ScheduledTarget, now: datetime) -> datetime | None:
    """When the pause ends, UTC; raises `RestoreRefused` if that is not within the next year."""
    from runs.pauses import MAX_PAUSE, as_utc
    from runs.restores import RestoreRefused

    if args.until is None:
        return None
    local = args.until if args.until.tzinfo else args.until.replace(tzinfo=scheduled.zone)
    end = as_utc(local)
    if not now < end <= now + MAX_PAUSE:
        raise RestoreRefused(
            f"--until: {end:%Y-%m-%d %H:%M} UTC is not within the next {MAX_PAUSE.days} days. Nothing was paused."
        )
    return end


def _print(scheduled: ScheduledTarget, pause: Pause, had: Pause | None) -> None:
    print(f"{scheduled.cluster}: {pause.text}")
    if had and had != pause:
        print_progress(f"{scheduled.cluster}: was {had.text}")
