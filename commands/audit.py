"""`starter.py audit`."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

from commands.arguments import number_of_days
from commands.exit_codes import FINE
from commands.terminal import print_progress, print_result

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from audit.numbers import OperationNumbersTable
    from audit.report import ReportRow, TrailRow
    from audit.rows import AuditRow
    from audit.table import AuditTable

FORMATS = ("table", "markdown", "json")
OPERATION = re.compile(r"op-[0-9]{3,}")
DEFAULT_DAYS = 10

EXAMPLES = (
    ("audit op-005", "the steps of one operation"),
    ("audit orders-staging --days 30", "a month of one target"),
    ("audit op-005 --attempts", "every attempt with its fault"),
    ("audit op-005 --checks", "what each check expected and found"),
    ("audit --days 30 -o json", "a month for a program"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which operations, and which rows."""
    verb.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="one operation, such as op-005, or the operations of one target cluster, by its name or ARN",
    )
    verb.add_argument(
        "--days",
        type=number_of_days,
        metavar="N",
        help="operations of the past N days; default: 10; not of one operation",
    )
    verb.set_defaults(refuse=verb.error)
    verb.add_argument(
        "--attempts",
        action="store_true",
        help="every row: also the start of each step, failed attempts and their faults",
    )
    verb.add_argument(
        "--checks",
        action="store_true",
        help="of one operation: each check that a step made, with what it expected and found",
    )


def run(args: argparse.Namespace) -> int:
    """Print the audit trail of an operation or of the past days."""
    from audit.numbers import OperationNumbersTable
    from audit.report import report_rows, rows_of_days
    from audit.table import AuditTable
    from clients.aws import AwsClients
    from settings import TrailSettings, load_settings

    settings = load_settings(TrailSettings)
    dynamodb = AwsClients().dynamodb(settings.audit_region)
    table = AuditTable(dynamodb, settings.audit_table)
    operation_id = args.name if args.name and OPERATION.fullmatch(args.name) else None
    if operation_id and args.days:
        args.refuse(f"--days is for several operations, not for {operation_id}; leave one of them out")
    if args.checks and not operation_id:
        args.refuse("--checks is for one operation, such as op-005")
    days = args.days or DEFAULT_DAYS
    today = datetime.now(UTC).date()
    if operation_id:
        of_operation = table.list_rows(operation_id)
        print_time_spent(operation_id, of_operation)
        parts: Iterable[Sequence[TrailRow]] = [of_operation]
    elif args.name:
        parts = _rows_of_target(table, OperationNumbersTable(dynamodb, settings.operations_table), args.name, days)
    else:
        parts = rows_of_days(table, today - timedelta(days=days), today)
    rows = (row for part in parts for row in report_rows(part, args.attempts or args.checks))
    first = next(rows, None)
    if first is None and (operation_id or args.output != "json"):
        whose = f" of {args.name}" if args.name else ""
        what = f"operation {operation_id}" if operation_id else f"an operation{whose} of the past {days} days"
        text = f"The audit trail in {settings.audit_table} ({settings.audit_region}) has no row of {what}."
        if operation_id:
            from audit.verify.verifier import UnknownOperation

            raise UnknownOperation(text)
        print_progress(text)
        return FINE
    shown = chain([first] if first else [], rows)
    if args.checks and args.output != "json":
        _print_checks(args.name, shown, is_markdown=args.output == "markdown")
    else:
        _print_rows(args, shown)
    return FINE


def _print_rows(args: argparse.Namespace, rows: Iterable[ReportRow]) -> None:
    from audit.report_formats import json_lines, markdown_lines, table_lines

    match args.output:
        case "table":
            is_terminal = sys.stdout.isatty()
            width = shutil.get_terminal_size().columns if is_terminal else None
            is_coloured = is_terminal and not os.environ.get("NO_COLOR")
            lines = table_lines(rows, args.attempts, width=width, is_coloured=is_coloured)
        case "markdown":
            lines = markdown_lines(rows, args.attempts)
        case _:
            lines = json_lines(rows)
    for line in lines:
        print(line)


def _print_checks(operation_id: str, rows: Iterable[ReportRow], *, is_markdown: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from audit.report_formats import CHECK_COLUMNS, check_cells, markdown_table

    lines = [cells for row in rows for cells in check_cells(row)]
    if not lines:
        print_progress(f"The trail has no check of {operation_id}.")
    elif is_markdown:
        for line in markdown_table(CHECK_COLUMNS, lines):
            print(line)
    else:
        table = Table(*CHECK_COLUMNS)
        for cells in lines:
            table.add_row(*map(Text, cells))
        print_result(table)


def _rows_of_target(
    table: AuditTable, numbers: OperationNumbersTable, name: str, days: int
) -> Iterator[Sequence[AuditRow]]:
    """The rows of each operation of the target that was opened in the past days, the newest first."""
    from commands.trail_targets import find_one_target

    first = datetime.now(UTC) - timedelta(days=days)
    for operation in numbers.iterate_target(find_one_target(numbers, name)):
        if operation.opened_at < first:
            return
        yield table.list_rows(operation.operation_id)


def print_time_spent(operation_id: str, rows: Sequence[AuditRow]) -> None:
    """Say on stderr how long the operation worked, if it also waited for longer than a minute or kept an old cluster."""
    from audit.time_spent import sum_time

    spent = sum_time(rows)
    parts = [f"{_whole_seconds(spent.worked)} of work in its steps"]
    if spent.waited > timedelta(minutes=1):
        parts.append(f"{_whole_seconds(spent.waited)} of waiting for an operator")
    if spent.kept_to is not None:
        parts.append(
            f"{_whole_seconds(spent.kept)} of keeping the old cluster, until {spent.kept_to:%Y-%m-%d %H:%M} UTC"
        )
    elif spent.kept_from is not None:
        parts.append(f"the old cluster is kept since {spent.kept_from:%Y-%m-%d %H:%M} UTC")
    if len(parts) > 1:
        print_progress(f"{operation_id}: {', '.join(parts)}.")


def _whole_seconds(length: timedelta) -> timedelta:
    return timedelta(seconds=round(length.total_seconds()))
