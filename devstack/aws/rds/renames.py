"""New names of clusters and instances: what follows the name, what stays, and what goes on naming the old one.

What stays is the same object: DbClusterResourceId, tags, members, custom endpoints, managed secret. Snapshots and events
keep the name that the cluster had. A scalable target and a proxy's target name the cluster as it was when they were
registered; AWS does not document that they follow, and this is the case in which more is lost.
While it is being renamed, a cluster has the old name and cannot be reached; the new name is already taken.
Source: RDS API Reference, ModifyDBCluster, ModifyDBInstance; RDS User Guide, "Renaming a Multi-AZ DB cluster", "Renaming a
DB instance"; Aurora User Guide, "Amazon RDS event categories and event messages for Aurora".
"""

from __future__ import annotations

from datetime import datetime, timedelta

from devstack.aws.rds import clusters, entrances, events, requests
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.resources import Cluster, Instance
from devstack.aws.rds.state import Call, Region


def check_cluster(call: Call, cluster: Cluster) -> None:
    """Raise RdsError for a new name that is taken, or a cluster that is being renamed or that the emulator cannot rename."""
    clusters.new_identifier(call, "NewDBClusterIdentifier")
    if cluster.renaming_to is not None:
        raise RdsError(
            "InvalidDBClusterStateFault", f"DB cluster {cluster.identifier} is being renamed to {cluster.renaming_to}."
        )
    for attachment in call.region.attachments:
        if attachment.cluster_arn == cluster.arn:
            raise RdsError(
                "InvalidParameterCombination",
                f"The emulator does not model NewDBClusterIdentifier of a cluster with a {attachment.kind}.",
            )


def finish_cluster(call: Call, cluster: Cluster, at: datetime) -> None:
    """Give a cluster its new name, under which it may be missing from Describe responses for `visibility_lag`."""
    assert cluster.renaming_to is not None
    old, new, region = cluster.identifier, cluster.renaming_to, call.region
    del region.clusters[old]
    region.clusters[new] = cluster
    cluster.identifier, cluster.arn, cluster.renaming_to = new, region.arn("cluster", new), None
    cluster.visible_from = at + timedelta(seconds=call.state.durations.visibility_lag)
    events.record(call.state, cluster, at, f"Renamed DB cluster from {old} to {new}", "notification")


def new_instance_identifier(call: Call) -> str:
    """The identifier of a new instance. Raises RdsError if it is taken, also by a rename that is under way."""
    identifier = requests.identifier(call.parameters, "DBInstanceIdentifier")
    _require_free(call.region, identifier)
    return identifier


def check_instance(call: Call, instance: Instance) -> None:
    """Raise RdsError for a new or pending name that is taken, or an instance that is being renamed."""
    parameters = call.parameters
    name = instance.pending.get("DBInstanceIdentifier") if parameters.get("ApplyImmediately", False) else None
    if "NewDBInstanceIdentifier" in parameters:
        name = requests.identifier(parameters, "NewDBInstanceIdentifier")
    if name is None:
        return
    if instance.renaming_to is not None:
        text = f"Instance {instance.identifier} is being renamed to {instance.renaming_to}."
        raise RdsError("InvalidDBInstanceState", text)
    _require_free(call.region, name)


def _require_free(region: Region, identifier: str) -> None:
    renaming = {each.renaming_to for each in region.instances.values()}
    if identifier in region.instances or identifier in renaming:
        raise RdsError("DBInstanceAlreadyExists", f"DB instance already exists: {identifier}")


def begin_instance(call: Call, instance: Instance, at: datetime) -> None:
    """A renamed instance reboots: until it has its new name it accepts no connections."""
    instance.status = "renaming"
    entrances.update_reachability(call.state, instance.cluster)
    events.record(call.state, instance, at, "DB instance shutdown", "availability")


def finish_instance(call: Call, instance: Instance, at: datetime) -> None:
    """Give an instance its new name; its cluster's members follow, and it has restarted."""
    assert instance.renaming_to is not None
    old, new, region = instance.identifier, instance.renaming_to, call.region
    del region.instances[old]
    region.instances[new] = instance
    instance.identifier, instance.arn, instance.renaming_to = new, region.arn("db", new), None
    instance.visible_from = at + timedelta(seconds=call.state.durations.visibility_lag)
    instance.cluster.members = [new if name == old else name for name in instance.cluster.members]
    instance.needs_restart = False
    entrances.update_reachability(call.state, instance.cluster)
    events.record(call.state, instance, at, "DB instance restarted", "availability")
