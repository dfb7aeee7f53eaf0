"""`python -m devstack`: the world on a laptop, until Ctrl-C."""

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
    """Exit codes: 0 ended as asked, 1 something did not come up."""
    options = _parser().parse_args()
    try:
        return _only_aws(options) if options.only_aws else _everything(options)
    except (ServerError, OSError) as error:
        hint = (
            " Another devstack? --free-ports takes ports that are free."
            if isinstance(error, PortTaken | OSError)
            else ""
        )
        print(f"The devstack did not come up: {error}{hint}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m devstack",
        description="Temporal with its Web UI, an AWS emulator, PostgreSQL behind its clusters, and a worker. Ends with Ctrl-C.",
    )
    parser.add_argument("--free-ports", action="store_true", help="any free ports instead of the usual ones")
    parser.add_argument("--no-worker", action="store_true", help="start the worker yourself: python worker.py")
    parser.add_argument("--only-aws", action="store_true", help="only the AWS emulator, without databases or Temporal")
    parser.add_argument("--host", default="127.0.0.1", help="with --only-aws: the address to listen on")
    parser.add_argument("--port", type=int, default=AWS_PORT, help=f"the AWS emulator's port (default {AWS_PORT})")
    return parser


def _everything(options: argparse.Namespace) -> int:
    print("Starting PostgreSQL, the AWS emulator and Temporal …", flush=True)
    ports = {} if options.free_ports else {"temporal_port": TEMPORAL_PORT, "ui_port": UI_PORT, "aws_port": options.port}
    with Stack(**ports) as stack, Scratch("pipeline") as scratch:
        if run_starter(["setup"], stack.environment) != 0:
            return 1
        if not options.no_worker:
            start_worker(scratch, stack.environment)
        _introduce(stack.temporal.ui_url or "", stack.environment)
        _until_asked_to_end()
    return 0


def _introduce(ui_url: str, environment: Mapping[str, str]) -> None:
    print("\nFor another terminal:\n")
    for name, value in environment.items():
        print(f"  export {name}={value}")
    print(f"\nWeb UI   {ui_url}")
    print(f"Temporal {environment['TEMPORAL_ADDRESS']}")
    print(f"AWS      {environment['AWS_ENDPOINT_URL']}")
    print("\nA night: python starter.py start examples/restore.json")
    print("Or:      temporal workflow start --type AuroraRestoreWorkflow --task-queue aurora-restore \\")
    print("           --input-file examples/restore.json")
    print("\nCtrl-C ends everything.", flush=True)


def _only_aws(options: argparse.Namespace) -> int:
    with Emulator(NoDatabases(), host=options.host, port=options.port) as emulator:
        print(f"AWS {emulator.endpoint_url}", flush=True)
        _until_asked_to_end()
    return 0


def _until_asked_to_end() -> None:
    asked = threading.Event()
    for received in (signal.SIGINT, signal.SIGTERM):
        signal.signal(received, lambda *_: asked.set())
    asked.wait()


if __name__ == "__main__":
    sys.exit(main())
