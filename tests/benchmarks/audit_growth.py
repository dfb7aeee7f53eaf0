"""How reads, time and memory of `audit`, `audit verify` and `status` grow with the trail: a Markdown table on stdout.

    python -m tests.benchmarks.audit_growth [--operations 10 100 1000 10000]

The commands are processes of their own, against the trail of `tests.benchmarks.stored_trail`; Temporal has no history of
the operations, so that `audit verify` compares them with their seals. `status` reads the trail in no case.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast

from commands.exit_codes import FINE, REFUSED
from devstack.temporal_server import TemporalServer
from models.search_attributes import ALL

ROOT = Path(__file__).resolve().parents[2]
SIZES = (10, 100, 1_000, 10_000)
DAYS = 90
STARTER = str(ROOT / "starter.py")
VERIFY = ("-m", "tests.benchmarks.audit_growth", "--verify")


class Measured(NamedTuple):
    """What a command took. The time is of its processor: a busy machine changes it little, and the clock's much."""

    reads: int
    reads_before_first_line: int
    processor_seconds: float
    megabytes: float


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--operations", type=int, nargs="*", default=SIZES)
    arguments.add_argument("--verify", action="store_true", help=argparse.SUPPRESS)
    args = arguments.parse_args()
    if args.verify:
        asyncio.run(_verify_without_temporal())
        return
    print(
        "| command | operations | reads | of these before the first line | per operation | processor, s | memory, MB |"
    )
    print("|---|---|---|---|---|---|---|")
    for size in args.operations:
        with stored_trail(size) as url:
            _print_row("audit", size, measure(url, STARTER, "audit", "--days", str(DAYS)))
            _print_row("audit verify", size, measure(url, *VERIFY))
    with TemporalServer(headless=True, search_attributes={key.name: "Keyword" for key in ALL}) as temporal:
        _print_row("status", None, measure(None, STARTER, "status", TEMPORAL_ADDRESS=temporal.address))


@contextmanager
def stored_trail(operations: int) -> Iterator[str]:
    """The address of a trail of so many operations."""
    command = [sys.executable, "-m", "tests.benchmarks.stored_trail", str(operations)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait()


def measure(url: str | None, *arguments: str, **variables: str) -> Measured:
    """Run a command and count what it takes."""
    environment = {
        **os.environ,
        "AURORA_RESTORE_AUDIT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": url or "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "111122223333",
        "AWS_SECRET_ACCESS_KEY": "-",
        **variables,
    }
    before = _reads(url)
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    process.stdout.readline()
    before_first_line = _reads(url) - before
    process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (FINE, REFUSED):  # Temporal has no restore whose status it could show
        raise SystemExit(f"{' '.join(arguments)} ended with exit code {process.returncode}")
    processor = usage.ru_utime + usage.ru_stime
    return Measured(_reads(url) - before, before_first_line, processor, usage.ru_maxrss / 1024)


def _reads(url: str | None) -> int:
    if url is None:
        return 0
    with urllib.request.urlopen(f"{url}/reads") as answer:
        return int(json.load(answer)["reads"])


def _print_row(command: str, operations: int | None, measured: Measured) -> None:
    shown = f"{operations:,}" if operations else "any"
    per_operation = f"{measured.reads / operations:.2f}" if operations else "0"
    cells = (command, shown, f"{measured.reads:,}", f"{measured.reads_before_first_line:,}", per_operation)
    print(f"| {' | '.join(cells)} | {measured.processor_seconds:.1f} | {measured.megabytes:.0f} |", flush=True)


async def _verify_without_temporal() -> None:
    """What `starter.py audit verify` does, but for reading Temporal's history."""
    from audit.chain import SealChains
    from audit.numbers import OperationNumbersTable
    from audit.table import AuditTable
    from audit.verify import verifier
    from audit.verify.findings import as_plain
    from audit.verify.history import OperationHistory
    from clients.aws import AwsClients

    async def read_nothing(*_: object) -> OperationHistory:
        return OperationHistory((), frozenset())

    cast("Any", verifier).read_history = read_nothing
    dynamodb = AwsClients().dynamodb("eu-central-1")
    names = ("aurora-restore-audit", "aurora-restore-operations")
    numbers = OperationNumbersTable(dynamodb, names[1])
    operations = numbers.list_opened_since(datetime.now(UTC) - timedelta(days=DAYS))
    verifying = verifier.Verifier(
        cast("Any", None), AuditTable(dynamodb, names[0]), numbers, SealChains(dynamodb, *names)
    )
    verified = await verifying.verify_all(operations)
    assert all(each.ok for each in verified), as_plain(next(each for each in verified if not each.ok))
    for each in verified:
        print(as_plain(each))


if __name__ == "__main__":
    main()
