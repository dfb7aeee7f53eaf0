"""A night that ended goes on from its failed step, under its number: `starter.py retry`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import WorkflowExecutionStatus

from audit.decisions import decision_row, write_decision
from clients.rds import find_cluster
from devstack.aws import Durations
from devstack.demo_environment import DemoEnvironment
from models.decisions import Decision, OperatorDecision
from models.operation import RestoreState
from models.steps import Step
from models.workflow_names import RESTORE_WORKFLOW
from runs.resets import Resets
from runs.restores import RestoreRefused
from tests.rigs.resumed_restores import REST, TOLD, GoingOn, Row, Said, asked, ended, through

NOW = datetime.now(UTC)
COPIED = ("copy-snapshot", "SUCCESS", "Started copy to target region")
LOOKED = ("check-copy-status", "SUCCESS", "Copy completed")
DELETED = ("delete-rds", "SUCCESS", "Deleted existing cluster")
RESTORED = ("restore-snapshot", "SUCCESS", "Started restore process")


@pytest.fixture
def slow_copies(demo_at_once: DemoEnvironment) -> Iterator[None]:
    """A copy takes 4 seconds, in which it can be cancelled on a busy machine too."""
    emulator = demo_at_once.emulator
    before = emulator.durations
    emulator.durations = Durations(**vars(before) | {"copy": 4.0})
    yield
    emulator.durations = before


async def test_a_night_that_failed_at_its_restore_goes_on_there(on: GoingOn) -> None:
    """The trail reads as it was: failure, notification, who let it go on, the step again, the rest; one number, one copy."""
    on.failing("restore-snapshot")
    operation = await on.failed(asked())
    said = await on.operator("retry", operation, "--by", "kim@ops", "--reason", "subnet group mended")
    assert said.code == 0, said
    assert on.trail(operation)[1:] == [
        *through(failed_at="restore-snapshot"),
        ("restore-snapshot", "FAILED", "Invalid VPC configuration"),
        TOLD,
        ("restore-snapshot", "IN_PROGRESS", "Retry, decided by kim@ops: subnet group mended"),
        ("restore-snapshot", "SUCCESS", "Started restore process"),
        *REST,
    ]


def goes_on(failed: Row, *again: Row, by: str = "kim@ops") -> list[Row]:
    """The rows from a failure on: it, its notification, the decision, and the steps again."""
    return [failed, TOLD, (again[0][0], "IN_PROGRESS", f"Retry, decided by {by}"), *again]


async def retried(on: GoingOn, operation: str, *more: str) -> Said:
    return await on.operator("retry", operation, "--by", "kim@ops", *more)


async def test_a_night_that_failed_at_its_copy(on: GoingOn) -> None:
    """It copies, and snapshot-check is not taken again."""
    on.failing("copy-snapshot")
    operation = await on.failed(asked())
    assert (await retried(on, operation)).code == 0
    failed = ("copy-snapshot", "FAILED", "KMS key not accessible")
    assert on.trail(operation)[1:] == goes_on(failed, COPIED, LOOKED, DELETED, RESTORED, *REST)
    assert on.changes("CopyDBClusterSnapshot") == 1


async def test_a_night_whose_copy_took_too_long(on: GoingOn, slow_copies: None) -> None:
    """A copy past its deadline goes on without us; the retry has the whole deadline again and no second copy."""
    short = {"deadline": "PT1S", "first_interval": "PT0.4S", "maximum_interval": "PT0.4S"}
    operation = await on.failed(asked(waits={"copy_snapshot": short}))
    assert on.trail(operation)[2][:2] == ("check-copy-status", "FAILED")
    while (await retried(on, operation)).code:
        pass
    assert on.trail(operation)[-7:] == [LOOKED, DELETED, RESTORED, *REST]
    assert on.changes("CopyDBClusterSnapshot") == 1


async def test_a_night_whose_last_word_failed(on: GoingOn) -> None:
    """Only the notification is sent again, and it tells of a success."""
    on.failing("sns-notification")
    operation = await on.failed(asked())
    on.bench.demo.receive_notifications()
    assert (await retried(on, operation)).code == 0
    assert on.trail(operation)[-3:] == [
        ("sns-notification", "FAILED", "Topic not found"),
        ("sns-notification", "IN_PROGRESS", "Retry, decided by kim@ops"),
        ("sns-notification", "SUCCESS", "Notification sent"),
    ]
    [message] = on.bench.demo.receive_notifications()
    assert "succeeded" in message["Subject"]


async def test_a_cancelled_night_is_not_cancelled_again(on: GoingOn, slow_copies: None) -> None:
    """It goes on at the step that it was cancelled at, to its good end."""
    handle = await on.start(asked())
    await on.until(handle, lambda state: at(state) == "check-copy-status")
    await handle.cancel()
    await ended(handle)
    operation = await on.operation(handle)
    said = await retried(on, operation)
    assert said.code == 0, said
    failed = on.trail(operation)[2]
    assert failed[:2] == ("check-copy-status", "FAILED")
    assert on.trail(operation)[2:] == goes_on(failed, LOOKED, DELETED, RESTORED, *REST)


async def test_a_terminated_night_goes_on(on: GoingOn, slow_copies: None) -> None:
    """At the step that was under way: nobody wrote that it ended, and nothing is told twice."""
    handle = await on.start(asked())
    await on.until(handle, lambda state: at(state) == "check-copy-status")
    await handle.terminate("a test")
    operation = await on.operation(handle)
    said = await retried(on, operation)
    assert said.code == 0, said
    decided = ("check-copy-status", "IN_PROGRESS", "Retry, decided by kim@ops")
    assert on.trail(operation)[1:] == [COPIED, decided, LOOKED, DELETED, RESTORED, *REST]


async def test_a_night_of_a_schedule_goes_on(on: GoingOn) -> None:
    """Its run under the target's id is the child of a run that has ended; that does not keep it from going on."""
    on.failing("restore-snapshot")
    scheduled = await on.start(asked(), "aurora-restore-orders-staging-2026-11-23T00:05:00Z")
    await ended(scheduled)
    [operation] = {row.operation_id for row in on.bench.table.list_rows_by_day(NOW.date(), datetime.now(UTC).date())}
    assert (await retried(on, operation)).code == 0
    assert on.trail(operation)[-5:] == [RESTORED, *REST]
    assert (await scheduled.describe()).status is WorkflowExecutionStatus.FAILED


