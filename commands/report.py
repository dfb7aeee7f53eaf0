"""`starter.py report`."""

from __future__ import annotations

import argparse
import importlib.util
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from commands.arguments import age, number_of_days
from commands.exit_codes import FINE, MISTAKE, REFUSED
from commands.json_output import print_json
from commands.terminal import print_progress

if TYPE_CHECKING:
    from audit.numbers import OperationNumbersTable
    from audit.table import AuditTable
    from reports.operation_page import WebUi
    from reports.page import ReportInput
    from settings import TrailSettings

NEEDED = ("jinja2", "matplotlib")
INSTALL = "python -m pip install jinja2 matplotlib"
LIST = "python starter.py audit"
EXAMPLES = (
    ("report --days 30 --rto 2h --rpo 26h --html report.html", "every target, beside the objectives"),
    ("report --operation op-007 --html op-007.html", "the steps of one operation"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which targets and days, the objectives, and the file to write."""
    verb.add_argument(
        "targets", nargs="*", metavar="TARGET", default=[], help="target clusters by name or ARN; default: every target"
    )
    verb.add_argument(
        "--days", type=number_of_days, default=30, metavar="N", help="operations of the past N days; default: 30"
    )
    verb.add_argument(
        "--operation", metavar="OPERATION_ID", help="the steps of this operation; default: the newest ten"
    )
    verb.add_argument(
        "--html",
        type=Path,
        default=Path("report.html"),
        metavar="FILE",
        help="the page, one file that needs no network; default: report.html",
    )
    verb.add_argument("--rto", type=age, metavar="AGE", help="objective of the restore time, such as 90m or 2h")
    verb.add_argument("--rpo", type=age, metavar="AGE", help="objective of the age of the data, such as 26h or 2d")
    verb.add_argument(
        "--web-ui", type=web_ui_url, metavar="URL", help="Temporal's Web UI, for links, such as http://localhost:8233"
    )


def web_ui_url(text: str) -> str:
    """An address that begins with http:// or https://."""
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} is not an address such as http://localhost:8233")
    return text


def run(args: argparse.Namespace) -> int:
    """Write a page with charts about the past days, from the audit trail alone."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print_progress(
            f"The report needs {' and '.join(missing)}, expected with the extra report. To install it:\n{INSTALL}"
        )
        return MISTAKE
    from reports.page import write_page

    report = _read(args)
    if report is None:
        return REFUSED
    page = write_page(report)
    args.html.write_text(page, encoding="utf-8")
    counts = {"operations": len(report.operations), "targets": len(report.target_arns)}
    if args.output == "json":
        print_json({"file": str(args.html), **counts})
    else:
        print(f"{args.html}: {counts['operations']} operations of {counts['targets']} targets.")
    return FINE


def _read(args: argparse.Namespace) -> ReportInput | None:
    """What the report shows; None, after a sentence on stderr, if it was asked for what is not there."""
    from audit.numbers import OperationNumbersTable
    from audit.table import AuditTable
    from clients.aws import AwsClients
    from settings import TrailSettings, load_settings

    settings = load_settings(TrailSettings)
    dynamodb = AwsClients().dynamodb(settings.audit_region)
    numbers, table = (
        OperationNumbersTable(dynamodb, settings.operations_table),
        AuditTable(dynamodb, settings.audit_table),
    )
    return _read_operations(args, settings, table, numbers)


def _read_operations(
    args: argparse.Namespace, settings: TrailSettings, table: AuditTable, numbers: OperationNumbersTable
) -> ReportInput | None:
    from audit.target_names import find_targets
    from reports.measure_charts import Days
    from reports.measures import Objectives
    from reports.page import ReportInput
    from reports.reader import OperationReader

    known, reader, now = numbers.list_targets(), OperationReader(table, numbers), datetime.now(UTC)
    one = reader.read(args.operation) if args.operation else None
    if args.operation and one is None:
        print_progress(f"The trail has no restore {args.operation} that has begun a step. To list operations:\n{LIST}")
        return None
    arns, unknown = find_targets(known, args.targets or ([one.target_arn] if one else []))
    for each in unknown if args.targets else []:
        print_progress(f"{each.target}: {each.text}")
    if args.targets and unknown:
        return None
    today = now.date()
    days = Days(today - timedelta(days=args.days - 1), today)
    operations = reader.read_since(days.first, set(arns))
    return ReportInput(
        target_arns=arns,
        operations=operations,
        detailed=[one] if one else operations,
        days=days,
        objectives=Objectives(args.rto, args.rpo),
        now=now,
        trail=f"{settings.audit_table} ({settings.audit_region})",
        web_ui=_web_ui(args.web_ui),
    )


def _web_ui(base_url: str | None) -> WebUi | None:
    """The namespace is Temporal's own setting."""
    if base_url is None:
        return None
    from clients.temporal import configured_namespace
    from reports.operation_page import WebUi

    return WebUi(base_url, configured_namespace())
