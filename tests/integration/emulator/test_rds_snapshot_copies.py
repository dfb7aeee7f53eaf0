"""DB cluster snapshots: copy and share."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.rigs.emulated_aws import ENGINE, OTHER_ACCOUNT, SOURCE, TARGET, EmulatedAws, snapshot_names


def test_a_copy_keeps_the_facts_of_its_source(aws: EmulatedAws) -> None:
    """A copy shows its source's ARN, cluster, times and version, and its progress."""
    aws.create_cluster(EngineVersion="15.4")
    source = aws.create_snapshot()
    aws.copy_snapshot(source["DBClusterSnapshotArn"], "Copy")
    aws.wait(40)
    rds = aws.client(region=TARGET)
    [unfinished] = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier="copy")["DBClusterSnapshots"]
    assert (unfinished["Status"], unfinished["PercentProgress"]) == ("copying", 40)
    assert unfinished["SourceDBClusterSnapshotArn"] == source["DBClusterSnapshotArn"]
    for fact in (
        "DbClusterResourceId", "DBClusterIdentifier", "ClusterCreateTime", "SnapshotCreateTime", "Engine", "EngineVersion",
    ):  # fmt: skip
        assert unfinished[fact] == source[fact]
    with pytest.raises(rds.exceptions.DBClusterSnapshotAlreadyExistsFault):
        aws.copy_snapshot(source["DBClusterSnapshotArn"])
    with pytest.raises(rds.exceptions.DBClusterSnapshotNotFoundFault):
        aws.copy_snapshot("nightly", "other")


def test_an_encrypted_copy_needs_a_key_of_the_target_region(aws: EmulatedAws) -> None:
    """A cross-region copy of an encrypted snapshot needs an enabled key of its region; within a region it keeps its key."""
    aws.create_cluster(StorageEncrypted=True)
    arn = aws.create_snapshot()["DBClusterSnapshotArn"]
    with pytest.raises(ClientError, match=r"InvalidParameterValue.*Must specify new KMS key for cross region"):
        aws.copy_snapshot(arn)
    for wrong in ("alias/none", aws.create_key(SOURCE)):
        with pytest.raises(aws.client().exceptions.KMSKeyNotAccessibleFault):
            aws.copy_snapshot(arn, KmsKeyId=wrong)
    right = aws.create_key()
    assert aws.copy_snapshot(arn, KmsKeyId=right)["KmsKeyId"] == right
    assert aws.copy_snapshot("nightly", "here", region=SOURCE)["StorageEncrypted"]
    aws.client("kms", TARGET).disable_key(KeyId=right.rpartition("/")[2])
    with pytest.raises(aws.client().exceptions.KMSKeyNotAccessibleFault):
        aws.copy_snapshot(arn, "third", KmsKeyId=right)


def test_a_copy_of_an_unencrypted_snapshot_refuses_a_key(aws: EmulatedAws) -> None:
    """A copy cannot be encrypted if its source is not."""
    aws.create_cluster()
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        aws.copy_snapshot(aws.create_snapshot()["DBClusterSnapshotArn"], KmsKeyId=aws.create_key())


def test_at_most_five_copies_into_a_region_run_at_a_time(aws: EmulatedAws) -> None:
    """A sixth cross-region copy is refused until one of the five has ended."""
    aws.create_cluster()
    arn = aws.create_snapshot()["DBClusterSnapshotArn"]
    for place in range(5):
        aws.copy_snapshot(arn, f"copy-{place}")
    with pytest.raises(ClientError, match=r"SnapshotQuotaExceeded.*Cannot copy more than 5 snapshots across regions"):
        aws.copy_snapshot(arn, "copy-5")
    aws.copy_snapshot("nightly", "here", region=SOURCE)
    aws.wait()
    aws.copy_snapshot(arn, "copy-5")


def test_a_copy_inherits_tags_only_with_copy_tags(aws: EmulatedAws) -> None:
    """A copy has its own tags, with CopyTags also its source's; a reserved tag on the source then fails the call."""
    aws.create_cluster()
    source = aws.create_snapshot(Tags=[{"Key": "team", "Value": "orders"}])["DBClusterSnapshotArn"]
    assert aws.copy_snapshot(source, "plain", Tags=[{"Key": "by", "Value": "us"}])["TagList"] == [
        {"Key": "by", "Value": "us"}
    ]
    assert len(aws.copy_snapshot(source, "both", CopyTags=True, Tags=[{"Key": "by", "Value": "us"}])["TagList"]) == 2
    aws.control("rds/tags", arn=source, tags={"aws:backup": "x"})
    with pytest.raises(ClientError, match=r"InvalidParameterValue.*Tag keys cannot start with the reserved prefix"):
        aws.copy_snapshot(source, "reserved", CopyTags=True)


