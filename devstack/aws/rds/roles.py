"""IAM roles of a cluster, and its HTTP endpoint (the RDS Data API).

Source: RDS API Reference, AddRoleToDBCluster, RemoveRoleFromDBCluster, EnableHttpEndpoint, DisableHttpEndpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from devstack.aws.rds import lookup, requests
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import AssociatedRole, Cluster
from devstack.aws.rds.state import Call

MAX_ROLES = 5
"""Of one cluster. Source: Aurora User Guide, "Quotas and constraints"."""


@serves("AddRoleToDBCluster", models="DBClusterIdentifier FeatureName RoleArn")
def add_role_to_db_cluster(call: Call) -> dict[str, Any]:
    """Associate a role, which is PENDING at first and ACTIVE after a while."""
    parameters = call.parameters
    cluster = lookup.find_cluster(call.region, parameters["DBClusterIdentifier"])
    lookup.require_cluster_available(cluster)
    key = (parameters["RoleArn"], parameters.get("FeatureName"))
    if any((role.arn, role.feature) == key for role in cluster.roles):
        raise RdsError("DBClusterRoleAlreadyExists", f"{key[0]} is already associated with {cluster.identifier}.")
    associate(call, cluster, [{"RoleArn": key[0], "FeatureName": key[1]}])
    return {}


@serves("RemoveRoleFromDBCluster", models="DBClusterIdentifier FeatureName RoleArn")
def remove_role_from_db_cluster(call: Call) -> dict[str, Any]:
    """Take a role away; it is gone at once."""
    parameters = call.parameters
    cluster = lookup.find_cluster(call.region, parameters["DBClusterIdentifier"])
    lookup.require_cluster_available(cluster)
    key = (parameters["RoleArn"], parameters.get("FeatureName"))
    if not any((role.arn, role.feature) == key for role in cluster.roles):
        raise RdsError("DBClusterRoleNotFound", f"The role {key[0]} is not associated with {cluster.identifier}.")
    cluster.roles = [role for role in cluster.roles if (role.arn, role.feature) != key]
    return {}


@serves("EnableHttpEndpoint", models="ResourceArn")
def enable_http_endpoint(call: Call) -> dict[str, Any]:
    """Turn the Data API on."""
    return _set_http_endpoint(call, enabled=True)


@serves("DisableHttpEndpoint", models="ResourceArn")
def disable_http_endpoint(call: Call) -> dict[str, Any]:
    """Turn the Data API off."""
    return _set_http_endpoint(call, enabled=False)


def associate(call: Call, cluster: Cluster, roles: Sequence[Mapping[str, Any]]) -> None:
    """Associate roles with a cluster; each is PENDING at first and ACTIVE after a while.

    Raises RdsError for more roles than a cluster can have.
    """
    if len(cluster.roles) + len(roles) > MAX_ROLES:
        raise RdsError("DBClusterRoleQuotaExceeded", f"{cluster.identifier} can have at most {MAX_ROLES} roles.")
    for role in roles:
        associated = AssociatedRole(role["RoleArn"], role.get("FeatureName"))
        cluster.roles.append(associated)
        call.state.schedule(cluster, call.state.durations.cluster_modify, _activate(associated))


def _activate(role: AssociatedRole) -> Any:
    def activate(_: datetime) -> None:
        role.status = "ACTIVE"

    return activate


def _set_http_endpoint(call: Call, *, enabled: bool) -> dict[str, Any]:
    arn = call.parameters["ResourceArn"]
    parts = requests.arn(arn)
    cluster = call.region.clusters.get(parts.name) if parts and parts.kind == "cluster" else None
    if cluster is None or cluster.arn != arn:
        raise RdsError("ResourceNotFoundFault", f"The resource {arn} was not found.")
    if cluster.status != "available":
        raise RdsError("InvalidResourceStateFault", f"{cluster.identifier} is in {cluster.status} state.")
    cluster.http_endpoint = enabled
    return {"ResourceArn": arn, "HttpEndpointEnabled": enabled}
