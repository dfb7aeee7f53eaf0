"""`make demo`: one whole restore as an operator sees it, from an empty environment to a row in the restored cluster."""

from __future__ import annotations

import sys
import threading
import time
from datetime import datetime
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.status import Status

from devstack.pipeline import ROOT, ask_starter, run_starter, start_worker
from devstack.processes import Scratch, ServerError
from devstack.stack import Stack

REQUEST = ROOT / "examples" / "restore.json"
console = Console()


def main() -> int:
    """Exit codes: 0 the restore succeeded, else the starter's; 1 a server could not start."""
    began = time.monotonic()
    try:
        with _show_progress("Starting PostgreSQL, the AWS emulator and Temporal"):
            stack = Stack()
    except ServerError as error:
        console.print(f"The demo could not start: {error}", markup=False)
        return 1
    with stack, Scratch("demo") as scratch:
        return _run_restore(stack, scratch, began)


def _run_restore(stack: Stack, scratch: Scratch, began: float) -> int:
    seconds = time.monotonic() - began
    console.print(f"Temporal, the AWS emulator and {stack.versions} started in {seconds:.0f} s.")
    console.print(f"Web UI: {stack.temporal.ui_url}\n")
    stack.demo.write_to_source("INSERT INTO orders VALUES (4, 'Barbara', 55.00)")
    stack.demo.take_automated_snapshot()
    console.print("Creating the audit tables and starting the worker …")
    code, _ = ask_starter(["setup"], stack.environment)
    start_worker(scratch, stack.environment)
    restored = None
    if code == 0:
        code, restored = ask_starter(["start", REQUEST], stack.environment)
    console.print("\nThe audit trail of the operation:")
    run_starter(["audit", "op-001"], stack.environment)
    if restored:
        _print_summary(restored, stack, scratch)
    if code == 0:
        _read_restored_row(stack)
    console.print(f"\nThe demo took {time.monotonic() - began:.0f} s.")
    _wait_for_interrupt()
    return code


def _print_summary(restored: dict[str, Any], stack: Stack, scratch: Scratch) -> None:
    """What replaced what, how long it took, how old the data is, and what to open."""
    source, target, snapshot = (
        restored[name].split(":", 6)[6] for name in ("source_arn", "target_arn", "snapshot_arn")
    )
    began, ended, taken = (
        datetime.fromisoformat(restored[name]) for name in ("started_at", "ended_at", "snapshot_created_at")
    )
    workflow, run = quote(restored["workflow_id"], safe=""), restored["run_id"]
    lines = [
        ("outcome", f"{restored['operation_id']} {restored['outcome']}"),
        ("replaced", f"{target} with a snapshot of {source}: {snapshot}"),
        ("took", f"{(ended - began).total_seconds():.0f} s"),
        ("age of the data", f"{(ended - taken).total_seconds():.0f} s"),
        ("Web UI", f"{stack.temporal.ui_url}/namespaces/default/workflows/{workflow}/{run}/history"),
    ]
    if sys.stdin.isatty():  # the file is gone when the servers stop
        page = scratch.path / "report.html"
        if ask_starter(["report", "--html", page], stack.environment)[0] == 0:
            lines.append(("report", page.as_uri()))
    console.print()
    for name, text in lines:
        console.print(f"{name:<17}{text}", highlight=False, soft_wrap=True)  # an address in one piece


def _read_restored_row(stack: Stack) -> None:
    [(number, customer, total)] = stack.demo.read_from_target(
        "orders_report", "SELECT id, customer, total FROM orders ORDER BY id DESC LIMIT 1"
    )
    console.print(
        f"\nThe restored cluster contains order {number} of {customer}, {total}, which was written to production just "
        "before the snapshot. The demo read it as orders_report, a user that the restore created.",
        highlight=False,
    )


def _wait_for_interrupt() -> None:
    if not sys.stdin.isatty():
        return
    console.print("The servers keep running until you press Ctrl-C.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("Stopped.")


def _show_progress(activity: str) -> Status:
    """A spinner while something starts; without a terminal, one line."""
    if not console.is_terminal:
        console.print(f"{activity} …")
    return console.status(f"{activity} …")


if __name__ == "__main__":
    sys.exit(main())
