"""`starter.py audit`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

from commands.arguments import number_of_days
from commands.exit_codes import FINE, REFUSED
from commands.terminal import print_progress, print_result


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which operations, which rows, and in which format."""
    which = verb.add_mutually_exclusive_group()
    which.add_argument("operation_id", nargs="?", metavar="OPERATION_ID", help="one operation, such as op-005")
    which.add_argument(
        "--days", type=number_of_days, default=10, metavar="N", help="operations of the past N days; default: 10"
    )
    verb.add_argument(
        "--format", choices=["table", "markdown", "json"], default="table", help="output format; default: table"
    )
    verb.add_argument(
        "--attempts",
        action="store_true",
        help="every row: also the start of each step, failed attempts and their faults",
    )


def run(args: argparse.Namespace) -> int:
    """Print the audit trail of an operation or of the past days."""
    from audit.report import as_json, as_markdown, as_table, report_rows, rows_of_days
    from audit.table import AuditTable
    from clients.aws import AwsClients
    from settings import TrailSettings, load_settings

    settings = load_settings(TrailSettings)
    table = AuditTable(AwsClients().dynamodb(settings.audit_region), settings.audit_table)
    today = datetime.now(UTC).date()
    if args.operation_id:
        stored = table.list_rows(args.operation_id)
    else:
        stored = rows_of_days(table, today - timedelta(days=args.days), today)
    rows = report_rows(stored, args.attempts)
    if not rows:
        what = f"operation {args.operation_id}" if args.operation_id else f"an operation of the past {args.days} days"
        print_progress(f"The audit trail in {settings.audit_table} ({settings.audit_region}) has no row of {what}.")
        return REFUSED if args.operation_id else FINE
    match args.format:
        case "table":
            print_result(as_table(rows, args.attempts))
        case "markdown":
            print(as_markdown(rows, args.attempts))
        case "json":
            print(as_json(rows))
    return FINE
