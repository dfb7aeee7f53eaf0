"""`starter.py list`: every target on one line."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from commands.exit_codes import FINE
from commands.restores import temporal_client
from commands.terminal import print_progress, print_result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from audit.health import TargetHealth
    from runs.due_runs import DueRun, RunningRun
    from runs.scheduled_targets import ScheduledTarget
    from settings import TrailSettings

FORMATS = ("table", "json")
COLUMNS = ("Target", "Last operation", "Last good restore", "Now", "Next", "Missed")


class TargetLine(NamedTuple):
    """What is known of one target."""

    target_arn: str
    health: TargetHealth | None
    """None if the trail does not know it."""
    running: RunningRun | None
    due: DueRun | None
    schedules: Sequence[ScheduledTarget]


EXAMPLES = (
    ("list", "every target"),
    ("list -o json | jq -r '.targets[] | select(.schedules == []) | .target'", "the targets without a schedule"),
)


def arguments(_verb: argparse.ArgumentParser) -> None:
    """None."""


def run(args: argparse.Namespace) -> int:
    """List every target: its last operation, what runs or waits now, when the next restore is due, what was missed."""
    from settings import TrailSettings, load_settings

    return asyncio.run(_list(load_settings(TrailSettings), args.output))


async def _list(settings: TrailSettings, output_format: str) -> int:
    from runs.due_runs import list_running
    from runs.scheduled_targets import list_scheduled_targets, unreadable_text
    from runs.workers import count_workers, no_worker_text

    client, now = await temporal_client(), datetime.now(UTC)
    running, due = await list_running(client)
    schedules, unreadable = await list_scheduled_targets(client)
    workers = await count_workers(client, settings.task_queue, now)
    lines = await asyncio.to_thread(_join, settings, now, running, due, schedules)
    if output_format == "json":
        _print_json(lines, workers, settings.task_queue, unreadable)
        return FINE
    for schedule_id, reason in unreadable.items():
        print_progress(unreadable_text(schedule_id, reason))
    _print_table(lines, now, workers)
    if not lines:
        print_progress("There is no target yet: no operation in the trail, no schedule and no running restore.")
    if not workers:
        print_progress(no_worker_text(settings.task_queue))
    return FINE


def _join(
    settings: TrailSettings,
    now: datetime,
    running: Sequence[RunningRun],
    due: Sequence[DueRun],
    schedules: Sequence[ScheduledTarget],
) -> list[TargetLine]:
    """A line for each target that the trail, a schedule or a running workflow knows, in the order of their names."""
    from audit.health import DEFAULT_MAX_AGE, TargetHealths
    from audit.numbers import OperationNumbersTable
    from audit.table import AuditTable
    from clients.aws import AwsClients
    from commands.known_targets import list_known_targets
    from models.identifiers import arn_of_workflow_id

    dynamodb = AwsClients().dynamodb(settings.audit_region)
    numbers = OperationNumbersTable(dynamodb, settings.operations_table)
    table, known = AuditTable(dynamodb, settings.audit_table), list_known_targets(numbers)
    healths = dict(zip(known, TargetHealths(table, numbers, DEFAULT_MAX_AGE, now).read(known), strict=True))
    now_running = {arn_of_workflow_id(run.workflow_id): run for run in running}
    arns = {*known, *now_running, *(schedule.target_arn for schedule in schedules)}
    return [
        TargetLine(
            target_arn=arn,
            health=healths.get(arn),
            running=now_running.get(arn),
            due=next((run for run in due if arn_of_workflow_id(run.target_workflow_id) == arn), None),
            schedules=[schedule for schedule in schedules if schedule.target_arn == arn],
        )
        for arn in sorted(arns, key=lambda arn: (_cluster(arn), arn))
    ]


def _cluster(arn: str) -> str:
    return arn.rpartition(":")[2]


def _print_table(lines: Sequence[TargetLine], now: datetime, workers: int) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(*COLUMNS)
    names = [_cluster(line.target_arn) for line in lines]
    for line, name in zip(lines, names, strict=True):
        label = name if names.count(name) == 1 else line.target_arn
        cells = (label, _last(line), _good(line), _now(line, now, workers), _next(line), _missed(line))
        table.add_row(*(Text(cell) for cell in cells))
    print_result(table)


def _last(line: TargetLine) -> str:
    health = line.health
    lines: list[tuple[datetime, str]] = []
    if health and health.last_operation and health.last_at:
        step = f" at {health.last_step}" if health.last_outcome != "succeeded" else ""
        text = f"{health.last_operation} {health.last_outcome}{step}, {health.last_at:%Y-%m-%d %H:%M} UTC"
        lines.append((health.last_at, text))
    if health and health.last_drill_at:
        text = f"{health.last_drill} drill {health.last_drill_outcome}, {health.last_drill_at:%Y-%m-%d %H:%M} UTC"
        lines.append((health.last_drill_at, text))
    return "; ".join(text for _, text in sorted(lines, reverse=True)) or "none"


def _good(line: TargetLine) -> str:
    from datetime import timedelta

    from audit.health import format_age

    if line.health is None or line.health.age_seconds is None:
        return "none"
    return f"{format_age(timedelta(seconds=line.health.age_seconds))} ago ({line.health.restored_by})"


def _now(line: TargetLine, now: datetime, workers: int) -> str:
    """What happens to the target, or should happen."""
    from runs.summaries import format_duration

    if line.running is None:
        if line.due is None:
            return ""
        waits = (
            f"was due at {line.due.due_at:%H:%M} UTC, waits for a worker for {format_duration(line.due.due_at, now)}"
        )
        late = any(now - line.due.due_at > schedule.start_before for schedule in line.schedules)
        return f"{waits}; it will be skipped, because that is more than start_before" if late else waits
    run = line.running
    what = "cleanup" if run.is_cleanup else run.step or "beginning"
    text = f"{run.operation_id or 'no number yet'} {what}, for {format_duration(run.started_at, now)}"
    return text if workers else f"{text}; waits for a worker"


def _next(line: TargetLine) -> str:
    return "; ".join(map(_next_of, line.schedules)) or "no schedule"


def _next_of(schedule: ScheduledTarget) -> str:
    paused = schedule.pause.text if schedule.pause else ""
    drill = "drill " if schedule.drills else ""
    if schedule.next_at is None:
        return f"{drill}{paused or 'ended'}"
    return f"{drill}{schedule.next_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC{f'; {paused}' if paused else ''}"


def _missed(line: TargetLine) -> str:
    missed = sum(schedule.missed for schedule in line.schedules)
    last = [f"{each.missed_at:%Y-%m-%d %H:%M} UTC" for each in line.schedules if each.missed_at]
    return "; ".join([*last, *([f"{missed} while Temporal was away"] if missed else [])])


def _print_json(lines: Sequence[TargetLine], workers: int, task_queue: str, unreadable: Mapping[str, str]) -> None:
    from commands.json_output import fields_of, print_json

    targets = [
        {
            "target": line.target_arn,
            "trail": line.health and _without(fields_of(line.health), "target", "level"),
            "running": line.running and fields_of(line.running),
            "due": line.due and fields_of(line.due),
            "schedules": [fields_of(schedule) for schedule in line.schedules],
        }
        for line in lines
    ]
    print_json({"workers": workers, "task_queue": task_queue, "targets": targets, "unreadable_schedules": unreadable})


def _without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}
