"""A decision whose answer does not come: the worker that was asked a moment ago is gone when it is sent."""

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
from models.operation import RestoreState, StepState
from models.steps import Status, Step
from runs import decisions
from runs.restores import RestoreRun
from tests.integration.cli.test_restores import WORKFLOW_ID, terminate
from tests.rigs.cli import Said

Operator = Callable[..., Said]


@pytest.fixture
def waiting(
    set_up: Stack, operator: Operator, monkeypatch: pytest.MonkeyPatch, request_file: Path
) -> Iterator[RestoreState]:
    """How a night waited for its operator when a worker last answered; none takes its updates."""
    monkeypatch.setenv("AURORA_RESTORE_TASK_QUEUE", "nobody-decides")
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
def test_a_decision_without_an_answer_is_not_known(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, waiting: RestoreState, verb: str
) -> None:
    """It does not hang; exit 5, and what may be done: to say it again."""

    async def state(_night: RestoreRun) -> RestoreState:
        return waiting

    monkeypatch.setattr(RestoreRun, "query_state", state)
    monkeypatch.setattr(decisions, "UPDATE_TIMEOUT", timedelta(seconds=0.5))
    for _ in range(2):
        said = operator(verb, WORKFLOW_ID, "--by", "kim@ops")
        assert (said.code, said.out) == (5, "")
        assert said.err == (
            f"Unknown whether {WORKFLOW_ID} received the decision to {verb}: no answer within 0.5 s. The command is safe "
            f"to repeat. See the state of the operation:\n    python starter.py status {WORKFLOW_ID}\n"
        )


@pytest.mark.parametrize("status", [RPCStatusCode.UNAVAILABLE, RPCStatusCode.RESOURCE_EXHAUSTED])
def test_a_decision_is_not_known_either_if_temporal_goes_away(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, waiting: RestoreState, status: RPCStatusCode
) -> None:
    """It may have taken the decision before it went: nothing was refused. Exit 5, and the same may be done."""

    async def state(_night: RestoreRun) -> RestoreState:
        return waiting

    async def away(*_: Any, **__: Any) -> Any:
        raise RPCError("tcp connect error", status, b"")

    monkeypatch.setattr(RestoreRun, "query_state", state)
    monkeypatch.setattr(WorkflowService, "update_workflow_execution", away)
    said = operator("skip", WORKFLOW_ID, "--by", "kim@ops")
    assert (said.code, said.out) == (5, "")
    assert said.err == (
        f"Unknown whether {WORKFLOW_ID} received the decision to skip: no answer from Temporal (tcp connect error). The "
        f"command is safe to repeat. See the state of the operation:\n    python starter.py status {WORKFLOW_ID}\n"
    )


def test_ctrl_c_while_a_decision_is_sent(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, waiting: RestoreState
) -> None:
    """Exit 130 as always; whether the night was told is not known, and that is said."""

    async def state(_night: RestoreRun) -> RestoreState:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        return waiting

    monkeypatch.setattr(RestoreRun, "query_state", state)
    said = operator("retry", WORKFLOW_ID)
    assert (said.code, said.out) == (130, "")
    assert f"Unknown whether {WORKFLOW_ID} received the decision to retry: interrupted." in said.err
