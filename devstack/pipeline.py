"""worker.py and starter.py, started against a stack as an operator starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from devstack.processes import Scratch, Server

ROOT = Path(__file__).resolve().parent.parent
WORKER_SECONDS = 30.0
WORKER_STARTED = b"worker started"


def own_environment(stack_environment: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, with the stack's AWS, Temporal and pipeline variables in place of all others."""
    replaced = ("AWS_", "TEMPORAL_", "AURORA_RESTORE_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(replaced)}
    # A Temporal profile on this machine would set another address.
    return inherited | {"TEMPORAL_CONFIG_FILE": os.devnull} | dict(stack_environment)


def start_worker(
    scratch: Scratch,
    environment: Mapping[str, str],
    name: str = "worker",
    command: Sequence[str | Path] = (sys.executable, ROOT / "worker.py"),
) -> Server:
    """Start worker.py as a process that ends with this one; returns when the worker polls Temporal.

    `name` must be unique in `scratch`; `command` starts the worker. Raises ServerError if it is not ready within 30 s.
    """
    log = scratch.path / f"{name}.log"
    worker = scratch.start(name, command, environment=own_environment(environment))
    worker.wait_until(lambda: WORKER_STARTED in log.read_bytes(), WORKER_SECONDS)
    return worker


def ask_starter(arguments: Sequence[str | Path], environment: Mapping[str, str]) -> tuple[int, Any]:
    """Run starter.py for its JSON; returns its exit code and the document, None without one. Progress is shown."""
    command = [sys.executable, ROOT / "starter.py", *arguments, "-o", "json"]
    done = subprocess.run(command, env=own_environment(environment), stdout=subprocess.PIPE, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else None


def run_starter(arguments: Sequence[str | Path], environment: Mapping[str, str]) -> int:
    """Run starter.py with these arguments on this terminal; returns its exit code."""
    command = [sys.executable, ROOT / "starter.py", *arguments]
    return subprocess.run(command, env=own_environment(environment), check=False).returncode
