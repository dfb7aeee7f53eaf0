"""The trail stays complete and correct when DynamoDB fails, tasks are repeated, workflows are reset and clocks are wrong."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle
from temporalio.worker import Replayer

from audit.plugin import AuroraRestorePlugin
from audit.rows import AuditRow, Phase, stamp
from audit.table import AuditTable
from devstack.aws import Emulator
from devstack.temporal_server import TemporalServer
from errors import TrailConflict
from models.steps import Status, Step
from tests.rigs import scripted_activities
from tests.rigs.recorded_operations import (
    FinishedOperation,
    ScriptedWorker,
    ends_in_history,
    ends_in_trail,
    scripted_worker,
)
from tests.rigs.scripted_activities import ScriptedStep
from tests.rigs.scripted_workflow import ScriptedWorkflow

ACTIVITY_COMPLETED = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED


def run_workflow(
    temporal: TemporalServer, table: AuditTable, *steps: ScriptedStep, **options: Any
) -> FinishedOperation:
    """Run one workflow on a worker of its own."""

    async def run() -> FinishedOperation:
        async with scripted_worker(temporal, table) as worker:
            return await worker.run(*steps, **options)

    return asyncio.run(run())


def effects(operation: FinishedOperation) -> int:
    """How often the activities of an operation took effect."""
    return scripted_activities.effects[operation.history.workflow_id]


@pytest.mark.parametrize("kind", ["http500", "reset-after"])
def test_a_failed_write_is_repeated_without_repeating_the_step(
    aws: Emulator, temporal: TemporalServer, table_without_retries: AuditTable, kind: Any
) -> None:
    """DynamoDB refuses the outcome's row: the step takes effect once, and the row is written."""
    aws.faults.add("dynamodb", "PutItem", kind, count=1, skip=1)
    operation = run_workflow(temporal, table_without_retries, ScriptedStep())
    assert (operation.result, effects(operation)) == (["done"], 1)
    assert [(row.phase, row.status) for row in operation.rows] == [
        (Phase.STARTED, Status.IN_PROGRESS),
        (Phase.OUTCOME, Status.SUCCESS),
    ]


def test_the_workflow_continues_during_an_outage_and_closes_only_after_all_rows_are_written(
    aws: Emulator, temporal: TemporalServer, table_without_retries: AuditTable
) -> None:
    """The second step runs while the first one's row is not written; then the workflow stays open for both rows."""

    async def run() -> tuple[list[Phase], bool, FinishedOperation]:
        async with scripted_worker(temporal, table_without_retries) as worker:
            outage = aws.faults.add("dynamodb", "PutItem", "reset-before", count=None)
            handle = await worker.start(ScriptedStep(), ScriptedStep(behaviour="fail", fatal=True))
            await _wait_until(lambda: scripted_activities.effects[handle.id] == 2)
            await asyncio.sleep(0.3)
            description = await handle.describe()
            phases = [row.phase for row in table_without_retries.list_rows(handle.id)]
            aws.faults.remove(outage)
            return phases, description.close_time is None, await worker.wait_for_end(handle)

    phases_during_outage, was_open, operation = asyncio.run(run())
    assert phases_during_outage == []
    assert was_open
    assert [row.status for row in operation.rows_of(Phase.OUTCOME)] == [Status.SUCCESS, Status.FAILED]
    assert operation.failure is not None


def test_an_attempt_row_that_cannot_be_written_does_not_change_the_outcome(
    aws: Emulator, temporal: TemporalServer, table_without_retries: AuditTable
) -> None:
    """DynamoDB is unavailable while attempts fail; the third attempt succeeds nevertheless."""
    # Three times "started" and two failed attempts.
    aws.faults.add("dynamodb", "PutItem", "http500", count=5)
    operation = run_workflow(
        temporal, table_without_retries, ScriptedStep(behaviour="succeed-in-third-attempt", attempts=5)
    )
    assert (operation.result, effects(operation)) == (["done"], 3)
    assert [(row.phase, row.attempt) for row in operation.rows] == [(Phase.OUTCOME, 3)]


def test_a_cancelled_workflow_waits_for_its_last_row(
    aws: Emulator, temporal: TemporalServer, table_without_retries: AuditTable
) -> None:
    """Cancelled twice while the last row is being written, the workflow closes after the row is written."""

    async def run() -> FinishedOperation:
        async with scripted_worker(temporal, table_without_retries) as worker:
            aws.faults.add("dynamodb", "PutItem", "http500", count=1, skip=1)
            handle = await worker.start(ScriptedStep())
            await _wait_until(lambda: scripted_activities.effects[handle.id] == 1)
            await asyncio.sleep(0.3)
            for _ in range(2):
                await handle.cancel()
            return await worker.wait_for_end(handle)

    assert ends_in_trail(asyncio.run(run()).rows)


