"""A picture for the docs of what an operator sees in a terminal: a fleet's list, and a restore while it copies.

    python -m tests.rigs.terminal_picture

The commands run against the devstack, each in a terminal of its own, and what they print is drawn in Chromium
(apt-get install chromium).
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress

from PIL import Image
from rich.console import Console
from rich.text import Text

from devstack.pipeline import own_environment, start_worker
from devstack.processes import Scratch
from devstack.stack import Stack
from tests.rigs.chromium import chromium
from tests.rigs.cli import EXAMPLE, ROOT, run_command
from tests.rigs.documents import IMAGES
from tests.rigs.durations import SLOW_COPY, uniform
from tests.rigs.emulator import delete_copies

WIDTH, LINES = 128, 50
"""Of the terminal, in characters."""
COMMANDS = (
    ("list",),
    ("status", "orders-staging"),
    ("healthy",),
    ("history", "orders-staging"),
)


def main() -> None:
    """Write docs/images/terminal.png: after five restores, of which one failed, while the next one copies."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    with Stack(durations=uniform(0.2)) as stack, Scratch("terminal-picture") as scratch:
        run_command(stack, "setup")
        start_worker(scratch, stack.environment)
        for number in range(5):
            if number == 3:
                stack.emulator.faults.add("rds", "CopyDBClusterSnapshot", "error", code="KMSKeyNotAccessibleFault")
            delete_copies(stack.demo)
            run_command(stack, "start", EXAMPLE)
            stack.emulator.faults.clear()
        run_command(stack, "schedule", EXAMPLE, "--at", "03:10")
        delete_copies(stack.demo)
        stack.emulator.durations = SLOW_COPY
        run_command(stack, "start", EXAMPLE, "--no-wait")
        while "check-copy-status" not in run_command(stack, "status").out:
            time.sleep(0.5)
        for command in COMMANDS:
            console.print(Text(f"$ python starter.py {' '.join(command)}", style="bold"))
            console.print(Text.from_ansi(run_in_terminal(stack, *command)))
    draw(console.export_svg(title="Aurora Restore Pipeline"))


def run_in_terminal(stack: Stack, *arguments: str) -> str:
    """What a command prints on a terminal, with its colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, WIDTH, 0, 0))
    environment = own_environment(stack.environment) | {"TERM": "xterm-256color"}
    command = [sys.executable, str(ROOT / "starter.py"), *arguments]
    process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    printed = b""
    with suppress(OSError):  # how Linux says that the other end of a terminal is closed
        while part := os.read(ours, 65536):
            printed += part
    os.close(ours)
    process.wait()
    return printed.decode().replace("\r\n", "\n").rstrip()


def draw(svg: str) -> None:
    """Write the picture, as large as the terminal."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_content(svg)
        taken = page.locator("svg").first.screenshot()
    # A palette takes a quarter of the bytes.
    Image.open(io.BytesIO(taken)).convert("RGB").quantize(32).save(IMAGES / "terminal.png", optimize=True)


if __name__ == "__main__":
    main()
