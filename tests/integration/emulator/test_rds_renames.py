"""New names of clusters and instances: what follows, what stays, what is refused meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.rigs.emulated_aws import ENGINE, EmulatedAws

GROUP = {"DBProxyName": "pool"}
SCALABLE = {"ServiceNamespace": "rds", "ScalableDimension": "rds:cluster:ReadReplicaCount", "ResourceId": "cluster:old"}
REFUSED_MEANWHILE: dict[str, dict[str, Any]] = {
    "create_db_cluster_endpoint": {"DBClusterEndpointIdentifier": "e", "EndpointType": "ANY"},
    "create_db_cluster_snapshot": {"DBClusterSnapshotIdentifier": "s"},
    "create_db_instance": {"DBInstanceIdentifier": "two", "Engine": ENGINE, "DBInstanceClass": "db.r6g.large"},
    "delete_db_cluster": {"SkipFinalSnapshot": True},
    "failover_db_cluster": {},
    "modify_db_cluster": {"NewDBClusterIdentifier": "other", "ApplyImmediately": True},
    "stop_db_cluster": {},
}


def rename(aws: EmulatedAws, old: str, new: str, **parameters: Any) -> None:
    aws.client().modify_db_cluster(
        DBClusterIdentifier=old, NewDBClusterIdentifier=new, **{"ApplyImmediately": True} | parameters
    )


def test_a_renamed_cluster_is_the_same_cluster_under_another_arn(aws: EmulatedAws) -> None:
    """Resource id, tags, members and custom endpoints stay; snapshots and earlier events keep the old name."""
    rds = aws.client()
    before = aws.create_cluster("old", Tags=[{"Key": "team", "Value": "orders"}])
    aws.create_instance("old-1", "old")
    rds.create_db_cluster_endpoint(
        DBClusterIdentifier="old", DBClusterEndpointIdentifier="reports", EndpointType="READER"
    )
    aws.wait()
    snapshot = aws.create_snapshot("taken", "old")
    rename(aws, "old", "New")
    aws.wait()
    after = aws.describe_cluster("new")
    assert after["DBClusterArn"] == before["DBClusterArn"].replace(":old", ":new")
    assert [after[name] for name in ("DbClusterResourceId", "TagList", "Status")] == [
        before["DbClusterResourceId"], [{"Key": "team", "Value": "orders"}], "available",
    ]  # fmt: skip
    assert [member["DBInstanceIdentifier"] for member in after["DBClusterMembers"]] == ["old-1"]
    assert rds.describe_db_instances(DBInstanceIdentifier="old-1")["DBInstances"][0]["DBClusterIdentifier"] == "new"
    endpoints = rds.describe_db_cluster_endpoints(DBClusterIdentifier="new")["DBClusterEndpoints"]
    assert [each["DBClusterEndpointIdentifier"] for each in endpoints if each["EndpointType"] == "CUSTOM"] == [
        "reports"
    ]
    assert rds.describe_db_cluster_snapshots()["DBClusterSnapshots"] == [snapshot]
    assert snapshot["DBClusterIdentifier"] == "old"
    events = [
        [event["Message"] for event in rds.describe_events(SourceIdentifier=name, SourceType="db-cluster")["Events"]]
        for name in ("old", "new")
    ]
    assert events == [["DB cluster created"], ["Renamed DB cluster from old to new"]]
    with pytest.raises(rds.exceptions.DBClusterNotFoundFault):
        aws.describe_cluster("old")
    aws.create_cluster("old")


def test_a_cluster_that_is_being_renamed_has_its_old_name_and_cannot_be_reached(aws: EmulatedAws) -> None:
    """The new name is taken from the call on; another rename is refused even while the cluster still says `available`."""
    rds = aws.client()
    aws.create_cluster("old")
    aws.create_instance("old-1", "old")
    cluster = aws.emulator._state.region("111111111111", "us-west-2").clusters["old"]
    for taken in ("old", "new"):
        if taken == "new":
            rename(aws, "old", "new")
        with pytest.raises(rds.exceptions.DBClusterAlreadyExistsFault):
            aws.create_cluster(taken)
    with pytest.raises(rds.exceptions.InvalidDBClusterStateFault, match="being renamed to new"):
        rename(aws, "old", "other")
    assert (aws.describe_cluster("old")["PendingModifiedValues"], cluster.reachable) == (
        {"DBClusterIdentifier": "new"}, True,
    )  # fmt: skip
    aws.wait(26)
    assert (aws.describe_cluster("old")["Status"], cluster.reachable) == ("renaming", False)
    for operation, parameters in REFUSED_MEANWHILE.items():
        with pytest.raises(rds.exceptions.InvalidDBClusterStateFault):
            getattr(rds, operation)(DBClusterIdentifier="old", **parameters)
    with pytest.raises(rds.exceptions.DBClusterNotFoundFault):
        aws.describe_cluster("new")
    aws.wait(75)
    assert (aws.describe_cluster("new")["Status"], cluster.reachable) == ("available", True)
    assert "PendingModifiedValues" not in aws.describe_cluster("new")


def test_a_rename_without_apply_immediately_stays_pending(aws: EmulatedAws) -> None:
    """The emulator has no maintenance window, so the new name stays pending, and is not taken."""
    aws.create_cluster("old")
    rename(aws, "old", "new", ApplyImmediately=False)
    aws.wait()
    assert aws.describe_cluster("old")["PendingModifiedValues"] == {"DBClusterIdentifier": "new"}
    aws.create_cluster("new")


def test_what_names_the_cluster_from_outside_does_not_follow(aws: EmulatedAws) -> None:
    """Scalable targets and proxy targets keep the old name, also when another cluster has it."""
    rds, scaling = aws.client(), aws.client("application-autoscaling")
    aws.create_cluster("old")
    scaling.register_scalable_target(**SCALABLE, MinCapacity=1, MaxCapacity=2)
    rds.create_db_proxy(
        DBProxyName="pool", EngineFamily="POSTGRESQL", RoleArn="arn:aws:iam::1:role/r", VpcSubnetIds=["s"]
    )
    rds.register_db_proxy_targets(**GROUP, DBClusterIdentifiers=["old"])
    rename(aws, "old", "new")
    aws.wait()
    aws.create_cluster("old")
    targets = scaling.describe_scalable_targets(ServiceNamespace="rds")["ScalableTargets"]
    assert [each["ResourceId"] for each in targets] == ["cluster:old"]
    [target] = rds.describe_db_proxy_targets(**GROUP)["Targets"]
    assert (target["RdsResourceId"], target["TargetHealth"]) == (
        "old", {"State": "UNAVAILABLE", "Reason": "UNREACHABLE"},
    )  # fmt: skip
    with pytest.raises(rds.exceptions.DBProxyTargetAlreadyRegisteredFault):
        rds.register_db_proxy_targets(**GROUP, DBClusterIdentifiers=["old"])
    rds.deregister_db_proxy_targets(**GROUP, DBClusterIdentifiers=["old"])
    [target] = rds.register_db_proxy_targets(**GROUP, DBClusterIdentifiers=["old"])["DBProxyTargets"]
    assert target["TargetHealth"]["State"] == "REGISTERING"


def test_a_cluster_with_an_integration_is_not_renamed(aws: EmulatedAws) -> None:
    """The integration names it by its ARN; what AWS does with it is not modelled, and said so."""
    rds = aws.client()
    arn = aws.create_cluster("old")["DBClusterArn"]
    rds.create_integration(SourceArn=arn, TargetArn="arn:aws:redshift:::namespace/1", IntegrationName="etl")
    with pytest.raises(
        ClientError, match="does not model NewDBClusterIdentifier of a cluster with a zero-ETL integration"
    ):
        rename(aws, "old", "new")


def test_a_renamed_instance_restarts_under_its_new_name(aws: EmulatedAws) -> None:
    """It is `renaming`, the cluster cannot be reached through it meanwhile, and a second rename is refused."""
    rds = aws.client()
    resource_id = aws.create_cluster()["DbClusterResourceId"]
    for name in ("one", "two"):
        aws.create_instance(name)
    [cluster] = aws.emulator._state.region("111111111111", "us-west-2").clusters.values()
    for name, new in (("one", "uno"), ("two", "due")):
        rds.modify_db_instance(DBInstanceIdentifier=name, NewDBInstanceIdentifier=new, ApplyImmediately=True)
    with pytest.raises(rds.exceptions.DBInstanceAlreadyExistsFault):
        aws.create_instance("uno")
    with pytest.raises(rds.exceptions.InvalidDBInstanceStateFault, match="being renamed to uno"):
        rds.modify_db_instance(DBInstanceIdentifier="one", NewDBInstanceIdentifier="un", ApplyImmediately=True)
    aws.wait(26)
    statuses = [each["DBInstanceStatus"] for each in rds.describe_db_instances()["DBInstances"]]
    assert (statuses, cluster.reachable) == (["renaming", "renaming"], False)
    with pytest.raises(rds.exceptions.InvalidDBInstanceStateFault):
        rds.modify_db_instance(DBInstanceIdentifier="one", PromotionTier=1)
    aws.wait()
    after = aws.describe_cluster()
    assert [each["DBInstanceIdentifier"] for each in after["DBClusterMembers"]] == ["uno", "due"]
    assert (after["DbClusterResourceId"], cluster.reachable) == (resource_id, True)
    events = rds.describe_events(SourceIdentifier="uno", SourceType="db-instance")["Events"]
    assert [event["Message"] for event in events] == ["DB instance restarted"]


def test_a_pending_instance_name_is_given_with_the_next_immediate_change(aws: EmulatedAws) -> None:
    """ApplyImmediately applies what is pending too, unless the name is taken by then."""
    rds = aws.client()
    aws.create_cluster()
    aws.create_instance("one")
    rds.modify_db_instance(DBInstanceIdentifier="one", NewDBInstanceIdentifier="uno")
    aws.create_instance("uno")
    change = {"DBInstanceIdentifier": "one", "DBInstanceClass": "db.r6g.xlarge", "ApplyImmediately": True}
    with pytest.raises(rds.exceptions.DBInstanceAlreadyExistsFault):
        rds.modify_db_instance(**change)
    rds.delete_db_instance(DBInstanceIdentifier="uno")
    aws.wait()
    rds.modify_db_instance(**change)
    aws.wait()
    [instance] = rds.describe_db_instances()["DBInstances"]
    assert (instance["DBInstanceIdentifier"], instance["DBInstanceClass"]) == ("uno", "db.r6g.xlarge")
