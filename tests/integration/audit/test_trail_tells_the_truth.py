"""The trail says what Temporal's history says, however a step ends, with a worker's cache and without one."""

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
from devstack.temporal_server import TemporalServer
from models.steps import Status, Step
from tests.rigs.recorded_operations import Ended, at_work, history_tells, office, trail_tells
from tests.rigs.restores import WITHOUT_CACHE
from tests.rigs.scripted_activities import NOBODYS_QUEUE, UNDECODABLE, UNREGISTERED, Call
from tests.rigs.small_workflows import SmallNight

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SCENARIOS: dict[str, tuple[Call, ...]] = {
    "nine steps": tuple(Call(step=step) for step in Step if step not in (UNREGISTERED, UNDECODABLE)),
    "refused": (Call(behaviour="fail", attempts=5),),
    "refused fatally": (Call(behaviour="fail", fatal=True),),
    "third attempt": (Call(behaviour="third-time-lucky", attempts=5),),
    "attempts used up": (Call(behaviour="fail-transiently", attempts=3),),
    "defect": (Call(behaviour="unexpected"),),
    "returns late": (Call(behaviour="late", start_to_close=1),),
    "no heartbeat": (Call(behaviour="late", heartbeat=1),),
    "no worker": (Call(task_queue=NOBODYS_QUEUE),),
    "not registered": (Call(step=UNREGISTERED),),
    "result does not encode": (Call(behaviour="untravelled", attempts=2),),
    "arguments do not decode": (Call(step=UNDECODABLE),),
    "cancelled": (Call(behaviour="until-cancelled", heartbeat=5, cancelled_at_once=False),),
    "ten looks": (Call(looks=10),),
    "looks, then refused": (Call(looks=3, behaviour="fail"),),
    "fails, then goes on": (Call(behaviour="fail"), Call(step=Step.SNS_NOTIFICATION)),
}


WITH_A_CACHE: dict[str, int] = {}


async def _all_nights(temporal: TemporalServer, table: AuditTable, options: dict[str, int]) -> dict[str, Ended]:
    async with office(temporal, table, **options) as at:
        handles = {name: await at.start(*calls) for name, calls in SCENARIOS.items()}
        await at_work(handles["cancelled"])
        await handles["cancelled"].cancel()
        return dict(zip(handles, await asyncio.gather(*map(at.ended, handles.values())), strict=True))


@pytest.fixture(scope="module", params=[WITH_A_CACHE, WITHOUT_CACHE], ids=["cached", "evicted"])
def nights(
    request: pytest.FixtureRequest, temporal: TemporalServer, impatient_dynamodb: DynamoDBClient
) -> dict[str, Ended]:
    """Every scenario, run side by side; once with a workflow cache and once with a replay for every task."""
    name = f"audit-{uuid.uuid4().hex[:8]}"
    create_audit_table(impatient_dynamodb, name)
    return asyncio.run(_all_nights(temporal, AuditTable(impatient_dynamodb, name), request.param))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_end_in_the_history_is_in_the_trail_once(nights: dict[str, Ended], name: str) -> None:
    """Step, status, attempt and text of each outcome row are those of Temporal's history, and there is no other."""
    told = history_tells(nights[name].history)
    assert told
    assert trail_tells(nights[name].rows) == told


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_row_names_the_run_it_is_of(nights: dict[str, Ended], name: str) -> None:
    """Workflow and run id lead from any row to Temporal."""
    night = nights[name]
    assert {row.workflow_id for row in night.rows} == {night.history.workflow_id}
    assert {row.run_id for row in night.rows} == {night.run_id}


@pytest.mark.parametrize("name", SCENARIOS)
def test_times_are_temporals(nights: dict[str, Ended], name: str) -> None:
    """No row lies before the workflow's first event or after its last, on the server's clock."""
    events = nights[name].history.events
    first, last = events[0].event_time.ToMilliseconds(), events[-1].event_time.ToMilliseconds()
    assert all(first <= row.timestamp.timestamp() * 1000 <= last for row in nights[name].rows)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("refused", "Invalid snapshot ID"),
        ("attempts used up", "AWS unavailable"),
        ("defect", "Unexpected error"),
        ("returns late", "Timed out (START_TO_CLOSE)"),
        ("no heartbeat", "Timed out (HEARTBEAT)"),
        ("no worker", "Timed out (SCHEDULE_TO_START)"),
        ("not registered", "Unexpected error"),
        ("result does not encode", "Unexpected error"),
        ("arguments do not decode", "Unexpected error"),
        ("cancelled", "Cancelled"),
        ("looks, then refused", "Invalid snapshot ID"),
    ],
)
def test_a_step_that_failed_is_failed_in_the_trail(nights: dict[str, Ended], name: str, short: str) -> None:
    """Also where the activity itself believed that it went well, or where no worker ever saw it."""
    (row,) = nights[name].phase(Phase.OUTCOME)
    assert (row.status, row.details) == (Status.FAILED, short)
    assert row.fault is not None
    assert row.fault.short == short


