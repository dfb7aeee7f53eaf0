"""A program that starts from a warmed-up process (tests/rigs/warm) behaves as one that Python starts."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.rigs import warm

WHAT_IT_SEES = """
import os, signal, sys
print(sys.argv, sys.path[0], os.getcwd(), __name__, __file__, sys.stdin.read(), file=sys.stderr)
print(sorted(set(os.environ.items()) - {("_", os.environ.get("_"))}), signal.getsignal(signal.SIGINT), end="")
print([stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)], sys.stdout.encoding, "é")
"""
WAITS = "import os, time\nprint(os.getpid(), flush=True)\nfor _ in range(3000): time.sleep(0.1)"
"""In short pauses: a signal that arrives just before a system call that blocks waits for its end."""
WARM_AND_COLD = pytest.mark.parametrize("is_warm", [True, False], ids=["warm", "cold"])


def command(program: Path, *arguments: str, is_warm: bool) -> list[str]:
    return warm.command(program, *arguments) if is_warm else [sys.executable, str(program), *arguments]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return tmp_path / "program.py"


@pytest.mark.parametrize(
    "end",
    ["", "sys.exit(3)", "sys.exit('what it says')", "sys.exit(None)", "os._exit(7)", "os.kill(os.getpid(), 9)"],
)
def test_it_sees_and_ends_as_the_real_one(program: Path, tmp_path: Path, end: str) -> None:
    """The same arguments, folder, variables and files, and the same end."""
    program.write_text(f"{WHAT_IT_SEES}\n{end}\n")
    results = [
        subprocess.run(
            command(program, "a b", "é", "", is_warm=is_warm), input="asked\n", capture_output=True, text=True, cwd=tmp_path,
            env={"PATH": "/usr/bin", "EMPTY": "", "NAME": "a=b\nc", "TZ": "Asia/Tokyo", "PYTHONUNBUFFERED": "1"}, check=False,
        )
        for is_warm in (True, False)
    ]  # fmt: skip
    ended = [(result.returncode, result.stdout, result.stderr) for result in results]
    assert ended[0] == ended[1]
    assert "asked" in ended[0][2]


@WARM_AND_COLD
def test_an_exception_is_a_traceback(program: Path, is_warm: bool) -> None:
    """And exit code 1."""
    program.write_text("print('before')\nraise ValueError('wrong')")
    done = subprocess.run(command(program, is_warm=is_warm), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "before\n")
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert done.stderr.endswith("\nValueError: wrong\n")


@WARM_AND_COLD
def test_a_terminal_is_a_terminal(program: Path, is_warm: bool) -> None:
    """Rich draws only on one."""
    program.write_text("import os, sys\nprint(sys.stdout.isatty(), os.get_terminal_size())")
    ours, theirs = pty.openpty()
    subprocess.run(command(program, is_warm=is_warm), stdin=theirs, stdout=theirs, stderr=theirs, check=True)
    os.close(theirs)
    assert os.read(ours, 1000).startswith(b"True os.terminal_size(")
    os.close(ours)


@WARM_AND_COLD
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_ends_the_program(program: Path, is_warm: bool, number: signal.Signals) -> None:
    """It dies with the process that was started, and of what that was sent; Python turns SIGINT into its own end."""
    program.write_text(WAITS)
    with subprocess.Popen(
        command(program, is_warm=is_warm), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        running = psutil.Process(int(process.stdout.readline()))
        process.send_signal(number)
        assert process.wait(60) == -number
    wait_for_ends(running)


def test_the_program_is_killed_if_nobody_attends_it(program: Path) -> None:
    """A worker of the fault campaign that still runs must not count as one that has ended."""
    program.write_text(WAITS)
    with subprocess.Popen(
        warm.command(program), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        running = psutil.Process(int(process.stdout.readline()))
        attending = running.parent()
        assert attending is not None
        attending.kill()
        assert process.wait(60) not in (0, None)
    wait_for_ends(running)


def test_the_programs_end_with_the_test_run(program: Path) -> None:
    """Also when it is killed: nobody holds the server's lifeline any more. The server of `aws` starts soonest."""
    program = program.with_name("aws")
    program.write_text(WAITS)
    run = (
        "import subprocess, sys\nfrom tests.rigs import warm\n"
        f"subprocess.Popen(warm.command({str(program)!r}), stdout=sys.stdout)\n"
        "import time; time.sleep(300)"
    )
    variables = {name: value for name, value in os.environ.items() if name != "PYTEST_XDIST_TESTRUNUID"}
    with subprocess.Popen(
        [sys.executable, "-c", run], stdout=subprocess.PIPE, text=True, cwd=warm.ROOT, env=variables
    ) as tests:
        assert tests.stdout
        running = psutil.Process(int(tests.stdout.readline()))
        [server] = [parent for parent in running.parents() if "tests.rigs.warm.server" in parent.cmdline()][-1:]
        tests.kill()
        wait_for_ends(running, server)


def wait_for_ends(*processes: psutil.Process) -> None:
    """Wait until they have ended; a container may have no process that asks for the exit codes of orphans."""
    end = time.monotonic() + 60
    while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes):
        assert time.monotonic() < end, processes
        time.sleep(0.02)
