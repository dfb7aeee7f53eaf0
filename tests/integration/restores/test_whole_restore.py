"""What a restore guarantees, whatever happens: it ends, it notifies, and production and the trail stay intact."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError

from devstack.demo_environment import DemoEnvironment
from models.request import RestoreRequest
from models.steps import STEPS, Replacement, Status, Step
from tests.rigs.emulator import is_target_available
from tests.rigs.failing_calls import fail_step
from tests.rigs.requests import every_wait, request, wait
from tests.rigs.restores import ERROR_NOTIFICATION_SENT, RestoreRig, run_worker, worker_parts
from tests.rigs.resumed_restores import wait_for_failure
from workflows.aurora_restore import AuroraRestoreWorkflow

CHANGING = ("Delete", "Restore", "Create", "Copy", "Modify")
TEN_MINUTES = wait("PT2H", "PT10M")
PAST_ITS_DEADLINE = wait("PT3M", "PT1M")
"""For the copy, which takes nine minutes."""


def slow_polls(**waits: dict[str, str]) -> RestoreRequest:
    """A request without users, whose waits poll every ten minutes unless they are given."""
    return request(users=[], waits=every_wait(TEN_MINUTES) | waits)


def changes(rig: RestoreRig) -> list[str]:
    """The RDS operations that change something, in the order of the calls."""
    calls = rig.demo.emulator.calls
    return [call.operation for call in calls if call.service == "rds" and call.operation.startswith(CHANGING)]


async def wait_for_activity(rig: RestoreRig, activity_type: str) -> None:
    """Wait until the activity has returned once."""
    while activity_type not in rig.hooks.ended:  # noqa: ASYNC110 - it watches another thread
        await asyncio.sleep(0.02)


async def test_a_second_restore_of_the_target_is_refused(rig: RestoreRig) -> None:
    """While a restore of the target runs, another one fails at once with an error that names the running one."""
    first = await rig.start(slow_polls())
    second = await rig.start(slow_polls(), workflow_id="impatient")
    error = await wait_for_failure(second)
    assert isinstance(error, ApplicationError)
    assert error.type == "RestoreAlreadyRunning"
    assert slow_polls().target.workflow_id in error.message
    await first.result()
    assert changes(rig).count("RestoreDBClusterFromSnapshot") == 1
    assert rig.trail("op-002") == []


async def test_cancelled_while_the_copy_runs(rig: RestoreRig) -> None:
    """A cancelled restore records how far the copy was, notifies, ends as cancelled and leaves the target alone."""
    handle = await rig.start(slow_polls(copy_snapshot=wait("PT2H", "PT1M")))
    await wait_for_activity(rig, Step.CHECK_COPY_STATUS)
    await handle.cancel()
    assert isinstance(await wait_for_failure(handle), CancelledError)
    assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
    rows = rig.trail()
    assert rows[2][:2] == ("check-copy-status", "FAILED")
    assert rows[2][2].startswith("Cancelled: copy at copying")
    assert rows[3:] == [ERROR_NOTIFICATION_SENT]
    assert not [call for call in changes(rig) if call.startswith("Delete")]
    [message] = rig.demo.receive_notifications()
    assert "cancelled" in message["Subject"]


async def test_a_copy_past_its_deadline_fails_the_restore(rig: RestoreRig) -> None:
    """The error says how far the copy was; nothing is deleted."""
    handle = await rig.start(slow_polls(copy_snapshot=PAST_ITS_DEADLINE))
    error = await wait_for_failure(handle)
    assert isinstance(error, ApplicationError)
    assert error.type == "DeadlinePassed"
    assert error.message.startswith("check-copy-status: Copy at copying")
    assert rig.trail()[2][1] == "FAILED"
    assert not [call for call in changes(rig) if call.startswith("Delete")]


async def test_without_an_operators_decision_the_restore_fails(rig: RestoreRig) -> None:
    """Four hours after the failure, with the step's own error."""
    fail_step(rig.demo.emulator.faults, Step.RESTORE_SNAPSHOT)
    handle = await rig.start(request(users=[], on_failure={"wait_for_operator": "PT4H"}))
    error = await wait_for_failure(handle)
    assert isinstance(error, ApplicationError)
    assert error.message.startswith("restore-snapshot: Invalid VPC configuration")
    state = await rig.state(handle)
    failed_at = next(step.ended_at for step in state.steps if step.step is Step.RESTORE_SNAPSHOT)
    assert state.ended_at is not None
    assert failed_at is not None
    assert 4 * 3600 <= (state.ended_at - failed_at).total_seconds() < 4 * 3600 + 300
    assert state.waiting_until is None


