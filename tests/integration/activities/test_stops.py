"""A stopped target is started before it is deleted, and the restored cluster is stopped at the end, if the request asks."""

from __future__ import annotations

from typing import Any

import pytest

from errors import ResourceBusy, StepFailed
from models.configuration import AfterRestore, WhenStopped
from models.snapshots import SourceSnapshot
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import TARGET_REGION


@pytest.fixture
def snapshot(rig: ActivityRig) -> SourceSnapshot:
    """A snapshot of the source, copied into the target's region; the request starts and stops."""
    rig.target = rig.target.model_copy(update={"when_stopped": WhenStopped.START, "after": AfterRestore.STOP})
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    return snapshot


def stop_target(rig: ActivityRig) -> None:
    rig.rds().stop_db_cluster(DBClusterIdentifier=rig.target.cluster)


def restore(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    outcome = rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    rig.advance_clock()
    rig.poll_until_done(rig.restored.check_restore_status, rig.check_restore_input(outcome.cluster_resource_id))


def archive(rig: ActivityRig, snapshot: SourceSnapshot) -> Any:
    return rig.run(rig.snapshots.archive_snapshot, rig.archive_input(rig.copy_of(snapshot), snapshot=snapshot))


def test_a_stopped_target_is_started_then_deleted(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Also one that is still stopping; nothing is declared or deleted before it is up."""
    resource_id = rig.make_target(instances=1)
    stop_target(rig)
    rig.clear_calls()
    step_input = rig.delete_input(snapshot, resource_id)
    assert rig.run(rig.clusters.delete_rds, step_input).details == "cluster stopping"
    assert rig.rows() == []
    assert rig.poll_until_done(rig.clusters.delete_rds, step_input).details == "Deleted existing cluster"
    assert rig.changes() == ["StartDBCluster staging", "DeleteDBInstance staging-1", "DeleteDBCluster staging"]


def test_a_stopped_half_restored_cluster_is_started_then_removed(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Someone stopped it to save its costs; remove-leftovers deletes it all the same, as delete-rds would."""
    resource_id = rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot)).cluster_resource_id
    rig.advance_clock()
    stop_target(rig)
    rig.advance_clock()
    rig.clear_calls()
    outcome = rig.poll_until_done(rig.leftovers.remove_leftovers, rig.leftovers_input(cluster_resource_id=resource_id))
    assert outcome.details == "Leftovers removed"
    assert rig.changes() == ["StartDBCluster staging", "DeleteDBCluster staging"]


def test_a_start_is_asked_for_once(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Run twice, as after a lost answer; RDS may also say that it is busy."""
    step_input = rig.delete_input(snapshot, rig.make_target(instances=1))
    stop_target(rig)
    rig.advance_clock()
    rig.clear_calls()
    rig.emulator.faults.add("rds", "StartDBCluster", "error", code="InvalidDBClusterStateFault", message="busy")
    details = [rig.run(rig.clusters.delete_rds, step_input, attempt=attempt).details for attempt in (1, 2, 3)]
    assert details == ["starting the stopped cluster", "starting the stopped cluster", "cluster starting"]
    assert rig.changes() == ["StartDBCluster staging"]


def test_the_restored_cluster_is_stopped_once(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """By the last step before the notification, whose Details say so; run twice, it is stopping already."""
    restore(rig, snapshot)
    rig.clear_calls()
    assert archive(rig, snapshot).details == "Snapshot archived, cluster stopping"
    assert archive(rig, snapshot).details == "Snapshot archived, cluster stopping"
    assert [change for change in rig.changes() if "Cluster" in change] == ["StopDBCluster staging"]
    rig.advance_clock()
    assert archive(rig, snapshot).details == "Snapshot archived, cluster stopping"
    assert (rig.cluster() or {})["Status"] == "stopped"


def test_a_cluster_that_is_busy_is_stopped_by_a_later_attempt(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A backup may be running; Temporal repeats the step."""
    restore(rig, snapshot)
    rig.emulator.faults.add("rds", "StopDBCluster", "error", code="InvalidDBClusterStateFault", message="backing-up")
    with pytest.raises(ResourceBusy):
        archive(rig, snapshot)
    assert archive(rig, snapshot).done


def test_no_other_cluster_is_stopped(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Someone renamed the restored cluster and gave its name to another, or to none."""
    with pytest.raises(StepFailed, match="Cluster not stopped: .* is gone"):
        archive(rig, snapshot)
    rig.make_cluster(TARGET_REGION, rig.target.cluster)
    rig.clear_calls()
    with pytest.raises(StepFailed, match="Cluster not stopped: .* was not restored by this operation"):
        archive(rig, snapshot)
    assert rig.calls("StopDBCluster") == []
