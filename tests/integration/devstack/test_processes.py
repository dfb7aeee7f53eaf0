"""Servers end with the process that started them, whatever ends it, and leave nothing behind."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from devstack.processes import PortTaken, Scratch, Server, ServerError, free_port, with_free_ports

SOON_S = 10
ROOT = Path(__file__).parents[3]

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""
LEAVES_A_CHILD = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True)"
LISTENER = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"

VICTIM = """
import json, time
import psutil
from devstack.postgres import PostgresHost
from devstack.temporal_server import TemporalServer

host = PostgresHost()
host.create("staging", "master", "secret", None)
temporal = TemporalServer(headless=True)
print(json.dumps([process.pid for process in psutil.Process().children(recursive=True)]), flush=True)
time.sleep(60)
"""

SLOW_VICTIM = f"""
import sys, time
import psutil
from devstack.processes import Scratch

scratch = Scratch("test")
server = scratch.start("stubborn", [sys.executable, "-c", {STUBBORN!r}], patience_s=0.5)
server.wait_until(lambda: "up" in (scratch.path / "stubborn.log").read_text(), 10)
supervisor = next(child for child in psutil.Process().children() if child.children())
print(supervisor.children()[0].pid, scratch.path, flush=True)
time.sleep(60)
"""


def soon(condition: Callable[[], bool]) -> bool:
    """Whether the condition comes true within some seconds."""
    deadline = time.monotonic() + SOON_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_gone(pid: int) -> bool:
    """A zombie is gone too: in a container there may be nobody who collects it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def supervisor_of(scratch: Scratch, text: str) -> psutil.Process:
    """The supervisor of the command that contains the text."""
    children = psutil.Process().children()
    return next(p for p in children if "run" in p.cmdline() and any(text in word for word in p.cmdline()))


def started(scratch: Scratch, text: str) -> bool:
    """Whether the supervisor of that command has started it."""
    try:
        return bool(supervisor_of(scratch, text).children())
    except StopIteration:  # a process that was forked just now has its parent's command line for a moment
        return False


def start_victim(code: str) -> tuple[subprocess.Popen[str], str]:
    """A Python process that will be killed, and the line that it prints when it is ready for that."""
    victim = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert victim.stdout is not None
    return victim, victim.stdout.readline()


@pytest.fixture
def scratch() -> Iterator[Scratch]:
    with Scratch("test") as scratch:
        yield scratch


def python(scratch: Scratch, name: str, code: str, *arguments: str, patience_s: float = 5) -> Server:
    return scratch.start(name, [sys.executable, "-I", "-S", "-c", code, *arguments], patience_s=patience_s)


def test_a_killed_parent_leaves_no_process_and_no_directory() -> None:
    """After `kill -9` of who started PostgreSQL and Temporal, neither they nor their directories remain."""
    victim, answer = start_victim(VICTIM)
    pids = json.loads(answer)
    removers = [words for words in (psutil.Process(pid).cmdline() for pid in pids) if "remove" in words]
    directories = [Path(words[-1]) for words in removers]
    assert [directory.is_dir() for directory in directories] == [True, True]
    assert len(pids) > 8, "two removers, two supervisors, Temporal, PostgreSQL and its processes"

    victim.kill()
    victim.wait()

    assert soon(lambda: all(is_gone(pid) for pid in pids)), "processes remain"
    assert soon(lambda: not any(directory.exists() for directory in directories)), "directories remain"


def test_a_directory_is_not_removed_under_a_running_server() -> None:
    """After `kill -9` of the parent, a server that is slow to stop keeps its files until it has stopped."""
    victim, answer = start_victim(SLOW_VICTIM)
    pid, directory = int(answer.split()[0]), Path(answer.split()[1])
    victim.kill()
    victim.wait()

    def has_ended() -> bool:
        has_files = (directory / "stubborn.log").exists()
        gone = is_gone(pid)
        assert gone or has_files
        return gone

    assert soon(has_ended)
    assert soon(lambda: not directory.exists())


