"""Server processes and their scratch directories, which end with the process that started them.

A `Scratch` is a temporary directory and the servers that run in it. Closing it stops the servers and removes the
directory. The same happens if this process ends without closing it, even by SIGKILL: the supervisors that do it (see
supervisor.py) wait for this process's end of a pipe to close. The supervisor that removes the directory waits for this
process *and* for every other supervisor, so no directory is removed under a running server.

Do not `os.fork()` without exec while a Scratch is open: the fork would hold the pipe open too.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import psutil

from devstack import supervisor

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
POLL_S = 0.01
STOP_TIMEOUT_S = 8.0
PORT_ATTEMPTS = 5
LOG_TAIL_BYTES = 2000
PORT_TAKEN_TEXTS = ("address already in use", "address in use")


class ServerError(RuntimeError):
    """A server did not start, or a command failed; the message ends with the tail of its log."""


class PortTaken(ServerError):
    """Another process opened the port after it was chosen and before the server opened it."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now; another process may open it before the server does."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def with_free_ports(start: Callable[[], T]) -> T:
    """Call `start`, which chooses its own ports, again whenever another process has opened one of them first."""
    for _ in range(PORT_ATTEMPTS - 1):
        try:
            return start()
        except PortTaken:
            continue
    return start()


class Server:
    """One supervised process; made by `Scratch.start`."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        """`process` is the supervisor; its standard input is the lifeline (see supervisor.py)."""
        self.name = name
        self._process = process
        self._log = log

    @property
    def pid(self) -> int | None:
        """The process id of the server itself, not of its supervisor; None once it has ended."""
        return next((child.pid for child in psutil.Process(self._process.pid).children()), None)

    def exit_status(self) -> int | None:
        """The exit status; None while the server runs, 128 + n after signal n."""
        return self._process.poll()

    def listening(self) -> set[tuple[str, int]]:
        """The addresses on which this server, and no other, listens."""
        try:
            processes = psutil.Process(self._process.pid).children(recursive=True)
            sockets = [c for process in processes for c in process.net_connections("tcp")]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            # A process that is ending already belongs to root, and only root may list its sockets.
            return set()
        return {(c.laddr.ip, c.laddr.port) for c in sockets if c.status == psutil.CONN_LISTEN}

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Return when the server is ready. Raises ServerError, or PortTaken if that is the reason.

        `ready` must check this very server: on a taken port another server would respond.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self.exit_status() is not None:
                self.request_stop()
                raise self._failure(f"ended with status {self.exit_status()} before it was ready")
            if time.monotonic() > deadline:
                self.stop()
                raise self._failure(f"was not ready within {timeout_s:g} s and was stopped")
            time.sleep(POLL_S)

    def wait(self) -> None:
        """Wait for the end of a command. Raises ServerError unless its exit status is 0."""
        status = self._process.wait()
        self.request_stop()
        if status != 0:
            raise self._failure(f"ended with status {self.exit_status()}")

    def request_stop(self) -> None:
        """Let the supervisor stop the server, without waiting for it."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def stop(self) -> None:
        """Stop the server and wait for its end: by its stop signal, then by SIGKILL. A second call does nothing."""
        self.request_stop()
        self._process.wait()

    def kill(self) -> None:
        """SIGKILL the server itself, like a crash, and wait for its end."""
        for server in psutil.Process(self._process.pid).children():
            server.kill()
        self._process.wait()

    def signal(self, which: signal.Signals) -> None:
        """Send a signal to the server and its child processes: SIGSTOP freezes them all, SIGCONT resumes them."""
        for process in psutil.Process(self._process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(which)

    def _failure(self, what: str) -> ServerError:
        tail = self._log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
        kind = PortTaken if any(text in tail.lower() for text in PORT_TAKEN_TEXTS) else ServerError
        return kind(f"{self.name} {what}. Its log ends with:\n{tail or '(nothing)'}")


class Scratch:
    """A temporary directory and the processes that run in it. Thread-safe."""

    def __init__(self, purpose: str, user: str | None = None) -> None:
        """`purpose` is part of the directory's name; `user` owns it and runs its processes, by default this user."""
        self.user = user
        self._lock = threading.Lock()
        self._servers: list[Server] = []
        self._closed = False
        self.path = Path(tempfile.mkdtemp(prefix=f"aurora-{purpose}-")).resolve()
        self._remover = _spawn_supervisor(["remove", str(self.path)], cwd=Path("/"))
        self._chown(self.path)

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        stop_timeout_s: float = STOP_TIMEOUT_S,
    ) -> Server:
        """Start a server in the directory; its output goes to NAME.log there.

        To stop it the supervisor sends `stop_signal`, and SIGKILL after `stop_timeout_s`. Raises ServerError if the
        scratch directory is closed.
        """
        with self._lock:
            if self._closed:
                raise ServerError(f"Cannot start {name}: {self.path} is already closed.")
            log = self.path / f"{name}.log"
            arguments = ["run", str(int(stop_signal)), str(stop_timeout_s), self.user or "-", *map(str, command)]
            server = Server(name, self._spawn(arguments, log, environment), log)
            self._servers = [s for s in self._servers if s.exit_status() is None] + [server]
        return server

    def run(self, name: str, command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None) -> None:
        """Run a command to its end. Raises ServerError unless its exit status is 0."""
        self.start(name, command, environment=environment).wait()

    def write(self, name: str, text: str) -> Path:
        """Write a file in the directory that only its user can read; returns its path."""
        path = self.path / name
        path.touch(mode=0o600)
        path.write_text(text)
        self._chown(path)
        return path

    def close(self) -> None:
        """Stop every server concurrently, then remove the directory. A second call does nothing."""
        with self._lock:
            self._closed = True
        for server in self._servers:
            server.request_stop()
        for server in self._servers:
            server.stop()
        assert self._remover.stdin is not None
        self._remover.stdin.close()
        self._remover.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _chown(self, path: Path) -> None:
        if self.user is not None:
            os.chown(path, pwd.getpwnam(self.user).pw_uid, -1)

    def _spawn(self, arguments: list[str], log: Path, environment: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
        assert self._remover.stdin is not None
        with log.open("ab") as output:
            return _spawn_supervisor(
                arguments,
                cwd=self.path,
                environment=environment,
                output=output.fileno(),
                # The supervisor holds the remover's lifeline too, so the remover waits for it.
                pass_fds=(self._remover.stdin.fileno(),),
            )


def _spawn_supervisor(
    arguments: list[str],
    *,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    output: int = subprocess.DEVNULL,
    pass_fds: tuple[int, ...] = (),
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", supervisor.__file__, *arguments],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        cwd=cwd,
        env=environment,
        pass_fds=pass_fds,
        start_new_session=True,  # Ctrl-C in the terminal goes to this process only, which stops the servers in order
    )


def remove_tree(directory: Path) -> None:
    """Remove a directory inside a scratch directory; a missing one is ignored."""
    shutil.rmtree(directory, ignore_errors=True)
