"""DB cluster snapshots: taking, describing, copying, sharing, restoring, deleting."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.rigs.emulated_aws import ACCOUNT, ENGINE, OTHER_ACCOUNT, SOURCE, TARGET, EmulatedAws


def names(answer: dict[str, Any]) -> list[str]:
    return [each["DBClusterSnapshotIdentifier"] for each in answer["DBClusterSnapshots"]]


def automated(aws: EmulatedAws, cluster: str = "prod") -> str:
    """The name of a new, available automated snapshot."""
    aws.control("rds/automated-snapshot", account=ACCOUNT, region=SOURCE, cluster=cluster)
    aws.wait()
    found = aws.client().describe_db_cluster_snapshots(SnapshotType="automated", DBClusterIdentifier=cluster)
    return names(found)[-1]


def copy(
    aws: EmulatedAws, source: str, target: str = "copy", region: str = TARGET, **parameters: Any
) -> dict[str, Any]:
    answer = aws.client(region=region, account=parameters.pop("account", ACCOUNT)).copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=source, TargetDBClusterSnapshotIdentifier=target, **parameters
    )
    return dict(answer["DBClusterSnapshot"])


def key(aws: EmulatedAws, region: str = TARGET, account: str = ACCOUNT) -> str:
    return str(aws.client("kms", region, account).create_key()["KeyMetadata"]["Arn"])


# Taking and describing


def test_a_snapshot_takes_its_time_and_says_how_far_it_is(aws: EmulatedAws) -> None:
    """Percentages follow the clock; an unfinished snapshot can be neither copied nor restored."""
    rds = aws.client()
    aws.cluster()
    rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier="s", DBClusterIdentifier="prod")
    aws.wait(42)
    (now,) = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier="S")["DBClusterSnapshots"]
    assert (now["Status"], now["PercentProgress"]) == ("creating", 42)
    with pytest.raises(rds.exceptions.InvalidDBClusterSnapshotStateFault):
        copy(aws, now["DBClusterSnapshotArn"])
    with pytest.raises(rds.exceptions.InvalidDBClusterSnapshotStateFault):
        rds.restore_db_cluster_from_snapshot(DBClusterIdentifier="x", SnapshotIdentifier="s", Engine=ENGINE)
    with pytest.raises(rds.exceptions.InvalidDBClusterSnapshotStateFault):
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="s")
    aws.wait(58)
    (now,) = rds.describe_db_cluster_snapshots()["DBClusterSnapshots"]
    assert (now["Status"], now["PercentProgress"]) == ("available", 100)


def test_not_found_is_only_for_an_exact_name(aws: EmulatedAws) -> None:
    """An unknown identifier is NotFound; a filter or cluster without snapshots is an empty list."""
    rds = aws.client()
    with pytest.raises(rds.exceptions.DBClusterSnapshotNotFoundFault) as gone:
        rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier="none")
    assert gone.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert names(rds.describe_db_cluster_snapshots(DBClusterIdentifier="none")) == []
    wanted = [{"Name": "db-cluster-snapshot-id", "Values": ["none"]}]
    assert names(rds.describe_db_cluster_snapshots(Filters=wanted)) == []
    with pytest.raises(ClientError, match=r"InvalidParameterValue.*Unrecognized filter name: status"):
        rds.describe_db_cluster_snapshots(Filters=[{"Name": "status", "Values": ["available"]}])
    with pytest.raises(ClientError, match="InvalidParameterCombination"):
        rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier="a", DBClusterIdentifier="b")


def test_an_automated_snapshot_is_rds_own(aws: EmulatedAws) -> None:
    """It is named by RDS, found by type, cannot be shared or deleted, and goes with its cluster."""
    rds = aws.client()
    aws.cluster()
    name = automated(aws)
    assert name == "rds:prod-2024-03-20-00-06"
    with pytest.raises(rds.exceptions.DBClusterSnapshotNotFoundFault):
        rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=name)
    exact = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=name, SnapshotType="automated")
    assert names(exact) == [name]
    assert names(rds.describe_db_cluster_snapshots(SnapshotType="manual")) == []
    with pytest.raises(rds.exceptions.InvalidDBClusterSnapshotStateFault):
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=name)
    with pytest.raises(rds.exceptions.InvalidDBClusterSnapshotStateFault):
        rds.modify_db_cluster_snapshot_attribute(
            DBClusterSnapshotIdentifier=name, AttributeName="restore", ValuesToAdd=[OTHER_ACCOUNT]
        )
    rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    aws.wait()
    assert names(rds.describe_db_cluster_snapshots()) == []


def test_too_many_manual_snapshots_are_refused(aws: EmulatedAws) -> None:
    """The quota counts manual snapshots, and its message tells it apart from the one on copies."""
    aws.emulator.quotas.manual_snapshots = 1
    aws.cluster()
    aws.snapshot("one")
    automated(aws)
    with pytest.raises(ClientError, match=r"SnapshotQuotaExceeded.*Cannot create more than 1 manual snapshots"):
        aws.snapshot("two")


def test_tags_go_from_the_cluster_to_its_snapshot_if_wanted(aws: EmulatedAws) -> None:
    """CopyTagsToSnapshot gives a snapshot the tags of its cluster."""
    tags = [{"Key": "team", "Value": "orders"}]
    aws.cluster(Tags=tags, CopyTagsToSnapshot=True)
    assert aws.snapshot()["TagList"] == tags


# Copying


def test_a_copy_remembers_where_it_comes_from(aws: EmulatedAws) -> None:
    """A copy keeps its source's ARN, cluster, times and version, and takes its time."""
    aws.cluster(EngineVersion="15.4")
    source = aws.snapshot()
    copy(aws, source["DBClusterSnapshotArn"], "Copy")
    aws.wait(40)
    rds = aws.client(region=TARGET)
    (now,) = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier="copy")["DBClusterSnapshots"]
    assert (now["Status"], now["PercentProgress"]) == ("copying", 40)
    assert now["SourceDBClusterSnapshotArn"] == source["DBClusterSnapshotArn"]
    kept = ("DbClusterResourceId", "DBClusterIdentifier", "ClusterCreateTime", "SnapshotCreateTime", "Engine")
    assert [now[name] for name in (*kept, "EngineVersion")] == [source[name] for name in (*kept, "EngineVersion")]
    with pytest.raises(rds.exceptions.DBClusterSnapshotAlreadyExistsFault):
        copy(aws, source["DBClusterSnapshotArn"])
    with pytest.raises(rds.exceptions.DBClusterSnapshotNotFoundFault):
        copy(aws, "nightly", "other")


