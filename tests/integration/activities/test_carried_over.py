"""A nightly refresh loses no setting of the target, and a night that ended half-way does not end the next one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from activities.rds import tags
from errors import Refused
from models.configuration import ClusterSettings
from models.request import Archive, MissingTarget, Target
from models.snapshots import SnapshotCheckOutcome
from tests.rigs.activities import Night

BARE = {"instances": None, "db_subnet_group_name": None, "vpc_security_group_ids": None}
SETTINGS: dict[str, Any] = {
    "DBSubnetGroupName": "staging",
    "EnableIAMDatabaseAuthentication": True,
    "EnableCloudwatchLogsExports": ["postgresql"],
    "BackupRetentionPeriod": 3,
    "PreferredBackupWindow": "03:00-03:30",
    "ServerlessV2ScalingConfiguration": {"MinCapacity": 0.5, "MaxCapacity": 4},
}


def prepared(night: Night) -> SnapshotCheckOutcome:
    """A target with settings of its own, and snapshot-check of a request that says nothing of them."""
    night.make_source()
    owners = [{"Key": tags.REPLACED_BY, "Value": night.source.arn}, {"Key": "team", "Value": "Größe"}]
    night.make_target(Tags=owners, VpcSecurityGroupIds=[night.shared.security_group], **SETTINGS)
    night.make_snapshot()
    return checked(night)


def bare(night: Night) -> Target:
    return night.target.model_copy(update=BARE)


def checked(night: Night, **more: object) -> SnapshotCheckOutcome:
    selector = night.source.snapshot.model_copy(update={"identifier": f"nightly-{night.number}"})
    source = night.source.model_copy(update={"snapshot": selector})
    given = {"source": source, "target": bare(night), **more}
    return night.run(night.snapshots.snapshot_check, night.check_input(**given))


def test_what_the_request_leaves_out_comes_from_the_live_target(night: Night) -> None:
    """Network, sizes, log exports, backups, scaling, IAM login and tags of the live target are the restored one's."""
    found = prepared(night)
    configuration = found.configuration
    assert [instance.instance_class for instance in configuration.instances] == ["db.r6g.large"] * 2
    assert configuration.db_subnet_group_name == "staging"
    assert configuration.vpc_security_group_ids == (night.shared.security_group,)
    assert configuration.iam_database_authentication
    assert configuration.cloudwatch_logs_exports == ("postgresql",)
    assert configuration.backup_retention_days == 3
    assert configuration.preferred_backup_window == "03:00-03:30"
    assert configuration.serverless_v2_scaling is not None
    assert configuration.tags == {"team": "Größe"}


def test_what_the_request_says_wins(night: Night) -> None:
    """A setting of the request replaces the live one; the others stay."""
    prepared(night)
    found = checked(night, target=bare(night).model_copy(update={"backup_retention_days": 7}))
    assert found.configuration.backup_retention_days == 7
    assert found.configuration.preferred_backup_window == "03:00-03:30"


def test_the_restored_cluster_has_them(night: Night) -> None:
    """The cluster that comes out of the restore has every carried setting and the tags of its owner."""
    found = prepared(night)
    copy = night.make_copy(found.snapshot)
    delete(night, found)
    given = {"target": bare(night), "snapshot_copy": copy}
    restore = night.restore_input(found.snapshot, target=night.target, snapshot_copy=copy)
    restore = restore.model_copy(update={**given, "configuration": found.configuration})
    night.run(night.clusters.restore_snapshot, restore)
    cluster = night.cluster()
    assert cluster is not None
    assert cluster["IAMDatabaseAuthenticationEnabled"]
    assert cluster["BackupRetentionPeriod"] == 3
    assert cluster["ServerlessV2ScalingConfiguration"]["MaxCapacity"] == 4
    assert tags.tags_of(cluster["TagList"])["team"] == "Größe"
    assert tags.tags_of(cluster["TagList"])[tags.REPLACED_BY] == night.source.arn


def delete(night: Night, found: SnapshotCheckOutcome) -> None:
    given = night.delete_input(found.snapshot, found.target_resource_id, target_settings=found.target_settings)
    while not night.run(night.clusters.delete_rds, given).done:
        night.later()


def test_the_trail_keeps_the_settings_of_what_is_deleted(night: Night) -> None:
    """Before the first deletion the trail holds the live target's settings."""
    found = prepared(night)
    night.make_copy(found.snapshot)
    delete(night, found)
    [intent] = [row for row in night.shared.table.operation(night.operation_id) if row.phase == "intent"]
    kept = ClusterSettings.model_validate_json(intent.facts["settings"])
    assert kept == found.target_settings
    assert json.loads(intent.facts["settings"])["backup_retention_days"] == 3


def test_a_target_that_a_night_left_deleted_is_restored_by_the_next(night: Night) -> None:
    """A night that ended between deletion and restore does not end the next: its settings are taken from the trail."""
    found = prepared(night)
    night.make_copy(found.snapshot)
    delete(night, found)
    again = checked(night)
    assert again.target_resource_id is None
    assert again.configuration == found.configuration


def test_a_target_that_somebody_else_deleted_is_not(night: Night) -> None:
    """A target that no operation of ours deleted, or that was restored since, is most often a misspelt name."""
    found = prepared(night)
    for number in (1, 2):
        night.rds().delete_db_instance(DBInstanceIdentifier=f"{night.target.cluster}-{number}", SkipFinalSnapshot=True)
    night.rds().delete_db_cluster(DBClusterIdentifier=night.target.cluster, SkipFinalSnapshot=True)
    night.later()
    with pytest.raises(Refused, match="Cluster not found"):
        checked(night)
    assert found.target_settings is not None


def test_a_first_night_needs_its_settings(night: Night) -> None:
    """Where there is no live target the request must give what a cluster cannot do without, all of it named."""
    night.make_source()
    night.make_snapshot()
    with pytest.raises(Refused) as refused:
        checked(night, target=bare(night).model_copy(update={"missing": MissingTarget.CREATE}))
    for name in BARE:
        assert f"target.{name}" in refused.value.message


def test_the_quota_is_met_by_pruning_our_own(night: Night) -> None:
    """With 100 manual snapshots our own oldest copies go, named in the trail first, and the copy is asked for once more."""
    night.make_source()
    night.make_target()
    made = [night.make_copy(night.make_snapshot(f"nightly-{night.number}-{count}")) for count in range(3)]
    snapshot = night.make_snapshot(f"nightly-{night.number}-last")
    there = night.rds().describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"]
    night.emulator.quotas.manual_snapshots = len(there)
    try:
        given = night.copy_input(snapshot, archive=Archive(keep=2))
        first = night.run(night.snapshots.copy_snapshot, given)
        assert not first.done
        assert "copy-snapshot intent" in night.rows()
        assert night.run(night.snapshots.copy_snapshot, given).done
    finally:
        night.emulator.quotas.manual_snapshots = 100
    left = night.copies()
    assert made[2].identifier in left
    assert made[0].identifier not in left
