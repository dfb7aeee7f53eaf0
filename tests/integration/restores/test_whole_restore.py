"""What a night promises whatever happens to it: to end, to tell, and to leave production and the trail alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import Replayer

from audit.plugin import AuroraRestorePlugin
from audit.report import report_rows
from audit.seal_rows import SealRow, from_seal_item, is_seal
from devstack.aws.fault_injection import Kind
from devstack.demo_environment import DemoEnvironment
from models import search_attributes
from models.request import RestoreRequest
from models.steps import Status
from tests.rigs.emulator import MINUTES, another_evening, clusters_alone, tables_of, target_is_up
from tests.rigs.restores import Bench, bench, parts, request, skipped_time
from workflows.aurora_restore import AuroraRestoreWorkflow

MUTATING = ("Delete", "Restore", "Create", "Copy", "Modify")


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[Client]:
    async with skipped_time(AuroraRestorePlugin()) as client:
        yield client


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoEnvironment]:
    with clusters_alone(MINUTES) as demo:
        yield demo


@pytest.fixture
async def on(temporal: Client, demo: DemoEnvironment, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    another_evening(demo)
    made = parts(demo, tables_of(request))
    options = getattr(request, "param", {})
    async with bench(temporal, demo, made, **options) as built:
        yield built


def asked(**waits: str) -> RestoreRequest:
    """A request without users; waits are first intervals by name."""
    plain = json.loads(request(users=[]).model_dump_json(exclude_none=True))
    plain["waits"] = {
        name: {"deadline": "PT2H", "first_interval": waits.get(name, "PT10M"), "maximum_interval": "PT10M"}
        for name in ("copy_snapshot", "delete_rds", "restore_snapshot")
    } | {name: value for name, value in waits.items() if isinstance(value, dict)}
    return RestoreRequest.model_validate_json(json.dumps(plain))


def changes(on: Bench) -> list[str]:
    return [
        call.operation
        for call in on.demo.emulator.calls
        if call.service == "rds" and call.operation.startswith(MUTATING)
    ]


def trail(on: Bench, operation_id: str = "op-001") -> list[tuple[str, str, str]]:
    return [(row.step.value, row.status.value, row.details) for row in report_rows(on.table.list_rows(operation_id))]


async def failure(handle: WorkflowHandle[Any, Any]) -> BaseException:
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert caught.value.cause is not None
    return caught.value.cause


async def reaches(on: Bench, handle: WorkflowHandle[Any, Any], step: str) -> None:
    """Wait until a step has looked at least once and waits."""
    while step not in on.between.seen:  # noqa: ASYNC110 - it watches another thread
        await asyncio.sleep(0.02)


async def test_a_night_of_45_minutes_keeps_its_history_short(on: Bench) -> None:
    """With the default waits a night of about 45 minutes leaves at most 400 events of history, and it replays."""
    plain = json.loads(request(users=[]).model_dump_json(exclude_none=True, exclude={"waits"}))
    handle = await on.start(RestoreRequest.model_validate_json(json.dumps(plain)))
    state = await handle.result()
    history = await handle.fetch_history()
    took = state.ended_at - state.started_at
    assert timedelta(minutes=35) < took < timedelta(minutes=55)
    assert len(history.events) <= 400
    await Replayer(workflows=[AuroraRestoreWorkflow], plugins=[AuroraRestorePlugin()]).replay_workflow(history)


async def test_users_are_set_in_the_very_cluster_that_was_restored(on: Bench) -> None:
    """setup-db-users is told which cluster it is, and not only where: a name may lead to another by then."""
    handle = await on.start(asked())
    state = await handle.result()
    scheduled = [
        event.activity_task_scheduled_event_attributes
        for event in (await handle.fetch_history()).events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    [told] = [json.loads(of.input.payloads[0].data) for of in scheduled if of.activity_type.name == "setup-db-users"]
    assert told["cluster_resource_id"] == state.cluster_resource_id


async def test_another_id_runs_as_a_child_under_the_targets_own(on: Bench) -> None:
    """A night that is started under any id runs under the target's own id, and its result comes back."""
    handle = await on.start(asked(), workflow_id="nightly-2026-11-23T00:05:00Z")
    state = await handle.result()
    child = on.client.get_workflow_handle(asked().target.workflow_id)
    assert state.outcome == "succeeded"
    assert (await child.describe()).status is WorkflowExecutionStatus.COMPLETED
    assert state.operation_id == "op-001"


