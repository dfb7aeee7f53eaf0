"""DynamoDB fails, workflow tasks are repeated, workflows are reset, clocks are wrong: the trail stays true."""

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
from temporalio.worker import Replayer

from audit.plugin import AuroraRestorePlugin
from audit.rows import Phase, stamp
from audit.table import AuditTable
from devstack.aws import Emulator
from devstack.temporal_server import TemporalServer
from errors import TrailConflict
from models.steps import Status, Step
from tests.rigs import scripted_activities
from tests.rigs.recorded_operations import Ended, Office, history_tells, office, trail_tells
from tests.rigs.scripted_activities import Call
from tests.rigs.small_workflows import SmallNight

COMPLETED = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED


def _night(temporal: TemporalServer, table: AuditTable, *calls: Call, **options: Any) -> Ended:
    async def run() -> Ended:
        async with office(temporal, table) as at:
            return await at.night(*calls, **options)

    return asyncio.run(run())


def _effects(ended: Ended) -> int:
    return scripted_activities.effects[ended.history.workflow_id]


@pytest.mark.parametrize("kind", ["http500", "reset-after"])
def test_an_outage_repeats_the_row_and_never_the_call(
    aws: Emulator, temporal: TemporalServer, impatient_table: AuditTable, kind: Any
) -> None:
    """DynamoDB refuses the outcome's row: the step took effect once, and its row arrives."""
    aws.faults.add("dynamodb", "PutItem", kind, count=1, skip=1)
    ended = _night(temporal, impatient_table, Call())
    assert (ended.result, _effects(ended)) == (["done"], 1)
    assert [(row.phase, row.status) for row in ended.rows] == [
        (Phase.STARTED, Status.IN_PROGRESS),
        (Phase.OUTCOME, Status.SUCCESS),
    ]


def test_the_workflow_ends_after_its_rows(aws: Emulator, temporal: TemporalServer, impatient_table: AuditTable) -> None:
    """While DynamoDB is away the next step goes on, but the workflow stays open until it holds every row."""

    async def run() -> tuple[list[Phase], bool, Ended]:
        async with office(temporal, impatient_table) as at:
            outage = aws.faults.add("dynamodb", "PutItem", "reset-before", count=None)
            handle = await at.start(Call(), Call(behaviour="fail", fatal=True))
            # The second step begins while the row of the first is still on its way.
            await _until(lambda: scripted_activities.effects[handle.id] == 2)
            await asyncio.sleep(0.3)
            description = await handle.describe()
            during = [row.phase for row in impatient_table.list_rows(handle.id)]
            aws.faults.remove(outage)
            return during, description.close_time is None, await at.ended(handle)

    during, still_open, ended = asyncio.run(run())
    assert during == []
    assert still_open
    assert [(row.phase, row.status) for row in ended.rows if row.phase is Phase.OUTCOME] == [
        (Phase.OUTCOME, Status.SUCCESS),
        (Phase.OUTCOME, Status.FAILED),
    ]
    assert ended.failure is not None


def test_a_lost_attempt_row_changes_no_outcome(
    aws: Emulator, temporal: TemporalServer, impatient_table: AuditTable
) -> None:
    """DynamoDB is away while attempts fail: the activity's end is what it would have been."""
    # Three times "started" and two failed attempts.
    aws.faults.add("dynamodb", "PutItem", "http500", count=5)
    ended = _night(temporal, impatient_table, Call(behaviour="third-time-lucky", attempts=5))
    assert (ended.result, _effects(ended)) == (["done"], 3)
    assert [(row.phase, row.attempt) for row in ended.rows] == [(Phase.OUTCOME, 3)]


def test_a_cancellation_during_an_outage_loses_no_row(
    aws: Emulator, temporal: TemporalServer, impatient_table: AuditTable
) -> None:
    """Cancelled while its last row is on its way, the workflow still waits for the row."""

    async def run() -> Ended:
        async with office(temporal, impatient_table) as at:
            aws.faults.add("dynamodb", "PutItem", "http500", count=1, skip=1)
            handle = await at.start(Call())
            await _until(lambda: scripted_activities.effects[handle.id] == 1)
            await asyncio.sleep(0.3)
            for _ in range(2):
                await handle.cancel()
            return await at.ended(handle)

    assert trail_tells(asyncio.run(run()).rows)


