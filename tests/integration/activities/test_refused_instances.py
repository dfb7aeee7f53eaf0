"""What check-restore-status does when RDS does not create an instance."""

from __future__ import annotations

import pytest

from errors import StepFailed
from tests.rigs.activities import ActivityRig
from tests.rigs.restored_clusters import poll, poll_until_done, restore


def test_a_used_up_instance_quota_fails_the_step(rig: ActivityRig, resource_id: str) -> None:
    """Waiting does not help."""
    rig.emulator.faults.add("rds", "CreateDBInstance", "error", code="InstanceQuotaExceeded")
    with pytest.raises(StepFailed, match="Instance quota exceeded"):
        poll_until_done(rig, resource_id)


def test_an_instance_name_used_by_another_cluster_fails_the_step(rig: ActivityRig) -> None:
    """It is not waited for: no poll would ever find that instance in the restored cluster."""
    new_name = rig.make_renamed_target()
    resource_id = restore(rig)
    rig.advance_clock()
    with pytest.raises(StepFailed, match=f"Instance name is taken.*{rig.target.cluster}-1 belongs to {new_name}"):
        poll(rig, resource_id)


def test_an_instance_of_another_cluster_that_is_being_deleted_is_waited_for(rig: ActivityRig) -> None:
    """Its name is free within minutes, and its owner already does what the error would ask for."""
    new_name = rig.make_renamed_target()
    resource_id = restore(rig)
    rig.advance_clock()
    identifier = f"{rig.target.cluster}-1"
    rig.rds().delete_db_instance(DBInstanceIdentifier=identifier)
    outcome = poll(rig, resource_id)
    assert (outcome.done, outcome.details) == (
        False,
        f"instance {identifier} not created yet: one of that name is still being deleted",
    )
    assert poll_until_done(rig, resource_id).done
    assert identifier in rig.instances()
    (cluster,) = rig.rds().describe_db_clusters(DBClusterIdentifier=new_name)["DBClusters"]
    assert cluster["DBClusterMembers"] == []


def test_an_instance_without_capacity_is_waited_for_and_not_reported_as_creating(
    rig: ActivityRig, resource_id: str
) -> None:
    """The details name the missing capacity."""
    rig.advance_clock()
    rig.emulator.faults.add("rds", "CreateDBInstance", "error", code="InsufficientDBInstanceCapacity", status=400)
    outcome = poll(rig, resource_id)
    assert outcome.details == f"instance {rig.target.cluster}-1 not created yet: Insufficient capacity"
    assert poll(rig, resource_id).details == f"instance {rig.target.cluster}-1 creating"
