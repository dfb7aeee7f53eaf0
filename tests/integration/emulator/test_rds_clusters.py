"""DB clusters: creating, describing, modifying, deleting, stopping."""

from __future__ import annotations

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from devstack.aws import Emulator, NoDatabases
from tests.rigs.emulated_aws import ENGINE, TAKES, EmulatedAws

MASTER = {"Engine": ENGINE, "MasterUsername": "boss", "MasterUserPassword": "long-enough"}


def test_a_name_is_stored_in_lower_case_and_found_in_any(aws: EmulatedAws) -> None:
    """Identifiers are lower-cased when stored and are not case-sensitive afterwards."""
    aws.cluster("Prod")
    assert aws.describe_cluster("PROD")["DBClusterIdentifier"] == "prod"
    assert aws.describe_cluster(aws.describe_cluster()["DBClusterArn"])["DBClusterIdentifier"] == "prod"


@pytest.mark.parametrize("name", ["9bad", "bad-", "bad--name", "bad_name", "b" * 64])
def test_an_impossible_name_is_refused(aws: EmulatedAws, name: str) -> None:
    """Identifiers begin with a letter, have letters, digits and single hyphens, and at most 63 of them."""
    with pytest.raises(ClientError, match=r"InvalidParameterValue.*not a valid identifier"):
        aws.client().create_db_cluster(DBClusterIdentifier=name, **MASTER)


def test_a_name_is_taken_until_its_cluster_is_really_gone(aws: EmulatedAws) -> None:
    """Creating under the name of a cluster that is there, or still being deleted, is refused."""
    rds = aws.client()
    aws.cluster()
    with pytest.raises(rds.exceptions.DBClusterAlreadyExistsFault):
        rds.create_db_cluster(DBClusterIdentifier="prod", **MASTER)
    rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    with pytest.raises(rds.exceptions.DBClusterAlreadyExistsFault):
        rds.create_db_cluster(DBClusterIdentifier="prod", **MASTER)
    aws.wait()
    rds.create_db_cluster(DBClusterIdentifier="prod", **MASTER)


def test_a_cluster_takes_its_time(aws: EmulatedAws) -> None:
    """A cluster is `creating`, without a restorable time, until its time is over."""
    aws.client().create_db_cluster(DBClusterIdentifier="prod", **MASTER)
    aws.wait(99)
    assert (aws.describe_cluster()["Status"], aws.describe_cluster().get("EarliestRestorableTime")) == (
        "creating",
        None,
    )
    aws.wait(1)
    assert aws.describe_cluster()["Status"] == "available"
    assert aws.describe_cluster()["EarliestRestorableTime"] == aws.emulator.clock.now()


def test_deletion_answers_available_and_then_takes_its_time(aws: EmulatedAws) -> None:
    """The answer of DeleteDBCluster still says `available`; the truth is `deleting`, then NotFound."""
    rds = aws.client()
    aws.cluster()
    answer = rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    assert answer["DBCluster"]["Status"] == "available"
    assert aws.describe_cluster()["Status"] == "deleting"
    with pytest.raises(rds.exceptions.InvalidDBClusterStateFault):
        rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    aws.wait()
    with pytest.raises(rds.exceptions.DBClusterNotFoundFault) as gone:
        rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    assert gone.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_deletion_needs_a_word_about_the_final_snapshot(aws: EmulatedAws) -> None:
    """Neither SkipFinalSnapshot nor a name for the snapshot is refused, and so are both."""
    rds = aws.client()
    aws.cluster()
    with pytest.raises(ClientError, match="InvalidParameterCombination"):
        rds.delete_db_cluster(DBClusterIdentifier="prod")
    with pytest.raises(ClientError, match="InvalidParameterCombination"):
        rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True, FinalDBSnapshotIdentifier="last")
    rds.delete_db_cluster(DBClusterIdentifier="prod", FinalDBSnapshotIdentifier="last")
    aws.wait()
    (last,) = rds.describe_db_cluster_snapshots()["DBClusterSnapshots"]
    assert (last["DBClusterSnapshotIdentifier"], last["Status"]) == ("last", "available")


