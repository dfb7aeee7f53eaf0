"""`starter.py history`: how long the restores of a target take, and whether they get slower."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from commands.arguments import number_of_days
from commands.exit_codes import FINE
from commands.json_output import fields_of, print_json
from commands.terminal import print_progress, print_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audit.history import PastOperation, Trend

FORMATS = ("table", "json")
EXAMPLES = (
    ("history orders-staging", "the past month, and what gets slower"),
    ("history orders-staging --days 90 -o json | jq '.operations[].worked_seconds'", "for a chart"),
)
COLUMNS = (
    "Operation",
    "Began (UTC)",
    "Outcome",
    "Worked",
    "Waited",
    "Old kept",
    "Age of data",
    "Steps of a minute or more",
)
SHOWN_FROM = 60
"""Seconds of a step that the table names; JSON has all."""


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which target, and how far back."""
    verb.add_argument("target", metavar="TARGET", help="the target cluster's name or ARN")
    verb.add_argument(
        "--days", type=number_of_days, default=30, metavar="N", help="operations of the past N days; default: 30"
    )


def run(args: argparse.Namespace) -> int:
    """Show how long each restore of a target and its steps took, how old its data was, and the trend."""
    from audit.history import TargetHistory, list_trends
    from audit.numbers import OperationNumbersTable
    from audit.table import AuditTable
    from clients.aws import AwsClients
    from commands.trail_targets import find_one_target
    from settings import TrailSettings, load_settings

    settings = load_settings(TrailSettings)
    dynamodb = AwsClients().dynamodb(settings.audit_region)
    numbers = OperationNumbersTable(dynamodb, settings.operations_table)
    target = find_one_target(numbers, args.target)
    first = datetime.now(UTC) - timedelta(days=args.days)
    operations = TargetHistory(AuditTable(dynamodb, settings.audit_table), numbers).list_since(target, first)
    trends = list_trends(operations)
    if args.output == "json":
        described = [fields_of(trend) | {"change": trend.word or "none"} for trend in trends]
        print_json({"target": target, "operations": [fields_of(each) for each in operations], "trends": described})
        return FINE
    _print_table(operations, trends)
    if not operations:
        print_progress(f"The trail has no restore of {target} of the past {args.days} days.")
    return FINE


def _print_table(operations: Sequence[PastOperation], trends: Sequence[Trend]) -> None:
    from rich.table import Table
    from rich.text import Text

    if operations:
        table = Table(*COLUMNS)
        for each in operations:
            table.add_row(*map(Text, _cells(each)))
        print_result(table)
    for trend in trends:
        if trend.word:
            medians = f"{_length(trend.first_median_seconds)} → {_length(trend.last_median_seconds)}"
            print(f"getting {trend.word}: {trend.step or 'all steps together'} {medians}")


def _cells(each: PastOperation) -> tuple[str, ...]:
    steps = [f"{step} {_length(seconds)}" for step, seconds in each.step_seconds.items() if seconds >= SHOWN_FROM]
    return (
        each.operation_id,
        f"{each.opened_at.astimezone(UTC):%Y-%m-%d %H:%M}",
        _outcome(each),
        _length(each.worked_seconds),
        _length(each.waited_seconds) if each.waited_seconds >= SHOWN_FROM else "",
        _length(each.kept_seconds) if each.kept_seconds else "",
        _length(each.data_age_seconds) if each.data_age_seconds is not None else "not recorded",
        ", ".join(steps),
    )


def _outcome(each: PastOperation) -> str:
    from models.steps import Outcome

    return each.words if each.outcome is Outcome.SUCCEEDED else f"{each.words} at {each.step}"


def _length(seconds: int) -> str:
    """Seconds up to two minutes, minutes up to two hours, then hours and minutes."""
    if seconds < 2 * 60:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 2 * 60 else f"{minutes // 60} h {minutes % 60} min"
