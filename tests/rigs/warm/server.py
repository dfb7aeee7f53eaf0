"""A process that has imported the programs of this repository, or AWS's command line, and forks for each request.

    python -m tests.rigs.warm.server FOLDER pipeline|aws

It listens at FOLDER/socket, and ends when its standard input does. It never starts a thread: only so
may it fork, and only so does no program find a runtime of Temporal or gRPC that belongs to another process.
"""

from __future__ import annotations

import gc
import importlib
import io
import os
import pkgutil
import runpy
import select
import shutil
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NoReturn

from tests.rigs.documents import PRODUCTION

MODULES = {
    "pipeline": ("starter", "worker", "boto3", "rich.live", "rich.table", "temporalio.contrib.opentelemetry"),
    "aws": ("awscli.clidriver", "awscli.handlers"),  # it brings a botocore of its own, which must not be the pipeline's
}
SERVICES = {
    "pipeline": ("dynamodb", "ec2", "iam", "kms", "rds", "secretsmanager", "sns", "sts"),
    "aws": ("cloudformation", "kms", "rds", "secretsmanager"),
}
"""Whose models are read before the first program asks for them."""


def import_programs(name: str) -> dict[str, str]:
    """Import what the programs import, also late. Returns the variables that imports have set."""
    before = dict(os.environ)
    for module in MODULES[name]:
        importlib.import_module(module)
    if name == "pipeline":
        for room in PRODUCTION:
            for found in pkgutil.walk_packages(importlib.import_module(room).__path__, f"{room}."):
                importlib.import_module(found.name)
    read_models(SERVICES[name])
    gc.collect()
    gc.freeze()
    assert threading.active_count() == 1, threading.enumerate()
    return {variable: value for variable, value in os.environ.items() if before.get(variable) != value}


def read_models(services: Sequence[str]) -> None:
    """Read AWS's models once: every session of botocore would read them anew."""
    from botocore import session

    session.create_loader = cache(session.create_loader)
    for service in services:
        session.Session().create_client(
            service, "eu-central-1", aws_access_key_id="-", aws_secret_access_key="-"
        ).close()


def serve(folder: Path, set_by_imports: dict[str, str]) -> list[str] | None:
    """Fork for each request. Returns the program to run in the copy, and None once nobody needs this process any more."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "binding"))
        listener.listen(64)
        (folder / "binding").rename(folder / "socket")
        lifeline = sys.stdin.fileno()
        while True:
            if lifeline in select.select([listener.fileno(), lifeline], [], [])[0]:
                shutil.rmtree(folder, ignore_errors=True)
                return None
            connection = listener.accept()[0]
            with suppress(ChildProcessError):  # there is no copy yet
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if os.fork() == 0:
                listener.close()
                return attend(connection, lifeline, set_by_imports)
            connection.close()


def attend(connection: socket.socket, lifeline: int, set_by_imports: dict[str, str]) -> list[str]:
    """In a copy: start the program in another copy, report its end, and end. Returns in the program's copy.

    The program is killed if the client or the test run ends.
    """
    size, files, _, _ = socket.recv_fds(connection, 4, 3)
    words = _receive(connection, int.from_bytes(size, "big")).decode("utf-8", "surrogateescape").split("\0")
    program, environment = words[2 : 2 + int(words[0])], words[2 + int(words[0]) :]
    ended, running = os.pipe()
    pid = os.fork()
    if pid == 0:
        connection.close()
        os.close(lifeline)
        os.close(ended)
        become(words[1], set_by_imports | dict(variable.split("=", 1) for variable in environment), files)
        return program
    os.close(running)
    for file in files:
        os.close(file)
    with suppress(OSError):  # the client has been killed, as the connection's end says too
        connection.sendall(pid.to_bytes(4, "big"))
    if ended not in select.select([connection.fileno(), lifeline, ended], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(OSError):
        connection.sendall(code.to_bytes(4, "big", signed=True))
    os._exit(0)


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        received += connection.recv(size - len(received)) or sys.exit("the client ended while it asked")
    return received


def become(folder: str, environment: dict[str, str], files: list[int]) -> None:
    """Give this process the folder, the environment and the first three files of its client."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    streams: list[tuple[str, io.TextIOWrapper]] = [("stdin", open(0, encoding="utf-8", closefd=False))]  # noqa: SIM115
    for name, number, errors in (("stdout", 1, "strict"), ("stderr", 2, "backslashreplace")):
        lines = number == 2 or os.isatty(number)
        binary = open(number, "wb", 0 if unbuffered else -1, closefd=False)  # noqa: SIM115
        streams.append((name, io.TextIOWrapper(binary, "utf-8", errors, None, lines, unbuffered)))
    for name, stream in streams:
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def run(program: list[str]) -> NoReturn:
    """Run it as `python PROGRAM ARGUMENT...` does, and end as Python does, but without taking every module apart."""
    sys.argv = program
    sys.path[0] = str(Path(program[0]).resolve().parent)
    code = 0
    try:
        runpy.run_path(program[0], run_name="__main__")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
    except BaseException as error:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    if to_run := serve(Path(sys.argv[1]), import_programs(sys.argv[2])):
        run(to_run)