async def test_a_failed_notification_does_not_hide_the_failed_step(rig: RestoreRig) -> None:
    """If the error notification fails too, the restore still ends with the step's own error."""
    fail_step(rig.demo.emulator.faults, Step.SNS_NOTIFICATION, count=None)
    fail_step(rig.demo.emulator.faults, Step.COPY_SNAPSHOT)
    handle = await rig.start(slow_polls())
    error = await wait_for_failure(handle)
    assert isinstance(error, ApplicationError)
    assert (error.type, error.message.split(":")[:2]) == ("StepFailed", ["copy-snapshot", " KMS key not accessible"])
    assert rig.trail()[-1] == ("sns-notification", "FAILED", "Topic not found")
    state = await rig.state(handle)
    assert "not sent" in state.warnings[0]


async def test_poll_now_ends_a_pause_and_brings_no_deadline_forward(rig: RestoreRig) -> None:
    """The signal ends a pause; a poll that it requests in the last interval before the deadline is not the final one.

    Without the signal there are two polls: one at once, and the final one.
    """
    handle = await rig.start(slow_polls(copy_snapshot=wait("PT14M", "PT15M")))
    await handle.signal(AuroraRestoreWorkflow.poll_now)
    assert (await handle.result()).outcome == "succeeded"
    assert max(polls(rig, Step.CHECK_COPY_STATUS)) == 3


def polls(rig: RestoreRig, step: Step) -> list[int]:
    """The numbers of the polls that left a row in the trail."""
    return [row.poll for row in rig.table.list_rows("op-001") if row.step == step]


async def test_a_worker_without_a_cache_restores_the_same(temporal: Client, demo: DemoEnvironment) -> None:
    """A worker that replays the history at every task brings the restore to the same end."""
    if not is_target_available(demo):
        demo.make_target()
    async with run_worker(temporal, demo, worker_parts(demo, "uncached"), max_cached_workflows=0) as rig:
        state = await (await rig.start(slow_polls())).result()
    assert [step.status for step in state.steps] == [Status.SUCCESS] * len(STEPS[Replacement.DELETE_FIRST])


async def test_transient_faults_do_not_fail_a_restore(rig: RestoreRig) -> None:
    """Throttling and HTTP 500 of RDS are retried until they pass."""
    faults = rig.demo.emulator.faults
    for operation in ("CopyDBClusterSnapshot", "DescribeDBClusters", "RestoreDBClusterFromSnapshot", "DeleteDBCluster"):
        faults.add(service="rds", operation=operation, kind="throttle", count=2)
        faults.add(service="rds", operation=operation, kind="http500", count=2, skip=2)
    state = await (await rig.start(slow_polls())).result()
    assert state.outcome == "succeeded"
    assert {fault.fired for fault in faults} == {2}
    assert changes(rig).count("RestoreDBClusterFromSnapshot") >= 1


async def test_an_operation_that_failed_ends_sealed(rig: RestoreRig) -> None:
    """The first seal of the next operation refers to the last one of the operation that failed."""
    fail_step(rig.demo.emulator.faults, Step.COPY_SNAPSHOT)
    await wait_for_failure(await rig.start(slow_polls()))
    first, last = rig.seals()
    [message] = rig.demo.receive_notifications()
    assert first.digest in message["Message"]
    await (await rig.start(slow_polls())).result()
    previous = rig.seals("op-002")[0].previous_seal
    assert previous is not None
    assert (previous.operation_id, previous.digest) == ("op-001", last.digest)


async def test_a_notification_does_not_wait_forever_for_its_seal(rig: RestoreRig) -> None:
    """Without DynamoDB the notification is sent without a seal; the operation is sealed when DynamoDB is back."""
    outage = rig.demo.emulator.faults.add(
        # A code that botocore itself does not retry, which would take real time.
        "dynamodb", "TransactWriteItems", "error", code="ResourceNotFoundException", count=None, skip=1
    )  # fmt: skip
    handle: WorkflowHandle[Any, Any] = await rig.start(slow_polls())
    while not (messages := rig.demo.receive_notifications()):  # noqa: ASYNC110 - it watches another process's queue
        await asyncio.sleep(0.05)
    assert "succeeded" in messages[0]["Subject"]
    assert "Seal of the audit trail" not in messages[0]["Message"]
    rig.demo.emulator.faults.remove(outage)
    assert (await handle.result()).seal_digest == rig.seals()[-1].digest