async def test_twice_in_a_row(on: GoingOn) -> None:
    """A retry that fails again is retried again; each failure and each decision stands in the trail once."""
    on.failing("restore-snapshot", times=2)
    operation = await on.failed(asked())
    assert (await retried(on, operation)).code == 1
    assert (await retried(on, operation)).code == 0
    failed = ("restore-snapshot", "FAILED", "Invalid VPC configuration")
    once = goes_on(failed, RESTORED)[:3]
    assert on.trail(operation)[4:] == [*once, *once, RESTORED, *REST]
    assert on.changes("CopyDBClusterSnapshot") == on.changes("DeleteDBCluster") == 1


@pytest.mark.parametrize("step", ["snapshot-check", "copy-snapshot", "delete-rds"])
async def test_what_an_operation_restored_is_never_deleted_by_it(on: GoingOn, step: str) -> None:
    """From a step before the deletion the copy is adopted and the restored cluster refused, with a reason to act on."""
    on.failing("archive-snapshot")
    operation = await on.failed(asked())
    there = cluster(on)
    said = await retried(on, operation, "--from", step)
    assert said.code == 1
    assert f"was restored by {operation} itself" in said.out
    assert "Start a new restore, which replaces the cluster." in said.out
    assert cluster(on) == there
    assert on.changes("DeleteDBCluster") == on.changes("CopyDBClusterSnapshot") == 1

    said = await retried(on, operation, "--from", "delete-rds")
    assert said.code == 1
    on.bench.demo.emulator.faults.clear()
    night = await on.start(asked())
    assert (await night.result()).outcome == "succeeded"
    assert cluster(on) != there


async def test_from_an_earlier_step_that_harms_nothing(on: GoingOn) -> None:
    """From restore-snapshot on, what is there is adopted: one copy, one deletion, one restore."""
    on.failing("archive-snapshot")
    operation = await on.failed(asked())
    there = cluster(on)
    assert (await retried(on, operation, "--from", "restore-snapshot")).code == 0
    assert cluster(on) == there
    assert on.changes("RestoreDBClusterFromSnapshot") == 1
    failed = on.trail(operation)[7]
    assert failed[:2] == ("archive-snapshot", "FAILED")
    assert on.trail(operation)[7:] == goes_on(failed, RESTORED, *REST)


