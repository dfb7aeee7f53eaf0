"""A restore loses no setting of the target, and an operation that ended half-way does not stop the next one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from activities.rds import tags
from errors import Refused
from models.archive import Archive
from models.configuration import ClusterSettings
from models.request import MissingTarget, Target
from models.snapshots import SnapshotCheckOutcome
from tests.rigs.activities import ActivityRig

BARE = {"instances": None, "db_subnet_group_name": None, "vpc_security_group_ids": None}
SETTINGS: dict[str, Any] = {
    "DBSubnetGroupName": "staging",
    "EnableIAMDatabaseAuthentication": True,
    "EnableCloudwatchLogsExports": ["postgresql"],
    "BackupRetentionPeriod": 3,
    "PreferredBackupWindow": "03:00-03:30",
    "ServerlessV2ScalingConfiguration": {"MinCapacity": 0.5, "MaxCapacity": 4},
}


def prepare(rig: ActivityRig) -> SnapshotCheckOutcome:
    """Make a target with settings of its own, and run snapshot-check with a request that names none of them."""
    rig.make_source()
    owners = [{"Key": tags.REPLACED_BY, "Value": rig.source.arn}, {"Key": "team", "Value": "Größe"}]
    rig.make_target(Tags=owners, VpcSecurityGroupIds=[rig.shared.security_group], **SETTINGS)
    rig.make_snapshot()
    return check(rig)


def bare_target(rig: ActivityRig) -> Target:
    return rig.target.model_copy(update=BARE)


def check(rig: ActivityRig, **more: object) -> SnapshotCheckOutcome:
    selector = rig.source.snapshot.model_copy(update={"identifier": f"nightly-{rig.number}"})
    source = rig.source.model_copy(update={"snapshot": selector})
    step_input = rig.check_input(**{"source": source, "target": bare_target(rig), **more})
    return rig.run(rig.snapshots.snapshot_check, step_input)


def test_settings_that_the_request_leaves_out_are_those_of_the_live_target(rig: ActivityRig) -> None:
    """Network, instance classes, log exports, backups, scaling, IAM login and tags."""
    checked = prepare(rig)
    configuration = checked.configuration
    assert [instance.instance_class for instance in configuration.instances] == ["db.r6g.large"] * 2
    assert configuration.db_subnet_group_name == "staging"
    assert configuration.vpc_security_group_ids == (rig.shared.security_group,)
    assert configuration.iam_database_authentication
    assert configuration.cloudwatch_logs_exports == ("postgresql",)
    assert configuration.backup_retention_days == 3
    assert configuration.preferred_backup_window == "03:00-03:30"
    assert configuration.serverless_v2_scaling is not None
    assert configuration.tags == {"team": "Größe"}


def test_a_setting_of_the_request_replaces_that_of_the_live_target(rig: ActivityRig) -> None:
    """The other settings are still those of the live target."""
    prepare(rig)
    checked = check(rig, target=bare_target(rig).model_copy(update={"backup_retention_days": 7}))
    assert checked.configuration.backup_retention_days == 7
    assert checked.configuration.preferred_backup_window == "03:00-03:30"


def test_the_restored_cluster_has_the_settings_of_the_live_target(rig: ActivityRig) -> None:
    """Every carried setting and the tags of its owner."""
    checked = prepare(rig)
    copy = rig.make_copy(checked.snapshot)
    delete(rig, checked)
    step_input = rig.restore_input(checked.snapshot, target=rig.target, snapshot_copy=copy)
    given = {"target": bare_target(rig), "configuration": checked.configuration}
    rig.run(rig.clusters.restore_snapshot, step_input.model_copy(update=given))
    cluster = rig.cluster()
    assert cluster is not None
    assert cluster["IAMDatabaseAuthenticationEnabled"]
    assert cluster["BackupRetentionPeriod"] == 3
    assert cluster["ServerlessV2ScalingConfiguration"]["MaxCapacity"] == 4
    assert tags.tags_of(cluster["TagList"])["team"] == "Größe"
    assert tags.tags_of(cluster["TagList"])[tags.REPLACED_BY] == rig.source.arn


def delete(rig: ActivityRig, checked: SnapshotCheckOutcome) -> None:
    step_input = rig.delete_input(checked.snapshot, checked.target_resource_id, target_settings=checked.target_settings)
    while not rig.run(rig.clusters.delete_rds, step_input).done:
        rig.advance_clock()


def test_the_trail_has_the_settings_of_the_deleted_target(rig: ActivityRig) -> None:
    """Written with the intent, before the first deletion."""
    checked = prepare(rig)
    rig.make_copy(checked.snapshot)
    delete(rig, checked)
    [intent] = [row for row in rig.shared.table.list_rows(rig.operation_id) if row.phase == "intent"]
    settings = ClusterSettings.model_validate_json(intent.facts["settings"])
    assert settings == checked.target_settings
    assert json.loads(intent.facts["settings"])["backup_retention_days"] == 3


def test_the_settings_of_a_target_that_was_left_deleted_come_from_the_trail(
    rig: ActivityRig,
) -> None:
    """An operation that ended between deletion and restore does not stop the next one."""
    checked = prepare(rig)
    rig.make_copy(checked.snapshot)
    delete(rig, checked)
    second = check(rig)
    assert second.target_resource_id is None
    assert second.configuration == checked.configuration


def test_a_target_that_no_operation_deleted_is_not_found(rig: ActivityRig) -> None:
    """Most often its name is misspelt."""
    checked = prepare(rig)
    for number in (1, 2):
        rig.rds().delete_db_instance(DBInstanceIdentifier=f"{rig.target.cluster}-{number}", SkipFinalSnapshot=True)
    rig.rds().delete_db_cluster(DBClusterIdentifier=rig.target.cluster, SkipFinalSnapshot=True)
    rig.advance_clock()
    with pytest.raises(Refused, match="Cluster not found"):
        check(rig)
    assert checked.target_settings is not None


def test_a_first_restore_names_every_required_setting_that_is_missing(rig: ActivityRig) -> None:
    """Without a live target the request must give what a cluster cannot do without."""
    rig.make_source()
    rig.make_snapshot()
    with pytest.raises(Refused) as refused:
        check(rig, target=bare_target(rig).model_copy(update={"missing": MissingTarget.CREATE}))
    for name in BARE:
        assert f"target.{name}" in refused.value.message


def test_a_used_up_quota_prunes_our_oldest_copies_and_copies_again(rig: ActivityRig) -> None:
    """The trail names the copies first; the newest one is kept."""
    rig.make_source()
    rig.make_target()
    copies = [rig.make_copy(rig.make_snapshot(f"nightly-{rig.number}-{count}")) for count in range(3)]
    snapshot = rig.make_snapshot(f"nightly-{rig.number}-last")
    existing = rig.rds().describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"]
    rig.emulator.quotas.manual_snapshots = len(existing)
    try:
        step_input = rig.copy_input(snapshot, archive=Archive(keep=2))
        first = rig.run(rig.snapshots.copy_snapshot, step_input)
        assert not first.done
        assert "copy-snapshot intent" in rig.rows()
        assert rig.run(rig.snapshots.copy_snapshot, step_input).done
    finally:
        rig.emulator.quotas.manual_snapshots = 100
    remaining = rig.copies()
    assert copies[2].identifier in remaining
    assert copies[0].identifier not in remaining
