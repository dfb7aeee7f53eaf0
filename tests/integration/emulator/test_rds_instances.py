"""DB instances in a cluster."""

from __future__ import annotations

import socket

import pytest
from botocore.exceptions import ClientError

from tests.rigs.emulated_aws import ENGINE, MASTER, EmulatedAws


def writer_of(aws: EmulatedAws) -> list[str]:
    members = aws.describe_cluster()["DBClusterMembers"]
    return [member["DBInstanceIdentifier"] for member in members if member["IsClusterWriter"]]


def test_the_first_instance_is_the_writer(aws: EmulatedAws) -> None:
    """The first instance is the writer, and an instance has an endpoint once it is available."""
    rds = aws.client()
    aws.create_cluster()
    created = rds.create_db_instance(
        DBInstanceIdentifier="One", DBClusterIdentifier="prod", Engine=ENGINE, DBInstanceClass="db.r6g.large"
    )["DBInstance"]
    assert (created["DBInstanceIdentifier"], created["DBInstanceStatus"]) == ("one", "creating")
    assert "Endpoint" not in created
    aws.wait()
    aws.create_instance("two")
    assert writer_of(aws) == ["one"]
    instances = rds.describe_db_instances(Filters=[{"Name": "db-cluster-id", "Values": ["prod"]}])["DBInstances"]
    assert [each["DBInstanceStatus"] for each in instances] == ["available", "available"]
    assert instances[0]["Endpoint"]["Port"] == aws.describe_cluster()["Port"]


def test_a_cluster_without_instances_refuses_connections(aws: EmulatedAws) -> None:
    """The endpoint of a cluster without an available instance refuses connections."""
    before = aws.create_cluster()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", before["Port"]), timeout=1)


def test_a_reader_replaces_a_deleted_writer(aws: EmulatedAws) -> None:
    """When the writer is deleted, the reader of the lowest promotion tier becomes the writer at once."""
    aws.create_cluster()
    for name, tier in (("one", 1), ("two", 5), ("three", 0)):
        aws.create_instance(name, PromotionTier=tier)
    aws.client().delete_db_instance(DBInstanceIdentifier="one", SkipFinalSnapshot=True)
    assert writer_of(aws) == ["three"]
    aws.wait()
    with pytest.raises(aws.client().exceptions.DBInstanceNotFoundFault) as gone:
        aws.client().describe_db_instances(DBInstanceIdentifier="one")
    assert gone.value.response["Error"]["Code"] == "DBInstanceNotFound"


def test_an_instance_that_is_being_deleted_is_not_deleted_again(aws: EmulatedAws) -> None:
    """A second deletion is refused, and so are a final snapshot of a member and a new instance of the same name."""
    rds = aws.client()
    aws.create_cluster()
    aws.create_instance("one")
    with pytest.raises(ClientError, match="InvalidParameterCombination"):
        rds.delete_db_instance(DBInstanceIdentifier="one", FinalDBSnapshotIdentifier="last")
    rds.delete_db_instance(DBInstanceIdentifier="one")
    with pytest.raises(rds.exceptions.InvalidDBInstanceStateFault, match="already being deleted"):
        rds.delete_db_instance(DBInstanceIdentifier="one")
    with pytest.raises(rds.exceptions.DBInstanceAlreadyExistsFault):
        rds.create_db_instance(
            DBInstanceIdentifier="one",
            DBClusterIdentifier="prod",
            Engine=ENGINE,
            DBInstanceClass="db.r6g.large",
        )


@pytest.mark.parametrize(
    ("parameters", "code", "message"),
    [
        ({"Engine": "aurora-mysql"}, "InvalidParameterCombination", "doesn't match the engine name"),
        ({"DBInstanceClass": "db.bogus"}, "InvalidParameterCombination", "does not support creating"),
        ({"DBInstanceClass": "db.serverless"}, "InvalidDBClusterStateFault", "Serverless v2 scaling"),
        ({"MasterUserPassword": "long-enough"}, "InvalidParameterCombination", "member of a DB Cluster"),
        ({"DBParameterGroupName": "none"}, "DBParameterGroupNotFound", "none"),
        ({"DBClusterIdentifier": "none"}, "DBClusterNotFoundFault", "none"),
    ],
)
def test_an_invalid_instance_is_refused(aws: EmulatedAws, parameters: dict[str, str], code: str, message: str) -> None:
    """An instance that does not fit the cluster is refused, and none is created."""
    aws.create_cluster()
    options = {
        "DBClusterIdentifier": "prod",
        "Engine": ENGINE,
        "DBInstanceClass": "db.r6g.large",
        **parameters,
    }
    with pytest.raises(ClientError, match=f"{code}.*{message}"):
        aws.client().create_db_instance(DBInstanceIdentifier="one", **options)
    assert aws.client().describe_db_instances()["DBInstances"] == []


def test_an_instance_needs_an_available_cluster(aws: EmulatedAws) -> None:
    """An instance is refused while its cluster is being created."""
    rds = aws.client()
    rds.create_db_cluster(DBClusterIdentifier="prod", **MASTER)
    with pytest.raises(rds.exceptions.InvalidDBClusterStateFault, match="creating"):
        rds.create_db_instance(
            DBInstanceIdentifier="one",
            DBClusterIdentifier="prod",
            Engine=ENGINE,
            DBInstanceClass="db.r6g.large",
        )


def test_a_serverless_instance_needs_scaling_on_its_cluster(aws: EmulatedAws) -> None:
    """An instance of class `db.serverless` is accepted in a cluster with a ServerlessV2ScalingConfiguration."""
    aws.create_cluster(ServerlessV2ScalingConfiguration={"MinCapacity": 0.5, "MaxCapacity": 2})
    aws.create_instance("one", DBInstanceClass="db.serverless")
    assert writer_of(aws) == ["one"]


def test_an_instance_is_renamed_and_resized(aws: EmulatedAws) -> None:
    """ModifyDBInstance changes name and class when the instance is available again, and the cluster shows the name."""
    rds = aws.client()
    aws.create_cluster()
    aws.create_instance("one")
    modified = rds.modify_db_instance(
        DBInstanceIdentifier="one",
        NewDBInstanceIdentifier="uno",
        DBInstanceClass="db.r6g.xlarge",
        PromotionTier=3,
        ApplyImmediately=True,
    )["DBInstance"]
    assert modified["PendingModifiedValues"] == {
        "DBInstanceClass": "db.r6g.xlarge",
        "DBInstanceIdentifier": "uno",
    }
    aws.wait(26)
    with pytest.raises(rds.exceptions.InvalidDBInstanceStateFault):
        rds.modify_db_instance(DBInstanceIdentifier="one", PromotionTier=1)
    aws.wait()
    assert writer_of(aws) == ["uno"]
    [after] = rds.describe_db_instances(DBInstanceIdentifier="uno")["DBInstances"]
    assert (after["DBInstanceClass"], after["PromotionTier"]) == ("db.r6g.xlarge", 3)