def test_a_server_outlives_the_thread_that_started_it(scratch: Scratch) -> None:
    """A server that a pool thread started goes on when that thread ends."""
    servers: list[Server] = []
    thread = threading.Thread(target=lambda: servers.append(scratch.start("sleeper", ["sleep", "60"])))
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert servers[0].exit_status() is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_PDEATHSIG is Linux's")
def test_a_killed_supervisor_takes_its_server_along(scratch: Scratch) -> None:
    """The second line of defence: a supervisor killed with SIGKILL does not leave its server running."""
    scratch.start("sleeper", ["sleep", "61"])
    assert soon(lambda: started(scratch, "61"))
    supervisor = supervisor_of(scratch, "61")
    server = supervisor.children()[0]
    supervisor.kill()
    assert soon(lambda: is_gone(server.pid))


def test_a_server_that_ignores_the_polite_signal_is_killed(scratch: Scratch) -> None:
    """Patience ends: a server that ignores SIGTERM gets SIGKILL."""
    server = python(scratch, "stubborn", STUBBORN, patience_s=0.3)
    server.wait_until(lambda: "up" in (scratch.path / "stubborn.log").read_text(), SOON_S)
    server.stop()
    assert server.exit_status() == 128 + signal.SIGKILL


def test_what_a_server_leaves_running_is_killed(scratch: Scratch) -> None:
    """A process that a server started and left behind ends with it."""
    python(scratch, "parent", LEAVES_A_CHILD).wait()
    orphan = int((scratch.path / "parent.log").read_text())
    assert soon(lambda: is_gone(orphan))


def test_the_error_quotes_the_log(scratch: Scratch) -> None:
    """A server that does not come up says why, in its own words."""
    server = python(scratch, "broken", "raise SystemExit('no licence found')")
    with pytest.raises(ServerError, match=r"(?s)broken ended with status 1 .*no licence found"):
        server.wait_until(lambda: False, SOON_S)


def test_a_server_that_is_never_ready_is_stopped(scratch: Scratch) -> None:
    """Readiness has a deadline, and what misses it does not go on running."""
    server = scratch.start("sleeper", ["sleep", "60"])
    with pytest.raises(ServerError, match=r"sleeper was not ready within 0.1 s and was stopped"):
        server.wait_until(lambda: False, 0.1)
    assert server.exit_status() == 128 + signal.SIGTERM


def test_a_port_taken_by_another_is_tried_again(scratch: Scratch) -> None:
    """Losing the race for a port costs another attempt, not the night's rehearsal."""
    taken = free_port()
    first = python(scratch, "first", LISTENER, str(taken))
    first.wait_until(lambda: ("127.0.0.1", taken) in first.listening(), SOON_S)
    ports = iter([taken, free_port()])

    def start() -> int:
        port = next(ports)
        server = python(scratch, f"second-{port}", LISTENER, str(port))
        server.wait_until(lambda: ("127.0.0.1", port) in server.listening(), SOON_S)
        return port

    assert with_free_ports(start) != taken


def test_a_server_that_is_ending_listens_nowhere(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel hides an ending process from ordinary users: that is no error of whoever waits for it."""
    server = python(scratch, "hidden", LISTENER, str(free_port()))

    def hidden(process: psutil.Process, kind: str) -> None:
        raise psutil.AccessDenied(process.pid)

    server.wait_until(lambda: bool(server.listening()), SOON_S)
    monkeypatch.setattr(psutil.Process, "net_connections", hidden)
    assert server.listening() == set()


def test_a_port_that_stays_taken_is_an_error_of_its_own(scratch: Scratch) -> None:
    """After some attempts the error says that it was the port."""
    attempts = []

    def start() -> None:
        attempts.append(1)
        raise PortTaken("Address already in use")

    with pytest.raises(PortTaken):
        with_free_ports(start)
    assert 1 < len(attempts) < 10


def test_a_closed_scratch_starts_nothing() -> None:
    """What comes too late is refused, and closing twice is closing once."""
    scratch = Scratch("test")
    scratch.close()
    scratch.close()
    assert not scratch.path.exists()
    with pytest.raises(ServerError, match="closed already"):
        scratch.start("late", ["sleep", "60"])
