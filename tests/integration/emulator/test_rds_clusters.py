"""DB clusters: create, describe, modify, delete, stop, start."""

from __future__ import annotations

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from devstack.aws import Emulator, NoDatabases
from tests.rigs.durations import EMULATOR
from tests.rigs.emulated_aws import MASTER, EmulatedAws


def test_an_identifier_is_stored_in_lower_case_and_found_in_any_case(aws: EmulatedAws) -> None:
    """Identifiers are stored in lower case, and calls may name them in any case or by ARN."""
    aws.create_cluster("Prod")
    assert aws.describe_cluster("PROD")["DBClusterIdentifier"] == "prod"
    assert aws.describe_cluster(aws.describe_cluster()["DBClusterArn"])["DBClusterIdentifier"] == "prod"


@pytest.mark.parametrize("name", ["9bad", "bad-", "bad--name", "bad_name", "b" * 64])
def test_an_invalid_identifier_is_refused(aws: EmulatedAws, name: str) -> None:
    """An identifier begins with a letter and has at most 63 letters, digits and single hyphens."""
    with pytest.raises(ClientError, match=r"InvalidParameterValue.*not a valid identifier"):
        aws.client().create_db_cluster(DBClusterIdentifier=name, **MASTER)


def test_an_identifier_is_taken_until_its_cluster_is_deleted(aws: EmulatedAws) -> None:
    """A second cluster of the same name is refused while the first exists, also while it is being deleted."""
    rds = aws.client()
    aws.create_cluster()
    with pytest.raises(rds.exceptions.DBClusterAlreadyExistsFault):
        rds.create_db_cluster(DBClusterIdentifier="prod", **MASTER)
    rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    with pytest.raises(rds.exceptions.DBClusterAlreadyExistsFault):
        rds.create_db_cluster(DBClusterIdentifier="prod", **MASTER)
    aws.wait()
    rds.create_db_cluster(DBClusterIdentifier="prod", **MASTER)


def test_a_new_cluster_is_creating_before_it_is_available(aws: EmulatedAws) -> None:
    """A cluster is `creating`, without a restorable time, until its creation time has passed."""
    aws.client().create_db_cluster(DBClusterIdentifier="prod", **MASTER)
    aws.wait(99)
    assert (aws.describe_cluster()["Status"], aws.describe_cluster().get("EarliestRestorableTime")) == (
        "creating",
        None,
    )
    aws.wait(1)
    assert aws.describe_cluster()["Status"] == "available"
    assert aws.describe_cluster()["EarliestRestorableTime"] == aws.emulator.clock.now()


def test_the_deletion_response_says_available_while_the_cluster_is_deleting(aws: EmulatedAws) -> None:
    """The response of DeleteDBCluster still says `available`; the cluster is `deleting`, then NotFound."""
    rds = aws.client()
    aws.create_cluster()
    response = rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    assert response["DBCluster"]["Status"] == "available"
    assert aws.describe_cluster()["Status"] == "deleting"
    with pytest.raises(rds.exceptions.InvalidDBClusterStateFault):
        rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    aws.wait()
    with pytest.raises(rds.exceptions.DBClusterNotFoundFault) as gone:
        rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    assert gone.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_a_deletion_must_either_skip_or_name_the_final_snapshot(aws: EmulatedAws) -> None:
    """A deletion with neither SkipFinalSnapshot nor a snapshot's name is refused, and so is one with both."""
    rds = aws.client()
    aws.create_cluster()
    with pytest.raises(ClientError, match="InvalidParameterCombination"):
        rds.delete_db_cluster(DBClusterIdentifier="prod")
    with pytest.raises(ClientError, match="InvalidParameterCombination"):
        rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True, FinalDBSnapshotIdentifier="last")
    rds.delete_db_cluster(DBClusterIdentifier="prod", FinalDBSnapshotIdentifier="last")
    aws.wait()
    [last] = rds.describe_db_cluster_snapshots()["DBClusterSnapshots"]
    assert (last["DBClusterSnapshotIdentifier"], last["Status"]) == ("last", "available")


def test_deletion_protection_covers_the_cluster_but_not_its_instances(aws: EmulatedAws) -> None:
    """Deletion protection refuses DeleteDBCluster, and no other call."""
    rds = aws.client()
    aws.create_cluster(DeletionProtection=True)
    aws.create_instance("prod-1")
    with pytest.raises(ClientError, match=r"InvalidParameterCombination.*Cannot delete protected Cluster"):
        rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    rds.delete_db_instance(DBInstanceIdentifier="prod-1", SkipFinalSnapshot=True)
    aws.wait()
    assert aws.describe_cluster()["DBClusterMembers"] == []
    rds.modify_db_cluster(DBClusterIdentifier="prod", DeletionProtection=False)
    rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)


