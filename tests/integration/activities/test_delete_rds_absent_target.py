"""delete-rds when no cluster has the name of the target: deleted, renamed, or never there."""

from __future__ import annotations

import pytest

from activities.clusters.replacement import ClusterActivities
from errors import Refused, StepFailed
from models.snapshots import SourceSnapshot
from tests.rigs.activities import ActingTrail, ActivityRig
from tests.rigs.deletions import DELETIONS, delete

BUSY = "DbCluster staging is in modifying state"


def test_a_target_deleted_by_someone_else_is_the_seeds_failure(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Gone without this operation's intent: Cluster not found."""
    with pytest.raises(StepFailed) as failed:
        delete(rig, snapshot, "cluster-SEENBEFORE")
    assert failed.value.fault.short == "Cluster not found"
    assert failed.value.fault.code == "DBClusterNotFoundFault"


def test_a_target_renamed_after_the_intent_is_kept(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """It is not gone: a user who renames it wants to keep it, and nothing more of it is deleted."""
    step_input = rig.delete_input(snapshot, rig.make_target())
    rig.emulator.faults.add("rds", "DeleteDBCluster", "error", code="InvalidDBClusterStateFault", message=BUSY, skip=1)
    assert not rig.run(rig.clusters.delete_rds, step_input).done
    new_name = f"kept-{rig.number}"
    rig.rename_target(new_name)
    rig.clear_calls()
    with pytest.raises(Refused) as refused:
        rig.run(rig.clusters.delete_rds, step_input)
    assert refused.value.fault.short == "Target was renamed"
    assert f"is now named {new_name}" in refused.value.fault.message
    assert rig.calls(*DELETIONS) == []
    assert rig.rds().describe_db_clusters(DBClusterIdentifier=new_name)["DBClusters"]


@pytest.mark.parametrize("during_the_intent", [False, True])
def test_a_target_whose_rename_has_begun_is_refused_with_its_new_name(
    rig: ActivityRig, snapshot: SourceSnapshot, during_the_intent: bool
) -> None:
    """RDS shows at first only that a name is pending, and would still delete; the operator reads where the cluster is."""
    step_input, new_name = rig.delete_input(snapshot, rig.make_target()), f"kept-{rig.number}"
    names = {"DBClusterIdentifier": rig.target.cluster, "NewDBClusterIdentifier": new_name}

    def begin() -> None:
        rig.rds().modify_db_cluster(**names, ApplyImmediately=True)

    trail = ActingTrail(rig.intents, begin) if during_the_intent else rig.intents
    if not during_the_intent:
        begin()
    assert not rig.run(ClusterActivities(rig.aws, trail).delete_rds, step_input).done
    rig.advance_clock()
    with pytest.raises(Refused, match=f"is now named {new_name}"):
        rig.run(rig.clusters.delete_rds, step_input)
    assert rig.calls(*DELETIONS) == []


def test_a_target_renamed_while_it_is_being_deleted_is_waited_for(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """RDS may list the cluster only under its other name: it is deleting, and so not gone yet."""
    step_input = rig.delete_input(snapshot, rig.make_target(instances=0))
    rig.rename_target(f"renamed-{rig.number}")
    rig.rds().delete_db_cluster(DBClusterIdentifier=f"renamed-{rig.number}", SkipFinalSnapshot=True)
    assert not rig.run(rig.clusters.delete_rds, step_input).done


def test_a_first_restore_without_a_target_has_nothing_to_delete(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """If the request allows it."""
    assert delete(rig, snapshot, None).details == "No cluster to delete"
