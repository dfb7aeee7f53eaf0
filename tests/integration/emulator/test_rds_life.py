"""A whole restore against the emulated RDS, and what belongs to no single resource: secrets, events, accounts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from devstack.aws import Emulator, NoDatabases
from tests.rigs.durations import EMULATOR
from tests.rigs.emulated_aws import ENGINE, MASTER, SOURCE, START, TARGET, EmulatedAws


def test_a_target_is_replaced_from_a_copied_snapshot(aws: EmulatedAws) -> None:
    """A snapshot is copied, the old target deleted, and a new one restored from the copy."""
    target = aws.client(region=TARGET)
    prod = aws.create_cluster("prod", EngineVersion="15.4")
    old = aws.create_cluster("staging", region=TARGET, DeletionProtection=False)
    aws.create_instance("staging-1", "staging", region=TARGET)
    snapshot = aws.create_snapshot("daily-backup-2024-03-20")

    copy = target.copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=snapshot["DBClusterSnapshotArn"],
        TargetDBClusterSnapshotIdentifier="copy",
        SourceRegion=SOURCE,
    )["DBClusterSnapshot"]
    assert (copy["Status"], copy["PercentProgress"]) == ("copying", 0)
    aws.wait()

    target.delete_db_instance(DBInstanceIdentifier="staging-1", SkipFinalSnapshot=True)
    target.delete_db_cluster(DBClusterIdentifier="staging", SkipFinalSnapshot=True)
    aws.wait()
    with pytest.raises(target.exceptions.DBClusterNotFoundFault):
        aws.describe_cluster("staging", TARGET)

    target.restore_db_cluster_from_snapshot(
        DBClusterIdentifier="staging", SnapshotIdentifier="copy", Engine=ENGINE, EngineVersion="15.4"
    )
    assert aws.describe_cluster("staging", TARGET)["Status"] == "creating"
    aws.wait()
    aws.create_instance("staging-1", "staging", region=TARGET)
    new = aws.describe_cluster("staging", TARGET)
    assert new["Status"] == "available"
    assert new["DbClusterResourceId"] not in (old["DbClusterResourceId"], prod["DbClusterResourceId"])
    assert [member["IsClusterWriter"] for member in new["DBClusterMembers"]] == [True]


def test_a_managed_secret_is_created_and_deleted_with_its_cluster(aws: EmulatedAws) -> None:
    """A managed master password is a real secret, first creating, then active, and deleted with its cluster."""
    rds, secrets = aws.client(), aws.client("secretsmanager")
    created = rds.create_db_cluster(
        DBClusterIdentifier="prod", Engine=ENGINE, MasterUsername="boss", ManageMasterUserPassword=True
    )["DBCluster"]
    assert created["MasterUserSecret"]["SecretStatus"] == "creating"
    aws.wait()
    secret = aws.describe_cluster()["MasterUserSecret"]
    assert secret["SecretStatus"] == "active"
    assert '"username": "boss"' in secrets.get_secret_value(SecretId=secret["SecretArn"])["SecretString"]
    rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    aws.wait()
    assert rds.describe_db_clusters()["DBClusters"] == []
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.get_secret_value(SecretId=secret["SecretArn"])


def test_events_report_changes_but_not_copies(aws: EmulatedAws) -> None:
    """Events are those that the Aurora User Guide documents, and none reports a copy."""
    rds = aws.client()
    aws.create_cluster()
    aws.create_instance("prod-1")
    snapshot = aws.create_snapshot()
    rds.copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=snapshot["DBClusterSnapshotArn"],
        TargetDBClusterSnapshotIdentifier="copy",
    )
    aws.wait()
    events = rds.describe_events()["Events"]
    assert [(event["SourceIdentifier"], event["Message"]) for event in events] == [
        ("prod", "DB cluster created"),
        ("prod-1", "DB instance created"),
        ("nightly", "Creating manual cluster snapshot"),
        ("nightly", "Manual cluster snapshot created"),
    ]
    assert (events[0]["Date"] - START).total_seconds() == 100
    creations = rds.describe_events(SourceIdentifier="prod", SourceType="db-cluster", EventCategories=["creation"])
    assert len(creations["Events"]) == 1
    with pytest.raises(ClientError, match="InvalidParameterCombination"):
        rds.describe_events(SourceIdentifier="prod")
    aws.wait(3601)
    assert rds.describe_events()["Events"] == []


def test_a_cluster_is_visible_only_in_its_region_and_account(aws: EmulatedAws) -> None:
    """Another region or another account does not list the cluster."""
    aws.create_cluster()
    assert len(aws.client().describe_db_clusters()["DBClusters"]) == 1
    assert aws.client(region=TARGET).describe_db_clusters()["DBClusters"] == []
    assert aws.client(account="999999999999").describe_db_clusters()["DBClusters"] == []


def test_an_assumed_role_acts_in_its_own_account(aws: EmulatedAws) -> None:
    """A call with credentials from STS AssumeRole goes to the account of the role."""
    role = "arn:aws:iam::222222222222:role/restorer"
    credentials = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="op-001")["Credentials"]
    rds = aws.new_client("rds", SOURCE, credentials["AccessKeyId"])
    created = rds.create_db_cluster(DBClusterIdentifier="theirs", **MASTER)["DBCluster"]
    assert created["DBClusterArn"] == "arn:aws:rds:us-west-2:222222222222:cluster:theirs"


def test_with_a_visibility_lag_a_new_cluster_is_not_found_at_first() -> None:
    """During the visibility lag a new cluster is NotFound, though its name is taken."""
    with Emulator(NoDatabases(), durations=replace(EMULATOR, visibility_lag=5)) as emulator:
        aws = EmulatedAws(emulator)
        rds = aws.client()
        rds.create_db_cluster(DBClusterIdentifier="prod", **MASTER)
        with pytest.raises(rds.exceptions.DBClusterNotFoundFault):
            aws.describe_cluster()
        with pytest.raises(rds.exceptions.DBClusterAlreadyExistsFault):
            rds.create_db_cluster(DBClusterIdentifier="prod", **MASTER)
        aws.wait(5)
        assert aws.describe_cluster()["Status"] == "creating"