def test_a_fault_is_told_whole(nights: dict[str, Ended]) -> None:
    """AWS's code, its request id and the message for the operator are in the outcome's row."""
    (row,) = nights["refused"].phase(Phase.OUTCOME)
    assert row.fault is not None
    assert row.fault.model_dump() == {
        "type": "StepFailed",
        "short": "Invalid snapshot ID",
        "message": "The snapshot is gone.",
        "code": "DBClusterSnapshotNotFoundFault",
        "request_id": "r-1",
    }
    assert row.request_ids == ("r-1",)


def test_each_failed_attempt_has_its_row(nights: dict[str, Ended]) -> None:
    """Two throttled attempts are two rows with their fault; the third one's success is the one outcome."""
    rows = nights["third attempt"].rows
    assert [(row.phase, row.status, row.attempt) for row in rows] == [
        (Phase.STARTED, Status.IN_PROGRESS, 1),
        (Phase.ATTEMPT, Status.FAILED, 1),
        (Phase.ATTEMPT, Status.FAILED, 2),
        (Phase.OUTCOME, Status.SUCCESS, 3),
    ]
    assert [row.fault.code for row in rows if row.fault] == ["Throttling", "Throttling"]


def test_no_attempt_is_left_out_when_all_fail(nights: dict[str, Ended]) -> None:
    """The last attempt is told twice: as an attempt, and as how the step ended."""
    phases = [row.phase for row in nights["attempts used up"].rows]
    assert phases == [Phase.STARTED, *[Phase.ATTEMPT] * 3, Phase.OUTCOME]


def test_ten_looks_are_two_rows(nights: dict[str, Ended]) -> None:
    """A look that finds no end writes nothing."""
    rows = nights["ten looks"].rows
    assert [(row.phase, row.status, row.poll) for row in rows] == [
        (Phase.STARTED, Status.IN_PROGRESS, 1),
        (Phase.OUTCOME, Status.SUCCESS, 10),
    ]
    events = nights["ten looks"].history.events
    assert sum(event.HasField("activity_task_completed_event_attributes") for event in events) == 10


@pytest.mark.parametrize("name", SCENARIOS)
def test_rows_come_in_the_order_in_which_it_happened(nights: dict[str, Ended], name: str) -> None:
    """The key sorts the night as Temporal's clock saw it."""
    times = [row.timestamp for row in nights[name].rows]
    assert times == sorted(times)


def test_only_a_fatal_failure_ends_the_workflow(nights: dict[str, Ended]) -> None:
    """The interceptor changes neither a result nor a failure."""
    failed = {name: night.failure for name, night in nights.items() if night.failure is not None}
    assert list(failed) == ["refused fatally"]
    cause = failed["refused fatally"].__cause__
    assert isinstance(cause, ApplicationError)
    assert cause.type == "StepFailed"
    assert nights["third attempt"].result == ["done"]
    assert nights["cancelled"].result == ["CancelledError"]
    assert nights["fails, then goes on"].result == ["ApplicationError", "done"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_recorded_night_replays_with_the_plugin_alone(nights: dict[str, Ended], name: str) -> None:
    """A Replayer needs the plugin and no table."""
    replayer = Replayer(workflows=[SmallNight], plugins=[AuroraRestorePlugin()])
    asyncio.run(replayer.replay_workflow(nights[name].history))


def test_without_the_plugin_a_history_does_not_replay(nights: dict[str, Ended]) -> None:
    """The rows are commands of the workflow: client, worker and Replayer must share the plugin."""
    replayer = Replayer(workflows=[SmallNight], data_converter=pydantic_data_converter)
    with pytest.raises(NondeterminismError):
        asyncio.run(replayer.replay_workflow(nights["nine steps"].history))
