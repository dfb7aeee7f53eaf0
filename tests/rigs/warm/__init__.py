"""Programs of Python that start within a twentieth of a second, because a process that has imported them forks.

`starter.py`, `worker.py` and `aws` spend 0.7 to 1.8 s of processor time on imports, each time a test starts one. `command`
returns a command line that starts the same program from a copy of a process that has them already (server.py). It is a
process of its own (client.py) with the caller's arguments, environment, folder and first three files; signals and the exit
code go through it. Every process of a test run uses the same server, which ends with the last of them.

Where the start itself is under test, a test starts the real program: how long it takes, what it imports, what becomes of a
closed terminal, `--version`.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
START_SECONDS = 200


def command(program: str | Path, *arguments: str | Path) -> list[str]:
    """The command line of a program of Python, by its path: `aws`, or one that the pipeline's modules are imported for.

    Of the variables that Python itself reads when it starts, only PYTHONUNBUFFERED has an effect.
    """
    return [
        sys.executable,
        "-I",
        "-S",
        str(HERE / "client.py"),
        str(_server(_name(program))),
        str(program),
        *map(str, arguments),
    ]


def _name(program: str | Path) -> str:
    return "aws" if Path(program).name == "aws" else "pipeline"


@cache
def _server(name: str) -> Path:
    """The socket of this test run's server, which is started if no other process has started it.

    Raises AssertionError if it does not start within 200 s.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    folder = Path(tempfile.gettempdir()) / f"aurora-warm-{name}-{run}"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "lifeline").exists():
            os.mkfifo(folder / "lifeline")
            reading = os.open(folder / "lifeline", os.O_RDONLY | os.O_NONBLOCK)
            # It stays open until this process ends, and the server ends when nobody has it open.
            os.open(folder / "lifeline", os.O_WRONLY)
            _start(folder, name, reading)
            os.close(reading)
        else:
            os.open(folder / "lifeline", os.O_WRONLY)
    return folder / "socket"


def _start(folder: Path, name: str, lifeline: int) -> None:
    """Start the server, and return when it listens."""
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.rigs.warm.server", folder, name],
            cwd=ROOT,
            stdin=lifeline,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    end = time.monotonic() + START_SECONDS
    while not (folder / "socket").exists():
        assert server.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < end, "the server of warm programs did not start"
        time.sleep(0.02)