def test_an_encrypted_copy_needs_a_key_of_the_target_region(aws: EmulatedAws) -> None:
    """Across regions an encrypted copy needs a key that exists there; at home it keeps its own."""
    aws.cluster(StorageEncrypted=True)
    arn = aws.snapshot()["DBClusterSnapshotArn"]
    with pytest.raises(ClientError, match=r"InvalidParameterValue.*Must specify new KMS key for cross region"):
        copy(aws, arn)
    for wrong in ("alias/none", key(aws, SOURCE)):
        with pytest.raises(aws.client().exceptions.KMSKeyNotAccessibleFault):
            copy(aws, arn, KmsKeyId=wrong)
    right = key(aws)
    assert copy(aws, arn, KmsKeyId=right)["KmsKeyId"] == right
    assert copy(aws, "nightly", "here", region=SOURCE)["StorageEncrypted"]
    aws.client("kms", TARGET).disable_key(KeyId=right.rpartition("/")[2])
    with pytest.raises(aws.client().exceptions.KMSKeyNotAccessibleFault):
        copy(aws, arn, "third", KmsKeyId=right)


def test_an_unencrypted_copy_takes_no_key(aws: EmulatedAws) -> None:
    """A copy cannot be encrypted if its source is not."""
    aws.cluster()
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        copy(aws, aws.snapshot()["DBClusterSnapshotArn"], KmsKeyId=key(aws))


def test_five_copies_at_a_time_come_into_a_region(aws: EmulatedAws) -> None:
    """A sixth copy is refused until one of the five has finished."""
    aws.cluster()
    arn = aws.snapshot()["DBClusterSnapshotArn"]
    for place in range(5):
        copy(aws, arn, f"copy-{place}")
    with pytest.raises(ClientError, match=r"SnapshotQuotaExceeded.*Cannot copy more than 5 snapshots across regions"):
        copy(aws, arn, "copy-5")
    copy(aws, "nightly", "here", region=SOURCE)
    aws.wait()
    copy(aws, arn, "copy-5")


def test_tags_of_a_copy(aws: EmulatedAws) -> None:
    """A copy has only its own tags unless CopyTags is given, and then a reserved tag makes the call fail."""
    aws.cluster()
    source = aws.snapshot(Tags=[{"Key": "team", "Value": "orders"}])["DBClusterSnapshotArn"]
    assert copy(aws, source, "plain", Tags=[{"Key": "by", "Value": "us"}])["TagList"] == [{"Key": "by", "Value": "us"}]
    assert len(copy(aws, source, "both", CopyTags=True, Tags=[{"Key": "by", "Value": "us"}])["TagList"]) == 2
    aws.control("rds/tags", arn=source, tags={"aws:backup": "x"})
    with pytest.raises(ClientError, match=r"InvalidParameterValue.*Tag keys cannot start with the reserved prefix"):
        copy(aws, source, "reserved", CopyTags=True)


def test_a_copy_is_cancelled_by_deleting_it_and_fails_without_its_source(aws: EmulatedAws) -> None:
    """Deleting a copy under way cancels it; deleting its source lets it fail."""
    rds = aws.client(region=TARGET)
    aws.cluster()
    arn = aws.snapshot()["DBClusterSnapshotArn"]
    copy(aws, arn, "cancelled")
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="cancelled")
    copy(aws, arn, "failing")
    aws.client().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="nightly")
    aws.wait()
    (failed,) = rds.describe_db_cluster_snapshots()["DBClusterSnapshots"]
    assert (failed["DBClusterSnapshotIdentifier"], failed["Status"]) == ("failing", "failed")
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="failing")


