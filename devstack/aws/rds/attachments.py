"""What a cluster can be the source of, and what keeps RDS from deleting it: integrations, shard groups, blue/green.

Nothing is replicated and nothing computed: a blue/green deployment, which would make a second cluster, is made through
the control endpoint only.
Sources: RDS API Reference, CreateIntegration, CreateDBShardGroup, DescribeBlueGreenDeployments; Aurora User Guide,
"Deleting Aurora zero-ETL integrations", "Deleting a blue/green deployment".
"""

from __future__ import annotations

import uuid
from typing import Any

from devstack.aws.rds import lookup, requests, responses
from devstack.aws.rds.clusters import new_resource_id
from devstack.aws.rds.dependents import Attachment
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Cluster
from devstack.aws.rds.state import Call, Region

INTEGRATION, SHARD_GROUP, BLUE_GREEN = "zero-ETL integration", "DB shard group", "blue/green deployment"


@serves("CreateIntegration", "DataFilter Description IntegrationName KMSKeyId SourceArn Tags TargetArn")
def create_integration(call: Call) -> dict[str, Any]:
    """A zero-ETL integration of an available cluster with a data warehouse; it is active at once."""
    parameters, name = call.parameters, call.parameters["IntegrationName"]
    cluster = lookup.find_cluster(call.region, parameters["SourceArn"])
    if _named(call.region, INTEGRATION, name):
        raise RdsError("IntegrationAlreadyExistsFault", f"Integration already exists: {name}")
    shown = {
        **requests.select(parameters, ("SourceArn", "TargetArn", "IntegrationName", "DataFilter", "Description")),
        "IntegrationArn": call.region.arn("integration", str(uuid.uuid4())),
        "KMSKeyId": parameters.get("KMSKeyId"),
        "Status": "active",
        "CreateTime": call.now,
    }
    return _attach(call, Attachment(INTEGRATION, name, cluster.arn, requests.tags(parameters), shown))


@serves("DescribeIntegrations", "IntegrationIdentifier Marker MaxRecords")
def describe_integrations(call: Call) -> dict[str, Any]:
    """All of the account in the region, or one."""
    if wanted := call.parameters.get("IntegrationIdentifier"):
        found = [_find_integration(call.region, wanted)]
    else:
        found = _all(call.region, INTEGRATION)
    return _page(call, found, "Integrations", "Tags")


@serves("DeleteIntegration", "IntegrationIdentifier")
def delete_integration(call: Call) -> dict[str, Any]:
    """Delete an integration; it is gone at once."""
    return _detach(call, _find_integration(call.region, call.parameters["IntegrationIdentifier"]))


@serves(
    "CreateDBShardGroup",
    "ComputeRedundancy DBClusterIdentifier DBShardGroupIdentifier MaxACU MinACU PubliclyAccessible Tags",
)
def create_db_shard_group(call: Call) -> dict[str, Any]:
    """A DB shard group of a cluster; whether the cluster is a Limitless one is not checked."""
    parameters = call.parameters
    name = requests.identifier(parameters, "DBShardGroupIdentifier")
    cluster = lookup.find_cluster(call.region, parameters["DBClusterIdentifier"])
    if _named(call.region, SHARD_GROUP, name):
        raise RdsError("DBShardGroupAlreadyExists", f"DB shard group already exists: {name}")
    shown = {
        **requests.select(parameters, ("ComputeRedundancy", "MaxACU", "MinACU", "PubliclyAccessible")),
        "DBShardGroupIdentifier": name,
        "DBShardGroupResourceId": new_resource_id("shardgroup"),
        "DBShardGroupArn": call.region.arn("shard-group", name),
        "DBClusterIdentifier": cluster.identifier,
        "Endpoint": f"{cluster.identifier}.limitless-emulated.{call.region.name}.rds.amazonaws.com",
        "Status": "available",
    }
    return _attach(call, Attachment(SHARD_GROUP, name, cluster.arn, requests.tags(parameters), shown))


@serves("DescribeDBShardGroups", "DBShardGroupIdentifier Marker MaxRecords")
def describe_db_shard_groups(call: Call) -> dict[str, Any]:
    """All of the account in the region, or one."""
    if wanted := call.parameters.get("DBShardGroupIdentifier"):
        found = [_find_shard_group(call.region, wanted)]
    else:
        found = _all(call.region, SHARD_GROUP)
    return _page(call, found, "DBShardGroups", "TagList")


