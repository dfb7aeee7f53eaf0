"""`make demo`: one whole night, from nothing to a row read in the restored cluster, as an operator would see it."""

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
    """Exit codes: 0 the night went well, else the starter's; 1 something did not come up."""
    began = time.monotonic()
    try:
        with _saying("Starting PostgreSQL, the AWS emulator and Temporal"):
            stack = Stack()
    except ServerError as error:
        console.print(f"The demo did not come up: {error}", markup=False)
        return 1
    with stack, Scratch("demo") as scratch:
        return _night(stack, scratch, began)


def _night(stack: Stack, scratch: Scratch, began: float) -> int:
    console.print(f"Temporal, an AWS emulator and {stack.versions} are up after {time.monotonic() - began:.0f} s.")
    console.print(f"Web UI: {stack.temporal.ui_url}\n")
    stack.demo.write_to_source("INSERT INTO orders VALUES (4, 'Barbara', 55.00)")
    stack.demo.take_automated_snapshot()
    with _saying("Making the tables and starting the worker"):
        code = run_starter(["setup"], stack.environment)
        start_worker(scratch, stack.environment)
    code = code or run_starter(["start", REQUEST], stack.environment)
    console.print()
    run_starter(["audit", "op-001"], stack.environment)
    if code == 0:
        _read_back(stack)
    console.print(f"\nThe whole demo took {time.monotonic() - began:.0f} s.")
    console.print(f"The night in the Web UI: {stack.temporal.ui_url}/namespaces/default/workflows", soft_wrap=True)
    _stay(stack)
    return code


def _read_back(stack: Stack) -> None:
    rows = stack.demo.read_from_target(
        "orders_report", "SELECT id, customer, total FROM orders ORDER BY id DESC LIMIT 1"
    )
    console.print(
        f"\nRead back from the restored cluster as orders_report, a user that the night made: "
        f"order {rows[0][0]} of {rows[0][1]}, {rows[0][2]} (written to production just before its snapshot).",
        highlight=False,
    )


def _stay(stack: Stack) -> None:
    if not sys.stdin.isatty():
        return
    console.print("Everything stays up to be looked at; Ctrl-C ends it.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("Ended.")


def _saying(what: str) -> Status:
    """A sign of life while something starts; on no terminal, one line."""
    if not console.is_terminal:
        console.print(f"{what} …")
    return console.status(f"{what} …")


if __name__ == "__main__":
    sys.exit(main())
