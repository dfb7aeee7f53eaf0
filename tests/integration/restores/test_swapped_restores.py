"""Whole restores that swap names, in skipped time and without a database: their order, and what a failure leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError

from audit.rows import Phase
from devstack.demo_environment import TARGET, DemoEnvironment
from models.restore_state import RestoreState
from models.steps import STEPS, Housekeeping, Outcome, Replacement, Status, Step
from tests.rigs.emulator import prepare_next_restore
from tests.rigs.failing_calls import fail_step
from tests.rigs.requests import request
from tests.rigs.restores import RestoreRig, run_worker, worker_parts

NEXT, OLD = f"{TARGET}-next", f"{TARGET}-old"
KEEP = {"half_restored_target": "keep"}


@pytest.fixture
async def rig(watching_temporal: Client, brief_demo: DemoEnvironment) -> AsyncIterator[RestoreRig]:
    """One trail for all tests: an operation's number is in the names of its instances."""
    brief_demo.emulator.faults.clear()
    put_names_back(brief_demo)
    unprotect(brief_demo)
    prepare_next_restore(brief_demo)
    async with run_worker(watching_temporal, brief_demo, worker_parts(brief_demo, "swapped")) as rig:
        yield rig


def clusters(demo: DemoEnvironment) -> dict[str, str]:
    """The resource id of each cluster in the target's region, by its name."""
    described = demo.client("rds").describe_db_clusters()["DBClusters"]
    return {cluster["DBClusterIdentifier"]: cluster["DbClusterResourceId"] for cluster in described}


def put_names_back(demo: DemoEnvironment) -> None:
    """What an operator does after a swap that failed: no cluster but the target is left."""
    rds = demo.client("rds")
    if OLD in clusters(demo):
        rds.modify_db_cluster(DBClusterIdentifier=OLD, NewDBClusterIdentifier=TARGET, ApplyImmediately=True)
        demo.wait_until(lambda: TARGET in clusters(demo))
    if NEXT in clusters(demo):
        described = rds.describe_db_clusters(DBClusterIdentifier=NEXT)["DBClusters"][0]
        for member in described["DBClusterMembers"]:
            rds.delete_db_instance(DBInstanceIdentifier=member["DBInstanceIdentifier"])
        rds.delete_db_cluster(DBClusterIdentifier=NEXT, SkipFinalSnapshot=True)
        demo.wait_until(lambda: NEXT not in clusters(demo))


def swap_request(**changes: Any) -> Any:
    return request(users=[], **changes, target={"replacement": "swap", "swap": {"deadline": "PT8M"}})


async def fail(rig: RestoreRig, **changes: Any) -> RestoreState:
    """A restore that fails; returns its state."""
    handle = await rig.start(swap_request(**changes))
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    return await rig.state(handle)


async def test_the_old_cluster_is_deleted_last(rig: RestoreRig) -> None:
    """The trail has the steps in their order, every read finds a target, and the next swap names its instances otherwise."""
    before = clusters(rig.demo)[TARGET]
    for _ in range(2):
        state = await (await rig.start(swap_request())).result()
        rows = [row for row in rig.table.list_rows(state.operation_id or "") if row.phase is Phase.OUTCOME]
        steps = [row.step for row in sorted(rows, key=lambda row: row.timestamp)]
        assert steps == [step.step for step in state.steps] == list(STEPS[Replacement.SWAP])
        assert clusters(rig.demo) == {TARGET: state.cluster_resource_id} != {TARGET: before}
        [instance] = rig.demo.client("rds").describe_db_instances()["DBInstances"]
        assert instance["DBInstanceIdentifier"] == f"{TARGET}-{state.operation_id}-1"
        deleted = next(row for row in rows if row.step is Step.DELETE_RDS)
        assert deleted.resource_arns == (f"{state.target_arn}-old",)
        before = state.cluster_resource_id or ""
        rig.demo.take_automated_snapshot()


@pytest.mark.parametrize("step", [Step.CHECK_RESTORE_STATUS, Step.SWAP_CLUSTERS])
async def test_a_failure_after_any_step_leaves_the_old_cluster(rig: RestoreRig, step: Step) -> None:
    """Untouched, under its name; what was restored beside it is removed, so that the next swap has the names.

    Before the swap itself the target is read again: it may have been protected at any moment since the preflight.
    """
    before = describe_target(rig.demo)
    if step is Step.SWAP_CLUSTERS:
        rig.hooks.after[Step.SETUP_DB_USERS] = lambda: protect(rig.demo)
    else:
        fail_step(rig.demo.emulator.faults, step)
    state = await fail(rig)
    unprotect(rig.demo)
    assert state.failed_step is step
    assert state.fault is not None
    assert state.fault.short == ("Deletion protection is on" if step is Step.SWAP_CLUSTERS else "Access denied")
    assert describe_target(rig.demo) == before
    assert clusters(rig.demo).keys() == {TARGET}
    assert state.removed_arns == (f"{state.target_arn}-next",)


def describe_target(demo: DemoEnvironment) -> dict[str, Any]:
    """Without the times that go on by themselves."""
    [described] = demo.client("rds").describe_db_clusters(DBClusterIdentifier=TARGET)["DBClusters"]
    return {name: value for name, value in described.items() if not name.endswith("RestorableTime")}


def protect(demo: DemoEnvironment) -> None:
    demo.client("rds").modify_db_cluster(DBClusterIdentifier=TARGET, DeletionProtection=True, ApplyImmediately=True)


def unprotect(demo: DemoEnvironment) -> None:
    demo.client("rds").modify_db_cluster(DBClusterIdentifier=TARGET, DeletionProtection=False, ApplyImmediately=True)


async def test_a_swap_that_fails_halfway_is_taken_back(rig: RestoreRig) -> None:
    """The second rename is refused for good: the old cluster gets its name back, and trail and message say so."""
    before = clusters(rig.demo)[TARGET]
    rig.demo.emulator.faults.add(
        "rds", "ModifyDBCluster", "error", code="AccessDenied", message="not allowed", status=403, count=1, skip=2
    )
    state = await fail(rig, on_failure=KEEP)
    assert (state.failed_step, state.outcome) == (Step.SWAP_CLUSTERS, Outcome.FAILED)
    assert clusters(rig.demo) == {TARGET: before, NEXT: state.cluster_resource_id}
    rows = rig.table.list_rows(state.operation_id or "")
    [back] = [row for row in rows if row.step is Housekeeping.SWAP_BACK and row.phase is Phase.OUTCOME]
    assert (back.status, back.details) == (Status.SUCCESS, "Old cluster has its name again")
    [message] = rig.demo.receive_notifications()
    assert f"cluster {TARGET}: available" in message["Message"]
    assert f"cluster {NEXT}: available, restored by this operation" in message["Message"]


async def test_a_swap_that_cannot_be_taken_back_says_which_cluster_has_which_name(rig: RestoreRig) -> None:
    """No rename is allowed any more: the message has both names and what to do."""
    before = clusters(rig.demo)[TARGET]
    rig.demo.emulator.faults.add(
        "rds", "ModifyDBCluster", "error", code="AccessDenied", message="not allowed", status=403, count=None, skip=2
    )
    state = await fail(rig, on_failure=KEEP)
    assert state.fault is not None
    assert state.fault.short == "Access denied"
    assert f"{before} is named {OLD} (available)" in state.fault.message
    assert f"{state.cluster_resource_id} is named {NEXT} (available)" in state.fault.message
    assert "Rename them by hand: aws rds modify-db-cluster" in state.fault.message
    assert "The clusters were not swapped: Access denied" in state.warnings
