"""The small program between us and a server: it ends the server when we end, however we end.

A process that is killed with SIGKILL cannot clean up after itself, and a server left behind holds a port,
memory and a directory for ever. So every server has a supervisor, whose standard input is the *lifeline*: a
pipe whose other end only the starter holds. The kernel closes that end when the starter ends, for whatever
reason; the supervisor reads end-of-file, stops the server politely, then firmly, and ends too.

Linux offers to send a signal when the parent dies (PR_SET_PDEATHSIG), but there "parent" means the *thread*
that started the process: a server started from a pool thread would die with that thread, in the middle of
the night. Here it is only the second line of defence, for the case that the supervisor itself is killed: a
supervisor starts its server from its one main thread.

The standard library is all this needs, so it runs isolated (`python -I -S`) and is up in some 40 ms.

    supervisor.py run STOP_SIGNAL PATIENCE_S USER COMMAND...   (USER "-": stay the user that we are)
    supervisor.py remove DIRECTORY                             (when the lifeline ends)
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
REMOVE_FOR_S = 10


def main(arguments: list[str]) -> int:
    """Returns the server's own exit status, so that a supervised command can be judged by it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the starter, which then lets the lifeline go
    match arguments:
        case ["run", stop_signal, patience_s, user, *command]:
            return supervise(command, signal.Signals(int(stop_signal)), float(patience_s), user)
        case ["remove", directory]:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            wait_for_the_end()
            return remove(Path(directory))
    raise SystemExit(__doc__)


def supervise(command: list[str], stop_signal: signal.Signals, patience_s: float, user: str) -> int:
    """Run the command in a process group of its own until it ends or the lifeline does."""
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=die_with_parent(stop_signal),
        user=None if user == "-" else user,
        group=None if user == "-" else pwd.getpwnam(user).pw_gid,
        extra_groups=None if user == "-" else [],  # root's would open files that the user must not see
    )
    signal.signal(signal.SIGTERM, lambda *_: server.send_signal(stop_signal))
    threading.Thread(target=end_at_the_end, args=(server, stop_signal, patience_s), daemon=True).start()
    status = server.wait()
    kill_group(server.pid)
    return status if status >= 0 else 128 - status


def die_with_parent(stop_signal: signal.Signals) -> Callable[[], None]:
    """Ask the kernel for the signal at the parent's death; not on Linux, the lifeline alone must do."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, stop_signal)
        if os.getppid() != parent:  # it died before we asked, and the kernel will not tell us
            os._exit(1)

    return ask


def wait_for_the_end() -> None:
    """Nothing is ever written to the lifeline: it can only end."""
    while os.read(sys.stdin.fileno(), 1):
        pass


def end_at_the_end(server: subprocess.Popen[bytes], stop_signal: signal.Signals, patience_s: float) -> None:
    """Politely, then firmly."""
    wait_for_the_end()
    server.send_signal(stop_signal)
    time.sleep(patience_s)  # the main thread ends the program as soon as the server has ended
    kill_group(server.pid)


def kill_group(leader: int) -> None:
    """Also what the server has started and left behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS, for zombies
        os.killpg(leader, signal.SIGKILL)


def remove(directory: Path) -> int:
    """Try again for a while: what a killed server has started may still be writing its last file."""
    deadline = time.monotonic() + REMOVE_FOR_S
    while directory.exists() and time.monotonic() < deadline:
        shutil.rmtree(directory, ignore_errors=True)
        if directory.exists():
            time.sleep(0.05)
    return int(directory.exists())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
