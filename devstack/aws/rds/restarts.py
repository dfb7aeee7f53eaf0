"""What an operator does to a running cluster: failover and reboot, and the maintenance that waits for it.

Source: RDS API Reference, FailoverDBCluster, RebootDBInstance, DescribePendingMaintenanceActions; Aurora User Guide,
"Failing over a DB cluster" and "Rebooting a DB instance".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from devstack.aws.rds import entrances, events, instances, lookup, requests, responses
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Cluster, Instance
from devstack.aws.rds.state import Call


@serves("FailoverDBCluster", models="DBClusterIdentifier TargetDBInstanceIdentifier")
def failover_db_cluster(call: Call) -> dict[str, Any]:
    """Promote a reader, by default the available one of the lowest tier. The response still says `available`."""
    cluster = lookup.find_cluster(call.region, call.parameters["DBClusterIdentifier"])
    lookup.require_cluster_available(cluster)
    target = _target(call, cluster)
    response = {"DBCluster": responses.cluster(call.state, cluster)}
    writer, reader = call.region.instances[cluster.members[0]], call.region.instances[target]
    same = writer.availability_zone == reader.availability_zone
    kind = "same" if same else "cross"
    cluster.status = "failing-over"
    events.record(call.state, cluster, call.now, f"Started {kind} AZ failover to DB instance: {target}", "failover")

    def finish(at: datetime) -> None:
        cluster.status = "available"
        cluster.members = [reader.identifier, *(name for name in cluster.members if name != reader.identifier)]
        message = f"Completed failover to DB instance: {reader.identifier}"
        events.record(call.state, cluster, at, message, "failover")

    call.state.schedule(cluster, call.state.durations.cluster_modify, finish)
    return response


def _target(call: Call, cluster: Cluster) -> str:
    requested = call.parameters.get("TargetDBInstanceIdentifier")
    target = requested.lower() if requested else instances.next_writer(call.region, cluster)
    if target is None:
        raise RdsError("InvalidDBClusterStateFault", f"{cluster.identifier} has no available reader to fail over to.")
    if target not in cluster.members[1:] or call.region.instances[target].status != "available":
        raise RdsError("InvalidDBInstanceState", f"{target} is not an available reader of {cluster.identifier}.")
    return target


@serves("RebootDBInstance", models="DBInstanceIdentifier ForceFailover")
def reboot_db_instance(call: Call) -> dict[str, Any]:
    """Restart an available instance; without another one the cluster refuses connections meanwhile."""
    instance = lookup.find_instance(call.region, call.parameters["DBInstanceIdentifier"])
    if call.parameters.get("ForceFailover", False):
        raise RdsError("InvalidParameterCombination", "ForceFailover needs a Multi-AZ instance.")
    lookup.require_instance_available(instance)
    instance.status = "rebooting"
    entrances.update_reachability(call.state, instance.cluster)
    events.record(call.state, instance, call.now, "DB instance shutdown", "availability")

    def finish(at: datetime) -> None:
        instance.status, instance.needs_restart = "available", False
        entrances.update_reachability(call.state, instance.cluster)
        events.record(call.state, instance, at, "DB instance restarted", "availability")

    call.state.schedule(instance, call.state.durations.instance_modify, finish)
    return {"DBInstance": responses.instance(call.state, instance)}


@serves("DescribePendingMaintenanceActions", models="Filters Marker MaxRecords ResourceIdentifier")
def describe_pending_maintenance_actions(call: Call) -> dict[str, Any]:
    """None: the emulator has no maintenance. A resource that does not exist is refused all the same."""
    parameters = call.parameters
    requests.filters(parameters, ("db-cluster-id", "db-instance-id"))
    arn = parameters.get("ResourceIdentifier")
    resources: list[Cluster | Instance] = [*call.region.clusters.values(), *call.region.instances.values()]
    if arn is not None and all(each.arn != arn for each in resources):
        raise RdsError("ResourceNotFoundFault", f"The resource {arn} was not found.")
    _, marker = requests.page(parameters, list[str](), key=str)
    return {"PendingMaintenanceActions": [], "Marker": marker}
