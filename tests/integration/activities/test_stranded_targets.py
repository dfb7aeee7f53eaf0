"""Wherever an operation ended, the next one brings back the whole target: the trail has what the target no longer has."""

from __future__ import annotations

from typing import Any

import pytest

from activities.rds import tags
from activities.rds.statuses import INACCESSIBLE
from audit.rows import AuditRow, Phase
from errors import Refused
from models.clusters import CheckRestoreInput
from models.configuration import ClusterConfiguration
from models.request import MissingTarget
from models.snapshots import SnapshotCheckOutcome
from models.steps import Status, Step
from tests.integration.activities import test_carried_over as carried_over
from tests.integration.activities.test_carried_over import bare_target, delete
from tests.integration.activities.test_what_is_kept import check, make_rich_target
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import ACCOUNT, TARGET_REGION

DELETED, RESTORED, COMPLETED = "Deleted existing cluster", "Started restore process", "Restore completed"


def prepare(rig: ActivityRig) -> SnapshotCheckOutcome:
    """A rich target, a snapshot and its copy; returns what snapshot-check found."""
    rig.make_source()
    rig.make_snapshot()
    make_rich_target(rig)
    checked = check(rig)
    rig.make_copy(checked.snapshot)
    return checked


def record_success(rig: ActivityRig, *steps: Step) -> None:
    """Write the outcomes that the workflow's side of the trail writes."""
    for step in steps:
        rig.shared.table.put(
            AuditRow(
                operation_id=rig.operation_id,
                step=step,
                phase=Phase.OUTCOME,
                status=Status.SUCCESS,
                details="-",
                step_started_at=rig.now,
                timestamp=rig.now,
                workflow_id="w",
                run_id="r",
                resource_arns=(rig.target.arn,),
            )
        )


def restore(rig: ActivityRig, checked: SnapshotCheckOutcome) -> CheckRestoreInput:
    """Have RDS accept the restore; returns the input of the step that completes it."""
    given = {"target": bare_target(rig), "configuration": checked.configuration}
    step_input = rig.restore_input(checked.snapshot).model_copy(update=given)
    restored = rig.run(rig.clusters.restore_snapshot, step_input)
    completing = {**given, "target": bare_target(rig).model_copy(update={"kms_key_id": None})}
    return rig.check_restore_input(restored.cluster_resource_id).model_copy(update=completing)


def test_an_operation_that_ends_anywhere_loses_nothing_of_the_target(rig: ActivityRig) -> None:
    """Between any two polls from the intent to the last custom endpoint, with one instance deleted or one created."""
    checked = prepare(rig)
    expected = checked.configuration
    seen: list[str] = []

    def next_operation_brings_back(polled: Any) -> None:
        seen.append(polled.details)
        assert check(rig).configuration == expected, seen

    deleting = rig.delete_input(checked.snapshot, checked.target_resource_id, target_settings=checked.target_settings)
    rig.emulator.faults.add("rds", "DeleteDBInstance", "error", code="InvalidDBInstanceState", count=1)
    while seen[-1:] != [DELETED]:
        next_operation_brings_back(rig.run(rig.clusters.delete_rds, deleting))
        rig.advance_clock()
    completing = restore(rig, checked)
    while seen[-1:] != [COMPLETED]:
        next_operation_brings_back(rig.run(rig.restored.check_restore_status, completing))
        rig.advance_clock()
    assert len(seen) > len(("one instance", "no instance", "gone", "cluster", "writer", "reader", "endpoint"))


def test_the_owners_changes_count_if_nothing_was_deleted_or_everything_is_back(rig: ActivityRig) -> None:
    """An intent alone says nothing about a target that is whole, and neither does a deletion before a whole restore."""
    checked = prepare(rig)
    deleting = rig.delete_input(checked.snapshot, checked.target_resource_id, target_settings=checked.target_settings)
    rig.emulator.faults.add("rds", "DeleteDBInstance", "error", code="AccessDenied", status=403, count=1)
    with pytest.raises(Exception, match="Access denied"):
        rig.run(rig.clusters.delete_rds, deleting)
    assert configuration_after_change(rig, retention=11).backup_retention_days == 11
    delete(rig, checked)
    rig.poll_until_done(rig.restored.check_restore_status, restore(rig, checked))
    record_success(rig, Step.RESTORE_SNAPSHOT, Step.CHECK_RESTORE_STATUS)
    assert configuration_after_change(rig, retention=12).backup_retention_days == 12


def configuration_after_change(rig: ActivityRig, retention: int) -> ClusterConfiguration:
    rig.rds().modify_db_cluster(
        DBClusterIdentifier=rig.target.cluster, BackupRetentionPeriod=retention, ApplyImmediately=True
    )
    rig.advance_clock()
    return check(rig).configuration


