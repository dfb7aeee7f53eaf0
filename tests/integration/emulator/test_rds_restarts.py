"""Failover, reboot and pending maintenance: what an operator types next."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.rigs.emulated_aws import EmulatedAws


def cluster_of_three(aws: EmulatedAws) -> None:
    """Three instances: `one` is the writer, `three` the reader of the lowest tier."""
    aws.create_cluster()
    for name, tier in (("one", 1), ("two", 5), ("three", 0)):
        aws.create_instance(name, PromotionTier=tier)


def writer_of(aws: EmulatedAws) -> list[str]:
    members = aws.describe_cluster()["DBClusterMembers"]
    return [member["DBInstanceIdentifier"] for member in members if member["IsClusterWriter"]]


def test_a_failover_promotes_the_reader_of_the_lowest_tier(aws: EmulatedAws) -> None:
    """The response says `available`, the cluster `failing-over`; then the reader is the writer, and events say so."""
    rds = aws.client()
    cluster_of_three(aws)
    assert rds.failover_db_cluster(DBClusterIdentifier="prod")["DBCluster"]["Status"] == "available"
    assert (aws.describe_cluster()["Status"], writer_of(aws)) == ("failing-over", ["one"])
    with pytest.raises(rds.exceptions.InvalidDBClusterStateFault):
        rds.failover_db_cluster(DBClusterIdentifier="prod")
    aws.wait()
    assert (aws.describe_cluster()["Status"], writer_of(aws)) == ("available", ["three"])
    events = rds.describe_events(SourceType="db-cluster", EventCategories=["failover"])["Events"]
    assert [event["Message"] for event in events] == [
        "Started cross AZ failover to DB instance: three",
        "Completed failover to DB instance: three",
    ]


def test_a_failover_goes_to_the_named_reader(aws: EmulatedAws) -> None:
    """A target that is the writer, or no member, or not available, is refused."""
    rds = aws.client()
    cluster_of_three(aws)
    rds.reboot_db_instance(DBInstanceIdentifier="three")
    for target in ("one", "none", "three"):
        with pytest.raises(rds.exceptions.InvalidDBInstanceStateFault, match=target):
            rds.failover_db_cluster(DBClusterIdentifier="prod", TargetDBInstanceIdentifier=target)
    rds.failover_db_cluster(DBClusterIdentifier="prod", TargetDBInstanceIdentifier="Two")
    aws.wait()
    assert writer_of(aws) == ["two"]


def test_a_failover_needs_a_reader(aws: EmulatedAws) -> None:
    """A cluster of one instance has nothing to fail over to."""
    aws.create_cluster()
    aws.create_instance("one")
    with pytest.raises(aws.client().exceptions.InvalidDBClusterStateFault, match="no available reader"):
        aws.client().failover_db_cluster(DBClusterIdentifier="prod")


def test_a_rebooting_instance_keeps_its_endpoint_and_is_not_rebooted_again(aws: EmulatedAws) -> None:
    """A reboot takes a while, and its beginning and its end are events of the instance."""
    rds = aws.client()
    aws.create_cluster()
    aws.create_instance("one")
    rebooting = rds.reboot_db_instance(DBInstanceIdentifier="one")["DBInstance"]
    assert (rebooting["DBInstanceStatus"], "Endpoint" in rebooting) == ("rebooting", True)
    with pytest.raises(rds.exceptions.InvalidDBInstanceStateFault, match="rebooting"):
        rds.reboot_db_instance(DBInstanceIdentifier="one")
    aws.wait()
    [instance] = rds.describe_db_instances()["DBInstances"]
    assert instance["DBInstanceStatus"] == "available"
    events = rds.describe_events(SourceType="db-instance", EventCategories=["availability"])["Events"]
    assert [event["Message"] for event in events] == ["DB instance shutdown", "DB instance restarted"]
    with pytest.raises(ClientError, match=r"InvalidParameterCombination.*Multi-AZ"):
        rds.reboot_db_instance(DBInstanceIdentifier="one", ForceFailover=True)


def test_no_maintenance_is_pending(aws: EmulatedAws) -> None:
    """The list is empty; a resource that does not exist is refused."""
    rds = aws.client()
    arn = aws.create_cluster()["DBClusterArn"]
    assert rds.describe_pending_maintenance_actions(ResourceIdentifier=arn)["PendingMaintenanceActions"] == []
    with pytest.raises(rds.exceptions.ResourceNotFoundFault):
        rds.describe_pending_maintenance_actions(ResourceIdentifier=f"{arn}-2")


def test_a_custom_endpoint_gets_other_members(aws: EmulatedAws) -> None:
    """Its excluded members replace its static ones, and it is available again after a while."""
    rds = aws.client()
    cluster_of_three(aws)
    endpoint = {"DBClusterEndpointIdentifier": "some"}
    rds.create_db_cluster_endpoint(DBClusterIdentifier="prod", EndpointType="ANY", StaticMembers=["one"], **endpoint)
    with pytest.raises(rds.exceptions.InvalidDBClusterEndpointStateFault):
        rds.modify_db_cluster_endpoint(EndpointType="READER", **endpoint)
    aws.wait()
    changed = rds.modify_db_cluster_endpoint(EndpointType="reader", ExcludedMembers=["two"], **endpoint)
    assert (changed["CustomEndpointType"], changed["Status"]) == ("READER", "modifying")
    assert (changed["StaticMembers"], changed["ExcludedMembers"]) == ([], ["two"])
    aws.wait()
    [described] = rds.describe_db_cluster_endpoints(**endpoint)["DBClusterEndpoints"]
    assert described["Status"] == "available"
    with pytest.raises(rds.exceptions.DBInstanceNotFoundFault):
        rds.modify_db_cluster_endpoint(StaticMembers=["none"], **endpoint)
