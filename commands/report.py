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
NO_RESTORE = f"The trail has no restore {{operation_id}} that has begun a step. To list operations:\n{LIST}"
EXAMPLES = (
    ("report --days 30 --rto 2h --rpo 26h --html report.html", "every target, beside the objectives"),
    ("report --operation op-007 --html op-007.html", "the steps of one operation"),
    ("report --operation op-007 --evidence op-007", "for an auditor: evidence.json, evidence.html, verify.py"),
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
    written = verb.add_mutually_exclusive_group()
    written.add_argument(
        "--evidence",
        type=Path,
        metavar="DIR",
        help="in place of the page: the evidence of --operation for an auditor, and a program that checks it without AWS",
    )
    written.add_argument(
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
    if args.evidence and not args.operation:
        print_progress("--evidence is of one operation: name it with --operation. To list operations:\n" + LIST)
        return MISTAKE
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print_progress(
            f"The report needs {' and '.join(missing)}, expected with the extra report. To install it:\n{INSTALL}"
        )
        return MISTAKE
    if args.evidence:
        return _write_evidence(args)
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


def _write_evidence(args: argparse.Namespace) -> int:
    from audit.chain import SealChains
    from clients.aws import AwsClients
    from reports.evidence import collect_evidence, read_sealed_items
    from reports.evidence_page import VERIFIER, write_evidence
    from reports.measures import Objectives

    settings, table, numbers = _open_trail()
    chains = SealChains(AwsClients().dynamodb(settings.audit_region), settings.audit_table, settings.operations_table)
    opened = numbers.find(args.operation)
    items, head = read_sealed_items(opened, table.list_items, chains.find_head) if opened else ([], None)
    evidence = opened and collect_evidence(
        opened,
        items,
        Objectives(args.rto, args.rpo),
        datetime.now(UTC),
        _describe(settings),
        head,
    )
    if not evidence:
        print_progress(NO_RESTORE.format(operation_id=args.operation))
        return REFUSED
    gaps: list[str] = write_evidence(evidence, args.evidence)["gaps"]
    if args.output == "json":
        print_json({"directory": str(args.evidence), "operation_id": args.operation, "gaps": gaps})
    else:
        print(f"{args.evidence}: the evidence of {args.operation}; gaps: {len(gaps)}. To check it, in that folder:")
        print(f"python {VERIFIER} evidence.json")
    return FINE


def _open_trail() -> tuple[TrailSettings, AuditTable, OperationNumbersTable]:
    from audit.numbers import OperationNumbersTable
    from audit.table import AuditTable
    from clients.aws import AwsClients
    from settings import TrailSettings, load_settings

    settings = load_settings(TrailSettings)
    dynamodb = AwsClients().dynamodb(settings.audit_region)
    numbers = OperationNumbersTable(dynamodb, settings.operations_table)
    return settings, AuditTable(dynamodb, settings.audit_table), numbers


def _describe(settings: TrailSettings) -> str:
    return f"{settings.audit_table} ({settings.audit_region})"


def _read(args: argparse.Namespace) -> ReportInput | None:
    """What the report shows; None, after a sentence on stderr, if it was asked for what is not there."""
    return _read_operations(args, *_open_trail())


def _read_operations(
    args: argparse.Namespace, settings: TrailSettings, table: AuditTable, numbers: OperationNumbersTable
) -> ReportInput | None:
    from audit.target_names import find_targets
    from commands.known_targets import list_known_targets
    from reports.measure_charts import Days
    from reports.measures import Objectives
    from reports.page import ReportInput
    from reports.reader import OperationReader

    known, reader, now = list_known_targets(numbers), OperationReader(table, numbers), datetime.now(UTC)
    one = reader.read(args.operation) if args.operation else None
    if args.operation and one is None:
        print_progress(NO_RESTORE.format(operation_id=args.operation))
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
        trail=_describe(settings),
        web_ui=_web_ui(args.web_ui),
    )


def _web_ui(base_url: str | None) -> WebUi | None:
    """The namespace is Temporal's own setting."""
    if base_url is None:
        return None
    from clients.temporal import configured_namespace
    from reports.operation_page import WebUi

    return WebUi(base_url, configured_namespace())
