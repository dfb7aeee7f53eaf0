"""`make demo`: one whole restore as an operator sees it, from an empty environment to a row in the restored cluster."""

from __future__ import annotations

import sys
import threading
import time

from rich.console import Console
from rich.status import Status

from devstack.pipeline import ROOT, run_starter, start_worker
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
    with _show_progress("Creating the audit tables and starting the worker"):
        code = run_starter(["setup"], stack.environment)
        start_worker(scratch, stack.environment)
    if code == 0:
        code = run_starter(["start", REQUEST], stack.environment)
    console.print()
    run_starter(["audit", "op-001"], stack.environment)
    if code == 0:
        _read_restored_row(stack)
    console.print(f"\nThe demo took {time.monotonic() - began:.0f} s.")
    console.print(
        f"See the restore in the Web UI: {stack.temporal.ui_url}/namespaces/default/workflows", soft_wrap=True
    )
    _wait_for_interrupt()
    return code


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
