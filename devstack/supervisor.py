"""A small program between a server and the process that started it (the starter): it stops the server when that ends.

A process that is killed with SIGKILL cannot clean up after itself, and a server left behind would keep its port, memory
and directory. So every server has a supervisor, whose standard input is the *lifeline*: a pipe whose other end only the
starter holds. The kernel closes that end when the starter ends, for any reason; the supervisor reads end-of-file, sends
the server its stop signal, then SIGKILL, and ends too.

Linux can send a signal when the parent dies (PR_SET_PDEATHSIG), but "parent" means the *thread* that started the
process: a server started from a pool thread would die with that thread, while it is still in use. Here it is only the
second safeguard, in case the supervisor itself is killed: a supervisor starts its server from its only thread.

The program needs the standard library alone, so it runs isolated (`python -I -S`) and starts in about 40 ms.

    supervisor.py run STOP_SIGNAL STOP_TIMEOUT_S USER COMMAND...   (USER "-": the current user)
    supervisor.py remove DIRECTORY                                 (when the lifeline ends)
"""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h
REMOVE_TIMEOUT_S = 10


def main(arguments: list[str]) -> int:
    """Returns the exit status of the supervised command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the starter, which then closes the lifeline
    match arguments:
        case ["run", stop_signal, stop_timeout_s, user, *command]:
            return supervise(command, signal.Signals(int(stop_signal)), float(stop_timeout_s), user)
        case ["remove", directory]:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            wait_for_end_of_lifeline()
            return remove(Path(directory))
    raise SystemExit(__doc__)


def supervise(command: list[str], stop_signal: signal.Signals, stop_timeout_s: float, user: str) -> int:
    """Run the command in a process group of its own until it or the lifeline ends; returns its exit status."""
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=die_with_parent(stop_signal),
        user=None if user == "-" else user,
        group=None if user == "-" else pwd.getpwnam(user).pw_gid,
        extra_groups=None
        if user == "-"
        else [],  # root's groups would give access to files that the user must not read
    )
    signal.signal(signal.SIGTERM, lambda *_: server.send_signal(stop_signal))
    threading.Thread(target=stop_at_end_of_lifeline, args=(server, stop_signal, stop_timeout_s), daemon=True).start()
    status = server.wait()
    kill_group(server.pid)
    return status if status >= 0 else 128 - status


def die_with_parent(stop_signal: signal.Signals) -> Callable[[], None]:
    """The function that asks the kernel for a signal at the parent's death; on other systems than Linux it does nothing."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, stop_signal)
        if os.getppid() != parent:  # the parent died before the request, and the kernel will send no signal
            os._exit(1)

    return ask


def wait_for_end_of_lifeline() -> None:
    """Return at the end-of-file of the lifeline; nothing is ever written to it."""
    while os.read(sys.stdin.fileno(), 1):
        pass


def stop_at_end_of_lifeline(
    server: subprocess.Popen[bytes], stop_signal: signal.Signals, stop_timeout_s: float
) -> None:
    """At the end of the lifeline, send the stop signal, and SIGKILL after the timeout."""
    wait_for_end_of_lifeline()
    server.send_signal(stop_signal)
    time.sleep(stop_timeout_s)  # the main thread ends the program as soon as the server has ended
    kill_group(server.pid)


def kill_group(leader: int) -> None:
    """SIGKILL the process group: the server and the processes that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS, for zombies
        os.killpg(leader, signal.SIGKILL)


def remove(directory: Path) -> int:
    """Remove a directory; returns 1 if it still exists after 10 s.

    It tries repeatedly, because a child process of a killed server may still be writing a file.
    """
    deadline = time.monotonic() + REMOVE_TIMEOUT_S
    while directory.exists() and time.monotonic() < deadline:
        shutil.rmtree(directory, ignore_errors=True)
        if directory.exists():
            time.sleep(0.05)
    return int(directory.exists())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