async def test_a_second_restore_of_the_target_is_refused(on: Bench) -> None:
    """While a target is being restored another restore of it ends at once with an error that names the running one."""
    first = await on.start(asked())
    second = await on.start(asked(), workflow_id="impatient")
    error = await failure(second)
    assert isinstance(error, ApplicationError)
    assert error.type == "RestoreAlreadyRunning"
    assert asked().target.workflow_id in error.message
    await first.result()
    assert changes(on).count("RestoreDBClusterFromSnapshot") == 1
    assert trail(on, "op-002") == []


async def test_cancelled_while_the_copy_runs(on: Bench) -> None:
    """A cancelled night says how far the copy was, tells people, ends as cancelled and leaves the target alone."""
    handle = await on.start(asked(copy_snapshot="PT1M"))
    await reaches(on, handle, "check-copy-status")
    await handle.cancel()
    assert isinstance(await failure(handle), CancelledError)
    assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
    rows = trail(on)
    assert rows[2][:2] == ("check-copy-status", "FAILED")
    assert rows[2][2].startswith("Cancelled: copy at copying")
    assert rows[3:] == [("sns-notification", "SUCCESS", "Error notification sent")]
    assert not [call for call in changes(on) if call.startswith("Delete")]
    [message] = on.demo.receive_notifications()
    assert "cancelled" in message["Subject"]


async def test_a_copy_that_takes_too_long_ends_the_night(on: Bench) -> None:
    """A wait past its deadline fails the night with how far it was, before anything is deleted."""
    slow = {"deadline": "PT3M", "first_interval": "PT1M", "maximum_interval": "PT1M"}
    handle = await on.start(asked(copy_snapshot=slow))  # type: ignore[arg-type]
    error = await failure(handle)
    assert isinstance(error, ApplicationError)
    assert error.type == "DeadlinePassed"
    assert error.message.startswith("check-copy-status: Copy at copying")
    assert trail(on)[2][1] == "FAILED"
    assert not [call for call in changes(on) if call.startswith("Delete")]


async def test_a_failed_notification_does_not_hide_what_failed(on: Bench) -> None:
    """If the error notification fails too, the night still ends with the step's own error."""
    on.demo.emulator.faults.add(
        service="sns", operation="Publish", kind="error", code="NotFound", message="no topic", count=None
    )
    on.demo.emulator.faults.add(
        service="rds",
        operation="CopyDBClusterSnapshot",
        kind="error",
        code="KMSKeyNotAccessibleFault",
        message="no key",
    )
    handle = await on.start(asked())
    error = await failure(handle)
    assert isinstance(error, ApplicationError)
    assert (error.type, error.message.split(":")[:2]) == ("StepFailed", ["copy-snapshot", " KMS key not accessible"])
    assert trail(on)[-1] == ("sns-notification", "FAILED", "Topic not found")
    state = await on.state(handle)
    assert "not sent" in state.warnings[0]


async def test_look_now_ends_a_wait(on: Bench) -> None:
    """The signal poll_now makes the night look at once instead of at the end of its wait."""
    handle = await on.start(asked())
    await handle.signal(AuroraRestoreWorkflow.poll_now)
    state = await handle.result()
    assert state.outcome == "succeeded"
    looks = [row.poll for row in on.table.list_rows("op-001") if row.step == "check-copy-status"]
    assert max(looks) >= 2


async def test_look_now_brings_no_deadline_forward(on: Bench) -> None:
    """A look that somebody asks for in the last interval before the deadline is not the last one."""
    last = {"deadline": "PT14M", "first_interval": "PT15M", "maximum_interval": "PT15M"}
    handle = await on.start(asked(copy_snapshot=last))  # type: ignore[arg-type]
    await handle.signal(AuroraRestoreWorkflow.poll_now)
    assert (await handle.result()).outcome == "succeeded"
    assert max(row.poll for row in on.table.list_rows("op-001") if row.step == "check-copy-status") == 3


