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
from commands.terminal import Counter, print_progress, print_result

if TYPE_CHECKING:
    from audit.numbers import OpenedOperation
    from audit.verify.findings import Verification
    from audit.verify.verifier import Verifier
    from runs.worker_calls import WorkerCalls

FORMATS = ("table", "json")

EXAMPLES = (
    ("audit verify op-005", "one operation"),
    ("audit verify --days 30 --repair", "everything of a month, and add what is missing"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which operations, and whether to add what is missing."""
    which = verb.add_mutually_exclusive_group()
    which.add_argument("operation_ids", nargs="*", metavar="OPERATION_ID", default=[], help="operations such as op-005")
    which.add_argument(
        "--days", type=number_of_days, default=10, metavar="N", help="every operation of the past N days; default: 10"
    )
    verb.add_argument(
        "--repair",
        action="store_true",
        help="let a worker add the rows that Temporal's history has and the trail lacks, each marked as added, and seal them",
    )


def run(args: argparse.Namespace) -> int:
    """Compare the audit trail with Temporal's history and with the trail's seals."""
    from audit.verify.findings import as_fields, as_plain, as_table

    verifications = asyncio.run(_verify(args))
    if args.output == "json":
        from commands.json_output import print_json

        ok = all(verification.ok for verification in verifications)
        print_json({"ok": ok, "operations": [as_fields(verification) for verification in verifications]})
    else:
        for verification in verifications:
            if sys.stdout.isatty():
                print_result(as_table(verification))
            else:  # lines that can be searched; a table would be as wide as its longest text
                print(as_plain(verification))
    return FINE if all(each.ok and not each.not_repaired for each in verifications) else FAILED


async def _verify(args: argparse.Namespace) -> list[Verification]:
    from audit.chain import SealChains
    from audit.numbers import OperationNumbersTable
    from audit.table import AuditTable
    from audit.verify.verifier import Verifier
    from clients.aws import AwsClients
    from runs.worker_calls import WorkerCalls
    from settings import TrailSettings, load_settings

    settings = load_settings(TrailSettings)
    dynamodb = AwsClients().dynamodb(settings.audit_region)
    numbers = OperationNumbersTable(dynamodb, settings.operations_table)
    table = AuditTable(dynamodb, settings.audit_table)
    chains = SealChains(dynamodb, settings.audit_table, settings.operations_table)
    client = await temporal_client()
    verifier = Verifier(client, table, numbers, chains)
    if args.operation_ids:
        operations = [verifier.find(operation_id) for operation_id in args.operation_ids]
    else:
        operations = numbers.list_opened_since(datetime.now(UTC) - timedelta(days=args.days))
    if not operations:
        print_progress(f"No operation started in the past {args.days} days.")
    with Counter("Verified {count} of {total} operations.", len(operations)) as counter:
        verifications = await verifier.verify_all(operations, on_verified=counter.add)
    if args.repair:
        calls = WorkerCalls(client, settings.task_queue)
        pairs = list(zip(operations, verifications, strict=True))
        verifications = [await _repair(verifier, calls, *pair) for pair in pairs]
    return verifications


async def _repair(
    verifier: Verifier, calls: WorkerCalls, operation: OpenedOperation, verification: Verification
) -> Verification:
    """Let a worker add what is missing, because the operator's identity may not write the trail; then verify again.

    Why a call fails goes into the verification, because the other operations may be repaired already.
    """
    from audit.verify.findings import State
    from commands.failures import describe
    from errors import Final
    from runs.restores import RestoreRefused

    if verification.state is not State.ENDED or not (verification.findings or verification.notes):
        return verification
    try:
        added = await calls.repair(operation.operation_id)
    except (RestoreRefused, Final) as error:
        return verification.model_copy(update={"not_repaired": describe(error)})
    [after] = await verifier.verify_all([operation])
    return after.model_copy(update={"added": added})