@serves("DeleteDBShardGroup", "DBShardGroupIdentifier")
def delete_db_shard_group(call: Call) -> dict[str, Any]:
    """Delete a DB shard group; it is gone at once."""
    return _detach(call, _find_shard_group(call.region, call.parameters["DBShardGroupIdentifier"]))


@serves("DescribeBlueGreenDeployments", "BlueGreenDeploymentIdentifier Filters Marker MaxRecords")
def describe_blue_green_deployments(call: Call) -> dict[str, Any]:
    """All of the account in the region, or those that the filters name."""
    filters = requests.filters(
        call.parameters, ("blue-green-deployment-identifier", "blue-green-deployment-name", "source", "target")
    )
    found = [
        each
        for each in _all(call.region, BLUE_GREEN)
        if requests.matches_filter(
            filters, "blue-green-deployment-identifier", each.shown["BlueGreenDeploymentIdentifier"]
        )
        and requests.matches_filter(filters, "blue-green-deployment-name", each.name)
        and requests.matches_filter(filters, "source", each.shown["Source"])
        and requests.matches_filter(filters, "target", each.shown["Target"])
    ]
    if wanted := call.parameters.get("BlueGreenDeploymentIdentifier"):
        found = [each for each in found if each.shown["BlueGreenDeploymentIdentifier"].lower() == wanted.lower()]
        if not found:
            raise RdsError("BlueGreenDeploymentNotFoundFault", f"Blue/green deployment {wanted} not found.")
    return _page(call, found, "BlueGreenDeployments", "TagList")


def add_blue_green_deployment(call: Call, cluster: Cluster, name: str) -> dict[str, Any]:
    """A deployment whose blue database is the cluster; its green one does not exist."""
    green = f"{cluster.arn}-green-{uuid.uuid4().hex[:6]}"
    shown = {
        "BlueGreenDeploymentIdentifier": f"bgd-{uuid.uuid4().hex[:16]}",
        "BlueGreenDeploymentName": name,
        "Source": cluster.arn,
        "Target": green,
        "SwitchoverDetails": [{"SourceMember": cluster.arn, "TargetMember": green, "Status": "AVAILABLE"}],
        "Tasks": [{"Name": "CREATING_READ_REPLICA_OF_SOURCE", "Status": "COMPLETED"}],
        "Status": "AVAILABLE",
        "CreateTime": call.now,
    }
    return _attach(call, Attachment(BLUE_GREEN, name, cluster.arn, {}, shown))


def _attach(call: Call, attachment: Attachment) -> dict[str, Any]:
    call.region.attachments.append(attachment)
    tags = "Tags" if attachment.kind == INTEGRATION else "TagList"
    return {**attachment.shown, tags: responses.tags(attachment.tags)}


def _detach(call: Call, attachment: Attachment) -> dict[str, Any]:
    call.region.attachments.remove(attachment)
    return {**attachment.shown, "Status": "deleting"}


def _all(region: Region, kind: str) -> list[Attachment]:
    return [each for each in region.attachments if each.kind == kind]


def _named(region: Region, kind: str, name: str) -> list[Attachment]:
    return [each for each in _all(region, kind) if each.name == name]


def _find_integration(region: Region, identifier: str) -> Attachment:
    for each in _all(region, INTEGRATION):
        if identifier in (each.shown["IntegrationArn"], each.shown["IntegrationArn"].rpartition(":")[2]):
            return each
    raise RdsError("IntegrationNotFoundFault", f"Integration {identifier} not found.")


def _find_shard_group(region: Region, identifier: str) -> Attachment:
    for each in _named(region, SHARD_GROUP, identifier.lower()):
        return each
    raise RdsError("DBShardGroupNotFound", f"DB shard group {identifier} not found.")


def _page(call: Call, found: list[Attachment], result: str, tags: str) -> dict[str, Any]:
    page, marker = requests.page(call.parameters, found, key=lambda each: each.name)
    return {result: [{**each.shown, tags: responses.tags(each.tags)} for each in page], "Marker": marker}
