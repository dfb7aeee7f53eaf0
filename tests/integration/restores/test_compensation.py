"""A restore that ends without success removes what its request says, and one message reports all of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError

from audit.rows import Phase
from clients.rds import find_cluster
from commands.following import ending_text
from devstack.aws.fault_injection import InjectedFault
from devstack.demo_environment import REPLACED_BY
from models.request import RestoreRequest
from models.restore_state import RestoreState
from models.steps import Outcome, Step
from runs.endings import Ending
from tests.integration.restores.test_whole_restore import PAST_ITS_DEADLINE, changes, wait_for_activity
from tests.rigs.emulator import copies, delete_copies, opt_in, set_status
from tests.rigs.failing_calls import fail_step, refuse
from tests.rigs.requests import every_wait, request, wait
from tests.rigs.restores import ERROR_NOTIFICATION_SENT, RestoreRig
from tests.rigs.resumed_restores import wait_for_failure

REMOVED = ("remove-leftovers", "SUCCESS", "Leftovers removed")
CREATE_INSTANCE_DENIED = ("check-restore-status", "FAILED", "Access denied")


@pytest.fixture(autouse=True)
def _no_copy_and_opted_in(rig: RestoreRig) -> None:
    """Each test begins without copies, with a target that has opted in."""
    delete_copies(rig.demo)
    opt_in(rig.demo)
    rig.demo.emulator.calls.clear()


def removing(*, waits: dict[str, dict[str, str]] | None = None, **on_failure: str) -> RestoreRequest:
    """A request without users that says what becomes of leftovers."""
    waits = every_wait(wait("PT2H", "PT1M", "PT5M")) | (waits or {})
    return request(users=[], waits=waits, on_failure=on_failure)


TARGET_ARN = removing().target.arn


def target_status(rig: RestoreRig) -> str | None:
    """The status of the target; None if it does not exist."""
    cluster = find_cluster(rig.demo.client("rds"), "orders-staging")
    return cluster["Status"] if cluster else None


def only_message(rig: RestoreRig) -> str:
    """The text of the one notification."""
    [message] = rig.demo.receive_notifications()
    return str(message["Message"])


async def run_to_failure(rig: RestoreRig, restore_request: RestoreRequest) -> RestoreState:
    """Run a restore that fails; returns its final state."""
    handle = await rig.start(restore_request)
    await wait_for_failure(handle)
    return await rig.state(handle)


async def cancel_in(rig: RestoreRig, step: Step, restore_request: RestoreRequest) -> WorkflowHandle[Any, Any]:
    """Run a restore, cancel it after the first poll of a step, and wait for its end."""
    handle = await rig.start(restore_request)
    await wait_for_activity(rig, step)
    await handle.cancel()
    assert isinstance(await wait_for_failure(handle), CancelledError)
    return handle


@pytest.fixture
def create_instance_denied(rig: RestoreRig) -> InjectedFault:
    """check-restore-status fails for good, after the cluster itself is restored."""
    return fail_step(rig.demo.emulator.faults, Step.CHECK_RESTORE_STATUS)


@pytest.mark.usefixtures("create_instance_denied")
async def test_by_default_everything_stays(rig: RestoreRig) -> None:
    """The half-restored cluster and the copy stay; the message lists them and how to continue."""
    state = await run_to_failure(rig, removing())
    assert rig.trail()[-2:] == [CREATE_INSTANCE_DENIED, ERROR_NOTIFICATION_SENT]
    assert state.removed_arns == ()
    assert (target_status(rig), list(copies(rig.demo).values())) == ("available", ["available"])
    text = only_message(rig)
    assert re.search(r"- copy aurora-restore-orders-staging-\d{8}-\w{10}: available", text)
    assert "- target cluster orders-staging: available, restored by this operation" in text
    assert "- instances of orders-staging: none" in text
    assert "python starter.py retry op-001\n" in text


@pytest.mark.usefixtures("create_instance_denied")
async def test_a_half_restored_target_is_removed_on_request(rig: RestoreRig) -> None:
    """It goes before the notification, with intent and outcome in the trail; the copy stays, and the next restore works."""
    state = await run_to_failure(rig, removing(half_restored_target="remove"))
    assert rig.trail()[-3:] == [CREATE_INSTANCE_DENIED, REMOVED, ERROR_NOTIFICATION_SENT]
    assert state.removed_arns == (TARGET_ARN,)
    assert (target_status(rig), list(copies(rig.demo).values())) == (None, ["available"])
    text = only_message(rig)
    assert f"- removed by this operation: {TARGET_ARN}" in text
    assert "- target cluster orders-staging: gone" in text
    assert "python starter.py retry op-001 --from restore-snapshot\n" in text
    [intent] = [row for row in rig.table.list_rows("op-001") if row.phase is Phase.INTENT and not row.step.number]
    assert intent.resource_arns == (TARGET_ARN,)

    printed = ending_text(Ending(Outcome.FAILED, state, state.fault), "a restore")
    assert f"Removed: {TARGET_ARN}" in printed
    assert "UTC: target cluster orders-staging: gone" in printed
    assert "After fixing the cause:\n    python starter.py retry op-001 --from restore-snapshot" in printed

    next_state = await (await rig.start(removing())).result()
    assert (next_state.outcome, target_status(rig)) == ("succeeded", "available")


async def test_a_cancelled_restore_removes_its_unfinished_copy(rig: RestoreRig) -> None:
    """A cancelled workflow still does what its request says, and ends as cancelled."""
    handle = await cancel_in(rig, Step.CHECK_COPY_STATUS, removing(unfinished_copy="remove"))
    assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
    assert rig.trail()[-2:] == [REMOVED, ERROR_NOTIFICATION_SENT]
    assert copies(rig.demo) == {}
    state = await rig.state(handle)
    assert state.removed_arns == (state.snapshot_copy_arn,)
    assert "python starter.py retry op-001 --from copy-snapshot\n" in only_message(rig)
    assert target_status(rig) == "available"


async def test_the_removal_of_a_cancelled_restore_waits_until_the_cluster_is_gone(rig: RestoreRig) -> None:
    """The cancellation ended the step's wait; it does not end the removal's own."""
    await cancel_in(rig, Step.CHECK_RESTORE_STATUS, removing(half_restored_target="remove"))
    assert rig.trail()[-2:] == [REMOVED, ERROR_NOTIFICATION_SENT]
    assert target_status(rig) is None


@pytest.mark.usefixtures("create_instance_denied")
async def test_a_cancellation_during_the_removal_does_not_end_it(rig: RestoreRig) -> None:
    """A failed restore that is cancelled while it removes its cluster removes it all the same."""
    handle = await rig.start(removing(half_restored_target="remove"))
    await wait_for_activity(rig, "remove-leftovers")
    await handle.cancel()
    await wait_for_failure(handle)
    assert rig.trail()[-2:] == [REMOVED, ERROR_NOTIFICATION_SENT]
    assert target_status(rig) is None


async def test_a_copy_past_its_deadline_is_removed(rig: RestoreRig) -> None:
    """The deadline ended the wait, not the copy: the removal ends the copy too."""
    await run_to_failure(rig, removing(waits={"copy_snapshot": PAST_ITS_DEADLINE}, unfinished_copy="remove"))
    assert rig.trail()[-2:] == [REMOVED, ERROR_NOTIFICATION_SENT]
    assert copies(rig.demo) == {}


async def test_an_adopted_copy_is_not_removed(rig: RestoreRig) -> None:
    """The copy of an earlier operation stays, however the restore ends that adopted it."""
    await cancel_in(rig, Step.CHECK_COPY_STATUS, removing())
    rig.hooks.ended.clear()
    second = await cancel_in(rig, Step.CHECK_COPY_STATUS, removing(unfinished_copy="remove"))
    assert rig.trail("op-002")[-2:] == [("remove-leftovers", "SUCCESS", "Nothing to remove"), ERROR_NOTIFICATION_SENT]
    assert len(copies(rig.demo)) == 1
    assert (await rig.state(second)).removed_arns == ()


async def test_before_the_copy_begins_there_is_nothing_to_remove(rig: RestoreRig) -> None:
    """A restore that fails at its first read calls no removal and changes nothing."""
    refuse(rig.demo.emulator.faults, "rds", "DescribeDBClusterSnapshots", "AccessDenied")
    await run_to_failure(rig, removing(unfinished_copy="remove", half_restored_target="remove"))
    assert [row[0] for row in rig.trail()] == ["snapshot-check", "sns-notification"]
    assert changes(rig) == []


async def test_a_cluster_whose_users_are_set_up_is_not_removed(rig: RestoreRig) -> None:
    """A failure after setup-db-users is no reason to remove a cluster that is ready for use."""
    fail_step(rig.demo.emulator.faults, Step.ARCHIVE_SNAPSHOT, count=9)
    await run_to_failure(rig, removing(unfinished_copy="remove", half_restored_target="remove"))
    assert [row[0] for row in rig.trail()[-2:]] == ["archive-snapshot", "sns-notification"]
    assert target_status(rig) == "available"


@pytest.mark.usefixtures("create_instance_denied")
async def test_a_refused_removal_does_not_hide_the_failed_step(rig: RestoreRig) -> None:
    """The owner removed the opt-in tag: the cluster stays, a warning says why, and the step's error is reported."""
    rds = rig.demo.client("rds")
    rig.hooks.after["restore-snapshot"] = lambda: rds.remove_tags_from_resource(
        ResourceName=TARGET_ARN, TagKeys=[REPLACED_BY]
    )
    error = await wait_for_failure(await rig.start(removing(half_restored_target="remove")))
    assert isinstance(error, ApplicationError)
    assert error.message.startswith("check-restore-status: Access denied")
    assert rig.trail()[-2:] == [("remove-leftovers", "FAILED", "Target has not opted in"), ERROR_NOTIFICATION_SENT]
    assert target_status(rig) == "available"
    assert "Leftovers were not removed: Target has not opted in" in only_message(rig)


