"""The trail stays correct when workflow tasks are repeated, workflows are reset and clocks are wrong."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle

from audit.rows import Phase, stamp
from audit.table import AuditTable
from devstack.temporal_server import TemporalServer
from models.steps import Step
from tests.rigs import scripted_activities
from tests.rigs.recorded_operations import (
    FinishedOperation,
    ScriptedWorker,
    ends_in_history,
    ends_in_trail,
    run_workflow,
    scripted_worker,
)
from tests.rigs.scripted_activities import ScriptedStep

ACTIVITY_COMPLETED = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED


async def _reset(worker: ScriptedWorker, operation: FinishedOperation, task: int) -> WorkflowHandle[Any, Any]:
    """Reset a workflow to before one of its workflow tasks."""
    history = operation.history
    tasks = [event.event_id for event in history.events if event.HasField("workflow_task_completed_event_attributes")]
    answer = await worker.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=worker.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=history.workflow_id, run_id=history.run_id),
            reason="a test",
            request_id=history.workflow_id,
            workflow_task_finish_event_id=tasks[task],
        )
    )
    return worker.client.get_workflow_handle(history.workflow_id, run_id=answer.run_id)


@pytest.mark.parametrize("times", [1, 2])
def test_a_repeated_workflow_task_writes_no_second_row(
    temporal: TemporalServer, table_without_retries: AuditTable, times: int
) -> None:
    """The row was written and then the workflow task failed, as when a worker is killed: the row exists once."""
    operation_id = f"op-failing-{times}"
    scripted_activities.failing_tasks[operation_id] = times
    operation = run_workflow(
        temporal,
        table_without_retries,
        ScriptedStep(),
        ScriptedStep(behaviour="fail"),
        operation_id=operation_id,
        wait_after_each_step=True,
    )
    assert any(event.HasField("workflow_task_failed_event_attributes") for event in operation.history.events)
    assert operation.result == ["done", "ApplicationError"]
    assert ends_in_trail(operation.rows) == ends_in_history(operation.history)


@pytest.mark.parametrize(("task", "shared_ends"), [(0, 0), (-1, 1)], ids=["to the first task", "to the last task"])
def test_a_reset_workflow_adds_its_rows_to_the_same_trail(
    temporal: TemporalServer, table_without_retries: AuditTable, task: int, shared_ends: int
) -> None:
    """The old run's rows stay, the new run's ends are added under its run id, and a shared end is not repeated."""

    async def run() -> tuple[FinishedOperation, FinishedOperation]:
        async with scripted_worker(temporal, table_without_retries) as worker:
            before = await worker.run(ScriptedStep(), ScriptedStep(step=Step.DELETE_RDS, behaviour="fail"))
            return before, await worker.wait_for_end(await _reset(worker, before, task))

    before, after = asyncio.run(run())
    assert after.result == before.result
    assert ends_in_trail(before.rows) == ends_in_history(before.history)
    assert [row for row in after.rows if row.run_id == before.run_id] == before.rows
    new_rows = [row for row in after.rows if row.run_id == after.run_id]
    assert ends_in_trail(new_rows) == ends_in_history(after.history)[shared_ends:]


def test_a_success_before_the_reset_point_keeps_its_one_row(temporal: TemporalServer, table: AuditTable) -> None:
    """The new run records the success again, with the run and the time in the activity's result: the same row."""

    async def run() -> tuple[FinishedOperation, FinishedOperation]:
        async with scripted_worker(temporal, table) as worker:
            before = await worker.run(
                ScriptedStep(behaviour="succeed-in-third-attempt", attempts=5),
                ScriptedStep(step=Step.RESTORE_SNAPSHOT),
            )
            return before, await worker.wait_for_end(await _reset(worker, before, 1))

    before, after = asyncio.run(run())
    markers = [event for event in after.history.events if event.HasField("marker_recorded_event_attributes")]
    assert len(markers) == 2, "the new run did not record the first step again, so this test proves nothing"
    successes = [row for row in after.rows_of(Phase.OUTCOME) if row.step is Step.COPY_SNAPSHOT]
    assert successes == [row for row in before.rows_of(Phase.OUTCOME) if row.step is Step.COPY_SNAPSHOT]
    [success] = successes
    assert success.run_id == before.run_id
    results = [
        event.activity_task_completed_event_attributes.result
        for event in after.history.events
        if event.event_type == ACTIVITY_COMPLETED
    ]
    ended_at = datetime.fromisoformat(json.loads(results[0].payloads[0].data)["ended_at"])
    assert stamp(success.timestamp) == stamp(ended_at)
    # Within two milliseconds, because the row's times are cut to whole ones.
    assert success.duration_seconds == pytest.approx((ended_at - success.step_started_at).total_seconds(), abs=0.002)


def test_a_result_without_run_and_time_gets_those_of_the_workflow(
    temporal: TemporalServer, table: AuditTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker without the activity's side of the interceptor returns such results."""
    monkeypatch.setattr("audit.interceptor._origin", lambda *_: {})
    operation = run_workflow(temporal, table, ScriptedStep())
    [success] = operation.rows_of(Phase.OUTCOME)
    assert success.run_id == operation.run_id
    assert success.step_started_at <= success.timestamp <= datetime.now(UTC)


def test_a_workers_wrong_clock_changes_no_timestamp(
    temporal: TemporalServer, table_without_retries: AuditTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose clock is three days slow writes the Temporal server's times, in chronological order."""
    real, slow_by = time.time, timedelta(days=3)

    class SlowDatetime(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) - slow_by

    started_at = datetime.now(UTC)
    monkeypatch.setattr(time, "time", lambda: real() - slow_by.total_seconds())
    for module in ("audit.rows", "audit.table", "audit.trail", "audit.interceptor"):
        monkeypatch.setattr(f"{module}.datetime", SlowDatetime, raising=False)
    operation = run_workflow(
        temporal,
        table_without_retries,
        ScriptedStep(behaviour="succeed-in-third-attempt", attempts=3),
        ScriptedStep(behaviour="fail"),
    )
    monkeypatch.undo()
    times = [row.timestamp for row in operation.rows]
    assert times == sorted(times)
    assert all(started_at - timedelta(seconds=1) <= timestamp <= datetime.now(UTC) for timestamp in times)
    assert [row.phase for row in operation.rows] == [
        Phase.STARTED,
        Phase.ATTEMPT,
        Phase.ATTEMPT,
        Phase.OUTCOME,
        Phase.STARTED,
        Phase.ATTEMPT,
        Phase.OUTCOME,
    ]


def test_a_decision_sorts_after_the_notification_that_asked_for_it(temporal: TemporalServer, table: AuditTable) -> None:
    """Its place in the trail is when it was asked for, which is when the notification began."""
    steps = (ScriptedStep(behaviour="fail"), ScriptedStep(step=Step.SNS_NOTIFICATION))
    operation = run_workflow(temporal, table, *steps, decided_by="anna")
    assert operation.result == ["ApplicationError", "done", "decided"]
    assert [(row.step, row.phase) for row in operation.rows][-2:] == [
        (Step.SNS_NOTIFICATION, Phase.OUTCOME),
        (Step.COPY_SNAPSHOT, Phase.DECISION),
    ]