def test_a_cluster_is_deleted_only_when_all_its_instances_are_deleting(aws: EmulatedAws) -> None:
    """DeleteDBCluster is refused until every member is being deleted."""
    rds = aws.client()
    aws.create_cluster()
    aws.create_instance("prod-1")
    with pytest.raises(rds.exceptions.InvalidDBClusterStateFault, match="non-deleting state"):
        rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    rds.delete_db_instance(DBInstanceIdentifier="prod-1")
    rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    aws.wait()
    assert rds.describe_db_clusters()["DBClusters"] == []
    assert rds.describe_db_instances()["DBInstances"] == []


def test_a_deleting_cluster_ends_after_its_slowest_instance() -> None:
    """A cluster that is being deleted remains `deleting` until its last instance is deleted."""
    with Emulator(NoDatabases(), durations=replace(EMULATOR, instance_delete=500)) as emulator:
        aws = EmulatedAws(emulator)
        aws.create_cluster()
        aws.create_instance("prod-1")
        aws.client().delete_db_instance(DBInstanceIdentifier="prod-1")
        aws.client().delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
        aws.wait(499)
        assert aws.describe_cluster()["Status"] == "deleting"
        aws.wait(1)
        assert aws.client().describe_db_clusters()["DBClusters"] == []


def test_a_modified_cluster_is_available_before_it_is_busy(aws: EmulatedAws) -> None:
    """ModifyDBCluster returns `available`; only PendingModifiedValues shows the coming change."""
    rds = aws.client()
    aws.create_cluster()
    modified = rds.modify_db_cluster(DBClusterIdentifier="prod", MasterUserPassword="another-one")["DBCluster"]
    assert (modified["Status"], modified["PendingModifiedValues"]) == (
        "available",
        {"MasterUserPassword": "****"},
    )
    assert aws.describe_cluster()["Status"] == "available"
    aws.wait(26)
    assert aws.describe_cluster()["Status"] == "resetting-master-credentials"
    with pytest.raises(rds.exceptions.InvalidDBClusterStateFault, match="with status resetting-master"):
        rds.modify_db_cluster(DBClusterIdentifier="prod", BackupRetentionPeriod=7)
    aws.wait(75)
    assert (aws.describe_cluster()["Status"], aws.describe_cluster().get("PendingModifiedValues")) == (
        "available",
        None,
    )


def test_secrets_manager_can_manage_the_password_of_an_existing_cluster(aws: EmulatedAws) -> None:
    """ModifyDBCluster creates a managed secret: creating, then active."""
    rds = aws.client()
    aws.create_cluster()
    modified = rds.modify_db_cluster(DBClusterIdentifier="prod", ManageMasterUserPassword=True)["DBCluster"]
    assert modified["MasterUserSecret"]["SecretStatus"] == "creating"
    aws.wait()
    assert aws.describe_cluster()["MasterUserSecret"]["SecretStatus"] == "active"
    with pytest.raises(ClientError, match="InvalidParameterCombination"):
        rds.modify_db_cluster(DBClusterIdentifier="prod", MasterUserPassword="another-one")


@pytest.mark.parametrize("password", ["short", "with/slash-in-it", 'with"quote-in-it', "with@at-in-it", "x" * 42])
def test_an_invalid_password_is_refused_and_changes_nothing(aws: EmulatedAws, password: str) -> None:
    """A password that breaks the documented rules is refused, and the cluster stays as it was."""
    before = aws.create_cluster()
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        aws.client().modify_db_cluster(DBClusterIdentifier="prod", MasterUserPassword=password, DeletionProtection=True)
    assert aws.describe_cluster()["DeletionProtection"] == before["DeletionProtection"]


def test_a_modification_without_changes_is_refused(aws: EmulatedAws) -> None:
    """The error says that no modification was requested."""
    aws.create_cluster()
    with pytest.raises(ClientError, match=r"InvalidParameterCombination.*No modifications were requested"):
        aws.client().modify_db_cluster(DBClusterIdentifier="prod", ApplyImmediately=True)


