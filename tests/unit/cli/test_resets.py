"""Retrying a restore that ended: from which step, and what Temporal is asked to do."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.api.enums.v1 import ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest, ResetWorkflowExecutionResponse

from models.steps import Step
from runs.resets import EndedRun, Resets, StartedStep
from runs.restores import RestoreRefused

AT = datetime(2026, 11, 25, 3, 2, 11, tzinfo=UTC)


class ScriptedClient:
    """A client whose newest run is given, and which keeps the resets that it is asked for."""

    namespace, identity = "default", "kim@ops"

    def __init__(self, newest_run_id: str) -> None:
        self.newest_run_id = newest_run_id
        self.workflow_service = self
        self.resets: list[ResetWorkflowExecutionRequest] = []

    def get_workflow_handle(self, _: str) -> Any:
        return self

    async def describe(self) -> Any:
        return SimpleNamespace(run_id=self.newest_run_id)

    async def reset_workflow_execution(self, request: ResetWorkflowExecutionRequest) -> ResetWorkflowExecutionResponse:
        self.resets.append(request)
        return ResetWorkflowExecutionResponse(run_id="new-run")


def ended_run(*steps: Step) -> EndedRun:
    """A run that started these steps."""
    started = tuple(StartedStep(step, 10 * number) for number, step in enumerate(steps, start=1))
    return EndedRun("workflow", "run", "op-007", AT, "newest", started)


def test_a_retry_continues_at_the_last_step_or_at_an_earlier_one() -> None:
    """The default is the step that failed or was running."""
    ended = ended_run(Step.SNAPSHOT_CHECK, Step.COPY_SNAPSHOT, Step.CHECK_COPY_STATUS)
    assert ended.reset_point(None) == StartedStep(Step.CHECK_COPY_STATUS, 30)
    assert ended.reset_point(Step.COPY_SNAPSHOT) == StartedStep(Step.COPY_SNAPSHOT, 20)


def test_a_step_that_never_started_cannot_be_retried() -> None:
    """The refusal lists the steps that can; without any it names the command that starts a new restore."""
    with pytest.raises(RestoreRefused, match="^op-007 did not reach delete-rds. Its steps: snapshot-check.$"):
        ended_run(Step.SNAPSHOT_CHECK).reset_point(Step.DELETE_RDS)
    with pytest.raises(
        RestoreRefused, match=r"(?s)ended before its first step.*\n    python starter.py start REQUEST_FILE$"
    ):
        ended_run().reset_point(None)


async def test_a_reset_is_of_the_ended_run_just_before_the_step() -> None:
    """Nothing that was sent to the ended run is applied to the new one: no cancellation, no decision, no signal."""
    client: Any = ScriptedClient("newest")
    ended = ended_run(Step.SNAPSHOT_CHECK, Step.COPY_SNAPSHOT)
    assert await Resets(client).reset(ended, ended.reset_point(None), "fixed") == "new-run"
    [request] = client.resets
    assert (request.workflow_execution.workflow_id, request.workflow_execution.run_id) == ("workflow", "run")
    assert (request.workflow_task_finish_event_id, request.reason, request.identity) == (20, "fixed", "kim@ops")
    assert set(request.reset_reapply_exclude_types) == {
        ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
        ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
        ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_CANCEL_REQUEST,
    }


async def test_a_repeated_reset_has_the_same_request_id() -> None:
    """Temporal then resets the run once, whatever became of the first answer; another run has another id."""
    client: Any = ScriptedClient("newest")
    ended = ended_run(Step.SNAPSHOT_CHECK)
    for run_id in ("run", "run", "another"):
        again = EndedRun("workflow", run_id, "op-007", AT, "newest", ended.steps)
        await Resets(client).reset(again, again.reset_point(None), "fixed")
    first, second, other = (request.request_id for request in client.resets)
    assert first == second != other


async def test_a_newer_run_is_never_reset_away() -> None:
    """A restore or a cleanup that started since would be terminated; it is named instead."""
    client: Any = ScriptedClient("started since")
    ended = ended_run(Step.SNAPSHOT_CHECK)
    with pytest.raises(RestoreRefused, match="^Another run of workflow has started since."):
        await Resets(client).reset(ended, ended.reset_point(None), "fixed")
    assert client.resets == []