def test_a_protected_cluster_is_not_deleted_but_its_instances_are(aws: EmulatedAws) -> None:
    """Deletion protection stops DeleteDBCluster, and nothing else."""
    rds = aws.client()
    aws.cluster(DeletionProtection=True)
    aws.instance("prod-1")
    with pytest.raises(ClientError, match=r"InvalidParameterCombination.*Cannot delete protected Cluster"):
        rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    rds.delete_db_instance(DBInstanceIdentifier="prod-1", SkipFinalSnapshot=True)
    aws.wait()
    assert aws.describe_cluster()["DBClusterMembers"] == []
    rds.modify_db_cluster(DBClusterIdentifier="prod", DeletionProtection=False)
    rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)


def test_a_cluster_waits_for_its_instances(aws: EmulatedAws) -> None:
    """DeleteDBCluster is accepted once all members are being deleted, and ends after them."""
    rds = aws.client()
    aws.cluster()
    aws.instance("prod-1")
    with pytest.raises(rds.exceptions.InvalidDBClusterStateFault, match="non-deleting state"):
        rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    rds.delete_db_instance(DBInstanceIdentifier="prod-1")
    rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    aws.wait()
    assert rds.describe_db_clusters()["DBClusters"] == []
    assert rds.describe_db_instances()["DBInstances"] == []


def test_a_cluster_outlives_its_slowest_instance() -> None:
    """A cluster that is being deleted is gone only after its last instance."""
    with Emulator(NoDatabases(), durations=replace(TAKES, instance_delete=500)) as emulator:
        aws = EmulatedAws(emulator)
        aws.cluster()
        aws.instance("prod-1")
        aws.client().delete_db_instance(DBInstanceIdentifier="prod-1")
        aws.client().delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
        aws.wait(499)
        assert aws.describe_cluster()["Status"] == "deleting"
        aws.wait(1)
        assert aws.client().describe_db_clusters()["DBClusters"] == []