def test_a_conflicting_row_does_not_keep_the_workflow_open(
    temporal: TemporalServer, table_without_retries: AuditTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another row has the outcome's key: the workflow closes with its own result, and the other row stays."""
    real_put = table_without_retries.put
    conflicting: list[AuditRow] = []

    def put_after_a_conflicting_row(row: AuditRow) -> None:
        if row.phase is Phase.OUTCOME and not conflicting:
            conflicting.append(row)
            real_put(row.model_copy(update={"details": "another row"}))
        real_put(row)

    async def run() -> FinishedOperation:
        async with scripted_worker(temporal, table_without_retries) as worker:
            monkeypatch.setattr(table_without_retries, "put", put_after_a_conflicting_row)
            return await asyncio.wait_for(worker.run(ScriptedStep()), 10)

    operation = asyncio.run(run())
    assert operation.result == ["done"]
    assert [row.details for row in operation.rows_of(Phase.OUTCOME)] == ["another row"]


def test_a_conflicting_row_ends_the_workflow_where_it_waits_for_its_rows(
    temporal: TemporalServer, table_without_retries: AuditTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it deletes, a workflow waits for its rows; a conflict ends it there with `TrailConflict`."""
    real_put = table_without_retries.put

    def refuse_outcomes(row: AuditRow) -> None:
        if row.phase is Phase.OUTCOME:
            raise TrailConflict("Trail holds another row", "a test wrote it")
        real_put(row)

    async def run() -> FinishedOperation:
        async with scripted_worker(temporal, table_without_retries) as worker:
            monkeypatch.setattr(table_without_retries, "put", refuse_outcomes)
            steps = (ScriptedStep(), ScriptedStep())
            return await asyncio.wait_for(worker.run(*steps, wait_after_each_step=True), 10)

    operation = asyncio.run(run())
    assert getattr(operation.failure, "type", None) == "TrailConflict"
    assert effects(operation) == 1


def test_a_wait_with_a_timeout_says_whether_all_rows_are_written(
    aws: Emulator, temporal: TemporalServer, table_without_retries: AuditTable
) -> None:
    """The seal before a notification waits like this: without the rows there is no seal, but a notification."""
    written = run_workflow(temporal, table_without_retries, ScriptedStep(), written_within=20)
    assert written.result == ["done", "written"]
    aws.faults.add("dynamodb", "PutItem", "http500", count=1, skip=1)
    delayed = run_workflow(temporal, table_without_retries, ScriptedStep(), written_within=0.3)
    assert delayed.result == ["done", "not written"]
    assert [row.status for row in delayed.rows_of(Phase.OUTCOME)] == [Status.SUCCESS]


def test_a_wait_with_a_timeout_says_that_a_conflicting_row_is_not_written(
    temporal: TemporalServer, table_without_retries: AuditTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operation with a conflict is not sealed, although no write is in progress."""
    real_put = table_without_retries.put

    def refuse_outcomes(row: AuditRow) -> None:
        if row.phase is Phase.OUTCOME:
            raise TrailConflict("Trail holds another row", "a test wrote it")
        real_put(row)

    async def run() -> FinishedOperation:
        async with scripted_worker(temporal, table_without_retries) as worker:
            monkeypatch.setattr(table_without_retries, "put", refuse_outcomes)
            return await asyncio.wait_for(worker.run(ScriptedStep(), written_within=20), 15)

    assert asyncio.run(run()).result == ["done", "not written"]


def test_a_decision_is_written_although_the_workflow_is_cancelled_meanwhile(
    aws: Emulator, temporal: TemporalServer, table_without_retries: AuditTable
) -> None:
    """The cancellation ends the workflow's wait, not the write."""

    async def run() -> FinishedOperation:
        async with scripted_worker(temporal, table_without_retries) as worker:
            aws.faults.add("dynamodb", "PutItem", "http500", count=1)
            aws.calls.clear()
            handle = await worker.start(decided_by="anna")
            await _wait_until(lambda: any(call.operation == "PutItem" for call in aws.calls))
            await handle.cancel()
            return await worker.wait_for_end(handle)

    operation = asyncio.run(run())
    assert operation.result == ["cancelled"]
    assert [row.details for row in operation.rows_of(Phase.DECISION)] == ["Retry, decided by anna"]


def test_a_decision_sorts_after_the_notification_that_asked_for_it(temporal: TemporalServer, table: AuditTable) -> None:
    """Its place in the trail is when it was asked for, which is when the notification began."""
    steps = (ScriptedStep(behaviour="fail"), ScriptedStep(step=Step.SNS_NOTIFICATION))
    operation = run_workflow(temporal, table, *steps, decided_by="anna")
    assert operation.result == ["ApplicationError", "done", "decided"]
    assert [(row.step, row.phase) for row in operation.rows][-2:] == [
        (Step.SNS_NOTIFICATION, Phase.OUTCOME),
        (Step.COPY_SNAPSHOT, Phase.DECISION),
    ]


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


def test_long_texts_do_not_keep_the_workflow_open(temporal: TemporalServer, table_without_retries: AuditTable) -> None:
    """Texts of any script and length fit into a row, and into the summary that Temporal limits to 200 bytes."""
    operation = run_workflow(
        temporal,
        table_without_retries,
        ScriptedStep(behaviour="succeed-with-long-details"),
        ScriptedStep(behaviour="fail-with-long-message"),
    )
    assert [row.status for row in operation.rows_of(Phase.OUTCOME)] == [Status.SUCCESS, Status.FAILED]


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


def test_a_history_with_an_outage_replays(
    aws: Emulator, temporal: TemporalServer, table_without_retries: AuditTable
) -> None:
    """The retries of the local activity, and the timers between them, replay with the plugin alone."""
    aws.faults.add("dynamodb", "PutItem", "reset-before", count=1, skip=1)
    operation = run_workflow(temporal, table_without_retries, ScriptedStep(), ScriptedStep(step=Step.DELETE_RDS))
    assert any(event.HasField("timer_fired_event_attributes") for event in operation.history.events)
    replayer = Replayer(workflows=[ScriptedWorkflow], plugins=[AuroraRestorePlugin()])
    asyncio.run(replayer.replay_workflow(operation.history))
    assert ends_in_trail(operation.rows) == ends_in_history(operation.history)


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


async def _wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - other threads make it true
            await asyncio.sleep(0.02)