def test_deleting_an_unfinished_copy_cancels_it_and_deleting_its_source_fails_it(aws: EmulatedAws) -> None:
    """An unfinished copy is cancelled by its deletion, and fails when its source is deleted."""
    rds = aws.client(region=TARGET)
    aws.create_cluster()
    arn = aws.create_snapshot()["DBClusterSnapshotArn"]
    aws.copy_snapshot(arn, "cancelled")
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="cancelled")
    aws.copy_snapshot(arn, "failing")
    deleted = aws.client().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="nightly")["DBClusterSnapshot"]
    assert deleted["Status"] == "available"
    aws.wait()
    [failed] = rds.describe_db_cluster_snapshots()["DBClusterSnapshots"]
    assert (failed["DBClusterSnapshotIdentifier"], failed["Status"]) == ("failing", "failed")
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="failing")


def test_another_account_can_use_a_snapshot_once_it_is_shared(aws: EmulatedAws) -> None:
    """A snapshot is NotFound to another account until it is shared; then that account can copy and restore it."""
    theirs = aws.client(account=OTHER_ACCOUNT)
    aws.create_cluster()
    arn = aws.create_snapshot()["DBClusterSnapshotArn"]
    with pytest.raises(theirs.exceptions.DBClusterSnapshotNotFoundFault):
        aws.copy_snapshot(arn, account=OTHER_ACCOUNT)
    shared = aws.client().modify_db_cluster_snapshot_attribute(
        DBClusterSnapshotIdentifier="nightly", AttributeName="restore", ValuesToAdd=[OTHER_ACCOUNT]
    )
    assert shared["DBClusterSnapshotAttributesResult"]["DBClusterSnapshotAttributes"] == [
        {"AttributeName": "restore", "AttributeValues": [OTHER_ACCOUNT]}
    ]
    assert snapshot_names(theirs.describe_db_cluster_snapshots()) == []
    assert snapshot_names(theirs.describe_db_cluster_snapshots(IncludeShared=True)) == [arn]
    assert snapshot_names(theirs.describe_db_cluster_snapshots(SnapshotType="shared")) == [arn]
    assert aws.copy_snapshot(arn, account=OTHER_ACCOUNT)["SourceDBClusterSnapshotArn"] == arn
    aws.copy_snapshot(arn, "not-shared", region=SOURCE)
    aws.wait()
    assert snapshot_names(theirs.describe_db_cluster_snapshots(SnapshotType="shared")) == [arn]
    theirs.restore_db_cluster_from_snapshot(DBClusterIdentifier="theirs", SnapshotIdentifier=arn, Engine=ENGINE)
    aws.client().modify_db_cluster_snapshot_attribute(
        DBClusterSnapshotIdentifier="nightly", AttributeName="restore", ValuesToRemove=[OTHER_ACCOUNT]
    )
    response = aws.client().describe_db_cluster_snapshot_attributes(DBClusterSnapshotIdentifier="nightly")
    assert response["DBClusterSnapshotAttributesResult"]["DBClusterSnapshotAttributes"][0]["AttributeValues"] == []


def test_an_encrypted_snapshot_is_shared_only_under_a_customer_managed_key(aws: EmulatedAws) -> None:
    """Under the default key a snapshot cannot be shared; an encrypted one never with all, and never with 21 accounts."""
    rds = aws.client()
    aws.create_cluster("default", StorageEncrypted=True)
    aws.create_cluster("own", StorageEncrypted=True, KmsKeyId=aws.create_key(SOURCE))
    aws.create_snapshot("default", "default")
    aws.create_snapshot("own", "own")

    def share(name: str, *accounts: str) -> None:
        rds.modify_db_cluster_snapshot_attribute(
            DBClusterSnapshotIdentifier=name, AttributeName="restore", ValuesToAdd=list(accounts)
        )

    with pytest.raises(ClientError, match=r"InvalidParameterValue.*default service key"):
        share("default", OTHER_ACCOUNT)
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        share("own", "all")
    with pytest.raises(rds.exceptions.SharedSnapshotQuotaExceededFault):
        share("own", *(f"{number:012d}" for number in range(21)))
    share("own", OTHER_ACCOUNT)