def test_a_foreign_row_does_not_hold_the_workflow(
    temporal: TemporalServer, impatient_table: AuditTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another row under an outcome's key: the workflow ends as it ended, and the foreign row stays."""

    async def run() -> Ended:
        async with office(temporal, impatient_table) as at:
            real = impatient_table.put
            foreign: list[Any] = []

            def first_a_foreign_one(wanted: Any) -> None:
                if wanted.phase is Phase.OUTCOME and not foreign:
                    foreign.append(wanted)
                    real(wanted.model_copy(update={"details": "somebody else's"}))
                real(wanted)

            # Somebody is a moment faster.
            monkeypatch.setattr(impatient_table, "put", first_a_foreign_one)
            return await asyncio.wait_for(at.night(Call()), 10)

    ended = asyncio.run(run())
    assert ended.result == ["done"]
    assert [row.details for row in ended.phase(Phase.OUTCOME)] == ["somebody else's"]


def test_a_foreign_row_stops_what_must_not_go_on(
    temporal: TemporalServer, impatient_table: AuditTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the workflow waits for its rows before it deletes, a conflict ends it with `TrailConflict`."""

    async def run() -> Ended:
        async with office(temporal, impatient_table) as at:
            real = impatient_table.put

            def conflicting(wanted: Any) -> None:
                if wanted.phase is Phase.OUTCOME:
                    raise TrailConflict("Trail holds another row", "a test put it there")
                real(wanted)

            # As in a table that somebody shares.
            monkeypatch.setattr(impatient_table, "put", conflicting)
            return await asyncio.wait_for(at.night(Call(), Call(), written_after_each=True), 10)

    ended = asyncio.run(run())
    assert getattr(ended.failure, "type", None) == "TrailConflict"
    assert _effects(ended) == 1


@pytest.mark.parametrize("times", [1, 2])
def test_a_repeated_workflow_task_repeats_no_row(
    temporal: TemporalServer, impatient_table: AuditTable, times: int
) -> None:
    """The row was written and then the workflow task was lost, as when a worker is killed: the row is not doubled."""
    operation_id = f"op-lost-{times}"
    scripted_activities.breaking[operation_id] = times
    ended = _night(
        temporal, impatient_table, Call(), Call(behaviour="fail"), operation_id=operation_id, written_after_each=True
    )
    lost = [event for event in ended.history.events if event.HasField("workflow_task_failed_event_attributes")]
    assert lost
    assert ended.result == ["done", "ApplicationError"]
    assert trail_tells(ended.rows) == history_tells(ended.history)


@pytest.mark.parametrize(("task", "ends_kept"), [(0, 0), (-1, 1)], ids=["to its start", "to its last task"])
def test_a_reset_workflow_goes_on_in_the_same_trail(
    temporal: TemporalServer, impatient_table: AuditTable, task: int, ends_kept: int
) -> None:
    """After a reset the new run's ends stand beside the old run's, each under its run; nothing is lost or refused."""

    async def run() -> tuple[Ended, Ended]:
        async with office(temporal, impatient_table) as at:
            before = await at.night(Call(), Call(step=Step.DELETE_RDS, behaviour="fail"))
            return before, await at.ended(await _reset(at, before, task))

    before, after = asyncio.run(run())
    assert after.result == before.result
    assert trail_tells(before.rows) == history_tells(before.history)
    assert [row for row in after.rows if row.run_id == before.run_id] == before.rows
    told_again = [row for row in after.rows if row.run_id == after.run_id]
    assert trail_tells(told_again) == history_tells(after.history)[ends_kept:]


def test_a_success_survives_a_reset_as_the_same_row(temporal: TemporalServer, table: AuditTable) -> None:
    """Reset to the task that began the second step, the new run tells the first one's success again: no row more."""

    async def run() -> tuple[Ended, Ended]:
        async with office(temporal, table) as at:
            before = await at.night(Call(behaviour="third-time-lucky", attempts=5), Call(step=Step.RESTORE_SNAPSHOT))
            return before, await at.ended(await _reset(at, before, 1))

    before, after = asyncio.run(run())
    told_twice = [event for event in after.history.events if event.HasField("marker_recorded_event_attributes")]
    assert len(told_twice) == 2, "the first step's row was not told again, so that this test shows nothing"
    successes = [row for row in after.phase(Phase.OUTCOME) if row.step is Step.COPY_SNAPSHOT]
    assert successes == [row for row in before.phase(Phase.OUTCOME) if row.step is Step.COPY_SNAPSHOT]
    [success] = successes
    assert success.run_id == before.run_id
    answers = [e.activity_task_completed_event_attributes for e in after.history.events if e.event_type == COMPLETED]
    answered_at = datetime.fromisoformat(json.loads(answers[0].result.payloads[0].data)["ended_at"])
    assert stamp(success.timestamp) == stamp(answered_at)
    # To two milliseconds: the row keeps its times cut to whole ones.
    assert success.duration_seconds == pytest.approx((answered_at - success.step_started_at).total_seconds(), abs=0.002)


def test_a_success_that_no_activity_stamped_is_of_the_run_that_tells_it(
    temporal: TemporalServer, table: AuditTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer without run and time, as an older worker gave it, has those of the workflow."""
    monkeypatch.setattr("audit.interceptor._origin", lambda *_: {})
    ended = _night(temporal, table, Call())
    [success] = ended.phase(Phase.OUTCOME)
    assert success.run_id == ended.run_id
    assert success.step_started_at <= success.timestamp <= datetime.now(UTC)


def test_a_long_story_holds_up_nobody(temporal: TemporalServer, impatient_table: AuditTable) -> None:
    """Texts in any script and of any length become a row and a summary that the servers take."""
    ended = _night(temporal, impatient_table, Call(behaviour="endless"), Call(behaviour="endless-fault"))
    assert [row.status for row in ended.phase(Phase.OUTCOME)] == [Status.SUCCESS, Status.FAILED]


def test_a_workers_wrong_clock_reorders_nothing(
    temporal: TemporalServer, impatient_table: AuditTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose clock is three days late writes the same times in the same order: they are Temporal's."""
    real, late = time.time, timedelta(days=3)

    class Late(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) - late

    began = datetime.now(UTC)
    monkeypatch.setattr(time, "time", lambda: real() - late.total_seconds())
    for module in ("audit.rows", "audit.table", "audit.trail", "audit.interceptor"):
        monkeypatch.setattr(f"{module}.datetime", Late, raising=False)
    ended = _night(temporal, impatient_table, Call(behaviour="third-time-lucky", attempts=3), Call(behaviour="fail"))
    monkeypatch.undo()
    times = [row.timestamp for row in ended.rows]
    assert times == sorted(times)
    assert all(began - timedelta(seconds=1) <= moment <= datetime.now(UTC) for moment in times)
    assert [row.phase for row in ended.rows] == [
        Phase.STARTED,
        Phase.ATTEMPT,
        Phase.ATTEMPT,
        Phase.OUTCOME,
        Phase.STARTED,
        Phase.ATTEMPT,
        Phase.OUTCOME,
    ]


def test_a_night_with_an_outage_replays(aws: Emulator, temporal: TemporalServer, impatient_table: AuditTable) -> None:
    """Retries, durable back-off and all: a Replayer with the plugin takes the history."""
    aws.faults.add("dynamodb", "PutItem", "reset-before", count=1, skip=1)
    ended = _night(temporal, impatient_table, Call(), Call(step=Step.DELETE_RDS))
    assert any(event.HasField("timer_fired_event_attributes") for event in ended.history.events)
    replayer = Replayer(workflows=[SmallNight], plugins=[AuroraRestorePlugin()])
    asyncio.run(replayer.replay_workflow(ended.history))
    assert trail_tells(ended.rows) == history_tells(ended.history)


async def _reset(at: Office, ended: Ended, task: int) -> WorkflowHandle[Any, Any]:
    """Go back to before one of its workflow tasks, as an operator does after a fix."""
    tasks = [e.event_id for e in ended.history.events if e.HasField("workflow_task_completed_event_attributes")]
    answer = await at.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=at.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=ended.history.workflow_id, run_id=ended.history.run_id),
            reason="a test",
            request_id=ended.history.workflow_id,
            workflow_task_finish_event_id=tasks[task],
        )
    )
    return at.client.get_workflow_handle(ended.history.workflow_id, run_id=answer.run_id)


async def _until(true: Any, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what it waits for happens in other threads
            await asyncio.sleep(0.02)
