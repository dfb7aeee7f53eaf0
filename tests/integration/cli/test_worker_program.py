"""worker.py as a program: its health check, and what it prints when Temporal refuses it."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from devstack.pipeline import own_environment
from devstack.stack import Stack
from tests.rigs.cli import ROOT, CommandResult


def run_worker(stack: Stack, verb: str, **environment: str) -> CommandResult:
    """worker.py as a process of its own, until it ends."""
    done = subprocess.run(
        [sys.executable, ROOT / "worker.py", verb],
        env=own_environment(stack.environment) | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return CommandResult(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("verb", ["run", "check"])
def test_a_namespace_that_does_not_exist_is_named(set_up: Stack, verb: str) -> None:
    """Exit code 1, Temporal's own words, and the variable to check."""
    result = run_worker(set_up, verb, TEMPORAL_NAMESPACE="nowhere")
    assert result.code == 1
    assert "Temporal refused the request: Namespace nowhere is not found. Check TEMPORAL_NAMESPACE.\n" in result.err


def test_a_host_with_a_worker_is_healthy(worker: Stack) -> None:
    """Exit code 0 while a worker of this host polls the task queue."""
    assert run_worker(worker, "check").code == 0


def test_a_host_without_a_worker_is_not_healthy(set_up: Stack) -> None:
    """Exit code 1, the host, the task queue, and the command that starts a worker."""
    result = run_worker(set_up, "check", AURORA_RESTORE_TASK_QUEUE="no-worker")
    assert result.code == 1
    assert result.err.endswith(
        f"No worker of host {socket.gethostname()} has polled task queue no-worker lately. Start one:\n"
        "    python worker.py\n"
    )
