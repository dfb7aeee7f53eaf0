"""Endpoints of a cluster: its writer's and its readers', which come with it, and custom ones, which are made and go with it.

Source: RDS API Reference, CreateDBClusterEndpoint, DescribeDBClusterEndpoints, DeleteDBClusterEndpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from devstack.aws.rds import hosts, lookup, requests
from devstack.aws.rds.clusters import new_resource_id
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Cluster, CustomEndpoint
from devstack.aws.rds.state import Call

MAX_CUSTOM_ENDPOINTS = 5
"""Of one cluster. Source: Aurora User Guide, "Quotas and constraints"."""
TYPES = ("READER", "WRITER", "ANY")


@serves(
    "CreateDBClusterEndpoint",
    models="DBClusterEndpointIdentifier DBClusterIdentifier EndpointType ExcludedMembers StaticMembers Tags",
)
def create_db_cluster_endpoint(call: Call) -> dict[str, Any]:
    """A custom endpoint of a cluster that is available; its members must be instances of the cluster."""
    parameters = call.parameters
    identifier = requests.identifier(parameters, "DBClusterEndpointIdentifier")
    cluster = lookup.find_cluster(call.region, parameters["DBClusterIdentifier"])
    lookup.require_cluster_available(cluster)
    endpoint_type = _type(parameters["EndpointType"])
    if any(identifier in each.endpoints for each in call.region.clusters.values()):
        raise RdsError("DBClusterEndpointAlreadyExistsFault", f"DB cluster endpoint already exists: {identifier}")
    if len(cluster.endpoints) >= MAX_CUSTOM_ENDPOINTS:
        raise RdsError(
            "DBClusterEndpointQuotaExceededFault", "The cluster has as many custom endpoints as it can have."
        )
    static, excluded = _members(call, cluster)
    endpoint = CustomEndpoint(
        identifier=identifier,
        arn=call.region.arn("cluster-endpoint", identifier),
        resource_id=new_resource_id("cluster-endpoint"),
        endpoint_type=endpoint_type,
        static_members=static,
        excluded_members=excluded,
        tags=requests.tags(parameters),
    )
    cluster.endpoints[identifier] = endpoint

    _schedule_availability(call, cluster, endpoint)
    return _custom(cluster, endpoint)


@serves(
    "DescribeDBClusterEndpoints",
    models="DBClusterEndpointIdentifier DBClusterIdentifier Filters Marker MaxRecords",
)
def describe_db_cluster_endpoints(call: Call) -> dict[str, Any]:
    """Of one cluster or of all; NotFound only for an exact cluster."""
    parameters = call.parameters
    filters = requests.filters(
        parameters,
        (
            "db-cluster-endpoint-type",
            "db-cluster-endpoint-custom-type",
            "db-cluster-endpoint-id",
            "db-cluster-endpoint-status",
        ),
    )
    clusters = list(call.region.clusters.values())
    if "DBClusterIdentifier" in parameters:
        clusters = [lookup.find_cluster(call.region, parameters["DBClusterIdentifier"])]
    wanted = parameters.get("DBClusterEndpointIdentifier", "").lower()
    matching = [
        each
        for each in (endpoint for cluster in clusters for endpoint in _endpoints(cluster))
        if (not wanted or each.get("DBClusterEndpointIdentifier") == wanted)
        and requests.matches_filter(filters, "db-cluster-endpoint-type", each["EndpointType"].lower())
        and requests.matches_filter(
            filters, "db-cluster-endpoint-custom-type", each.get("CustomEndpointType", "").lower()
        )
        and requests.matches_filter(filters, "db-cluster-endpoint-id", each.get("DBClusterEndpointIdentifier"))
        and requests.matches_filter(filters, "db-cluster-endpoint-status", each["Status"])
    ]
    page, marker = requests.page(
        parameters,
        matching,
        key=lambda each: f"{each['DBClusterIdentifier']}/{each['EndpointType']}/{each['Endpoint']}",
    )
    return {"DBClusterEndpoints": page, "Marker": marker}


@serves("ModifyDBClusterEndpoint", models="DBClusterEndpointIdentifier EndpointType ExcludedMembers StaticMembers")
def modify_db_cluster_endpoint(call: Call) -> dict[str, Any]:
    """Change the type or the members of a custom endpoint that is available."""
    cluster, endpoint = _find(call)
    if endpoint.status != "available":
        raise RdsError("InvalidDBClusterEndpointStateFault", f"{endpoint.identifier} is in {endpoint.status} state.")
    endpoint_type = _type(call.parameters.get("EndpointType", endpoint.endpoint_type))
    static, excluded = _members(call, cluster)
    if static or excluded:
        endpoint.static_members, endpoint.excluded_members = static, excluded
    endpoint.endpoint_type, endpoint.status = endpoint_type, "modifying"
    _schedule_availability(call, cluster, endpoint)
    return _custom(cluster, endpoint)


@serves("DeleteDBClusterEndpoint", models="DBClusterEndpointIdentifier")
def delete_db_cluster_endpoint(call: Call) -> dict[str, Any]:
    """Delete a custom endpoint; it is gone at once."""
    cluster, endpoint = _find(call)
    del cluster.endpoints[endpoint.identifier]
    endpoint.status = "deleting"
    return _custom(cluster, endpoint)


def _find(call: Call) -> tuple[Cluster, CustomEndpoint]:
    identifier = call.parameters["DBClusterEndpointIdentifier"].lower()
    for cluster in call.region.clusters.values():
        if identifier in cluster.endpoints:
            return cluster, cluster.endpoints[identifier]
    raise RdsError("DBClusterEndpointNotFoundFault", f"DB cluster endpoint {identifier} not found.")


def _type(requested: str) -> str:
    if requested.upper() not in TYPES:
        raise RdsError("InvalidParameterValue", f"EndpointType must be one of {', '.join(TYPES)}, not {requested}.")
    return requested.upper()


def _members(call: Call, cluster: Cluster) -> tuple[list[str], list[str]]:
    """The static and the excluded members of a call. Raises RdsError for both, and for one of another cluster."""
    static, excluded = call.parameters.get("StaticMembers", []), call.parameters.get("ExcludedMembers", [])
    if static and excluded:
        raise RdsError("InvalidParameterCombination", "StaticMembers and ExcludedMembers cannot both be given.")
    for name in (*static, *excluded):
        if name not in cluster.members:
            raise RdsError("DBInstanceNotFound", f"DBInstance {name} not found in {cluster.identifier}.")
    return static, excluded


def _schedule_availability(call: Call, cluster: Cluster, endpoint: CustomEndpoint) -> None:
    def become_available(_: datetime) -> None:
        endpoint.status = "available"

    call.state.schedule(cluster, call.state.durations.cluster_modify, become_available)


def _endpoints(cluster: Cluster) -> Iterator[dict[str, Any]]:
    common = {"DBClusterIdentifier": cluster.identifier, "Status": "available"}
    yield {**common, "EndpointType": "WRITER", "Endpoint": hosts.writer(cluster)}
    yield {**common, "EndpointType": "READER", "Endpoint": hosts.reader(cluster)}
    yield from (_custom(cluster, endpoint) for endpoint in cluster.endpoints.values())


def _custom(cluster: Cluster, endpoint: CustomEndpoint) -> dict[str, Any]:
    """DBClusterEndpoint."""
    return {
        "CustomEndpointType": endpoint.endpoint_type,
        "DBClusterEndpointArn": endpoint.arn,
        "DBClusterEndpointIdentifier": endpoint.identifier,
        "DBClusterEndpointResourceIdentifier": endpoint.resource_id,
        "DBClusterIdentifier": cluster.identifier,
        "Endpoint": hosts.custom(cluster, endpoint.identifier),
        "EndpointType": "CUSTOM",
        "ExcludedMembers": endpoint.excluded_members,
        "StaticMembers": endpoint.static_members,
        "Status": endpoint.status,
    }
