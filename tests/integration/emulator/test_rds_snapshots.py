"""DB cluster snapshots: take, describe, restore, delete."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.rigs.emulated_aws import ACCOUNT, ENGINE, OTHER_ACCOUNT, SOURCE, TARGET, EmulatedAws, snapshot_names


def take_automated_snapshot(aws: EmulatedAws, cluster: str = "prod") -> str:
    """Take an automated snapshot and wait until it is available; returns its name."""
    aws.control("rds/automated-snapshot", account=ACCOUNT, region=SOURCE, cluster=cluster)
    aws.wait()
    automated = aws.client().describe_db_cluster_snapshots(SnapshotType="automated", DBClusterIdentifier=cluster)
    return snapshot_names(automated)[-1]


# Take and describe


def test_an_unfinished_snapshot_shows_its_progress_and_cannot_be_used(aws: EmulatedAws) -> None:
    """PercentProgress follows the clock; an unfinished snapshot can be neither copied, restored nor deleted."""
    rds = aws.client()
    aws.create_cluster()
    rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier="s", DBClusterIdentifier="prod")
    aws.wait(42)
    [unfinished] = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier="S")["DBClusterSnapshots"]
    assert (unfinished["Status"], unfinished["PercentProgress"]) == ("creating", 42)
    with pytest.raises(rds.exceptions.InvalidDBClusterSnapshotStateFault):
        aws.copy_snapshot(unfinished["DBClusterSnapshotArn"])
    with pytest.raises(rds.exceptions.InvalidDBClusterSnapshotStateFault):
        rds.restore_db_cluster_from_snapshot(DBClusterIdentifier="x", SnapshotIdentifier="s", Engine=ENGINE)
    with pytest.raises(rds.exceptions.InvalidDBClusterSnapshotStateFault):
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="s")
    aws.wait(58)
    [finished] = rds.describe_db_cluster_snapshots()["DBClusterSnapshots"]
    assert (finished["Status"], finished["PercentProgress"]) == ("available", 100)


def test_only_an_exact_identifier_is_not_found(aws: EmulatedAws) -> None:
    """An unknown identifier is NotFound; a filter or a cluster without snapshots is an empty list."""
    rds = aws.client()
    with pytest.raises(rds.exceptions.DBClusterSnapshotNotFoundFault) as gone:
        rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier="none")
    assert gone.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert snapshot_names(rds.describe_db_cluster_snapshots(DBClusterIdentifier="none")) == []
    filters = [{"Name": "db-cluster-snapshot-id", "Values": ["none"]}]
    assert snapshot_names(rds.describe_db_cluster_snapshots(Filters=filters)) == []
    with pytest.raises(ClientError, match=r"InvalidParameterValue.*Unrecognized filter name: status"):
        rds.describe_db_cluster_snapshots(Filters=[{"Name": "status", "Values": ["available"]}])
    with pytest.raises(ClientError, match="InvalidParameterCombination"):
        rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier="a", DBClusterIdentifier="b")


def test_an_automated_snapshot_belongs_to_rds(aws: EmulatedAws) -> None:
    """RDS names it; it is found by its type, cannot be shared or deleted, and is deleted with its cluster."""
    rds = aws.client()
    aws.create_cluster()
    name = take_automated_snapshot(aws)
    assert name == "rds:prod-2024-03-20-00-06"
    with pytest.raises(rds.exceptions.DBClusterSnapshotNotFoundFault):
        rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=name)
    exact = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=name, SnapshotType="automated")
    assert snapshot_names(exact) == [name]
    assert snapshot_names(rds.describe_db_cluster_snapshots(SnapshotType="manual")) == []
    with pytest.raises(rds.exceptions.InvalidDBClusterSnapshotStateFault):
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=name)
    with pytest.raises(rds.exceptions.InvalidDBClusterSnapshotStateFault):
        rds.modify_db_cluster_snapshot_attribute(
            DBClusterSnapshotIdentifier=name, AttributeName="restore", ValuesToAdd=[OTHER_ACCOUNT]
        )
    rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    aws.wait()
    assert snapshot_names(rds.describe_db_cluster_snapshots()) == []


def test_a_manual_snapshot_beyond_the_quota_is_refused(aws: EmulatedAws) -> None:
    """The quota counts manual snapshots only, and its message differs from that of the quota on copies."""
    aws.emulator.quotas.manual_snapshots = 1
    aws.create_cluster()
    aws.create_snapshot("one")
    take_automated_snapshot(aws)
    with pytest.raises(ClientError, match=r"SnapshotQuotaExceeded.*Cannot create more than 1 manual snapshots"):
        aws.create_snapshot("two")


def test_copy_tags_to_snapshot_gives_a_snapshot_the_tags_of_its_cluster(aws: EmulatedAws) -> None:
    """A snapshot of a cluster with CopyTagsToSnapshot has the cluster's tags."""
    tags = [{"Key": "team", "Value": "orders"}]
    aws.create_cluster(Tags=tags, CopyTagsToSnapshot=True)
    assert aws.create_snapshot()["TagList"] == tags


