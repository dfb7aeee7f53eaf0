"""worker.py as a program: its health check, and what it prints when Temporal refuses it."""

from __future__ import annotations

import socket

import pytest

from devstack.pipeline import start_worker
from devstack.processes import Scratch
from devstack.stack import Stack
from tests.rigs import warm
from tests.rigs.cli import WORKER, run_worker


@pytest.mark.parametrize("verb", ["run", "check"])
def test_a_namespace_that_does_not_exist_is_named(set_up: Stack, verb: str) -> None:
    """Exit code 1, Temporal's own words, and the variable to check."""
    result = run_worker(set_up, verb, TEMPORAL_NAMESPACE="nowhere")
    assert result.code == 1
    assert "Temporal refused the request: Namespace nowhere is not found. Check TEMPORAL_NAMESPACE.\n" in result.err


def test_a_host_with_a_worker_is_healthy(worker: Stack) -> None:
    """Exit code 0 while a worker of this host polls the task queue."""
    assert run_worker(worker, "check").code == 0


def test_a_worker_that_has_ended_is_not_healthy_at_once(set_up: Stack) -> None:
    """Though Temporal lists it for minutes."""
    queue = {"AURORA_RESTORE_TASK_QUEUE": "ends-soon"}
    with Scratch("ends-soon") as scratch:
        worker = start_worker(scratch, {**set_up.environment, **queue}, command=warm.command(WORKER))
        assert run_worker(set_up, "check", **queue).code == 0
        worker.kill()
        assert run_worker(set_up, "check", **queue).code == 1


def test_a_host_without_a_worker_is_not_healthy(set_up: Stack) -> None:
    """Exit code 1, the host, the task queue, and the command that starts a worker."""
    result = run_worker(set_up, "check", AURORA_RESTORE_TASK_QUEUE="no-worker")
    assert result.code == 1
    assert result.err.endswith(
        f"No worker that runs on host {socket.gethostname()} has polled task queue no-worker lately. Start one:\n"
        "    python worker.py\n"
    )
