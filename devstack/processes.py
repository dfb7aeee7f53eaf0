"""Server processes and their scratch directories, which end with the process that started them.

A `Scratch` is a temporary directory and the servers that live in it. Closing it stops the servers and
removes the directory; if this process ends without closing it, SIGKILL included, the same happens all the
same, because the supervisors that do it (see supervisor.py) only wait for our end of a pipe to close. The
one who removes the directory waits for us *and* for every supervisor, so that nothing is removed under a
running server.

Do not `os.fork()` without exec while a Scratch is open: the fork would hold the lifeline too.
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
PATIENCE_S = 8.0
PORT_ATTEMPTS = 5
LOG_TAIL_BYTES = 2000
PORT_TAKEN_TEXTS = ("address already in use", "address in use")


class ServerError(RuntimeError):
    """A server did not come up, or a command failed; the message ends with the tail of its log."""


class PortTaken(ServerError):
    """Someone took the port between our choosing it and the server's opening it."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now; only the server that opens it makes it sure."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def with_free_ports(start: Callable[[], T]) -> T:
    """Call `start`, which chooses its own ports, again when another process was faster to one of them."""
    for _ in range(PORT_ATTEMPTS - 1):
        try:
            return start()
        except PortTaken:
            continue
    return start()


class Server:
    """One supervised process; made by `Scratch.start`."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        """`process` is the supervisor; its standard input is the lifeline."""
        self.name = name
        self._process = process
        self._log = log

    @property
    def pid(self) -> int | None:
        """Of the server itself, not of its supervisor; None once it has ended."""
        return next((child.pid for child in psutil.Process(self._process.pid).children()), None)

    def exit_status(self) -> int | None:
        """None while it runs; 128 + n after signal n."""
        return self._process.poll()

    def listening(self) -> set[tuple[str, int]]:
        """The addresses on which this server, and no other, waits for connections."""
        try:
            processes = psutil.Process(self._process.pid).children(recursive=True)
            sockets = [c for process in processes for c in process.net_connections("tcp")]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            # One that is ending belongs to root already, and nobody else may look at what it still holds.
            return set()
        return {(c.laddr.ip, c.laddr.port) for c in sockets if c.status == psutil.CONN_LISTEN}

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Return when it is ready; otherwise raise ServerError, or PortTaken if that was the reason.

        `ready` must ask this very server: where a port was taken, someone else answers there.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self.exit_status() is not None:
                self.let_go()
                raise self._failure(f"ended with status {self.exit_status()} before it was ready")
            if time.monotonic() > deadline:
                self.stop()
                raise self._failure(f"was not ready within {timeout_s:g} s and was stopped")
            time.sleep(POLL_S)

    def wait(self) -> None:
        """For a command: until it has ended well; ServerError if it did not."""
        status = self._process.wait()
        self.let_go()
        if status != 0:
            raise self._failure(f"ended with status {self.exit_status()}")

    def let_go(self) -> None:
        """Ask for the stop, without waiting for it."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def stop(self) -> None:
        """Politely, then firmly, as its supervisor was told. Twice is once."""
        self.let_go()
        self._process.wait()

    def kill(self) -> None:
        """SIGKILL the server itself, as a crash would, and wait until it is gone."""
        for server in psutil.Process(self._process.pid).children():
            server.kill()
        self._process.wait()

    def signal(self, which: signal.Signals) -> None:
        """Send a signal to the server and to what it has started: SIGSTOP freezes all of it, SIGCONT wakes it."""
        for process in psutil.Process(self._process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(which)

    def _failure(self, what: str) -> ServerError:
        tail = self._log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
        kind = PortTaken if any(text in tail.lower() for text in PORT_TAKEN_TEXTS) else ServerError
        return kind(f"{self.name} {what}. Its log ends with:\n{tail or '(nothing)'}")


class Scratch:
    """A temporary directory and the processes that live in it. Thread-safe."""

    def __init__(self, purpose: str, user: str | None = None) -> None:
        """`user` owns the directory and runs what is started in it; None: the user that we are."""
        self.user = user
        self._lock = threading.Lock()
        self._servers: list[Server] = []
        self._closed = False
        self.path = Path(tempfile.mkdtemp(prefix=f"aurora-{purpose}-")).resolve()
        self._remover = _spawn_supervisor(["remove", str(self.path)], cwd=Path("/"))
        self._give(self.path)

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        patience_s: float = PATIENCE_S,
    ) -> Server:
        """Start a server in the directory; what it says goes to NAME.log there.

        At the stop it gets `stop_signal`, and SIGKILL if it is still there after `patience_s`.
        """
        with self._lock:
            if self._closed:
                raise ServerError(f"{name} cannot be started: {self.path} is closed already.")
            log = self.path / f"{name}.log"
            arguments = ["run", str(int(stop_signal)), str(patience_s), self.user or "-", *map(str, command)]
            server = Server(name, self._spawn(arguments, log, environment), log)
            self._servers = [s for s in self._servers if s.exit_status() is None] + [server]
        return server

    def run(self, name: str, command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None) -> None:
        """Run a command to its end; ServerError if that is a bad one."""
        self.start(name, command, environment=environment).wait()

    def write(self, name: str, text: str) -> Path:
        """A file in the directory that only its user can read."""
        path = self.path / name
        path.touch(mode=0o600)
        path.write_text(text)
        self._give(path)
        return path

    def close(self) -> None:
        """Stop every server, all at once, then remove the directory. Twice is once."""
        with self._lock:
            self._closed = True
        for server in self._servers:
            server.let_go()
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

    def _give(self, path: Path) -> None:
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
                # So that the remover waits for the supervisor too.
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
        start_new_session=True,  # Ctrl-C in the terminal is for us; we stop the servers in order
    )


def remove_tree(directory: Path) -> None:
    """Remove a directory inside a scratch directory; one that is gone is fine."""
    shutil.rmtree(directory, ignore_errors=True)
