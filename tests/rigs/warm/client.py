"""Asks the server of warm programs for one, and takes its place for the process that started this one.

    client.py SOCKET PROGRAM ARGUMENT...

SIGINT, SIGTERM and SIGHUP are passed on; the program is killed if this process is, and this one ends as the program did.
It needs the standard library alone, and little of it.
"""

import array
import os
import select
import signal
import socket
import sys

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(address: str, program: list[str]) -> int:
    """Returns the program's exit code, or the negative number of the signal that ended it."""
    environment = [f"{name}={value}" for name, value in os.environ.items()]
    words = [str(len(program)), os.getcwd(), *program, *environment]  # noqa: PTH109 - pathlib would take longer than all else
    request = "\0".join(words).encode("utf-8", "surrogateescape")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        rights = array.array("i", (0, 1, 2))
        connection.sendmsg([len(request).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
        connection.sendall(request)
        pid = int.from_bytes(_receive(connection), "big")
        # A signal that arrives just before a system call that blocks would wait for its end: so that one is awakened.
        awakened, awakens = socket.socketpair()
        awakens.setblocking(False)
        signal.set_wakeup_fd(awakens.fileno())
        for number in FORWARDED:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda received, _: os.kill(pid, received))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
        while connection not in select.select([connection, awakened], [], [])[0]:
            awakened.recv(1)
        try:
            return int.from_bytes(_receive(connection), "big", signed=True)
        except ConnectionError:
            os.kill(pid, signal.SIGKILL)
            raise


def _receive(connection: socket.socket) -> bytes:
    """Raises ConnectionError if the process that started the program has ended: nobody else knows how the program does."""
    received = connection.recv(4)
    if not received:
        raise ConnectionError
    return received


if __name__ == "__main__":
    ended = main(sys.argv[1], sys.argv[2:])
    if ended < 0:
        if -ended != signal.SIGKILL:
            signal.signal(-ended, signal.SIG_DFL)
        os.kill(os.getpid(), -ended)
    os._exit(ended)