async def test_a_night_can_be_found_by_number_target_and_outcome(on: Bench) -> None:
    """Search attributes carry the operation, the target and at last the outcome; the summary says what it is."""
    handle = await on.start(asked())
    state = await handle.result()
    attributes = (await handle.describe()).typed_search_attributes
    values = {pair.key.name: pair.value for pair in attributes.search_attributes}
    assert values[search_attributes.OPERATION.name] == state.operation_id
    assert values[search_attributes.TARGET.name] == "orders-staging"
    assert values[search_attributes.STEP.name] == "succeeded"


async def test_the_same_night_by_any_worker(temporal: Client, demo: DemoEnvironment) -> None:
    """A worker that keeps no workflow in its cache, and so replays the history at every task, brings the night to the same end."""
    if not target_is_up(demo):
        demo.make_target()
    async with bench(temporal, demo, parts(demo, "uncached"), max_cached_workflows=0) as on:
        state = await (await on.start(asked())).result()
    assert [step.status for step in state.steps] == [Status.SUCCESS] * 9


@pytest.mark.parametrize("kind", ["throttle", "http500"])
async def test_bad_weather_does_not_fail_a_night(on: Bench, kind: Kind) -> None:
    """Throttling and HTTP 500 of RDS for a while are waited out."""
    for operation in ("CopyDBClusterSnapshot", "DescribeDBClusters", "RestoreDBClusterFromSnapshot", "DeleteDBCluster"):
        on.demo.emulator.faults.add(service="rds", operation=operation, kind=kind, count=4)
    state = await (await on.start(asked())).result()
    assert state.outcome == "succeeded"
    done = changes(on)
    assert done.count("RestoreDBClusterFromSnapshot") >= 1


def seals(on: Bench, operation_id: str = "op-001") -> list[SealRow]:
    found = (from_seal_item(item) for item in on.table.list_items(operation_id) if is_seal(item))
    return [seal for seal in found if seal is not None]


async def test_an_operation_ends_sealed(on: Bench) -> None:
    """One seal stands in the notification; the last one covers every row, the notification's own too."""
    state = await (await on.start(asked())).result()
    first, last = seals(on)
    [message] = on.demo.receive_notifications()
    assert f"Seal of the audit trail: {first.digest}" in message["Message"]
    assert state.seal_digest == last.digest
    assert last.previous_seal is not None
    assert last.previous_seal.digest == first.digest
    everything = {item["event_key"]["S"] for item in on.table.list_items("op-001")}
    assert everything - {covered.event_key for covered in last.covered_rows} == {last.event_key}


async def test_an_operation_that_failed_ends_sealed(on: Bench) -> None:
    """Whatever the end, it is sealed, and the next night's seal holds on to it."""
    on.demo.emulator.faults.add("rds", "CopyDBClusterSnapshot", "error", code="KMSKeyNotAccessibleFault")
    await failure(await on.start(asked()))
    first, last = seals(on)
    [message] = on.demo.receive_notifications()
    assert first.digest in message["Message"]
    await (await on.start(asked())).result()
    following = seals(on, "op-002")[0].previous_seal
    assert following is not None
    assert (following.operation_id, following.digest) == ("op-001", last.digest)


async def test_a_notification_does_not_wait_for_ever_for_its_seal(on: Bench) -> None:
    """Without DynamoDB people are told without a seal; the operation is sealed when DynamoDB is back."""
    outage = on.demo.emulator.faults.add(
        # A code that botocore does not repeat by itself, which would take real time.
        "dynamodb", "TransactWriteItems", "error", code="ResourceNotFoundException", count=None, skip=1
    )  # fmt: skip
    handle = await on.start(asked())
    while not (messages := on.demo.receive_notifications()):  # noqa: ASYNC110 - it watches another process's queue
        await asyncio.sleep(0.05)
    assert "succeeded" in messages[0]["Subject"]
    assert "Seal of the audit trail" not in messages[0]["Message"]
    on.demo.emulator.faults.remove(outage)
    assert (await handle.result()).seal_digest == seals(on)[-1].digest