def test_modified_settings_take_effect_when_the_cluster_is_available_again(aws: EmulatedAws) -> None:
    """Network, retention, logs, IAM and scaling have the requested values when the cluster is available again."""
    rds = aws.client()
    aws.create_cluster()
    rds.create_db_cluster_parameter_group(
        DBClusterParameterGroupName="Ours", DBParameterGroupFamily="aurora-postgresql16", Description="-"
    )
    rds.modify_db_cluster(
        DBClusterIdentifier="prod",
        ApplyImmediately=True,
        BackupRetentionPeriod=7,
        VpcSecurityGroupIds=["sg-0123"],
        DBClusterParameterGroupName="ours",
        EnableIAMDatabaseAuthentication=True,
        CopyTagsToSnapshot=True,
        CloudwatchLogsExportConfiguration={"EnableLogTypes": ["postgresql"]},
        ServerlessV2ScalingConfiguration={"MinCapacity": 0.5, "MaxCapacity": 4},
    )
    assert aws.describe_cluster()["PendingModifiedValues"]["BackupRetentionPeriod"] == 7
    aws.wait()
    after = aws.describe_cluster()
    assert after["BackupRetentionPeriod"] == 7
    assert after["VpcSecurityGroups"] == [{"VpcSecurityGroupId": "sg-0123", "Status": "active"}]
    assert after["DBClusterParameterGroup"] == "ours"
    assert after["IAMDatabaseAuthenticationEnabled"]
    assert after["CopyTagsToSnapshot"]
    assert after["EnabledCloudwatchLogsExports"] == ["postgresql"]
    assert after["ServerlessV2ScalingConfiguration"] == {"MinCapacity": 0.5, "MaxCapacity": 4.0}
    assert "PendingModifiedValues" not in after


def test_a_stopped_cluster_must_be_started_before_it_is_deleted(aws: EmulatedAws) -> None:
    """Stopping and starting take time, and the answers have the status before; stopped, it is not deleted or backed up."""
    rds = aws.client()
    aws.create_cluster()
    aws.create_instance("prod-1")
    assert rds.stop_db_cluster(DBClusterIdentifier="prod")["DBCluster"]["Status"] == "available"
    assert aws.describe_cluster()["Status"] == "stopping"
    aws.wait()
    assert aws.describe_cluster()["Status"] == "stopped"
    with pytest.raises(rds.exceptions.InvalidDBClusterStateFault):
        rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    with pytest.raises(rds.exceptions.InvalidDBClusterStateFault):
        rds.create_db_cluster_snapshot(DBClusterIdentifier="prod", DBClusterSnapshotIdentifier="s")
    assert rds.start_db_cluster(DBClusterIdentifier="prod")["DBCluster"]["Status"] == "stopped"
    aws.wait()
    assert aws.describe_cluster()["Status"] == "available"
    with pytest.raises(rds.exceptions.InvalidDBClusterStateFault):
        rds.start_db_cluster(DBClusterIdentifier="prod")


def test_a_member_of_a_global_database_is_not_deleted(aws: EmulatedAws) -> None:
    """A cluster must be removed from its global database before it can be deleted."""
    rds = aws.client()
    arn = aws.create_cluster()["DBClusterArn"]
    rds.create_global_cluster(GlobalClusterIdentifier="everywhere", SourceDBClusterIdentifier=arn)
    assert aws.describe_cluster()["GlobalClusterIdentifier"] == "everywhere"
    [group] = rds.describe_global_clusters(Filters=[{"Name": "region", "Values": ["us-west-2"]}])["GlobalClusters"]
    assert group["GlobalClusterMembers"] == [
        {"DBClusterArn": arn, "Readers": [], "IsWriter": True, "GlobalWriteForwardingStatus": "disabled"}
    ]
    with pytest.raises(rds.exceptions.InvalidDBClusterStateFault, match="part of a global cluster"):
        rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    with pytest.raises(rds.exceptions.InvalidGlobalClusterStateFault):
        rds.delete_global_cluster(GlobalClusterIdentifier="everywhere")
    rds.remove_from_global_cluster(GlobalClusterIdentifier="everywhere", DbClusterIdentifier=arn)
    rds.delete_global_cluster(GlobalClusterIdentifier="everywhere")
    with pytest.raises(rds.exceptions.GlobalClusterNotFoundFault):
        rds.describe_global_clusters(GlobalClusterIdentifier="everywhere")
    rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)


def test_a_cluster_beyond_the_quota_is_refused(aws: EmulatedAws) -> None:
    """A cluster beyond the quota is DBClusterQuotaExceededFault."""
    aws.emulator.quotas.clusters = 1
    aws.create_cluster()
    with pytest.raises(aws.client().exceptions.DBClusterQuotaExceededFault):
        aws.client().create_db_cluster(DBClusterIdentifier="second", **MASTER)


def test_an_aurora_mysql_cluster_becomes_available(aws: EmulatedAws) -> None:
    """An Aurora MySQL cluster has the engine's default version and becomes available without a server."""
    aws.create_cluster(Engine="aurora-mysql", EngineVersion="8.0")
    aws.create_instance("prod-1", Engine="aurora-mysql")
    assert aws.describe_cluster()["EngineVersion"] == "8.0.mysql_aurora.3.08.2"