def test_a_target_without_instances_gets_those_of_its_last_deletion(rig: ActivityRig) -> None:
    """Its owner deleted them after a whole restore; its other settings are the live ones."""
    checked = prepare(rig)
    delete(rig, checked)
    rig.poll_until_done(rig.restored.check_restore_status, restore(rig, checked))
    record_success(rig, Step.RESTORE_SNAPSHOT, Step.CHECK_RESTORE_STATUS)
    for name in rig.instances():
        rig.rds().delete_db_instance(DBInstanceIdentifier=name)
    rig.advance_clock()
    changed = configuration_after_change(rig, retention=12)
    assert changed.instances == checked.configuration.instances
    assert changed.backup_retention_days == 12


@pytest.mark.parametrize("status", ["restore-failed", *INACCESSIBLE, "storage-optimization"])
def test_a_target_in_this_status_is_replaced(rig: ActivityRig, status: str) -> None:
    """A restore is what repairs it: it is deleted, and its instances come back."""
    checked = carried_over.prepare(rig)
    rig.make_copy(checked.snapshot)
    rig.force_status(rig.target.arn, status)
    if status != "restore-failed":
        for name in rig.instances():
            rig.force_status(f"arn:aws:rds:{TARGET_REGION}:{ACCOUNT}:db:{name}", status)
    again = carried_over.check(rig)
    assert again.configuration == checked.configuration
    delete(rig, again)
    assert rig.cluster() is None


@pytest.mark.parametrize("completed", [True, False])
def test_a_target_that_vanished_after_its_restore_is_refused_with_the_witnesses(
    rig: ActivityRig, completed: bool
) -> None:
    """What the trail, the copies and RDS's events say, and one command, which brings everything back."""
    checked = prepare(rig)
    delete(rig, checked)
    completing = restore(rig, checked)
    record_success(rig, Step.RESTORE_SNAPSHOT)
    if completed:
        rig.poll_until_done(rig.restored.check_restore_status, completing)
        record_success(rig, Step.CHECK_RESTORE_STATUS)
    rig.advance_clock()
    delete_by_hand(rig)
    with pytest.raises(Refused, match="Cluster not found") as refused:
        check(rig)
    message = refused.value.fault.message
    assert f"{rig.operation_id} restored it, and no operation has deleted it since" in message
    assert "for it and did not archive it" in message
    assert "DB cluster deleted" in message
    assert "python starter.py start REQUEST_FILE --create-target" in message
    assert check_with_create(rig).configuration == checked.configuration


def test_a_target_that_was_deleted_without_a_row_is_restored_with_the_last_known_settings(rig: ActivityRig) -> None:
    """The trail lost this deletion and has only the one before, which a restore followed."""
    checked = prepare(rig)
    delete(rig, checked)
    rig.poll_until_done(rig.restored.check_restore_status, restore(rig, checked))
    record_success(rig, Step.RESTORE_SNAPSHOT, Step.CHECK_RESTORE_STATUS)
    delete_by_hand(rig)
    assert check_with_create(rig).configuration == checked.configuration


def test_a_name_that_no_witness_knows_is_misspelt(rig: ActivityRig) -> None:
    """Or the first restore."""
    rig.make_source()
    rig.make_snapshot()
    with pytest.raises(Refused) as refused:
        check(rig)
    assert "that still waits for its restore. Correct target.cluster" in refused.value.fault.message


def delete_by_hand(rig: ActivityRig) -> None:
    for name in rig.instances():
        rig.rds().delete_db_instance(DBInstanceIdentifier=name)
    rig.rds().delete_db_cluster(DBClusterIdentifier=rig.target.cluster, SkipFinalSnapshot=True)
    rig.advance_clock()


def check_with_create(rig: ActivityRig) -> SnapshotCheckOutcome:
    """What `start --create-target` makes of the request."""
    target = bare_target(rig).model_copy(update={"kms_key_id": None, "missing": MissingTarget.CREATE})
    source = rig.named_source(identifier=f"nightly-{rig.number}")
    return rig.run(rig.snapshots.snapshot_check, rig.check_input(source=source, target=target))


def test_a_cluster_of_the_owner_is_not_taken_for_a_half_restored_one(rig: ActivityRig) -> None:
    """Made by hand after a deletion that no restore followed: it has no tag of an operation, and all its instances."""
    checked = prepare(rig)
    delete(rig, checked)
    names = [instance.identifier for instance in checked.configuration.instances]
    network: dict[str, Any] = {"DBSubnetGroupName": "staging", "VpcSecurityGroupIds": [rig.shared.security_group]}
    opt_in = tags.tag_list({tags.REPLACED_BY: rig.source.arn})
    rig.make_cluster(TARGET_REGION, rig.target.cluster, Tags=opt_in, **network)
    for name in names:
        rig.rds().create_db_instance(
            DBInstanceIdentifier=name,
            DBClusterIdentifier=rig.target.cluster,
            DBInstanceClass="db.r6g.xlarge",
            Engine="aurora-postgresql",
        )
    rig.advance_clock()
    again = carried_over.check(rig)
    assert {instance.instance_class for instance in again.configuration.instances} == {"db.r6g.xlarge"}