def test_another_account_copies_what_is_shared_with_it(aws: EmulatedAws) -> None:
    """A snapshot is unknown to another account until it is shared, and then can be used."""
    theirs = aws.client(account=OTHER_ACCOUNT)
    aws.cluster()
    arn = aws.snapshot()["DBClusterSnapshotArn"]
    with pytest.raises(theirs.exceptions.DBClusterSnapshotNotFoundFault):
        copy(aws, arn, account=OTHER_ACCOUNT)
    answer = aws.client().modify_db_cluster_snapshot_attribute(
        DBClusterSnapshotIdentifier="nightly", AttributeName="restore", ValuesToAdd=[OTHER_ACCOUNT]
    )
    assert answer["DBClusterSnapshotAttributesResult"]["DBClusterSnapshotAttributes"] == [
        {"AttributeName": "restore", "AttributeValues": [OTHER_ACCOUNT]}
    ]
    assert names(theirs.describe_db_cluster_snapshots()) == []
    assert names(theirs.describe_db_cluster_snapshots(IncludeShared=True)) == [arn]
    assert names(theirs.describe_db_cluster_snapshots(SnapshotType="shared")) == [arn]
    assert copy(aws, arn, account=OTHER_ACCOUNT)["SourceDBClusterSnapshotArn"] == arn
    copy(aws, arn, "not-shared", region=SOURCE)
    aws.wait()
    assert names(theirs.describe_db_cluster_snapshots(SnapshotType="shared")) == [arn]
    theirs.restore_db_cluster_from_snapshot(DBClusterIdentifier="theirs", SnapshotIdentifier=arn, Engine=ENGINE)
    aws.client().modify_db_cluster_snapshot_attribute(
        DBClusterSnapshotIdentifier="nightly", AttributeName="restore", ValuesToRemove=[OTHER_ACCOUNT]
    )
    shown = aws.client().describe_db_cluster_snapshot_attributes(DBClusterSnapshotIdentifier="nightly")
    assert shown["DBClusterSnapshotAttributesResult"]["DBClusterSnapshotAttributes"][0]["AttributeValues"] == []


def test_encrypted_snapshots_are_shared_only_with_a_key_of_ones_own(aws: EmulatedAws) -> None:
    """Under the default key a snapshot cannot be shared; encrypted never with all; never with 21."""
    rds = aws.client()
    aws.cluster("default", StorageEncrypted=True)
    aws.cluster("own", StorageEncrypted=True, KmsKeyId=key(aws, SOURCE))
    aws.snapshot("default", "default")
    aws.snapshot("own", "own")

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


# Restoring


def test_a_restored_cluster_is_bare(aws: EmulatedAws) -> None:
    """Restore takes master user and data over, but no instances, protection, tags, IAM or logs."""
    tags = [{"Key": "team", "Value": "orders"}]
    aws.cluster(DeletionProtection=True, Tags=tags, EnableIAMDatabaseAuthentication=True, BackupRetentionPeriod=14)
    aws.instance("prod-1")
    arn = aws.snapshot()["DBClusterSnapshotArn"]
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
def test_an_impossible_restore_is_refused(
    aws: EmulatedAws, parameters: dict[str, Any], code: str, message: str
) -> None:
    """What cannot be restored is refused at once, and no cluster is left behind."""
    aws.cluster(EngineVersion="16.8")
    aws.snapshot()
    wanted = {
        "DBClusterIdentifier": "new",
        "SnapshotIdentifier": "nightly",
        "Engine": ENGINE,
        "EngineVersion": "16.8",
        **parameters,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    with pytest.raises(ClientError, match=f"{code}.*{message}"):
        aws.client().restore_db_cluster_from_snapshot(**given)
    assert len(aws.client().describe_db_clusters()["DBClusters"]) == 1


def test_omitting_the_version_upgrades_an_older_snapshot(aws: EmulatedAws) -> None:
    """Without EngineVersion the engine's default version is used, not the snapshot's."""
    aws.cluster(EngineVersion="15.4")
    aws.snapshot()
    restored = aws.client().restore_db_cluster_from_snapshot(
        DBClusterIdentifier="new", SnapshotIdentifier="nightly", Engine=ENGINE
    )
    assert restored["DBCluster"]["EngineVersion"] == "16.6"


def test_a_snapshot_of_another_region_cannot_be_restored(aws: EmulatedAws) -> None:
    """Restore works within a region; a copy has to be made first."""
    aws.cluster()
    arn = aws.snapshot()["DBClusterSnapshotArn"]
    rds = aws.client(region=TARGET)
    with pytest.raises(rds.exceptions.DBClusterSnapshotNotFoundFault):
        rds.restore_db_cluster_from_snapshot(DBClusterIdentifier="new", SnapshotIdentifier=arn, Engine=ENGINE)
