"""Runs starter.py as a process of its own, without a terminal."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack.pipeline import own_environment
from devstack.stack import Stack
from tests.rigs import warm
from tests.rigs.requests import every_wait, merge, wait

ROOT = Path(__file__).resolve().parents[2]
WORKER = ROOT / "worker.py"
EXAMPLE = ROOT / "examples" / "restore.json"
"""A request for the devstack."""


@dataclass(frozen=True)
class CommandResult:
    """The exit code of a command, and what it printed."""

    code: int
    out: str
    err: str


def start_command(stack: Stack, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Start starter.py with pipes instead of a terminal, from a process that has imported it."""
    variables = own_environment(stack.environment) | environment | {"PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        warm.command(ROOT / "starter.py", *arguments),
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_command(stack: Stack, *arguments: str | Path, **environment: str) -> CommandResult:
    """Run starter.py to its end; a traceback fails the test."""
    process = start_command(stack, *arguments, **environment)
    out, err = process.communicate(timeout=90)
    assert "Traceback" not in err, err
    return CommandResult(process.returncode, out, err)


def run_worker(stack: Stack, verb: str, **environment: str) -> CommandResult:
    """Run worker.py to its end; a traceback fails the test."""
    done = subprocess.run(
        warm.command(WORKER, verb),
        env=own_environment(stack.environment) | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return CommandResult(done.returncode, done.stdout, done.stderr)


def quick_example() -> dict[str, Any]:
    """The example with polls every few tenths of a second; it also restores after a half-way cancellation."""
    changes = {"target": {"missing": "create"}, "waits": every_wait(wait("PT10M", "PT0.2S", "PT0.7S"))}
    return merge(json.loads(EXAMPLE.read_text()), changes)
