"""Aurora global databases: enough of them to find out that a cluster belongs to one.

Source: RDS API Reference, CreateGlobalCluster, RemoveFromGlobalCluster. Nothing is replicated.
"""

from __future__ import annotations

from typing import Any

from devstack.aws.rds import answers, lookup, requests
from devstack.aws.rds.clusters import new_resource_id
from devstack.aws.rds.engine_versions import version_for
from devstack.aws.rds.errors import Refusal
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Cluster, GlobalCluster
from devstack.aws.rds.state import Call, partition_of


@serves("CreateGlobalCluster")
def create_global_cluster(call: Call) -> dict[str, Any]:
    """A global cluster, empty or with an existing cluster as its primary one."""
    identifier = requests.identifier(call.parameters, "GlobalClusterIdentifier")
    key = (call.region.account, identifier)
    if key in call.state.global_clusters:
        raise Refusal("GlobalClusterAlreadyExistsFault", f"Global cluster already exists: {identifier}")
    group = _new_global_cluster(call, identifier, _primary(call))
    call.state.global_clusters[key] = group
    return {"GlobalCluster": answers.global_cluster(group)}


def _primary(call: Call) -> Cluster | None:
    source = call.parameters.get("SourceDBClusterIdentifier")
    if source is None:
        return None
    cluster = lookup.cluster_named(call.region, source)
    lookup.require_cluster_available(cluster)
    if cluster.global_cluster is not None:
        raise Refusal(
            "InvalidDBClusterStateFault",
            f"{cluster.identifier} is already a member of {cluster.global_cluster}.",
        )
    return cluster


def _new_global_cluster(call: Call, identifier: str, primary: Cluster | None) -> GlobalCluster:
    wanted = call.parameters
    if primary is None and "Engine" not in wanted:
        raise Refusal("InvalidParameterValue", "Either Engine or SourceDBClusterIdentifier must be provided.")
    engine = primary.engine if primary else wanted["Engine"]
    version = version_for(engine, primary.engine_version if primary else wanted.get("EngineVersion"))
    group = GlobalCluster(
        identifier=identifier,
        arn=f"arn:{partition_of(call.region.name)}:rds::{call.region.account}:global-cluster:{identifier}",
        resource_id=new_resource_id("cluster"),
        engine=engine,
        engine_version=version.version,
        encrypted=primary.kms_key is not None if primary else wanted.get("StorageEncrypted", False),
        deletion_protection=wanted.get("DeletionProtection", False),
        database_name=primary.database_name if primary else wanted.get("DatabaseName"),
        tags=requests.tags(wanted),
    )
    if primary is not None:
        group.members.append(primary)
        primary.global_cluster = identifier
    return group


@serves("DescribeGlobalClusters")
def describe_global_clusters(call: Call) -> dict[str, Any]:
    """Global clusters of the account, whatever the region."""
    wanted = call.parameters
    filters = requests.filters(wanted, ("db-cluster-id", "region"))
    groups = [group for (account, _), group in call.state.global_clusters.items() if account == call.region.account]
    if "GlobalClusterIdentifier" in wanted:
        groups = [_find(call)]
    found = [group for group in groups if _passes(group, filters)]
    shown, marker = requests.page(wanted, found, key=lambda group: group.identifier)
    return {"GlobalClusters": [answers.global_cluster(group) for group in shown], "Marker": marker}


def _passes(group: GlobalCluster, filters: requests.FilterValues) -> bool:
    return requests.admits(filters, "region", *(member.region for member in group.members)) and requests.admits(
        filters, "db-cluster-id", *(member.arn for member in group.members)
    )


def _find(call: Call) -> GlobalCluster:
    name = call.parameters["GlobalClusterIdentifier"].lower()
    group = call.state.global_clusters.get((call.region.account, name))
    if group is None:
        raise Refusal("GlobalClusterNotFoundFault", f"Global cluster {name} not found.")
    return group


@serves("RemoveFromGlobalCluster")
def remove_from_global_cluster(call: Call) -> dict[str, Any]:
    """Make a member a cluster of its own again."""
    group = _find(call)
    name = call.parameters["DbClusterIdentifier"].lower()
    for member in group.members:
        if name in (member.identifier, member.arn.lower()):
            group.members.remove(member)
            member.global_cluster = None
            return {"GlobalCluster": answers.global_cluster(group)}
    raise Refusal("DBClusterNotFoundFault", f"DBCluster {name} is not a member of {group.identifier}.")


@serves("DeleteGlobalCluster")
def delete_global_cluster(call: Call) -> dict[str, Any]:
    """Delete a global cluster that has no members left."""
    group = _find(call)
    if group.members or group.deletion_protection:
        reason = "it still has members" if group.members else "it is protected"
        raise Refusal("InvalidGlobalClusterStateFault", f"Cannot delete global cluster {group.identifier}: {reason}.")
    del call.state.global_clusters[(call.region.account, group.identifier)]
    return {"GlobalCluster": answers.global_cluster(group)}
