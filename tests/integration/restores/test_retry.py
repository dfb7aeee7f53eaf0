"""`starter.py retry` of a restore that ended: it continues at its failed step, under its number."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import WorkflowExecutionStatus

from audit.decisions import decision_row, write_decision
from clients.rds import find_cluster
from models.decisions import Decision, OperatorDecision
from models.steps import Step
from models.workflow_names import DUE_AT_MEMO, SCHEDULED_ID_PREFIX
from runs.resets import Resets
from runs.restores import RestoreRefused
from tests.rigs.cli import CommandResult
from tests.rigs.durations import AT_ONCE
from tests.rigs.failing_calls import refuse
from tests.rigs.requests import CANONICAL_ID, quick_request, wait
from tests.rigs.restores import ERROR_NOTIFICATION_SENT, TrailRow
from tests.rigs.resumed_restores import (
    ResumedRestores,
    is_at,
    successes_before,
    successes_from,
    wait_for_failure,
    wait_for_state,
)

NOW = datetime.now(UTC)


RESTORE_FAILED: TrailRow = ("restore-snapshot", "FAILED", "Invalid VPC configuration")


@pytest.fixture
def slow_copies(resumed: ResumedRestores) -> None:
    """A copy takes 4 seconds: long enough to be cancelled on a busy machine too."""
    resumed.rig.demo.emulator.durations = replace(AT_ONCE, copy=4.0)


async def retry(resumed: ResumedRestores, operation: str, *options: str) -> CommandResult:
    """Retry as kim@ops."""
    return await resumed.decide(operation, Decision.RETRY, *options)


def retried(step: Step, *, reason: str = "") -> TrailRow:
    """The row of the decision."""
    return (step.value, "IN_PROGRESS", f"Retry, decided by kim@ops{reason}")


def rows_after_retry(failed: TrailRow, step: Step) -> list[TrailRow]:
    """The rows from a failure on: its notification, the decision to retry from a step, and that step and the rest."""
    return [failed, ERROR_NOTIFICATION_SENT, retried(step), *successes_from(step)]


def target_resource_id(resumed: ResumedRestores) -> str:
    """The resource id of the target: another cluster has another one."""
    cluster = find_cluster(resumed.rig.demo.client("rds"), "orders-staging")
    assert cluster is not None
    return cluster["DbClusterResourceId"]


async def test_it_continues_at_the_failed_restore(resumed: ResumedRestores) -> None:
    """The trail has the failure, its notification, the decision and its reason, and the step again: one number, one copy."""
    resumed.fail_step(Step.RESTORE_SNAPSHOT)
    operation = await resumed.run_to_failure(quick_request())
    said = await retry(resumed, operation, "--reason", "subnet group fixed")
    assert said.code == 0, said
    assert resumed.rig.trail(operation)[1:] == [
        *successes_before(Step.RESTORE_SNAPSHOT),
        RESTORE_FAILED,
        ERROR_NOTIFICATION_SENT,
        retried(Step.RESTORE_SNAPSHOT, reason=": subnet group fixed"),
        *successes_from(Step.RESTORE_SNAPSHOT),
    ]


@pytest.mark.usefixtures("slow_copies")
async def test_a_copy_past_its_deadline_goes_on(resumed: ResumedRestores) -> None:
    """RDS continues the copy; the retry has the whole deadline again and makes no second copy."""
    operation = await resumed.run_to_failure(quick_request(waits={"copy_snapshot": wait("PT1S", "PT0.4S")}))
    assert resumed.rig.trail(operation)[2][:2] == ("check-copy-status", "FAILED")
    while (await retry(resumed, operation)).code:
        pass
    assert resumed.rig.trail(operation)[-7:] == successes_from(Step.CHECK_COPY_STATUS)
    assert resumed.effects("CopyDBClusterSnapshot") == 1


async def test_only_a_failed_notification_is_sent_again(resumed: ResumedRestores) -> None:
    """It reports the success."""
    resumed.fail_step(Step.SNS_NOTIFICATION)
    operation = await resumed.run_to_failure(quick_request())
    resumed.rig.demo.receive_notifications()
    assert (await retry(resumed, operation)).code == 0
    assert resumed.rig.trail(operation)[-3:] == [
        ("sns-notification", "FAILED", "Topic not found"),
        retried(Step.SNS_NOTIFICATION),
        ("sns-notification", "SUCCESS", "Notification sent"),
    ]
    [message] = resumed.rig.demo.receive_notifications()
    assert "succeeded" in message["Subject"]


@pytest.mark.usefixtures("slow_copies")
async def test_a_cancelled_restore_is_not_cancelled_again(resumed: ResumedRestores) -> None:
    """It continues at the step in which it was cancelled, and succeeds."""
    handle = await resumed.start(quick_request())
    await wait_for_state(handle, is_at(Step.CHECK_COPY_STATUS))
    await handle.cancel()
    await wait_for_failure(handle)
    operation = await resumed.operation(handle)
    said = await retry(resumed, operation)
    assert said.code == 0, said
    failed = resumed.rig.trail(operation)[2]
    assert failed[:2] == ("check-copy-status", "FAILED")
    assert resumed.rig.trail(operation)[2:] == rows_after_retry(failed, Step.CHECK_COPY_STATUS)


@pytest.mark.usefixtures("slow_copies")
async def test_a_terminated_restore_continues(resumed: ResumedRestores) -> None:
    """It continues at the step that ran; no row says that it ended, and no row is doubled."""
    handle = await resumed.start(quick_request())
    await wait_for_state(handle, is_at(Step.CHECK_COPY_STATUS))
    await handle.terminate("a test")
    operation = await resumed.operation(handle)
    said = await retry(resumed, operation)
    assert said.code == 0, said
    assert resumed.rig.trail(operation)[1:] == [
        *successes_before(Step.CHECK_COPY_STATUS),
        retried(Step.CHECK_COPY_STATUS),
        *successes_from(Step.CHECK_COPY_STATUS),
    ]


async def test_a_scheduled_restore_continues(resumed: ResumedRestores) -> None:
    """Its run under the canonical id is the child of a run that has ended; it can be reset all the same."""
    resumed.fail_step(Step.RESTORE_SNAPSHOT)
    scheduled = await resumed.start(quick_request(), f"{SCHEDULED_ID_PREFIX}orders-staging-2026-11-23T00:05:00Z")
    await wait_for_failure(scheduled)
    [operation] = {row.operation_id for row in resumed.rig.table.list_rows_by_day(NOW.date(), datetime.now(UTC).date())}
    assert (await retry(resumed, operation)).code == 0
    assert resumed.rig.trail(operation)[-5:] == successes_from(Step.RESTORE_SNAPSHOT)
    assert (await scheduled.describe()).status is WorkflowExecutionStatus.FAILED


async def test_again_and_again(resumed: ResumedRestores) -> None:
    """A retry that fails is retried, at the same step or at another; the trail has each failure and each decision once."""
    resumed.fail_step(Step.COPY_SNAPSHOT)
    resumed.fail_step(Step.RESTORE_SNAPSHOT, count=2)
    operation = await resumed.run_to_failure(quick_request())
    assert [(await retry(resumed, operation)).code for _ in range(3)] == [1, 1, 0]
    copy_failed = ("copy-snapshot", "FAILED", "KMS key not accessible")
    restore_failed = [RESTORE_FAILED, ERROR_NOTIFICATION_SENT, retried(Step.RESTORE_SNAPSHOT)]
    assert resumed.rig.trail(operation)[1:] == [
        copy_failed,
        ERROR_NOTIFICATION_SENT,
        retried(Step.COPY_SNAPSHOT),
        *successes_before(Step.RESTORE_SNAPSHOT),
        *restore_failed,
        *restore_failed,
        *successes_from(Step.RESTORE_SNAPSHOT),
    ]
    assert resumed.effects("CopyDBClusterSnapshot") == resumed.effects("DeleteDBCluster") == 1


async def test_an_operation_never_deletes_the_cluster_that_it_restored(resumed: ResumedRestores) -> None:
    """A retry from a step before the deletion is refused at snapshot-check or delete-rds, twice, with what to do."""
    resumed.fail_step(Step.ARCHIVE_SNAPSHOT)
    operation = await resumed.run_to_failure(quick_request())
    restored = target_resource_id(resumed)
    # From the latest step on: a run that ends in snapshot-check has no later step to continue from.
    for step in ("delete-rds", "copy-snapshot", "snapshot-check"):
        for options in (("--from", step), ()):
            said = await retry(resumed, operation, *options)
            assert said.code == 1, said
            assert f"was restored by {operation} itself" in said.out
            assert "Start a new restore, which replaces the cluster." in said.out
            assert target_resource_id(resumed) == restored
            assert resumed.effects("DeleteDBCluster") == resumed.effects("CopyDBClusterSnapshot") == 1

    resumed.rig.demo.emulator.faults.clear()
    next_restore = await resumed.start(quick_request())
    assert (await next_restore.result()).outcome == "succeeded"
    assert target_resource_id(resumed) != restored


async def test_from_an_earlier_step_that_changes_nothing(resumed: ResumedRestores) -> None:
    """From restore-snapshot on, everything is adopted: one copy, one deletion, one restore."""
    resumed.fail_step(Step.ARCHIVE_SNAPSHOT)
    operation = await resumed.run_to_failure(quick_request())
    restored = target_resource_id(resumed)
    assert (await retry(resumed, operation, "--from", "restore-snapshot")).code == 0
    assert target_resource_id(resumed) == restored
    assert resumed.effects("RestoreDBClusterFromSnapshot") == 1
    failed = resumed.rig.trail(operation)[7]
    assert failed[:2] == ("archive-snapshot", "FAILED")
    assert resumed.rig.trail(operation)[7:] == rows_after_retry(failed, Step.RESTORE_SNAPSHOT)


async def test_a_run_is_reset_once(resumed: ResumedRestores) -> None:
    """Not without the trail, which must first say who decided; of two operators at the same time the second is refused."""
    resumed.fail_step(Step.RESTORE_SNAPSHOT)
    operation = await resumed.run_to_failure(quick_request())
    faults = resumed.rig.demo.emulator.faults
    fault = refuse(faults, "dynamodb", "PutItem", "AccessDeniedException", count=None)
    said = await retry(resumed, operation)
    faults.remove(fault)
    assert (said.code, "Audit trail unavailable" in said.err) == (5, True)
    described = await resumed.rig.client.get_workflow_handle(CANONICAL_ID).describe()
    assert described.status is WorkflowExecutionStatus.FAILED

    resets = Resets(resumed.rig.client)
    failed = await resets.find_ended(CANONICAL_ID, operation)
    first = await resets.reset(failed, failed.reset_point(None), "a test")
    with pytest.raises(RestoreRefused, match="has started since"):
        await resets.reset(failed, failed.reset_point(None), "a test")
    handle = resumed.rig.client.get_workflow_handle(failed.workflow_id)
    assert (await handle.describe()).run_id == first
    await handle.result()


async def test_a_repeated_decision_is_one_row(resumed: ResumedRestores) -> None:
    """A command that wrote its row and died before the reset may be repeated; another decision is another row."""
    row = decision_row(
        "op-001",
        Step.RESTORE_SNAPSHOT,
        OperatorDecision(decision=Decision.RETRY, by="kim@ops", reason="fixed"),
        asked_at=NOW,
        decided_at=NOW,
        workflow_id="w",
        run_id="r",
    )
    for repeated in (row, row.model_copy(update={"timestamp": NOW + timedelta(seconds=5)})):
        write_decision(resumed.rig.table, repeated)
    assert len(resumed.rows("op-001")) == 1
    write_decision(resumed.rig.table, row.model_copy(update={"details": "Retry, decided by lee@ops"}))
    assert [row.details for row in resumed.rows("op-001")] == [
        "Retry, decided by kim@ops: fixed",
        "Retry, decided by lee@ops",
    ]


async def test_a_restore_that_was_skipped_as_too_late_begins_when_it_is_retried(resumed: ResumedRestores) -> None:
    """An operator who resets it wants it now, whenever it was due."""
    due = datetime.now(UTC) - timedelta(hours=2)
    handle = await resumed.rig.start(quick_request(), at=datetime.now(UTC), memo={DUE_AT_MEMO: due.isoformat()})
    await wait_for_failure(handle)
    operation = await resumed.operation(handle)
    assert resumed.rig.trail(operation)[0] == (Step.SNAPSHOT_CHECK, "FAILED", "Skipped: too late")
    said = await retry(resumed, operation)
    assert said.code == 0, said
    assert resumed.rig.trail(operation)[-1:] == successes_from(Step.SNS_NOTIFICATION)