async def test_a_run_is_reset_once(on: GoingOn) -> None:
    """Two operators at the same time: one run goes on, and the second call finds it."""
    on.failing("restore-snapshot")
    operation = await on.failed(asked())
    resets = Resets(on.bench.client)
    failed = await resets.find_ended(asked().target.workflow_id, operation)
    first = await resets.reset(failed, failed.reset_point(None), "a test")
    with pytest.raises(RestoreRefused, match="has started since"):
        await resets.reset(failed, failed.reset_point(None), "a test")
    handle = on.bench.client.get_workflow_handle(failed.workflow_id)
    assert (await handle.describe()).run_id == first
    await handle.result()


async def test_the_same_decision_told_again_is_one_row(on: GoingOn) -> None:
    """A call that wrote its row and did not come to the reset may be repeated; another reason is another row."""
    row = decision_row(
        "op-001",
        Step.RESTORE_SNAPSHOT,
        OperatorDecision(decision=Decision.RETRY, by="kim@ops", reason="mended"),
        asked_at=NOW,
        decided_at=NOW,
        workflow_id="w",
        run_id="r",
    )
    for again in (row, row.model_copy(update={"timestamp": NOW + timedelta(seconds=5)})):
        write_decision(on.bench.table, again)
    assert len(on.rows("op-001")) == 1
    write_decision(on.bench.table, row.model_copy(update={"details": "Retry, decided by lee@ops"}))
    assert [row.details for row in on.rows("op-001")] == [
        "Retry, decided by kim@ops: mended",
        "Retry, decided by lee@ops",
    ]


async def test_without_the_trail_nothing_is_reset(on: GoingOn) -> None:
    """No row, no reset: who let the night go on must be known first."""
    on.failing("restore-snapshot")
    operation = await on.failed(asked())
    fault = on.bench.demo.emulator.faults.add(
        "dynamodb", "PutItem", "error", code="AccessDeniedException", message="no", status=400, count=None
    )
    said = await retried(on, operation)
    on.bench.demo.emulator.faults.remove(fault)
    assert (said.code, "Audit trail unavailable" in said.err) == (5, True)
    described = await on.bench.client.get_workflow_handle(asked().target.workflow_id).describe()
    assert described.status is WorkflowExecutionStatus.FAILED


async def test_what_cannot_be_retried_is_refused_with_a_sentence(on: GoingOn, slow_copies: None) -> None:
    """Each with exit code 3, and with what to do instead."""
    assert refuses(await retried(on, "op-999"), "Temporal has no restore of operation op-999")

    on.failing("copy-snapshot")
    first = await on.failed(asked())
    said = await retried(on, first, "--from", "setup-db-users")
    assert refuses(said, f"{first} did not reach setup-db-users. Its steps: snapshot-check, copy-snapshot")
    assert refuses(await on.operator("skip", first), f"{first} has ended and waits for no decision")

    handle = await on.start(asked())
    await on.until(handle, lambda state: at(state) == "check-copy-status")
    second = await on.operation(handle)
    running = await retried(on, second)
    assert refuses(running, f"{second} is running and waits for no decision")
    assert refuses(await retried(on, second, "--from", "copy-snapshot"), f"{second} has not ended")
    older = await retried(on, first)
    assert refuses(older, f"{first} is not the newest operation of its target: {second} is newer and is running")
    await handle.result()
    assert refuses(await retried(on, second), f"{second} succeeded; there is nothing to retry")
    assert "ended as completed" in (await retried(on, first)).err


async def test_a_night_without_a_first_step_is_refused(on: GoingOn) -> None:
    """Terminated before it came to anything: there is nothing to go on from."""
    handle = await on.bench.client.start_workflow(
        RESTORE_WORKFLOW, asked(), id=asked().target.workflow_id, task_queue="nobody-there"
    )
    await handle.terminate("a test")
    for _ in range(50):  # Temporal's lists lag
        said = await retried(on, asked().target.workflow_id)
        if "ended before its first step" in said.err:
            break
    assert refuses(said, f"{asked().target.workflow_id} ended before its first step")


def refuses(said: Said, *sentence: str) -> bool:
    """Exit code 3, nothing on stdout, and all of the sentence on stderr."""
    assert (said.code, said.out) == (3, ""), said
    assert all(part in said.err for part in sentence), said.err
    return True


def at(state: RestoreState) -> str:
    """The step that a night is at."""
    return state.steps[-1].step.value if state.steps else ""


def cluster(on: GoingOn) -> str:
    """The resource id of the target as it is."""
    found = find_cluster(on.bench.demo.client("rds"), "orders-staging")
    assert found is not None
    return found["DbClusterResourceId"]
