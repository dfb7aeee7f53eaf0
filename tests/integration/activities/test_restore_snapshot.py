"""restore-snapshot restores one cluster under the target's name, from this operation's copy, or none."""

from __future__ import annotations

from typing import Any

import pytest

from errors import DeadlinePassed, Refused, ResourceBusy, StepFailed
from models.snapshots import SnapshotCopy, SourceSnapshot
from models.step_call import FinalPoll
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import KEY_ALIAS, SOURCE_REGION


def restore(rig: ActivityRig, snapshot: SourceSnapshot, **more: Any) -> Any:
    return rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot, **more))


def failure(rig: ActivityRig, snapshot: SourceSnapshot, **more: Any) -> StepFailed:
    with pytest.raises(StepFailed) as failed:
        restore(rig, snapshot, **more)
    return failed.value


def test_the_restored_cluster_has_the_settings_of_the_request(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The snapshot's engine version, the request's network, the opt-in tag for the next restore, no deletion protection."""
    rig.target = rig.target.model_copy(update={"port": 5555})
    rig.clear_calls()
    outcome = restore(rig, snapshot)
    cluster = rig.cluster()
    assert cluster is not None
    assert outcome.details == "Started restore process"
    assert outcome.cluster_arn == rig.target.arn
    assert outcome.cluster_resource_id == cluster["DbClusterResourceId"]
    assert outcome.resource_arns == (rig.target.arn, rig.copy_of(snapshot).arn)
    (call,) = rig.calls("RestoreDBClusterFromSnapshot")
    assert (cluster["EngineVersion"], call.parameters["Port"]) == ("16.6", 5555)
    assert (cluster["DBSubnetGroup"], cluster["DeletionProtection"]) == ("staging", False)
    groups = [group["VpcSecurityGroupId"] for group in cluster["VpcSecurityGroups"]]
    assert groups == [rig.shared.security_group]
    assert {tag["Key"]: tag["Value"] for tag in cluster["TagList"]} == {
        "aurora-restore:replaced-by": rig.source.arn,
        "aurora-restore:operation": rig.operation_tag,
        "aurora-restore:restored-from": rig.copy_of(snapshot).arn,
    }


def test_the_engine_version_is_the_snapshots(rig: ActivityRig) -> None:
    """Without one, RDS would take the region's default and upgrade the data unasked."""
    rig.make_cluster("eu-west-1", rig.source.cluster, StorageEncrypted=True, EngineVersion="15.4")
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    restore(rig, snapshot)
    cluster = rig.cluster()
    assert cluster is not None
    assert cluster["EngineVersion"] == "15.4"


def test_the_engine_version_may_be_an_upgrade(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The request's; a cluster with another one differs from what was asked for."""
    rig.target = rig.target.model_copy(update={"engine_version": "16.8"})
    restored = restore(rig, snapshot)
    rig.advance_clock()
    assert (rig.cluster() or {})["EngineVersion"] == "16.8"
    rig.target = rig.target.model_copy(update={"engine_version": "16.9"})
    step_input = rig.check_restore_input(restored.cluster_resource_id)
    outcome = rig.poll_until_done(rig.restored.check_restore_status, step_input)
    assert outcome.differences == ("engine_version is 16.8, expected 16.9",)


def test_a_second_run_of_restore_adopts_the_cluster(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Run twice: one restore, one cluster, the same outcome."""
    first = restore(rig, snapshot)
    rig.clear_calls()
    assert restore(rig, snapshot) == first
    assert rig.calls("RestoreDBClusterFromSnapshot") == []


def test_a_cluster_without_our_tags_is_not_adopted(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Someone created it since the deletion."""
    rig.make_target(instances=0)
    rig.clear_calls()
    with pytest.raises(Refused, match="Another cluster has the target's name"):
        restore(rig, snapshot)
    assert rig.changes() == []


def test_a_cluster_of_another_operation_is_not_adopted(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Even if that operation restored it from the same copy."""
    restore(rig, snapshot)
    rig.operation_id = "op-999999"
    with pytest.raises(Refused, match="op-999999 did not restore it"):
        restore(rig, snapshot)


def test_a_cluster_restored_from_another_snapshot_is_not_adopted(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Even if this operation restored it."""
    restore(rig, snapshot)
    tag = {"Key": "aurora-restore:restored-from", "Value": f"{rig.copy_of(snapshot).arn}-2"}
    rig.rds().add_tags_to_resource(ResourceName=rig.target.arn, Tags=[tag])
    with pytest.raises(Refused, match="Another cluster has the target's name"):
        restore(rig, snapshot)


def test_without_a_copy_the_restore_gets_the_kms_key(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """In one region the restore is what encrypts with the request's key; a copy has that key already."""
    restore(rig, snapshot)
    rig.target = rig.target.model_copy(update={"region": SOURCE_REGION, "cluster": f"{rig.target.cluster}-2"})
    source_snapshot = SnapshotCopy(arn=snapshot.arn, identifier=snapshot.identifier, copied=False)
    with pytest.raises(StepFailed):  # the key is in the other region
        restore(rig, snapshot, snapshot_copy=source_snapshot)
    keys = [call.parameters.get("KmsKeyId") for call in rig.calls("RestoreDBClusterFromSnapshot")]
    assert keys == [None, KEY_ALIAS]


def test_an_old_cluster_that_is_being_deleted_is_waited_for(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """RDS may list the deleted cluster once more: that is no other cluster."""
    rig.make_target(instances=0)
    rig.rds().delete_db_cluster(DBClusterIdentifier=rig.target.cluster, SkipFinalSnapshot=True)
    with pytest.raises(ResourceBusy, match="Old cluster still being deleted"):
        restore(rig, snapshot)
    rig.advance_clock()
    assert restore(rig, snapshot).done


def test_already_exists_without_a_visible_cluster_is_transient(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The next attempt reads the cluster again."""
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
def test_a_fault_of_the_restore_call_has_the_seeds_text(
    rig: ActivityRig, snapshot: SourceSnapshot, code: str, short: str
) -> None:
    """What vanished after snapshot-check fails here, with RDS's own message."""
    rig.emulator.faults.add("rds", "RestoreDBClusterFromSnapshot", "error", code=code, message="RDS says so")
    error = failure(rig, snapshot)
    assert (error.fault.short, error.fault.code) == (short, code)
    assert "RDS says so" in error.fault.message
    assert error.fault.request_id


@pytest.mark.parametrize(
    "code",
    [
        "InsufficientDBClusterCapacityFault",
        "InsufficientDBInstanceCapacity",
        "InsufficientStorageClusterCapacity",
        "InvalidDBClusterSnapshotStateFault",
    ],
)
def test_a_restore_without_room_is_waited_for(rig: ActivityRig, snapshot: SourceSnapshot, code: str) -> None:
    """As long as the request allows; the final poll starts none."""
    rig.emulator.faults.add("rds", "RestoreDBClusterFromSnapshot", "error", code=code, count=1)
    waiting = rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    assert not waiting.done
    assert waiting.details.startswith("Waiting: ")
    rig.clear_calls()
    with pytest.raises(DeadlinePassed, match="Restore not started"):
        rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot, final_poll=FinalPoll.DEADLINE))
    assert rig.changes() == []
    assert rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot)).done


def test_a_deleted_subnet_group_is_an_invalid_vpc_configuration(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Without an injected fault: the subnet group does not exist."""
    target = rig.target.model_copy(update={"db_subnet_group_name": "gone"})
    assert failure(rig, snapshot, target=target).fault.short == "Invalid VPC configuration"


def test_a_deleted_copy_is_an_invalid_snapshot_id(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Without an injected fault: the copy was deleted since it was checked."""
    rig.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=rig.copy_of(snapshot).identifier)
    assert failure(rig, snapshot).fault.short == "Invalid snapshot ID"


def test_another_snapshot_under_the_copys_name_is_not_restored(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Data of another cluster never gets into the target."""
    rig.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=rig.copy_of(snapshot).identifier)
    other = f"other-{rig.number}"
    rig.make_cluster("eu-central-1", other)
    rig.rds().create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=rig.copy_of(snapshot).identifier, DBClusterIdentifier=other
    )
    rig.advance_clock()
    rig.clear_calls()
    with pytest.raises(Refused, match="Copy is of another snapshot"):
        restore(rig, snapshot)
    assert rig.calls("RestoreDBClusterFromSnapshot") == []
