"""The trail agrees with Temporal's history, however a step ends, with and without the worker's workflow cache."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from audit.plugin import AuroraRestorePlugin
from audit.rows import Phase
from audit.setup import create_audit_table
from audit.table import AuditTable
from devstack.aws import Emulator
from devstack.temporal_server import TemporalServer
from models.steps import Status, Step
from tests.rigs.recorded_operations import (
    FinishedOperation,
    ends_in_history,
    ends_in_trail,
    run_workflow,
    scripted_worker,
    wait_until_activity_started,
)
from tests.rigs.restores import WITHOUT_CACHE
from tests.rigs.scripted_activities import UNDECODABLE, UNPOLLED_QUEUE, UNREGISTERED, ScriptedStep
from tests.rigs.scripted_workflow import ScriptedWorkflow

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SCENARIOS: dict[str, tuple[ScriptedStep, ...]] = {
    "all steps": tuple(ScriptedStep(step=step) for step in Step if step not in (UNREGISTERED, UNDECODABLE)),
    "fails": (ScriptedStep(behaviour="fail", attempts=5),),
    "fails the workflow": (ScriptedStep(behaviour="fail", fatal=True),),
    "succeeds in the third attempt": (ScriptedStep(behaviour="succeed-in-third-attempt", attempts=5),),
    "fails in every attempt": (ScriptedStep(behaviour="fail-transiently", attempts=3),),
    "raises an unexpected error": (ScriptedStep(behaviour="raise-key-error"),),
    "start-to-close timeout": (ScriptedStep(behaviour="succeed-late", start_to_close=1),),
    "heartbeat timeout": (ScriptedStep(behaviour="succeed-late", heartbeat=1),),
    "no worker polls": (ScriptedStep(task_queue=UNPOLLED_QUEUE),),
    "activity not registered": (ScriptedStep(step=UNREGISTERED),),
    "result cannot be encoded": (ScriptedStep(behaviour="return-unencodable", attempts=2),),
    "input cannot be decoded": (ScriptedStep(step=UNDECODABLE),),
    "cancelled": (ScriptedStep(behaviour="run-until-cancelled", heartbeat=5),),
    "ten polls": (ScriptedStep(polls=10),),
    "fails in the third poll": (ScriptedStep(polls=3, behaviour="fail"),),
    "fails, then another step": (ScriptedStep(behaviour="fail"), ScriptedStep(step=Step.SNS_NOTIFICATION)),
}


WITH_CACHE: dict[str, int] = {}


async def _run_all(
    temporal: TemporalServer, table: AuditTable, options: dict[str, int]
) -> dict[str, FinishedOperation]:
    async with scripted_worker(temporal, table, **options) as worker:
        handles = {name: await worker.start(*steps) for name, steps in SCENARIOS.items()}
        await wait_until_activity_started(handles["cancelled"])
        await handles["cancelled"].cancel()
        finished = await asyncio.gather(*map(worker.wait_for_end, handles.values()))
        return dict(zip(handles, finished, strict=True))


@pytest.fixture(scope="module", params=[WITH_CACHE, WITHOUT_CACHE], ids=["with-cache", "without-cache"])
def operations(
    request: pytest.FixtureRequest, temporal: TemporalServer, dynamodb_without_retries: DynamoDBClient
) -> dict[str, FinishedOperation]:
    """Every scenario, run concurrently; without a cache each workflow task replays the whole history."""
    name = f"audit-{uuid.uuid4().hex[:8]}"
    create_audit_table(dynamodb_without_retries, name)
    return asyncio.run(_run_all(temporal, AuditTable(dynamodb_without_retries, name), request.param))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_end_in_the_history_has_one_outcome_row(operations: dict[str, FinishedOperation], name: str) -> None:
    """Step, status, attempt and details of the outcome rows are those of the history, and there is no other row."""
    ends = ends_in_history(operations[name].history)
    assert ends
    assert ends_in_trail(operations[name].rows) == ends


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_row_names_its_workflow_run(operations: dict[str, FinishedOperation], name: str) -> None:
    """Workflow id and run id of each row lead to the run in Temporal."""
    operation = operations[name]
    assert {row.workflow_id for row in operation.rows} == {operation.history.workflow_id}
    assert {row.run_id for row in operation.rows} == {operation.run_id}


@pytest.mark.parametrize("name", SCENARIOS)
def test_timestamps_are_on_the_temporal_servers_clock(operations: dict[str, FinishedOperation], name: str) -> None:
    """No row is older than the workflow's first event or newer than its last."""
    events = operations[name].history.events
    first, last = events[0].event_time.ToMilliseconds(), events[-1].event_time.ToMilliseconds()
    assert all(first <= row.timestamp.timestamp() * 1000 <= last for row in operations[name].rows)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("fails", "Invalid snapshot ID"),
        ("fails in every attempt", "AWS unavailable"),
        ("raises an unexpected error", "Unexpected error"),
        ("start-to-close timeout", "Timed out (START_TO_CLOSE)"),
        ("heartbeat timeout", "Timed out (HEARTBEAT)"),
        ("no worker polls", "Timed out (SCHEDULE_TO_START)"),
        ("activity not registered", "Unexpected error"),
        ("result cannot be encoded", "Unexpected error"),
        ("input cannot be decoded", "Unexpected error"),
        ("cancelled", "Cancelled"),
        ("fails in the third poll", "Invalid snapshot ID"),
    ],
)
def test_a_step_that_fails_in_any_way_is_failed_in_the_trail(
    operations: dict[str, FinishedOperation], name: str, short: str
) -> None:
    """Also where the activity's code ended without an error, or where no worker ran it."""
    (row,) = operations[name].rows_of(Phase.OUTCOME)
    assert (row.status, row.details) == (Status.FAILED, short)
    assert row.fault is not None
    assert row.fault.short == short


