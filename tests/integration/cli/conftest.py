"""A whole world for the operator's commands, with times of tenths of a second, and the commands themselves."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import starter
from devstack.pipeline import own_environment, start_worker
from devstack.processes import Scratch
from devstack.stack import Stack
from tests.rigs.cli import Said, run
from tests.rigs.durations import COMMANDS
from tests.rigs.restores import TIMERS_AT_ONCE

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
IN_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch:
        if IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK):
            patch.setattr(tempfile, "tempdir", str(IN_MEMORY))
        with Stack(durations=COMMANDS, dynamic_config_values=[TIMERS_AT_ONCE]) as stack:
            yield stack


@pytest.fixture(scope="package")
def set_up(stack: Stack) -> Stack:
    """After `starter.py setup`."""
    assert run(stack, "setup").code == 0
    return stack


@pytest.fixture(scope="package")
def worker(set_up: Stack) -> Iterator[Stack]:
    """With a worker."""
    with Scratch("cli-worker") as scratch:
        start_worker(scratch, set_up.environment)
        yield set_up


@pytest.fixture
def operator(set_up: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The commands inside this process: the same answers, a second sooner each."""
    environment = own_environment(set_up.environment)
    for name in [name for name in os.environ if name not in environment]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def say(*arguments: str | Path) -> Said:
        capsys.readouterr()
        try:
            code = starter.main([str(argument) for argument in arguments])
        except SystemExit as ended:  # argparse's way
            code = int(str(ended.code))
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return say


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    """The example's request, with looks of tenths of a second, also after a night that was cancelled half-way."""
    request = json.loads((EXAMPLES / "restore.json").read_text())
    request["target"]["missing"] = "create"
    for wait in request["waits"].values():
        wait |= {"first_interval": "PT0.2S", "maximum_interval": "PT0.7S"}
    path = tmp_path / "night.json"
    path.write_text(json.dumps(request))
    return path
