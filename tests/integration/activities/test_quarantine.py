"""The target is restored into quarantine, leaves it as the last act before the notification, and keeps its own groups."""

from __future__ import annotations

from typing import Any

import pytest

from activities.rds import tags
from errors import DeadlinePassed, Refused, StepFailed
from models.quarantine import OwnNetwork, Quarantine
from models.snapshots import SourceSnapshot
from models.step_call import FinalPoll
from tests.integration.activities import test_carried_over as carried_over
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import TARGET_REGION

SHUT = "sg-0fedcba9876543210"


@pytest.fixture
def snapshot(rig: ActivityRig) -> SourceSnapshot:
    """A snapshot of the source, copied into the target's region; the request has a quarantine."""
    rig.target = rig.target.model_copy(update={"quarantine": Quarantine(vpc_security_group_ids=(SHUT,))})
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    return snapshot


def restore(rig: ActivityRig, snapshot: SourceSnapshot) -> OwnNetwork:
    """Restore and complete the cluster as the workflow does; returns what it gets in the end."""
    assert rig.target.quarantine is not None
    step_input = rig.restore_input(snapshot)
    in_quarantine = rig.target.quarantine.applied_to(step_input.configuration)
    step_input = step_input.model_copy(update={"configuration": in_quarantine})
    restored = rig.run(rig.clusters.restore_snapshot, step_input)
    assert restored.cluster_resource_id is not None
    rig.advance_clock()
    completing = rig.check_restore_input(restored.cluster_resource_id)
    outcome = rig.poll_until_done(
        rig.restored.check_restore_status, completing.model_copy(update={"configuration": in_quarantine})
    )
    assert outcome.differences == ()
    return OwnNetwork(
        cluster_resource_id=restored.cluster_resource_id, vpc_security_group_ids=(rig.shared.security_group,)
    )


def archive_input(rig: ActivityRig, snapshot: SourceSnapshot, own: OwnNetwork, **more: Any) -> Any:
    step_input = rig.archive_input(rig.copy_of(snapshot), snapshot=snapshot)
    return step_input.model_copy(update={"own_network": own, **more})


def operations(rig: ActivityRig) -> set[str]:
    return {change.split()[0] for change in rig.changes()}


def groups(rig: ActivityRig) -> list[str]:
    return [group["VpcSecurityGroupId"] for group in (rig.cluster() or {})["VpcSecurityGroups"]]


