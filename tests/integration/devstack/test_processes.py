"""Servers end with the process that started them, however it ends, and leave no process and no file behind."""

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

TIMEOUT_S = 10
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
server = scratch.start("stubborn", [sys.executable, "-c", {STUBBORN!r}], stop_timeout_s=0.5)
server.wait_until(lambda: "up" in (scratch.path / "stubborn.log").read_text(), 10)
supervisor = next(child for child in psutil.Process().children() if child.children())
print(supervisor.children()[0].pid, scratch.path, flush=True)
time.sleep(60)
"""


def becomes_true(condition: Callable[[], bool]) -> bool:
    """Whether the condition becomes true within ten seconds."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def has_ended(pid: int) -> bool:
    """Whether a process has ended; a zombie has too, because a container may have no process that collects it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def supervisor_of(scratch: Scratch, text: str) -> psutil.Process:
    """The supervisor of the command that contains a text."""
    children = psutil.Process().children()
    return next(p for p in children if "run" in p.cmdline() and any(text in word for word in p.cmdline()))


def started(scratch: Scratch, text: str) -> bool:
    """Whether the supervisor of the command that contains a text has started it."""
    try:
        return bool(supervisor_of(scratch, text).children())
    except StopIteration:  # a newly forked process still has its parent's command line
        return False


def start_victim(code: str) -> tuple[subprocess.Popen[str], str]:
    """A Python process that the test will kill, and the line that it prints when it is ready."""
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


def python(scratch: Scratch, name: str, code: str, *arguments: str, stop_timeout_s: float = 5) -> Server:
    return scratch.start(name, [sys.executable, "-I", "-S", "-c", code, *arguments], stop_timeout_s=stop_timeout_s)


def test_a_killed_parent_leaves_no_process_and_no_directory() -> None:
    """After `kill -9` of the process that started PostgreSQL and Temporal, neither they nor their directories remain."""
    victim, line = start_victim(VICTIM)
    pids = json.loads(line)
    removers = [words for words in (psutil.Process(pid).cmdline() for pid in pids) if "remove" in words]
    directories = [Path(words[-1]) for words in removers]
    assert [directory.is_dir() for directory in directories] == [True, True]
    assert len(pids) > 8, "two removers, two supervisors, Temporal, PostgreSQL and its processes"

    victim.kill()
    victim.wait()

    assert becomes_true(lambda: all(has_ended(pid) for pid in pids)), "processes remain"
    assert becomes_true(lambda: not any(directory.exists() for directory in directories)), "directories remain"


def test_a_directory_is_not_removed_under_a_running_server() -> None:
    """After `kill -9` of the parent, a server that is slow to stop keeps its files until it has stopped."""
    victim, line = start_victim(SLOW_VICTIM)
    pid, directory = int(line.split()[0]), Path(line.split()[1])
    victim.kill()
    victim.wait()

    def server_has_ended() -> bool:
        has_files = (directory / "stubborn.log").exists()
        ended = has_ended(pid)
        assert ended or has_files
        return ended

    assert becomes_true(server_has_ended)
    assert becomes_true(lambda: not directory.exists())


def test_a_server_outlives_the_thread_that_started_it(scratch: Scratch) -> None:
    """A server that a pool thread started keeps running when that thread ends."""
    servers: list[Server] = []
    thread = threading.Thread(target=lambda: servers.append(scratch.start("sleeper", ["sleep", "60"])))
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert servers[0].exit_status() is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_PDEATHSIG is Linux's")
def test_a_server_ends_with_its_killed_supervisor(scratch: Scratch) -> None:
    """A supervisor killed with SIGKILL does not leave its server running: the kernel sends the stop signal."""
    scratch.start("sleeper", ["sleep", "61"])
    assert becomes_true(lambda: started(scratch, "61"))
    supervisor = supervisor_of(scratch, "61")
    server = supervisor.children()[0]
    supervisor.kill()
    assert becomes_true(lambda: has_ended(server.pid))


def test_a_server_that_ignores_sigterm_is_killed(scratch: Scratch) -> None:
    """A server that ignores SIGTERM gets SIGKILL after the stop timeout."""
    server = python(scratch, "stubborn", STUBBORN, stop_timeout_s=0.3)
    server.wait_until(lambda: "up" in (scratch.path / "stubborn.log").read_text(), TIMEOUT_S)
    server.stop()
    assert server.exit_status() == 128 + signal.SIGKILL


def test_the_child_processes_of_a_server_end_with_it(scratch: Scratch) -> None:
    """A process that a server started and left running is killed."""
    python(scratch, "parent", LEAVES_A_CHILD).wait()
    orphan = int((scratch.path / "parent.log").read_text())
    assert becomes_true(lambda: has_ended(orphan))


def test_the_error_for_a_failed_start_quotes_the_log(scratch: Scratch) -> None:
    """The error for a server that does not start contains the tail of its log."""
    server = python(scratch, "broken", "raise SystemExit('no licence found')")
    with pytest.raises(ServerError, match=r"(?s)broken ended with status 1 .*no licence found"):
        server.wait_until(lambda: False, TIMEOUT_S)


def test_a_server_that_is_never_ready_is_stopped(scratch: Scratch) -> None:
    """A server that is not ready at the deadline is stopped, and the error says so."""
    server = scratch.start("sleeper", ["sleep", "60"])
    with pytest.raises(ServerError, match=r"sleeper was not ready within 0.1 s and was stopped"):
        server.wait_until(lambda: False, 0.1)
    assert server.exit_status() == 128 + signal.SIGTERM


def test_a_start_on_a_taken_port_is_repeated_on_another(scratch: Scratch) -> None:
    """If another process has the chosen port, `with_free_ports` starts the server again on another one."""
    taken_port = free_port()
    first = python(scratch, "first", LISTENER, str(taken_port))
    first.wait_until(lambda: ("127.0.0.1", taken_port) in first.listening(), TIMEOUT_S)
    ports = iter([taken_port, free_port()])

    def start() -> int:
        port = next(ports)
        server = python(scratch, f"second-{port}", LISTENER, str(port))
        server.wait_until(lambda: ("127.0.0.1", port) in server.listening(), TIMEOUT_S)
        return port

    assert with_free_ports(start) != taken_port


def test_a_server_whose_sockets_are_hidden_is_not_listening(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel hides the sockets of an ending process from ordinary users; `listening` is then empty."""
    server = python(scratch, "hidden", LISTENER, str(free_port()))

    def hidden(process: psutil.Process, kind: str) -> None:
        raise psutil.AccessDenied(process.pid)

    server.wait_until(lambda: bool(server.listening()), TIMEOUT_S)
    monkeypatch.setattr(psutil.Process, "net_connections", hidden)
    assert server.listening() == set()


def test_a_port_that_stays_taken_raises_port_taken(scratch: Scratch) -> None:
    """After several attempts `with_free_ports` raises PortTaken."""
    attempts = []

    def start() -> None:
        attempts.append(1)
        raise PortTaken("Address already in use")

    with pytest.raises(PortTaken):
        with_free_ports(start)
    assert 1 < len(attempts) < 10


def test_a_closed_scratch_starts_nothing() -> None:
    """A start after `close` is refused, and a second `close` does nothing."""
    scratch = Scratch("test")
    scratch.close()
    scratch.close()
    assert not scratch.path.exists()
    with pytest.raises(ServerError, match="already closed"):
        scratch.start("late", ["sleep", "60"])
