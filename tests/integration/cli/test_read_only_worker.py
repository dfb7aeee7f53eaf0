"""The worker under the conditions of its image: another user than root, no capabilities, nothing that can be written to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from devstack.pipeline import own_environment
from devstack.processes import Scratch
from devstack.stack import Stack
from tests.rigs.cli import EXAMPLE, ROOT, run_command

CONFINED = ["unshare", "--mount", "sh", str(Path(__file__).with_name("read_only.sh"))]
STARTED = b"worker started"


@pytest.fixture(scope="module")
def confined() -> list[str]:
    """The beginning of a confined command; the test is skipped where the kernel or the user does not allow it."""
    command = [*CONFINED, sys.executable, "-c", "import temporalio"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a mount namespace needs root: {done.stderr.strip()[-200:]}")
    return CONFINED


def test_nothing_can_be_written(confined: list[str]) -> None:
    """The test's own condition: not even temporary files, and not by root's rights."""
    program = (
        "import os, tempfile; print(os.getuid(), end=' ')\ntry: tempfile.TemporaryFile()\nexcept OSError: print('none')"
    )
    done = subprocess.run([*confined, sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "10001 none\n"


def test_the_worker_needs_no_root_and_writes_no_file(set_up: Stack, confined: list[str]) -> None:
    """It starts, is healthy by its own check, and makes a plan, with all of its imports and AWS calls."""
    queue = {"AURORA_RESTORE_TASK_QUEUE": "read-only", "AURORA_RESTORE_DATABASE_TLS": "disable"}
    environment: Mapping[str, str] = {**own_environment(set_up.environment), **queue, "HOME": "/nonexistent"}
    worker = [*confined, sys.executable, str(ROOT / "worker.py")]
    with Scratch("read-only") as scratch:
        log = scratch.path / "worker.log"
        running = scratch.start("worker", worker, environment=environment)
        running.wait_until(lambda: STARTED in log.read_bytes(), 60)
        checked = subprocess.run([*worker, "check"], env=dict(environment), capture_output=True, text=True, check=False)
        planned = run_command(set_up, "plan", EXAMPLE, **queue)
        assert (checked.returncode, checked.stderr) == (0, "")
        assert planned.code == 0, planned.out + planned.err
        assert b"Traceback" not in log.read_bytes()
