"""The trail stays complete and correct while DynamoDB fails, and when another row has an outcome's key."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.worker import Replayer

from audit.plugin import AuroraRestorePlugin
from audit.rows import AuditRow, Phase
from audit.table import AuditTable
from devstack.aws import Emulator
from devstack.temporal_server import TemporalServer
from errors import TrailConflict
from models.steps import Status, Step
from tests.rigs import scripted_activities
from tests.rigs.recorded_operations import (
    FinishedOperation,
    effects,
    ends_in_history,
    ends_in_trail,
    run_workflow,
    scripted_worker,
    wait_until,
)
from tests.rigs.scripted_activities import ScriptedStep
from tests.rigs.scripted_workflow import ScriptedWorkflow

ACTIVITY_COMPLETED = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED


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
            await wait_until(lambda: scripted_activities.effects[handle.id] == 2)
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
            await wait_until(lambda: scripted_activities.effects[handle.id] == 1)
            await asyncio.sleep(0.3)
            for _ in range(2):
                await handle.cancel()
            return await worker.wait_for_end(handle)

    assert ends_in_trail(asyncio.run(run()).rows)


def test_a_decision_is_written_although_the_workflow_is_cancelled_meanwhile(
    aws: Emulator, temporal: TemporalServer, table_without_retries: AuditTable
) -> None:
    """The cancellation ends the workflow's wait, not the write."""

    async def run() -> FinishedOperation:
        async with scripted_worker(temporal, table_without_retries) as worker:
            aws.faults.add("dynamodb", "PutItem", "http500", count=1)
            aws.calls.clear()
            handle = await worker.start(decided_by="anna")
            await wait_until(lambda: any(call.operation == "PutItem" for call in aws.calls))
            await handle.cancel()
            return await worker.wait_for_end(handle)

    operation = asyncio.run(run())
    assert operation.result == ["cancelled"]
    assert [row.details for row in operation.rows_of(Phase.DECISION)] == ["Retry, decided by anna"]


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


def test_long_texts_do_not_keep_the_workflow_open(temporal: TemporalServer, table_without_retries: AuditTable) -> None:
    """Texts of any script and length fit into a row, and into the summary that Temporal limits to 200 bytes."""
    operation = run_workflow(
        temporal,
        table_without_retries,
        ScriptedStep(behaviour="succeed-with-long-details"),
        ScriptedStep(behaviour="fail-with-long-message"),
    )
    assert [row.status for row in operation.rows_of(Phase.OUTCOME)] == [Status.SUCCESS, Status.FAILED]


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
