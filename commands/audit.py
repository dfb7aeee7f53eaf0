"""`starter.py audit`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

from commands.arguments import number_of_days
from commands.exit_codes import FINE, REFUSED
from commands.terminal import print_progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from audit.report import TrailRow
    from audit.rows import AuditRow

FORMATS = ("table", "markdown", "json")

EXAMPLES = (
    ("audit op-005", "the steps of one operation"),
    ("audit op-005 --attempts", "every attempt with its fault"),
    ("audit --days 30 -o json", "a month for a program"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which operations, and which rows."""
    which = verb.add_mutually_exclusive_group()
    which.add_argument("operation_id", nargs="?", metavar="OPERATION_ID", help="one operation, such as op-005")
    which.add_argument(
        "--days", type=number_of_days, default=10, metavar="N", help="operations of the past N days; default: 10"
    )
    verb.add_argument(
        "--attempts",
        action="store_true",
        help="every row: also the start of each step, failed attempts and their faults",
    )


def run(args: argparse.Namespace) -> int:
    """Print the audit trail of an operation or of the past days."""
    from audit.report import report_rows, rows_of_days
    from audit.report_formats import json_lines, markdown_lines, table_lines
    from audit.table import AuditTable
    from clients.aws import AwsClients
    from settings import TrailSettings, load_settings

    settings = load_settings(TrailSettings)
    table = AuditTable(AwsClients().dynamodb(settings.audit_region), settings.audit_table)
    today = datetime.now(UTC).date()
    if args.operation_id:
        of_operation = table.list_rows(args.operation_id)
        print_waiting(args.operation_id, of_operation)
        parts: Iterable[Sequence[TrailRow]] = [of_operation]
    else:
        parts = rows_of_days(table, today - timedelta(days=args.days), today)
    rows = (row for part in parts for row in report_rows(part, args.attempts))
    first = next(rows, None)
    if first is None and not (args.output == "json" and args.operation_id is None):
        what = f"operation {args.operation_id}" if args.operation_id else f"an operation of the past {args.days} days"
        print_progress(f"The audit trail in {settings.audit_table} ({settings.audit_region}) has no row of {what}.")
        return REFUSED if args.operation_id else FINE
    shown = chain([first] if first else [], rows)
    match args.output:
        case "table":
            is_terminal = sys.stdout.isatty()
            width = shutil.get_terminal_size().columns if is_terminal else None
            lines = table_lines(
                shown, args.attempts, width=width, is_coloured=is_terminal and not os.environ.get("NO_COLOR")
            )
        case "markdown":
            lines = markdown_lines(shown, args.attempts)
        case _:
            lines = json_lines(shown)
    for line in lines:
        print(line)
    return FINE


def print_waiting(operation_id: str, rows: Sequence[AuditRow]) -> None:
    """Say on stderr how long the operation worked and how long it waited, if it waited for longer than a minute."""
    from audit.operation_summary import time_in_steps

    worked, waited = (timedelta(seconds=round(part.total_seconds())) for part in time_in_steps(rows))
    if waited > timedelta(minutes=1):
        print_progress(f"{operation_id}: {worked} of work in its steps, {waited} of waiting for an operator.")