def test_an_outcome_row_has_the_whole_fault(operations: dict[str, FinishedOperation]) -> None:
    """Type, short text, message, AWS's code and AWS's request id."""
    (row,) = operations["fails"].rows_of(Phase.OUTCOME)
    assert row.fault is not None
    assert row.fault.model_dump() == {
        "type": "StepFailed",
        "short": "Invalid snapshot ID",
        "message": "The snapshot is gone.",
        "code": "DBClusterSnapshotNotFoundFault",
        "request_id": "r-1",
    }
    assert row.request_ids == ("r-1",)


def test_each_failed_attempt_has_a_row_before_the_outcome(operations: dict[str, FinishedOperation]) -> None:
    """Two throttled attempts are two rows with their fault; the success of the third one is the outcome."""
    rows = operations["succeeds in the third attempt"].rows
    assert [(row.phase, row.status, row.attempt) for row in rows] == [
        (Phase.STARTED, Status.IN_PROGRESS, 1),
        (Phase.ATTEMPT, Status.FAILED, 1),
        (Phase.ATTEMPT, Status.FAILED, 2),
        (Phase.OUTCOME, Status.SUCCESS, 3),
    ]
    assert [row.fault.code for row in rows if row.fault] == ["Throttling", "Throttling"]


def test_the_last_failed_attempt_has_a_row_too(operations: dict[str, FinishedOperation]) -> None:
    """It is recorded twice: as an attempt, and as the outcome of the step."""
    phases = [row.phase for row in operations["fails in every attempt"].rows]
    assert phases == [Phase.STARTED, *[Phase.ATTEMPT] * 3, Phase.OUTCOME]


def test_a_cancelled_attempt_is_no_failed_attempt(operations: dict[str, FinishedOperation]) -> None:
    """Its end is the step's end; an attempt row would say that Temporal may try again."""
    assert [row.phase for row in operations["cancelled"].rows] == [Phase.STARTED, Phase.OUTCOME]


def test_each_step_has_a_beginning_unless_it_writes_an_intent(operations: dict[str, FinishedOperation]) -> None:
    """A step that deletes writes its intent itself, just before it deletes; the scripted one deletes nothing."""
    steps = {step.step for step in SCENARIOS["all steps"]}
    started = {row.step for row in operations["all steps"].rows_of(Phase.STARTED)}
    assert started == {step for step in steps if not step.destructive}


def test_a_poll_that_is_not_done_makes_no_write(
    aws: Emulator, temporal: TemporalServer, table_without_retries: AuditTable
) -> None:
    """Not even one that DynamoDB would refuse as a repetition: a step of ten polls makes two calls."""
    aws.calls.clear()
    run_workflow(temporal, table_without_retries, ScriptedStep(polls=10))
    assert [call.operation for call in aws.calls] == ["PutItem", "PutItem", "Query"]


def test_a_poll_that_is_not_done_writes_no_row(operations: dict[str, FinishedOperation]) -> None:
    """A step of ten polls has two rows, although the history has ten activities."""
    rows = operations["ten polls"].rows
    assert [(row.phase, row.status, row.poll) for row in rows] == [
        (Phase.STARTED, Status.IN_PROGRESS, 1),
        (Phase.OUTCOME, Status.SUCCESS, 10),
    ]
    events = operations["ten polls"].history.events
    assert sum(event.HasField("activity_task_completed_event_attributes") for event in events) == 10


@pytest.mark.parametrize("name", SCENARIOS)
def test_rows_sorted_by_key_are_in_chronological_order(operations: dict[str, FinishedOperation], name: str) -> None:
    """DynamoDB returns them by key; their timestamps ascend."""
    times = [row.timestamp for row in operations[name].rows]
    assert times == sorted(times)


def test_the_interceptor_changes_neither_results_nor_failures(operations: dict[str, FinishedOperation]) -> None:
    """The workflow sees each result and each failure as it would without the interceptor."""
    failed = {name: operation.failure for name, operation in operations.items() if operation.failure is not None}
    assert list(failed) == ["fails the workflow"]
    cause = failed["fails the workflow"].__cause__
    assert isinstance(cause, ApplicationError)
    assert cause.type == "StepFailed"
    assert operations["succeeds in the third attempt"].result == ["done"]
    assert operations["cancelled"].result == ["CancelledError"]
    assert operations["fails, then another step"].result == ["ApplicationError", "done"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_history_replays_with_the_plugin_alone(operations: dict[str, FinishedOperation], name: str) -> None:
    """A Replayer needs the plugin, and no table."""
    replayer = Replayer(workflows=[ScriptedWorkflow], plugins=[AuroraRestorePlugin()])
    asyncio.run(replayer.replay_workflow(operations[name].history))


def test_a_history_does_not_replay_without_the_plugin(operations: dict[str, FinishedOperation]) -> None:
    """The rows are commands of the workflow: client, worker and Replayer must share the plugin."""
    replayer = Replayer(workflows=[ScriptedWorkflow], data_converter=pydantic_data_converter)
    with pytest.raises(NondeterminismError):
        asyncio.run(replayer.replay_workflow(operations["all steps"].history))
