"""Runs starter.py as a process of its own, without a terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack.pipeline import own_environment
from devstack.stack import Stack
from tests.rigs.requests import every_wait, merge, wait

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "restore.json"
"""A request for the devstack."""


@dataclass(frozen=True)
class CommandResult:
    """The exit code of a command, and what it printed."""

    code: int
    out: str
    err: str


def start_command(stack: Stack, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Start starter.py with pipes instead of a terminal."""
    variables = own_environment(stack.environment) | environment | {"PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, ROOT / "starter.py", *arguments],
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


def quick_example() -> dict[str, Any]:
    """The example with polls every few tenths of a second; it also restores after a half-way cancellation."""
    changes = {"target": {"missing": "create"}, "waits": every_wait(wait("PT10M", "PT0.2S", "PT0.7S"))}
    return merge(json.loads(EXAMPLE.read_text()), changes)