# Restore


def test_a_restored_cluster_inherits_no_instances_protection_or_tags(aws: EmulatedAws) -> None:
    """A restore keeps the master user and the retention, but no instances, protection, tags, IAM or logs."""
    tags = [{"Key": "team", "Value": "orders"}]
    aws.create_cluster(
        DeletionProtection=True, Tags=tags, EnableIAMDatabaseAuthentication=True, BackupRetentionPeriod=14
    )
    aws.create_instance("prod-1")
    arn = aws.create_snapshot()["DBClusterSnapshotArn"]
    aws.client().restore_db_cluster_from_snapshot(DBClusterIdentifier="New", SnapshotIdentifier=arn, Engine=ENGINE)
    new = aws.describe_cluster("new")
    assert (new["Status"], new["MasterUsername"], new["BackupRetentionPeriod"]) == ("creating", "boss", 14)
    assert new["DBClusterMembers"] == new["TagList"] == []
    assert not new["DeletionProtection"]
    assert not new["IAMDatabaseAuthenticationEnabled"]
    assert new["DBSubnetGroup"] == "default"


@pytest.mark.parametrize(
    ("parameters", "code", "message"),
    [
        ({"EngineVersion": None}, "InvalidParameterCombination", "16.6 is earlier than the engine version"),
        ({"EngineVersion": "15.4"}, "InvalidParameterCombination", "15.4 is earlier than the engine version"),
        (
            {"EngineVersion": "99.1"},
            "InvalidParameterCombination",
            "Cannot find version 99.1 for aurora-postgresql",
        ),
        ({"Engine": "aurora-mysql", "EngineVersion": None}, "InvalidParameterValue", "not compatible"),
        ({"DBSubnetGroupName": "none"}, "DBSubnetGroupNotFoundFault", "none"),
        ({"DBClusterParameterGroupName": "none"}, "DBClusterParameterGroupNotFound", "none"),
        (
            {"DBClusterParameterGroupName": "default.aurora-postgresql15"},
            "InvalidParameterCombination",
            "Family",
        ),
        ({"VpcSecurityGroupIds": ["bogus"]}, "InvalidParameterValue", "Invalid security group"),
        ({"KmsKeyId": "alias/none"}, "KMSKeyNotAccessibleFault", "alias/none"),
        ({"SnapshotIdentifier": "none"}, "DBClusterSnapshotNotFoundFault", "none"),
        ({"DBClusterIdentifier": "prod"}, "DBClusterAlreadyExistsFault", "prod"),
        ({"Tags": [{"Key": "aws:x", "Value": ""}]}, "InvalidParameterValue", "reserved prefix"),
    ],
)
def test_an_invalid_restore_is_refused(aws: EmulatedAws, parameters: dict[str, Any], code: str, message: str) -> None:
    """An invalid restore is refused at once, and no cluster is created."""
    aws.create_cluster(EngineVersion="16.8")
    aws.create_snapshot()
    options = {
        "DBClusterIdentifier": "new",
        "SnapshotIdentifier": "nightly",
        "Engine": ENGINE,
        "EngineVersion": "16.8",
        **parameters,
    }
    options = {name: value for name, value in options.items() if value is not None}
    with pytest.raises(ClientError, match=f"{code}.*{message}"):
        aws.client().restore_db_cluster_from_snapshot(**options)
    assert len(aws.client().describe_db_clusters()["DBClusters"]) == 1


def test_a_restore_without_a_version_upgrades_to_the_default_version(aws: EmulatedAws) -> None:
    """Without EngineVersion the cluster gets the engine's default version, not the snapshot's."""
    aws.create_cluster(EngineVersion="15.4")
    aws.create_snapshot()
    restored = aws.client().restore_db_cluster_from_snapshot(
        DBClusterIdentifier="new", SnapshotIdentifier="nightly", Engine=ENGINE
    )
    assert restored["DBCluster"]["EngineVersion"] == "16.6"


def test_a_snapshot_of_another_region_cannot_be_restored(aws: EmulatedAws) -> None:
    """A snapshot of another region is NotFound to a restore; it has to be copied first."""
    aws.create_cluster()
    arn = aws.create_snapshot()["DBClusterSnapshotArn"]
    rds = aws.client(region=TARGET)
    with pytest.raises(rds.exceptions.DBClusterSnapshotNotFoundFault):
        rds.restore_db_cluster_from_snapshot(DBClusterIdentifier="new", SnapshotIdentifier=arn, Engine=ENGINE)
