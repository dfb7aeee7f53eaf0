"""`starter.py apply`: Temporal's schedules as restores.toml declares them."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from commands.exit_codes import FAILED, FINE, MISTAKE, REFUSED
from commands.restores import display_metadata, temporal_client
from commands.schedule import change_lines, print_clock_changes
from commands.terminal import print_progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.fleet_file import Fleet
    from runs.fleets import FleetSchedules, PlannedSchedule

WORDS = {
    "create": ("is created", "created"),
    "change": ("is changed", "changed"),
    "delete": ("is deleted", "deleted"),
}
"""By action: before, and after it."""
MAX_NOT_IN_FILE = 20

EXAMPLES = (
    ("apply restores.toml --dry-run", "what differs from Temporal's schedules"),
    ("apply restores.toml --prune --yes", "make them the same, without a question"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which file, and whether to change anything."""
    verb.add_argument(
        "fleet", type=Path, metavar="FILE", help="a restores.toml, or a folder of such files; examples/ has one"
    )
    verb.add_argument("--yes", action="store_true", help="do not ask; required where there is no terminal")
    verb.add_argument("--dry-run", action="store_true", help="only print what differs; exit code 1 if anything does")
    verb.add_argument(
        "--prune", action="store_true", help="delete the schedules that this fleet has declared and no longer does"
    )


def run(args: argparse.Namespace) -> int:
    """Make Temporal's schedules as restores.toml declares them: print what differs, ask, and change it."""
    from models.fleet_file import read_fleet
    from settings import TrailSettings, load_settings

    return asyncio.run(_apply(read_fleet(args.fleet), load_settings(TrailSettings).task_queue, args))


async def _apply(fleet: Fleet, task_queue: str, args: argparse.Namespace) -> int:
    from runs.fleets import Action, FleetSchedules, nightly_of_entry

    client = await temporal_client()
    for when in dict.fromkeys(map(nightly_of_entry, fleet.restores)):
        print_clock_changes(when)
    schedules = FleetSchedules(client, fleet, task_queue, datetime.now(UTC))
    displays = [display_metadata(declared.entry.request) for declared in fleet.restores]
    entries, others = await schedules.plan(displays, prune=args.prune)
    planned = [*entries, *others]
    to_do = [each for each in planned if each.action not in (Action.NONE, Action.LEAVE)]
    if args.output == "text":
        _print_plan(fleet, planned)
    code = await _carry_out(schedules, to_do, args)
    if args.output == "json":
        _print_json(fleet, planned, applied=not args.dry_run and code == FINE)
    return code


async def _carry_out(schedules: FleetSchedules, to_do: Sequence[PlannedSchedule], args: argparse.Namespace) -> int:
    """Carry out the changes, if that is asked for; returns the exit code."""
    if not to_do:
        return FINE
    if args.dry_run:
        print_progress(f"Nothing was changed. To make the {_count(len(to_do), 'change')}: apply without --dry-run")
        return FAILED
    if not args.yes and not sys.stdin.isatty():
        print_progress("Nothing was changed, because nobody can be asked here. To make the changes, add --yes")
        return MISTAKE
    if not args.yes and not _confirm(f"Make {_count(len(to_do), 'change')}?"):
        print_progress("Nothing was changed.")
        return REFUSED
    for planned in to_do:
        await schedules.carry_out(planned)
        print_progress(f"{WORDS[planned.action][1]} {planned.schedule_id}")
    return FINE


def _confirm(question: str) -> bool:
    print_progress(f"{question} [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _print_plan(fleet: Fleet, planned: Sequence[PlannedSchedule]) -> None:
    from limits import first_and_more
    from runs.fleets import Action

    unchanged = sum(each.action is Action.NONE and each.restore is not None for each in planned)
    for each in planned:
        if each.action in WORDS:
            print("\n".join(_lines(each)))
    paused = [f"{each.cluster}: {each.pause.text}" for each in planned if each.pause and each.restore]
    left = [_left(each, fleet.name) for each in planned if each.action is Action.LEAVE]
    for line in (*first_and_more(paused, MAX_NOT_IN_FILE), *first_and_more(left, MAX_NOT_IN_FILE)):
        print(line)
    print(f"{_count(len(fleet.restores), 'restore')} declared, {unchanged} unchanged")


def _lines(planned: PlannedSchedule) -> list[str]:
    """What is done with one schedule, and each field that differs."""
    heading = f"{planned.cluster}: schedule {planned.schedule_id} {WORDS[planned.action][0]}"
    declared = planned.restore
    if declared is not None and not planned.changes:
        schedule = declared.entry.schedule
        paused = ", paused" if schedule.initially_paused else ""
        heading = f"{heading}: daily at {schedule.time:%H:%M} {schedule.zone}{paused}"
    return [heading, *change_lines(planned.changes)]


def _left(planned: PlannedSchedule, fleet: str) -> str:
    what = f"{planned.cluster}: schedule {planned.schedule_id} is not in the file"
    if planned.fleet == fleet:
        return f"{what}; --prune deletes it"
    return f"{what}; the fleet {planned.fleet} declares it" if planned.fleet else f"{what}; no fleet declares it"


def _print_json(fleet: Fleet, planned: Sequence[PlannedSchedule], *, applied: bool) -> None:
    from commands.json_output import fields_of, print_json

    schedules = [
        {
            "schedule_id": each.schedule_id,
            "target": each.target_arn,
            "restore": each.restore and each.restore.name,
            "action": each.action,
            "fleet": each.fleet,
            "changes": [fields_of(change) for change in each.changes],
            "pause": each.pause,
        }
        for each in planned
    ]
    print_json({"fleet": fleet.name, "applied": applied, "schedules": schedules})
