"""A decision that is not answered: the worker answered a query a moment ago, and is gone when the decision is sent."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.service import RPCError, RPCStatusCode, WorkflowService

from devstack.stack import Stack
from models.restore_state import RestoreState, StepState
from models.steps import Status, Step
from runs import decisions
from runs.restores import RestoreRun
from tests.integration.cli.test_restores import WORKFLOW_ID, terminate
from tests.rigs.cli import CommandResult

Operator = Callable[..., CommandResult]


@pytest.fixture
def waiting(
    set_up: Stack, operator: Operator, monkeypatch: pytest.MonkeyPatch, request_file: Path
) -> Iterator[RestoreState]:
    """The state of a restore that waits for a decision, as the worker last reported it; no worker accepts the update."""
    monkeypatch.setenv("AURORA_RESTORE_TASK_QUEUE", "no-worker")
    assert operator("start", request_file, "--no-wait").code == 0
    now = datetime.now(UTC)
    failed = StepState(step=Step.ARCHIVE_SNAPSHOT, status=Status.FAILED, details="Access denied", started_at=now)
    yield RestoreState(
        source_arn="source",
        target_arn="target",
        started_at=now,
        steps=(failed,),
        waiting_until=now + timedelta(hours=1),
    )
    terminate(set_up)


@pytest.mark.parametrize("verb", ["retry", "skip", "abort"])
def test_a_decision_without_an_answer_is_unknown(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, waiting: RestoreState, verb: str
) -> None:
    """The command does not hang; exit code 5, and the sentence says that it is safe to repeat."""

    async def query_state(_run: RestoreRun) -> RestoreState:
        return waiting

    monkeypatch.setattr(RestoreRun, "query_state", query_state)
    monkeypatch.setattr(decisions, "UPDATE_TIMEOUT", timedelta(seconds=0.5))
    for _ in range(2):
        result = operator(verb, WORKFLOW_ID, "--by", "kim@ops")
        assert (result.code, result.out) == (5, "")
        assert result.err == (
            f"Unknown whether {WORKFLOW_ID} received the decision to {verb}: no answer within 0.5 s. The command is safe "
            f"to repeat. See the state of the operation:\n    python starter.py status {WORKFLOW_ID}\n"
        )


@pytest.mark.parametrize("status", [RPCStatusCode.UNAVAILABLE, RPCStatusCode.RESOURCE_EXHAUSTED])
def test_a_decision_is_unknown_if_temporal_becomes_unavailable(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, waiting: RestoreState, status: RPCStatusCode
) -> None:
    """Temporal may have accepted the decision before, so it counts neither as sent nor as refused; exit code 5."""

    async def query_state(_run: RestoreRun) -> RestoreState:
        return waiting

    async def unavailable(*_: Any, **__: Any) -> Any:
        raise RPCError("tcp connect error", status, b"")

    monkeypatch.setattr(RestoreRun, "query_state", query_state)
    monkeypatch.setattr(WorkflowService, "update_workflow_execution", unavailable)
    result = operator("skip", WORKFLOW_ID, "--by", "kim@ops")
    assert (result.code, result.out) == (5, "")
    assert result.err == (
        f"Unknown whether {WORKFLOW_ID} received the decision to skip: no answer from Temporal (tcp connect error). The "
        f"command is safe to repeat. See the state of the operation:\n    python starter.py status {WORKFLOW_ID}\n"
    )


def test_a_decision_is_unknown_after_ctrl_c(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, waiting: RestoreState
) -> None:
    """Exit code 130 as always, and the sentence that the decision may have arrived."""

    async def query_state(_run: RestoreRun) -> RestoreState:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        return waiting

    monkeypatch.setattr(RestoreRun, "query_state", query_state)
    result = operator("retry", WORKFLOW_ID)
    assert (result.code, result.out) == (130, "")
    assert f"Unknown whether {WORKFLOW_ID} received the decision to retry: interrupted." in result.err
