"""What a restore and its instances do not bring back by themselves: put back with calls of their own, one poll at a time.

Roles that the restore did not take, the HTTP endpoint of the RDS Data API, the custom endpoints.
Source: RDS API Reference, AddRoleToDBCluster, EnableHttpEndpoint, CreateDBClusterEndpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from activities.rds import tags
from activities.rds.aws_errors import action_for, pipeline_error_for
from activities.rds.fault_table import Action
from activities.rds.restore_parameters import identifier_of
from activities.rds.target import TargetCluster
from models.configuration import AssociatedRole, ClusterConfiguration, CustomEndpoint

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef


def put_back(target: TargetCluster, cluster: DBClusterTypeDef, configuration: ClusterConfiguration) -> str | None:
    """Make the next call that is missing; returns what is waited for, or None if everything is there.

    `cluster` is available. RDS accepts one change at a time: while it is busy, the next poll asks again.
    """
    try:
        return (
            _add_roles(target, cluster, configuration)
            or _enable_http_endpoint(target, cluster, configuration)
            or _create_custom_endpoints(target, cluster, configuration)
        )
    except ClientError as error:
        action = action_for(error)
        if action is Action.WAIT:
            return pipeline_error_for(error).fault.short
        if action is Action.ADOPT:
            return "RDS to list what an earlier call made"
        raise


def _add_roles(target: TargetCluster, cluster: DBClusterTypeDef, configuration: ClusterConfiguration) -> str | None:
    existing = {
        AssociatedRole(role_arn=role["RoleArn"], feature_name=role.get("FeatureName") or None): role.get("Status")
        for role in cluster.get("AssociatedRoles", [])
        if "RoleArn" in role
    }
    for role in configuration.associated_roles or ():
        if role not in existing:
            target.add_role(role)
            return f"adding the role {role.role_arn}"
        if existing[role] == "PENDING":
            return f"role {role.role_arn} pending"
    return None


def _enable_http_endpoint(
    target: TargetCluster, cluster: DBClusterTypeDef, configuration: ClusterConfiguration
) -> str | None:
    if configuration.http_endpoint and not cluster.get("HttpEndpointEnabled"):
        target.enable_http_endpoint(cluster["DBClusterArn"])
        return "enabling the HTTP endpoint"
    return None


def _create_custom_endpoints(
    target: TargetCluster, cluster: DBClusterTypeDef, configuration: ClusterConfiguration
) -> str | None:
    if not configuration.custom_endpoints:
        return None
    existing = {
        endpoint["DBClusterEndpointIdentifier"]: endpoint.get("Status") for endpoint in target.list_custom_endpoints()
    }
    for endpoint in _restorable_endpoints(cluster, configuration):
        if endpoint.identifier not in existing:
            target.create_custom_endpoint(endpoint, endpoint.tags | {tags.OPERATION: target.operation_tag})
            return f"creating the custom endpoint {endpoint.identifier}"
        if existing[endpoint.identifier] in ("creating", "modifying"):
            return f"custom endpoint {endpoint.identifier} {existing[endpoint.identifier]}"
    return None


def _restorable_endpoints(cluster: DBClusterTypeDef, configuration: ClusterConfiguration) -> Iterator[CustomEndpoint]:
    """The custom endpoints with those of their members that the restored cluster has; RDS refuses any other name.

    An endpoint none of whose static members comes back is left out: without members it would have every instance.
    """
    name = cluster["DBClusterIdentifier"]
    instances = {identifier_of(name, number, each) for number, each in enumerate(configuration.instances, start=1)}
    for endpoint in configuration.custom_endpoints or ():
        static = tuple(member for member in endpoint.static_members if member in instances)
        excluded = tuple(member for member in endpoint.excluded_members if member in instances)
        if static or not endpoint.static_members:
            yield endpoint.model_copy(update={"static_members": static, "excluded_members": excluded})
