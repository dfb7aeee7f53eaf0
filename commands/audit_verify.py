"""`starter.py audit verify`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from commands.arguments import number_of_days
from commands.exit_codes import FAILED, FINE
from commands.restores import temporal_client
from commands.terminal import say, show

if TYPE_CHECKING:
    from audit.findings import Verification


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which operations, and whether to add what is missing."""
    which = verb.add_mutually_exclusive_group()
    which.add_argument("operation_ids", nargs="*", metavar="OPERATION_ID", default=[], help="such as op-005")
    which.add_argument(
        "--days", type=number_of_days, default=10, metavar="N", help="all that began in the past N days; default 10"
    )
    verb.add_argument(
        "--repair",
        action="store_true",
        help="add what the history tells and the trail lacks, each row marked as added, and seal it",
    )
    verb.add_argument("--format", choices=["table", "json"], default="table", help="default table")


def run(args: argparse.Namespace) -> int:
    """Compare the trail with Temporal's own history and with its seals."""
    from audit.findings import as_json, as_plain, as_table

    verifications = asyncio.run(_verified(args))
    if args.format == "json":
        print(f"[{','.join(as_json(verification) for verification in verifications)}]")
    else:
        for verification in verifications:
            # In a pipe one finding a line, which can be searched; a drawn table would be as wide as its longest text.
            show(as_table(verification)) if sys.stdout.isatty() else print(as_plain(verification))
    return FINE if all(verification.ok for verification in verifications) else FAILED


async def _verified(args: argparse.Namespace) -> list[Verification]:
    from audit.numbers import OperationNumbersTable
    from audit.seal import Seals
    from audit.table import AuditTable
    from audit.verify import Verifier
    from clients.aws import AwsClients
    from settings import TrailSettings, load_settings

    settings = load_settings(TrailSettings)
    dynamodb = AwsClients().dynamodb(settings.audit_region)
    numbers = OperationNumbersTable(dynamodb, settings.operations_table)
    table = AuditTable(dynamodb, settings.audit_table)
    seals = Seals(dynamodb, settings.audit_table, settings.operations_table)
    verifier = Verifier(await temporal_client(), table, numbers, seals)
    wanted = args.operation_ids or numbers.since(datetime.now(UTC) - timedelta(days=args.days))
    if not wanted:
        say(f"No operation was opened in the past {args.days} days.")
    work = verifier.repair if args.repair else verifier.verify
    return [await work(operation_id) for operation_id in wanted]
