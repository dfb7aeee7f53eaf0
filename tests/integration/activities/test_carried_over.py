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


def prepared(rig: ActivityRig) -> SnapshotCheckOutcome:
    """A target with settings of its own, and snapshot-check of a request that says nothing of them."""
    rig.make_source()
    owners = [{"Key": tags.REPLACED_BY, "Value": rig.source.arn}, {"Key": "team", "Value": "Größe"}]
    rig.make_target(Tags=owners, VpcSecurityGroupIds=[rig.shared.security_group], **SETTINGS)
    rig.make_snapshot()
    return checked(rig)


def bare(rig: ActivityRig) -> Target:
    return rig.target.model_copy(update=BARE)


def checked(rig: ActivityRig, **more: object) -> SnapshotCheckOutcome:
    selector = rig.source.snapshot.model_copy(update={"identifier": f"nightly-{rig.number}"})
    source = rig.source.model_copy(update={"snapshot": selector})
    given = {"source": source, "target": bare(rig), **more}
    return rig.run(rig.snapshots.snapshot_check, rig.check_input(**given))


def test_what_the_request_leaves_out_comes_from_the_live_target(rig: ActivityRig) -> None:
    """Network, sizes, log exports, backups, scaling, IAM login and tags of the live target are the restored one's."""
    found = prepared(rig)
    configuration = found.configuration
    assert [instance.instance_class for instance in configuration.instances] == ["db.r6g.large"] * 2
    assert configuration.db_subnet_group_name == "staging"
    assert configuration.vpc_security_group_ids == (rig.shared.security_group,)
    assert configuration.iam_database_authentication
    assert configuration.cloudwatch_logs_exports == ("postgresql",)
    assert configuration.backup_retention_days == 3
    assert configuration.preferred_backup_window == "03:00-03:30"
    assert configuration.serverless_v2_scaling is not None
    assert configuration.tags == {"team": "Größe"}


def test_what_the_request_says_wins(rig: ActivityRig) -> None:
    """A setting of the request replaces the live one; the others stay."""
    prepared(rig)
    found = checked(rig, target=bare(rig).model_copy(update={"backup_retention_days": 7}))
    assert found.configuration.backup_retention_days == 7
    assert found.configuration.preferred_backup_window == "03:00-03:30"


def test_the_restored_cluster_has_them(rig: ActivityRig) -> None:
    """The cluster that comes out of the restore has every carried setting and the tags of its owner."""
    found = prepared(rig)
    copy = rig.make_copy(found.snapshot)
    delete(rig, found)
    given = {"target": bare(rig), "snapshot_copy": copy}
    restore = rig.restore_input(found.snapshot, target=rig.target, snapshot_copy=copy)
    restore = restore.model_copy(update={**given, "configuration": found.configuration})
    rig.run(rig.clusters.restore_snapshot, restore)
    cluster = rig.cluster()
    assert cluster is not None
    assert cluster["IAMDatabaseAuthenticationEnabled"]
    assert cluster["BackupRetentionPeriod"] == 3
    assert cluster["ServerlessV2ScalingConfiguration"]["MaxCapacity"] == 4
    assert tags.tags_of(cluster["TagList"])["team"] == "Größe"
    assert tags.tags_of(cluster["TagList"])[tags.REPLACED_BY] == rig.source.arn


def delete(rig: ActivityRig, found: SnapshotCheckOutcome) -> None:
    given = rig.delete_input(found.snapshot, found.target_resource_id, target_settings=found.target_settings)
    while not rig.run(rig.clusters.delete_rds, given).done:
        rig.advance_clock()


def test_the_trail_keeps_the_settings_of_what_is_deleted(rig: ActivityRig) -> None:
    """Before the first deletion the trail holds the live target's settings."""
    found = prepared(rig)
    rig.make_copy(found.snapshot)
    delete(rig, found)
    [intent] = [row for row in rig.shared.table.list_rows(rig.operation_id) if row.phase == "intent"]
    kept = ClusterSettings.model_validate_json(intent.facts["settings"])
    assert kept == found.target_settings
    assert json.loads(intent.facts["settings"])["backup_retention_days"] == 3


def test_a_target_that_a_night_left_deleted_is_restored_by_the_next(rig: ActivityRig) -> None:
    """A night that ended between deletion and restore does not end the next: its settings are taken from the trail."""
    found = prepared(rig)
    rig.make_copy(found.snapshot)
    delete(rig, found)
    again = checked(rig)
    assert again.target_resource_id is None
    assert again.configuration == found.configuration


def test_a_target_that_somebody_else_deleted_is_not(rig: ActivityRig) -> None:
    """A target that no operation of ours deleted, or that was restored since, is most often a misspelt name."""
    found = prepared(rig)
    for number in (1, 2):
        rig.rds().delete_db_instance(DBInstanceIdentifier=f"{rig.target.cluster}-{number}", SkipFinalSnapshot=True)
    rig.rds().delete_db_cluster(DBClusterIdentifier=rig.target.cluster, SkipFinalSnapshot=True)
    rig.advance_clock()
    with pytest.raises(Refused, match="Cluster not found"):
        checked(rig)
    assert found.target_settings is not None


def test_a_first_night_needs_its_settings(rig: ActivityRig) -> None:
    """Where there is no live target the request must give what a cluster cannot do without, all of it named."""
    rig.make_source()
    rig.make_snapshot()
    with pytest.raises(Refused) as refused:
        checked(rig, target=bare(rig).model_copy(update={"missing": MissingTarget.CREATE}))
    for name in BARE:
        assert f"target.{name}" in refused.value.message


def test_the_quota_is_met_by_pruning_our_own(rig: ActivityRig) -> None:
    """With 100 manual snapshots our own oldest copies go, named in the trail first, and the copy is asked for once more."""
    rig.make_source()
    rig.make_target()
    made = [rig.make_copy(rig.make_snapshot(f"nightly-{rig.number}-{count}")) for count in range(3)]
    snapshot = rig.make_snapshot(f"nightly-{rig.number}-last")
    there = rig.rds().describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"]
    rig.emulator.quotas.manual_snapshots = len(there)
    try:
        given = rig.copy_input(snapshot, archive=Archive(keep=2))
        first = rig.run(rig.snapshots.copy_snapshot, given)
        assert not first.done
        assert "copy-snapshot intent" in rig.rows()
        assert rig.run(rig.snapshots.copy_snapshot, given).done
    finally:
        rig.emulator.quotas.manual_snapshots = 100
    left = rig.copies()
    assert made[2].identifier in left
    assert made[0].identifier not in left