@pytest.mark.usefixtures("create_instance_denied")
async def test_a_removal_has_a_deadline(rig: RestoreRig) -> None:
    """If RDS does not delete the cluster within the request's wait for a deletion, the message says so."""
    faults = rig.demo.emulator.faults
    busy: dict[str, Any] = {
        "code": "InvalidDBClusterStateFault",
        "message": "DbCluster is in modifying state",
        "count": None,
    }

    def stay_busy() -> None:
        faults.add("rds", "DeleteDBCluster", "error", **busy)

    rig.hooks.after["restore-snapshot"] = stay_busy
    ten_minutes = {"delete_rds": wait("PT10M", "PT1M", "PT5M")}
    state = await run_to_failure(rig, removing(waits=ten_minutes, half_restored_target="remove"))
    faults.clear()
    assert rig.trail()[-2][0:2] == ("remove-leftovers", "FAILED")
    assert "Leftovers were not removed: Leftovers not removed: orders-staging (available)" in state.warnings[-1]
    assert "WARNINGS\n- Leftovers were not removed" in only_message(rig)


async def test_an_unavailable_aws_does_not_suppress_the_notification(rig: RestoreRig) -> None:
    """Neither the removal nor the inventory delay the message beyond their time; it says what is unknown."""
    handle = await rig.start(removing(unfinished_copy="remove"))
    await wait_for_activity(rig, Step.CHECK_COPY_STATUS)
    outage = refuse(rig.demo.emulator.faults, "rds", "*", "AccessDenied", count=None)
    await handle.cancel()
    await wait_for_failure(handle)
    rig.demo.emulator.faults.remove(outage)
    text = only_message(rig)
    assert "Unknown: Access denied; check in AWS." in text
    assert "- target cluster orders-staging: unknown: Access denied" in text
    assert "Leftovers were not removed: Access denied" in text


