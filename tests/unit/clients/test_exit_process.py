"""How a program ends: with its own exit code, whatever has become of its terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from tests.rigs.documents import ROOT

PROGRAM = """
import sys
from contextlib import suppress
from clients.temporal import exit_process
sys.stdin.readline()
with suppress(OSError):
    print("a line that nobody reads", file=sys.stderr, flush=True)
exit_process(7)
"""


def test_a_closed_terminal_takes_no_exit_code() -> None:
    """What is left in the buffer for it fails once more at the end, which Python would report as 120."""
    ours, theirs = pty.openpty()
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=buffered, stdin=subprocess.PIPE, stderr=theirs, text=True
    ) as process:
        os.close(theirs)
        os.close(ours)
        process.communicate("go on\n", timeout=60)
    assert process.returncode == 7
