"""The operator's commands as processes of their own, without a terminal."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from devstack.pipeline import own_environment
from devstack.stack import Stack

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


def command(stack: Stack, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """starter.py as a process of its own, without a terminal."""
    variables = own_environment(stack.environment) | environment | {"PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, ROOT / "starter.py", *arguments],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(stack: Stack, *arguments: str | Path, **environment: str) -> Said:
    """The command's answer when it has ended."""
    process = command(stack, *arguments, **environment)
    out, err = process.communicate(timeout=90)
    assert "Traceback" not in err, err
    return Said(process.returncode, out, err)
