"""restore-snapshot: one cluster under the target's name, from this night's copy, or none."""

from __future__ import annotations

from typing import Any

import pytest

from errors import Refused, ResourceBusy, StepFailed
from models.snapshots import SourceSnapshot
from tests.rigs.activities import Night


@pytest.fixture
def snapshot(night: Night) -> SourceSnapshot:
    """Last night's snapshot, copied."""
    night.make_source()
    snapshot = night.make_snapshot()
    night.make_copy(snapshot)
    return snapshot


def restore(night: Night, snapshot: SourceSnapshot, **more: Any) -> Any:
    return night.run(night.clusters.restore_snapshot, night.restore_input(snapshot, **more))


def failure(night: Night, snapshot: SourceSnapshot, **more: Any) -> StepFailed:
    with pytest.raises(StepFailed) as failed:
        restore(night, snapshot, **more)
    return failed.value


def test_the_cluster_is_restored_as_the_request_says(night: Night, snapshot: SourceSnapshot) -> None:
    """Engine version of the snapshot, network of the request, the opt-in for the next night, no public door."""
    night.target = night.target.model_copy(update={"port": 5555})
    night.forget_calls()
    answer = restore(night, snapshot)
    cluster = night.cluster()
    assert cluster is not None
    assert answer.details == "Started restore process"
    assert answer.cluster_arn == night.target.arn
    assert answer.cluster_resource_id == cluster["DbClusterResourceId"]
    assert answer.resource_arns == (night.target.arn, night.copy_of(snapshot).arn)
    (call,) = night.calls("RestoreDBClusterFromSnapshot")
    assert (cluster["EngineVersion"], call.parameters["Port"]) == ("16.6", 5555)
    assert (cluster["DBSubnetGroup"], cluster["DeletionProtection"]) == ("staging", False)
    groups = [group["VpcSecurityGroupId"] for group in cluster["VpcSecurityGroups"]]
    assert groups == [night.shared.security_group]
    assert {tag["Key"]: tag["Value"] for tag in cluster["TagList"]} == {
        "aurora-restore:replaced-by": night.source.arn,
        "aurora-restore:operation": night.operation_id,
        "aurora-restore:restored-from": night.copy_of(snapshot).arn,
    }


def test_the_engine_version_is_pinned(night: Night) -> None:
    """Left out, RDS would take the region's default and upgrade the copy of production unasked."""
    night._make_cluster("eu-west-1", night.source.cluster, StorageEncrypted=True, EngineVersion="15.4")
    snapshot = night.make_snapshot()
    night.make_copy(snapshot)
    restore(night, snapshot)
    cluster = night.cluster()
    assert cluster is not None
    assert cluster["EngineVersion"] == "15.4"


def test_a_second_run_adopts_the_cluster(night: Night, snapshot: SourceSnapshot) -> None:
    """Run twice: one restore, one cluster, the same answer."""
    first = restore(night, snapshot)
    night.forget_calls()
    assert restore(night, snapshot) == first
    assert night.calls("RestoreDBClusterFromSnapshot") == []


def test_an_existing_cluster_is_not_adopted(night: Night, snapshot: SourceSnapshot) -> None:
    """A cluster that somebody made since the deletion is theirs."""
    night.make_target(instances=0)
    night.forget_calls()
    with pytest.raises(Refused, match="Another cluster has the target's name"):
        restore(night, snapshot)
    assert night.changes() == []


def test_a_cluster_of_another_operation_is_not_adopted(night: Night, snapshot: SourceSnapshot) -> None:
    """Nor one that another operation restored, even from the same copy."""
    restore(night, snapshot)
    night.operation_id = "op-999999"
    with pytest.raises(Refused, match="was not restored by op-999999"):
        restore(night, snapshot)


def test_an_old_cluster_on_its_way_out_is_waited_for(night: Night, snapshot: SourceSnapshot) -> None:
    """RDS may show the deleted cluster once more; that is no stranger."""
    night.make_target(instances=0)
    night.rds().delete_db_cluster(DBClusterIdentifier=night.target.cluster, SkipFinalSnapshot=True)
    with pytest.raises(ResourceBusy, match="Old cluster still being deleted"):
        restore(night, snapshot)
    night.later()
    assert restore(night, snapshot).done


def test_an_old_cluster_that_is_not_shown_is_waited_for(night: Night, snapshot: SourceSnapshot) -> None:
    """AlreadyExists for a name that no cluster answers to is looked at again, not failed."""
    night.make_target(instances=0)
    night.rds().delete_db_cluster(DBClusterIdentifier=night.target.cluster, SkipFinalSnapshot=True)
    night.emulator.faults.add("rds", "DescribeDBClusters", "error", code="DBClusterNotFoundFault", count=2)
    with pytest.raises(ResourceBusy, match="Cluster not to be seen yet"):
        restore(night, snapshot)


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
def test_a_refusal_of_rds_has_the_seeds_text(night: Night, snapshot: SourceSnapshot, code: str, short: str) -> None:
    """What vanished after snapshot-check shows here, under the texts of the seed, with RDS's own words."""
    night.emulator.faults.add("rds", "RestoreDBClusterFromSnapshot", "error", code=code, message="RDS says so")
    error = failure(night, snapshot)
    assert (error.fault.short, error.fault.code) == (short, code)
    assert "RDS says so" in error.fault.message
    assert error.fault.request_id


def test_a_network_that_vanished_is_told(night: Night, snapshot: SourceSnapshot) -> None:
    """The real thing: a subnet group that is not there any more."""
    target = night.target.model_copy(update={"db_subnet_group_name": "gone"})
    assert failure(night, snapshot, target=target).fault.short == "Invalid VPC configuration"


def test_a_copy_that_vanished_is_told(night: Night, snapshot: SourceSnapshot) -> None:
    """The real thing: a copy that was deleted in the meantime."""
    night.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=night.copy_of(snapshot).identifier)
    assert failure(night, snapshot).fault.short == "Invalid snapshot ID"


def test_a_stranger_under_the_copys_name_is_not_restored(night: Night, snapshot: SourceSnapshot) -> None:
    """Data of something else never becomes staging."""
    night.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=night.copy_of(snapshot).identifier)
    other = f"other-{night.number}"
    night._make_cluster("eu-central-1", other)
    night.rds().create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=night.copy_of(snapshot).identifier, DBClusterIdentifier=other
    )
    night.later()
    night.forget_calls()
    with pytest.raises(Refused, match="Copy is of another snapshot"):
        restore(night, snapshot)
    assert night.calls("RestoreDBClusterFromSnapshot") == []
