"""`python -m devstack`: run the whole environment on this machine until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Mapping

from devstack.aws import Emulator, NoDatabases
from devstack.pipeline import run_starter, start_worker
from devstack.processes import PortTaken, Scratch, ServerError
from devstack.stack import Stack

TEMPORAL_PORT, UI_PORT, AWS_PORT = 7233, 8233, 4566


def main() -> int:
    """Exit codes: 0 stopped by a signal, 1 a server could not start."""
    options = _parser().parse_args()
    try:
        return _run_emulator(options) if options.only_aws else _run_stack(options)
    except (ServerError, OSError) as error:
        print(f"The devstack could not start: {error}", file=sys.stderr)
        if isinstance(error, PortTaken | OSError):
            print("Stop the other devstack, or start this one on other ports:", file=sys.stderr)
            arguments = "--only-aws --port PORT" if options.only_aws else "--free-ports"
            print(f"  python -m devstack {arguments}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m devstack",
        description=(
            "Run Temporal with its Web UI, an AWS emulator with PostgreSQL behind its clusters, and a worker. "
            "Ctrl-C stops them."
        ),
    )
    parser.add_argument("--free-ports", action="store_true", help="use any free ports instead of the default ones")
    parser.add_argument("--no-worker", action="store_true", help="start no worker; start one with: python worker.py")
    parser.add_argument("--only-aws", action="store_true", help="run the AWS emulator without databases and Temporal")
    parser.add_argument("--host", default="127.0.0.1", help="with --only-aws: the address to listen on")
    parser.add_argument("--port", type=int, default=AWS_PORT, help=f"the AWS emulator's port (default {AWS_PORT})")
    return parser


def _run_stack(options: argparse.Namespace) -> int:
    print("Starting PostgreSQL, the AWS emulator and Temporal …", flush=True)
    ports = {} if options.free_ports else {"temporal_port": TEMPORAL_PORT, "ui_port": UI_PORT, "aws_port": options.port}
    with Stack(**ports) as stack, Scratch("pipeline") as scratch:
        if run_starter(["setup"], stack.environment) != 0:
            return 1
        if not options.no_worker:
            start_worker(scratch, stack.environment)
        _print_instructions(stack.temporal.ui_url or "", stack.environment)
        _wait_for_signal()
    return 0


def _print_instructions(ui_url: str, environment: Mapping[str, str]) -> None:
    print("\nSet these variables in another terminal:\n")
    for name, value in environment.items():
        print(f"  export {name}={value}")
    print(f"\nWeb UI   {ui_url}")
    print(f"Temporal {environment['TEMPORAL_ADDRESS']}")
    print(f"AWS      {environment['AWS_ENDPOINT_URL']}")
    print("\nStart a restore there:\n")
    print("  python starter.py start examples/restore.json")
    print("\nor:\n")
    print("  temporal workflow start --type AuroraRestoreWorkflow --task-queue aurora-restore \\")
    print("    --input-file examples/restore.json")
    print("\nPress Ctrl-C to stop all servers.", flush=True)


def _run_emulator(options: argparse.Namespace) -> int:
    with Emulator(NoDatabases(), host=options.host, port=options.port) as emulator:
        print(f"AWS {emulator.endpoint_url}", flush=True)
        _wait_for_signal()
    return 0


def _wait_for_signal() -> None:
    received = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: received.set())
    received.wait()


if __name__ == "__main__":
    sys.exit(main())