def test_the_target_leaves_its_quarantine_at_the_end(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Not done before its own groups are active; run twice, nothing is changed again."""
    own = restore(rig, snapshot)
    assert groups(rig) == [SHUT]
    rig.clear_calls()
    step_input = archive_input(rig, snapshot, own)
    assert rig.run(rig.snapshots.archive_snapshot, step_input).details == "leaving quarantine"
    outcome = rig.poll_until_done(rig.snapshots.archive_snapshot, step_input)
    assert outcome.details == "Snapshot archived, quarantine left"
    assert groups(rig) == [rig.shared.security_group]
    assert operations(rig) == {"AddTagsToResource", "ModifyDBCluster"}
    rig.clear_calls()
    assert rig.run(rig.snapshots.archive_snapshot, step_input).done
    assert operations(rig) == {"AddTagsToResource"}


def test_a_busy_cluster_stays_in_quarantine_until_a_later_poll(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """RDS accepts no change while it makes a backup. At the deadline the error says that the target is still closed."""
    own = restore(rig, snapshot)
    busy = "InvalidDBClusterStateFault"
    rig.emulator.faults.add("rds", "ModifyDBCluster", "error", code=busy, message="backing-up", count=2)
    step_input = archive_input(rig, snapshot, own)
    assert rig.run(rig.snapshots.archive_snapshot, step_input).details == "Cluster is busy"
    with pytest.raises(DeadlinePassed, match="Quarantine not left: .* only the worker reaches it"):
        rig.run(
            rig.snapshots.archive_snapshot,
            step_input.model_copy(update={"final_poll": FinalPoll.DEADLINE}),
        )
    assert groups(rig) == [SHUT]
    assert rig.poll_until_done(rig.snapshots.archive_snapshot, step_input).done


def test_no_other_cluster_is_opened(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Someone deleted the restored cluster, and perhaps gave its name to another."""
    own = OwnNetwork(cluster_resource_id="cluster-GONE", vpc_security_group_ids=(rig.shared.security_group,))
    with pytest.raises(StepFailed, match="Quarantine not left: the cluster staging-[0-9]+ is gone"):
        rig.run(rig.snapshots.archive_snapshot, archive_input(rig, snapshot, own))
    rig.make_cluster(TARGET_REGION, rig.target.cluster, VpcSecurityGroupIds=[SHUT])
    with pytest.raises(Refused, match="restored by this operation"):
        rig.run(rig.snapshots.archive_snapshot, archive_input(rig, snapshot, own))
    assert groups(rig) == [SHUT]


def test_the_next_restore_knows_the_targets_own_groups(rig: ActivityRig) -> None:
    """The restore before ended in quarantine, whose groups are not the target's. Without a trail the owner is asked."""
    checked = carried_over.prepare(rig)
    rig.make_copy(checked.snapshot)
    carried_over.delete(rig, checked)
    own = checked.configuration.vpc_security_group_ids
    in_quarantine = [{"Key": tags.REPLACED_BY, "Value": rig.source.arn}, {"Key": tags.QUARANTINE, "Value": SHUT}]
    rig.make_target(Tags=in_quarantine, VpcSecurityGroupIds=[SHUT], **carried_over.SETTINGS)
    assert carried_over.check(rig).configuration.vpc_security_group_ids == own
    ec2 = rig.shared.owner("ec2")
    opened = ec2.create_security_group(GroupName=f"by-hand-{rig.number}", Description="-")["GroupId"]
    rig.rds().modify_db_cluster(
        DBClusterIdentifier=rig.target.cluster, VpcSecurityGroupIds=[opened], ApplyImmediately=True
    )
    rig.advance_clock()
    assert carried_over.check(rig).configuration.vpc_security_group_ids == (opened,), "its owner has opened it"


def test_own_groups_that_nobody_knows_are_asked_for(rig: ActivityRig) -> None:
    """The trail has no deletion of the target: the groups of the quarantine are not taken for its own."""
    rig.make_source()
    in_quarantine = [{"Key": tags.REPLACED_BY, "Value": rig.source.arn}, {"Key": tags.QUARANTINE, "Value": SHUT}]
    rig.make_target(Tags=in_quarantine, VpcSecurityGroupIds=[SHUT], **carried_over.SETTINGS)
    rig.make_snapshot()
    with pytest.raises(Refused, match=r"the live target does not have them, .* target.vpc_security_group_ids"):
        carried_over.check(rig)


# With a parameter group of the quarantine's own


def with_parameters(rig: ActivityRig) -> str:
    """A parameter group for the quarantine, in the request; returns the one that the target has of its own."""
    family = "aurora-postgresql16"
    for name in (own := f"own-{rig.number}", shut := f"shut-{rig.number}"):
        rig.rds().create_db_cluster_parameter_group(
            DBClusterParameterGroupName=name, DBParameterGroupFamily=family, Description="-"
        )
    quarantine = Quarantine(vpc_security_group_ids=(SHUT,), db_cluster_parameter_group_name=shut)
    rig.target = rig.target.model_copy(update={"quarantine": quarantine, "db_cluster_parameter_group_name": own})
    return own


def test_the_instances_restart_with_the_targets_own_parameters_before_anyone_gets_in(
    rig: ActivityRig, snapshot: SourceSnapshot
) -> None:
    """Group, restart of each instance, then the security groups; run twice, nothing restarts again."""
    group = with_parameters(rig)
    own = restore(rig, snapshot).model_copy(update={"db_cluster_parameter_group_name": group})
    assert (rig.cluster() or {})["DBClusterParameterGroup"] == f"shut-{rig.number}"
    rig.clear_calls()
    step_input = archive_input(rig, snapshot, own)
    assert rig.run(rig.snapshots.archive_snapshot, step_input).details == f"changing the parameter group to {group}"
    rig.emulator.faults.add("rds", "RebootDBInstance", "error", code="InvalidDBInstanceState", message="busy")
    assert rig.poll_until_done(rig.snapshots.archive_snapshot, step_input).done
    cluster = rig.cluster() or {}
    assert cluster["DBClusterParameterGroup"] == group
    assert {member["DBClusterParameterGroupStatus"] for member in cluster["DBClusterMembers"]} == {"in-sync"}
    assert groups(rig) == [rig.shared.security_group]
    changed = [change for change in rig.changes() if not change.startswith("AddTags")]
    assert changed[0] == "ModifyDBCluster staging"
    assert changed[-1] == "ModifyDBCluster staging", "the security groups come last"
    assert {change for change in changed if change.startswith("Reboot")} == {
        f"RebootDBInstance staging-{number}" for number in range(1, len(rig.instances()) + 1)
    }
    rig.clear_calls()
    assert rig.run(rig.snapshots.archive_snapshot, step_input).done
    assert operations(rig) == {"AddTagsToResource"}
