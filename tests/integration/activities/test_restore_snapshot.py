"""restore-snapshot: one cluster under the target's name, from this night's copy, or none."""

from __future__ import annotations

from typing import Any

import pytest

from errors import Refused, ResourceBusy, StepFailed
from models.snapshots import SourceSnapshot
from tests.rigs.activities import ActivityRig


@pytest.fixture
def snapshot(rig: ActivityRig) -> SourceSnapshot:
    """Last night's snapshot, copied."""
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    return snapshot


def restore(rig: ActivityRig, snapshot: SourceSnapshot, **more: Any) -> Any:
    return rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot, **more))


def failure(rig: ActivityRig, snapshot: SourceSnapshot, **more: Any) -> StepFailed:
    with pytest.raises(StepFailed) as failed:
        restore(rig, snapshot, **more)
    return failed.value


def test_the_cluster_is_restored_as_the_request_says(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Engine version of the snapshot, network of the request, the opt-in for the next night, no public door."""
    rig.target = rig.target.model_copy(update={"port": 5555})
    rig.clear_calls()
    answer = restore(rig, snapshot)
    cluster = rig.cluster()
    assert cluster is not None
    assert answer.details == "Started restore process"
    assert answer.cluster_arn == rig.target.arn
    assert answer.cluster_resource_id == cluster["DbClusterResourceId"]
    assert answer.resource_arns == (rig.target.arn, rig.copy_of(snapshot).arn)
    (call,) = rig.calls("RestoreDBClusterFromSnapshot")
    assert (cluster["EngineVersion"], call.parameters["Port"]) == ("16.6", 5555)
    assert (cluster["DBSubnetGroup"], cluster["DeletionProtection"]) == ("staging", False)
    groups = [group["VpcSecurityGroupId"] for group in cluster["VpcSecurityGroups"]]
    assert groups == [rig.shared.security_group]
    assert {tag["Key"]: tag["Value"] for tag in cluster["TagList"]} == {
        "aurora-restore:replaced-by": rig.source.arn,
        "aurora-restore:operation": rig.operation_id,
        "aurora-restore:restored-from": rig.copy_of(snapshot).arn,
    }


def test_the_engine_version_is_pinned(rig: ActivityRig) -> None:
    """Left out, RDS would take the region's default and upgrade the copy of production unasked."""
    rig._make_cluster("eu-west-1", rig.source.cluster, StorageEncrypted=True, EngineVersion="15.4")
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    restore(rig, snapshot)
    cluster = rig.cluster()
    assert cluster is not None
    assert cluster["EngineVersion"] == "15.4"


def test_a_second_run_adopts_the_cluster(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Run twice: one restore, one cluster, the same answer."""
    first = restore(rig, snapshot)
    rig.clear_calls()
    assert restore(rig, snapshot) == first
    assert rig.calls("RestoreDBClusterFromSnapshot") == []


def test_an_existing_cluster_is_not_adopted(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A cluster that somebody made since the deletion is theirs."""
    rig.make_target(instances=0)
    rig.clear_calls()
    with pytest.raises(Refused, match="Another cluster has the target's name"):
        restore(rig, snapshot)
    assert rig.changes() == []


def test_a_cluster_of_another_operation_is_not_adopted(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Nor one that another operation restored, even from the same copy."""
    restore(rig, snapshot)
    rig.operation_id = "op-999999"
    with pytest.raises(Refused, match="op-999999 did not restore it"):
        restore(rig, snapshot)


def test_an_old_cluster_on_its_way_out_is_waited_for(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """RDS may show the deleted cluster once more; that is no stranger."""
    rig.make_target(instances=0)
    rig.rds().delete_db_cluster(DBClusterIdentifier=rig.target.cluster, SkipFinalSnapshot=True)
    with pytest.raises(ResourceBusy, match="Old cluster still being deleted"):
        restore(rig, snapshot)
    rig.advance_clock()
    assert restore(rig, snapshot).done


def test_an_old_cluster_that_is_not_shown_is_waited_for(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """AlreadyExists for a name that no cluster answers to is looked at again, not failed."""
    rig.make_target(instances=0)
    rig.rds().delete_db_cluster(DBClusterIdentifier=rig.target.cluster, SkipFinalSnapshot=True)
    rig.emulator.faults.add("rds", "DescribeDBClusters", "error", code="DBClusterNotFoundFault", count=2)
    with pytest.raises(ResourceBusy, match="Cluster not visible yet"):
        restore(rig, snapshot)


@pytest.mark.parametrize(
    ("code", "short"),
    [
        ("InvalidVPCNetworkStateFault", "Invalid VPC configuration"),
        ("InvalidSubnet", "Invalid VPC configuration"),
        ("DBSubnetGroupNotFoundFault", "Invalid VPC configuration"),
        ("DBSubnetGroupDoesNotCoverEnoughAZs", "Invalid VPC configuration"),
        ("DBClusterSnapshotNotFoundFault", "Invalid snapshot ID"),
        ("KMSKeyNotAccessibleFault", "KMS key not accessible"),
        ("DBClusterParameterGroupNotFound", "Parameter group not found"),
        ("DBClusterQuotaExceededFault", "Cluster quota exceeded"),
    ],
)
def test_a_refusal_of_rds_has_the_seeds_text(rig: ActivityRig, snapshot: SourceSnapshot, code: str, short: str) -> None:
    """What vanished after snapshot-check shows here, under the texts of the seed, with RDS's own words."""
    rig.emulator.faults.add("rds", "RestoreDBClusterFromSnapshot", "error", code=code, message="RDS says so")
    error = failure(rig, snapshot)
    assert (error.fault.short, error.fault.code) == (short, code)
    assert "RDS says so" in error.fault.message
    assert error.fault.request_id


def test_a_network_that_vanished_is_told(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The real thing: a subnet group that is not there any more."""
    target = rig.target.model_copy(update={"db_subnet_group_name": "gone"})
    assert failure(rig, snapshot, target=target).fault.short == "Invalid VPC configuration"


def test_a_copy_that_vanished_is_told(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The real thing: a copy that was deleted in the meantime."""
    rig.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=rig.copy_of(snapshot).identifier)
    assert failure(rig, snapshot).fault.short == "Invalid snapshot ID"


def test_a_stranger_under_the_copys_name_is_not_restored(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Data of something else never becomes staging."""
    rig.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=rig.copy_of(snapshot).identifier)
    other = f"other-{rig.number}"
    rig._make_cluster("eu-central-1", other)
    rig.rds().create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=rig.copy_of(snapshot).identifier, DBClusterIdentifier=other
    )
    rig.advance_clock()
    rig.clear_calls()
    with pytest.raises(Refused, match="Copy is of another snapshot"):
        restore(rig, snapshot)
    assert rig.calls("RestoreDBClusterFromSnapshot") == []