@pytest.fixture
async def orphan(rig: RestoreRig) -> str:
    """The identifier of a failed copy that op-001 left."""
    handle = await cancel_in(rig, Step.CHECK_COPY_STATUS, removing())
    [identifier] = copies(rig.demo)
    assert "ORPHANS OF EARLIER" not in only_message(rig)
    set_status(rig.demo, str((await rig.state(handle)).snapshot_copy_arn), "failed")
    rig.demo.take_automated_snapshot()
    return identifier


async def test_every_message_lists_the_orphans(rig: RestoreRig, orphan: str) -> None:
    """Of a failed restore and of a successful one; the operation's own copy is no orphan."""
    fail_step(rig.demo.emulator.faults, Step.COPY_SNAPSHOT)
    await run_to_failure(rig, removing())
    texts = [only_message(rig)]
    state = await (await rig.start(removing())).result()
    assert state.outcome == "succeeded"
    texts.append(only_message(rig))
    for text in texts:
        assert f"ORPHANS OF EARLIER RESTORES\n- {orphan}: failed (failed), of op-001" in text
        assert "python starter.py cleanup REQUEST_FILE" in text


@pytest.mark.usefixtures("create_instance_denied")
async def test_nothing_is_removed_while_an_operator_may_decide(rig: RestoreRig) -> None:
    """The operator may continue with what exists; it is removed when the time is over."""
    handle = await rig.start(removing(half_restored_target="remove", wait_for_operator="PT4H"))
    await wait_for_failure(handle)
    first, last = (str(message["Message"]) for message in rig.demo.receive_notifications())
    assert " UTC for a decision.\n" in first
    assert "- target cluster orders-staging: available, restored by this operation" in first
    assert "- target cluster orders-staging: gone" in last
    assert rig.trail()[-3:] == [ERROR_NOTIFICATION_SENT, REMOVED, ERROR_NOTIFICATION_SENT]
