"""Aurora global databases: membership only, nothing is replicated.

Source: RDS API Reference, CreateGlobalCluster, RemoveFromGlobalCluster.
"""

from __future__ import annotations

from typing import Any

from devstack.aws.rds import lookup, requests, responses
from devstack.aws.rds.clusters import new_resource_id
from devstack.aws.rds.engine_versions import resolve_version
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Cluster, GlobalCluster
from devstack.aws.rds.state import Call, partition_of


@serves(
    "CreateGlobalCluster",
    models="DatabaseName DeletionProtection Engine EngineVersion GlobalClusterIdentifier SourceDBClusterIdentifier "
    "StorageEncrypted Tags",
)
def create_global_cluster(call: Call) -> dict[str, Any]:
    """A global cluster, empty or with an existing cluster as its primary."""
    identifier = requests.identifier(call.parameters, "GlobalClusterIdentifier")
    key = (call.region.account, identifier)
    if key in call.state.global_clusters:
        raise RdsError("GlobalClusterAlreadyExistsFault", f"Global cluster already exists: {identifier}")
    group = _new_global_cluster(call, identifier, _primary(call))
    call.state.global_clusters[key] = group
    return {"GlobalCluster": _response(group)}


def _primary(call: Call) -> Cluster | None:
    source = call.parameters.get("SourceDBClusterIdentifier")
    if source is None:
        return None
    cluster = lookup.find_cluster(call.region, source)
    lookup.require_cluster_available(cluster)
    if cluster.global_cluster is not None:
        raise RdsError(
            "InvalidDBClusterStateFault",
            f"{cluster.identifier} is already a member of {cluster.global_cluster}.",
        )
    return cluster


def _new_global_cluster(call: Call, identifier: str, primary: Cluster | None) -> GlobalCluster:
    parameters = call.parameters
    if primary is None and "Engine" not in parameters:
        raise RdsError("InvalidParameterValue", "Either Engine or SourceDBClusterIdentifier must be provided.")
    for name in ("DatabaseName", "Engine", "EngineVersion", "StorageEncrypted"):
        if primary is not None and name in parameters:
            raise RdsError("InvalidParameterCombination", f"{name} comes from the SourceDBClusterIdentifier.")
    engine = primary.engine if primary else parameters["Engine"]
    version = resolve_version(engine, primary.engine_version if primary else parameters.get("EngineVersion"))
    group = GlobalCluster(
        identifier=identifier,
        arn=f"arn:{partition_of(call.region.name)}:rds::{call.region.account}:global-cluster:{identifier}",
        resource_id=new_resource_id("cluster"),
        engine=engine,
        engine_version=version.version,
        encrypted=primary.kms_key is not None if primary else parameters.get("StorageEncrypted", False),
        deletion_protection=parameters.get("DeletionProtection", False),
        database_name=primary.database_name if primary else parameters.get("DatabaseName"),
        tags=requests.tags(parameters),
    )
    if primary is not None:
        group.members.append(primary)
        primary.global_cluster = identifier
    return group


@serves("DescribeGlobalClusters", models="Filters GlobalClusterIdentifier Marker MaxRecords")
def describe_global_clusters(call: Call) -> dict[str, Any]:
    """The global clusters of the account, whatever region the call goes to."""
    parameters = call.parameters
    filters = requests.filters(parameters, ("db-cluster-id", "region"))
    groups = [group for (account, _), group in call.state.global_clusters.items() if account == call.region.account]
    if "GlobalClusterIdentifier" in parameters:
        groups = [_find(call)]
    matching = [group for group in groups if _passes(group, filters)]
    page, marker = requests.page(parameters, matching, key=lambda group: group.identifier)
    return {"GlobalClusters": [_response(group) for group in page], "Marker": marker}


def _passes(group: GlobalCluster, filters: requests.FilterValues) -> bool:
    return requests.matches_filter(
        filters, "region", *(member.region for member in group.members)
    ) and requests.matches_filter(filters, "db-cluster-id", *(member.arn for member in group.members))


def _find(call: Call) -> GlobalCluster:
    return lookup.find_global_cluster(call.state, call.region, call.parameters["GlobalClusterIdentifier"])


@serves("RemoveFromGlobalCluster", models="DbClusterIdentifier GlobalClusterIdentifier")
def remove_from_global_cluster(call: Call) -> dict[str, Any]:
    """Make a member a standalone cluster again."""
    group = _find(call)
    name = call.parameters["DbClusterIdentifier"].lower()
    for member in group.members:
        if name in (member.identifier, member.arn.lower()):
            group.members.remove(member)
            member.global_cluster = None
            return {"GlobalCluster": _response(group)}
    raise RdsError("DBClusterNotFoundFault", f"DBCluster {name} is not a member of {group.identifier}.")


@serves("DeleteGlobalCluster", models="GlobalClusterIdentifier")
def delete_global_cluster(call: Call) -> dict[str, Any]:
    """Delete a global cluster that has no members left."""
    group = _find(call)
    if group.members or group.deletion_protection:
        reason = "it still has members" if group.members else "it is protected"
        raise RdsError("InvalidGlobalClusterStateFault", f"Cannot delete global cluster {group.identifier}: {reason}.")
    del call.state.global_clusters[(call.region.account, group.identifier)]
    return {"GlobalCluster": _response(group)}


def _response(group: GlobalCluster) -> dict[str, Any]:
    """GlobalCluster."""
    writes = {"GlobalWriteForwardingStatus": "disabled"}
    primary, *secondaries = [member.arn for member in group.members] or [""]
    members = [{"DBClusterArn": primary, "Readers": secondaries, "IsWriter": True, **writes}] if primary else []
    members += [{"DBClusterArn": arn, "Readers": [], "IsWriter": False, **writes} for arn in secondaries]
    return {
        "DatabaseName": group.database_name,
        "DeletionProtection": group.deletion_protection,
        "Engine": group.engine,
        "EngineVersion": group.engine_version,
        "GlobalClusterArn": group.arn,
        "GlobalClusterIdentifier": group.identifier,
        "GlobalClusterMembers": members,
        "GlobalClusterResourceId": group.resource_id,
        "Status": "available",
        "StorageEncrypted": group.encrypted,
        "TagList": responses.tags(group.tags),
    }
