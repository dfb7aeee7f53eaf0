"""One night as AWS would live it, from the source's snapshot to the restored target."""

from __future__ import annotations

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from devstack.aws import Emulator, NoDatabases
from tests.rigs.emulated_aws import ENGINE, NIGHT, SOURCE, TAKES, TARGET, EmulatedAws


def test_a_night_from_snapshot_to_restored_cluster(aws: EmulatedAws) -> None:
    """A snapshot is copied, the old target deleted, and a new one restored from the copy."""
    target = aws.client(region=TARGET)
    prod = aws.cluster("prod", EngineVersion="15.4")
    old = aws.cluster("staging", region=TARGET, DeletionProtection=False)
    aws.instance("staging-1", "staging", region=TARGET)
    snapshot = aws.snapshot("daily-backup-2024-03-20")

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
    aws.instance("staging-1", "staging", region=TARGET)
    new = aws.describe_cluster("staging", TARGET)
    assert new["Status"] == "available"
    assert new["DbClusterResourceId"] not in (old["DbClusterResourceId"], prod["DbClusterResourceId"])
    assert [member["IsClusterWriter"] for member in new["DBClusterMembers"]] == [True]


def test_the_managed_secret_lives_and_dies_with_its_cluster(aws: EmulatedAws) -> None:
    """A managed master password is a real secret, active after a while, deleted with its cluster."""
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


def test_events_tell_of_the_cluster(aws: EmulatedAws) -> None:
    """Events come as the Aurora User Guide documents them, and none tells of copies."""
    rds = aws.client()
    aws.cluster()
    aws.instance("prod-1")
    snapshot = aws.snapshot()
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
    assert (events[0]["Date"] - NIGHT).total_seconds() == 100
    only = rds.describe_events(SourceIdentifier="prod", SourceType="db-cluster", EventCategories=["creation"])
    assert len(only["Events"]) == 1
    with pytest.raises(ClientError, match="InvalidParameterCombination"):
        rds.describe_events(SourceIdentifier="prod")
    aws.wait(3601)
    assert rds.describe_events()["Events"] == []


def test_accounts_and_regions_are_apart(aws: EmulatedAws) -> None:
    """A cluster is seen only in its own region and by its own account."""
    aws.cluster()
    assert len(aws.client().describe_db_clusters()["DBClusters"]) == 1
    assert aws.client(region=TARGET).describe_db_clusters()["DBClusters"] == []
    assert aws.client(account="999999999999").describe_db_clusters()["DBClusters"] == []


def test_an_assumed_role_acts_in_its_own_account(aws: EmulatedAws) -> None:
    """Credentials from STS AssumeRole see the account of the role."""
    role = "arn:aws:iam::222222222222:role/restorer"
    given = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="op-001")["Credentials"]
    rds = aws.new_client("rds", SOURCE, given["AccessKeyId"])
    created = rds.create_db_cluster(
        DBClusterIdentifier="theirs", Engine=ENGINE, MasterUsername="boss", MasterUserPassword="long-enough"
    )["DBCluster"]
    assert created["DBClusterArn"] == "arn:aws:rds:us-west-2:222222222222:cluster:theirs"


def test_what_was_just_made_is_not_seen_at_once() -> None:
    """With a visibility lag a new cluster is NotFound for a while, though its name is taken."""
    with Emulator(NoDatabases(), durations=replace(TAKES, visibility_lag=5)) as emulator:
        aws = EmulatedAws(emulator)
        rds = aws.client()
        master = {"Engine": ENGINE, "MasterUsername": "boss", "MasterUserPassword": "long-enough"}
        rds.create_db_cluster(DBClusterIdentifier="prod", **master)
        with pytest.raises(rds.exceptions.DBClusterNotFoundFault):
            aws.describe_cluster()
        with pytest.raises(rds.exceptions.DBClusterAlreadyExistsFault):
            rds.create_db_cluster(DBClusterIdentifier="prod", **master)
        aws.wait(5)
        assert aws.describe_cluster()["Status"] == "creating"