def test_a_modification_begins_as_available(aws: EmulatedAws) -> None:
    """ModifyDBCluster answers `available`; only PendingModifiedValues tells what will change."""
    rds = aws.client()
    aws.cluster()
    answer = rds.modify_db_cluster(DBClusterIdentifier="prod", MasterUserPassword="another-one")["DBCluster"]
    assert (answer["Status"], answer["PendingModifiedValues"]) == (
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


def test_a_managed_password_can_be_turned_on_later(aws: EmulatedAws) -> None:
    """ModifyDBCluster hands the password over to Secrets Manager: creating, then active."""
    rds = aws.client()
    aws.cluster()
    answer = rds.modify_db_cluster(DBClusterIdentifier="prod", ManageMasterUserPassword=True)["DBCluster"]
    assert answer["MasterUserSecret"]["SecretStatus"] == "creating"
    aws.wait()
    assert aws.describe_cluster()["MasterUserSecret"]["SecretStatus"] == "active"
    with pytest.raises(ClientError, match="InvalidParameterCombination"):
        rds.modify_db_cluster(DBClusterIdentifier="prod", MasterUserPassword="another-one")


@pytest.mark.parametrize("password", ["short", "with/slash-in-it", 'with"quote-in-it', "with@at-in-it", "x" * 42])
def test_a_bad_password_is_refused_and_changes_nothing(aws: EmulatedAws, password: str) -> None:
    """A password outside of the documented rules is refused, and the cluster stays as it was."""
    before = aws.cluster()
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        aws.client().modify_db_cluster(DBClusterIdentifier="prod", MasterUserPassword=password, DeletionProtection=True)
    assert aws.describe_cluster()["DeletionProtection"] == before["DeletionProtection"]


def test_modifying_nothing_is_refused(aws: EmulatedAws) -> None:
    """A call without any change says so."""
    aws.cluster()
    with pytest.raises(ClientError, match=r"InvalidParameterCombination.*No modifications were requested"):
        aws.client().modify_db_cluster(DBClusterIdentifier="prod", ApplyImmediately=True)


def test_settings_change_after_a_while(aws: EmulatedAws) -> None:
    """Network, retention, logs, IAM and scaling are as wanted when the cluster is available again."""
    rds = aws.client()
    aws.cluster()
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


def test_a_rename_keeps_members_and_resource_id(aws: EmulatedAws) -> None:
    """A renamed cluster keeps its instances and its DbClusterResourceId, and gives the old name free."""
    rds = aws.client()
    before = aws.cluster("old")
    aws.instance("old-1", "old")
    aws.cluster("taken")
    with pytest.raises(rds.exceptions.DBClusterAlreadyExistsFault):
        rds.modify_db_cluster(DBClusterIdentifier="old", NewDBClusterIdentifier="taken", ApplyImmediately=True)
    rds.modify_db_cluster(DBClusterIdentifier="old", NewDBClusterIdentifier="new", ApplyImmediately=True)
    aws.wait()
    after = aws.describe_cluster("new")
    assert after["DbClusterResourceId"] == before["DbClusterResourceId"]
    assert [member["DBInstanceIdentifier"] for member in after["DBClusterMembers"]] == ["old-1"]
    instance = rds.describe_db_instances(DBInstanceIdentifier="old-1")["DBInstances"][0]
    assert instance["DBClusterIdentifier"] == "new"
    with pytest.raises(rds.exceptions.DBClusterNotFoundFault):
        aws.describe_cluster("old")


def test_a_rename_without_apply_immediately_waits_for_ever(aws: EmulatedAws) -> None:
    """No maintenance window ever comes here: the new name stays pending."""
    aws.cluster("old")
    aws.client().modify_db_cluster(DBClusterIdentifier="old", NewDBClusterIdentifier="new")
    aws.wait()
    assert aws.describe_cluster("old")["PendingModifiedValues"] == {"DBClusterIdentifier": "new"}


def test_a_stopped_cluster_must_be_started_before_it_can_go(aws: EmulatedAws) -> None:
    """Stopping and starting take time; a stopped cluster is neither deleted nor backed up."""
    rds = aws.client()
    aws.cluster()
    aws.instance("prod-1")
    rds.stop_db_cluster(DBClusterIdentifier="prod")
    assert aws.describe_cluster()["Status"] == "stopping"
    aws.wait()
    assert aws.describe_cluster()["Status"] == "stopped"
    with pytest.raises(rds.exceptions.InvalidDBClusterStateFault):
        rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    with pytest.raises(rds.exceptions.InvalidDBClusterStateFault):
        rds.create_db_cluster_snapshot(DBClusterIdentifier="prod", DBClusterSnapshotIdentifier="s")
    rds.start_db_cluster(DBClusterIdentifier="prod")
    aws.wait()
    assert aws.describe_cluster()["Status"] == "available"
    with pytest.raises(rds.exceptions.InvalidDBClusterStateFault):
        rds.start_db_cluster(DBClusterIdentifier="prod")


def test_a_global_member_is_not_deleted(aws: EmulatedAws) -> None:
    """A cluster that is part of a global database has to be removed from it first."""
    rds = aws.client()
    arn = aws.cluster()["DBClusterArn"]
    rds.create_global_cluster(GlobalClusterIdentifier="world", SourceDBClusterIdentifier=arn)
    assert aws.describe_cluster()["GlobalClusterIdentifier"] == "world"
    (found,) = rds.describe_global_clusters(Filters=[{"Name": "region", "Values": ["us-west-2"]}])["GlobalClusters"]
    assert found["GlobalClusterMembers"] == [{"DBClusterArn": arn, "Readers": [], "IsWriter": True}]
    with pytest.raises(rds.exceptions.InvalidDBClusterStateFault, match="part of a global cluster"):
        rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    with pytest.raises(rds.exceptions.InvalidGlobalClusterStateFault):
        rds.delete_global_cluster(GlobalClusterIdentifier="world")
    rds.remove_from_global_cluster(GlobalClusterIdentifier="world", DbClusterIdentifier=arn)
    rds.delete_global_cluster(GlobalClusterIdentifier="world")
    with pytest.raises(rds.exceptions.GlobalClusterNotFoundFault):
        rds.describe_global_clusters(GlobalClusterIdentifier="world")
    rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)


def test_one_cluster_too_many_is_refused(aws: EmulatedAws) -> None:
    """The quota of clusters is answered with HTTP 403, as the model says."""
    aws.emulator.quotas.clusters = 1
    aws.cluster()
    with pytest.raises(aws.client().exceptions.DBClusterQuotaExceededFault):
        aws.client().create_db_cluster(DBClusterIdentifier="second", **MASTER)


def test_aurora_mysql_has_no_server(aws: EmulatedAws) -> None:
    """An Aurora MySQL cluster lives as any other does."""
    aws.cluster(Engine="aurora-mysql")
    aws.instance("prod-1", Engine="aurora-mysql")
    assert aws.describe_cluster()["EngineVersion"] == "8.0.mysql_aurora.3.08.2"
