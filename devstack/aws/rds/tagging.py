"""Tags on clusters, instances, snapshots and groups, by ARN.

The model lists no code for a missing cluster snapshot; `DBSnapshotNotFound` is the nearest one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devstack.aws.rds import requests, responses
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import (
    Cluster,
    CustomEndpoint,
    GlobalCluster,
    Instance,
    ParameterGroup,
    Snapshot,
    SubnetGroup,
    Tags,
)
from devstack.aws.rds.state import Call, Region

Tagged = Cluster | CustomEndpoint | Instance | Snapshot | SubnetGroup | ParameterGroup | GlobalCluster


@serves("AddTagsToResource", models="ResourceName Tags")
def add_tags_to_resource(call: Call) -> dict[str, Any]:
    """Add tags, or change the values of existing ones."""
    tags = tags_of(call.region, call.parameters["ResourceName"])
    added = requests.tags(call.parameters)
    requests.check_tag_count({*tags, *added})
    tags.update(added)
    return {}


@serves("RemoveTagsFromResource", models="ResourceName TagKeys")
def remove_tags_from_resource(call: Call) -> dict[str, Any]:
    """Remove tags; missing keys are ignored."""
    tags = tags_of(call.region, call.parameters["ResourceName"])
    requests.refuse_reserved(call.parameters["TagKeys"])
    for key in call.parameters["TagKeys"]:
        tags.pop(key, None)
    return {}


@serves("ListTagsForResource", models="ResourceName")
def list_tags_for_resource(call: Call) -> dict[str, Any]:
    """The tags of a resource."""
    return {"TagList": responses.tags(tags_of(call.region, call.parameters["ResourceName"]))}


def tags_of(region: Region, name: str) -> Tags:
    """The tags of the resource with this ARN, to be changed in place. Raises RdsError if there is none."""
    parts = requests.arn(name)
    if parts is None:
        raise RdsError("InvalidParameterValue", f"Invalid resource name: {name}")
    resource = _resources(region, parts.kind).get(parts.name)
    if resource is None or resource.arn.lower() != name.lower():
        raise _not_found(parts.kind, name)
    return resource.tags


def _resources(region: Region, kind: str) -> Mapping[str, Tagged]:
    kinds: dict[str, Mapping[str, Tagged]] = {
        "cluster": region.clusters,
        "cluster-endpoint": {
            name: each for cluster in region.clusters.values() for name, each in cluster.endpoints.items()
        },
        "cluster-pg": region.cluster_parameter_groups,
        "cluster-snapshot": region.snapshots,
        "db": region.instances,
        "pg": region.parameter_groups,
        "subgrp": region.subnet_groups,
    }
    return kinds.get(kind, {})


def _not_found(kind: str, name: str) -> RdsError:
    if kind == "cluster":
        return RdsError("DBClusterNotFoundFault", f"DBCluster {name} not found.")
    if kind == "db":
        return RdsError("DBInstanceNotFound", f"DBInstance {name} not found.")
    if kind == "cluster-snapshot":
        return RdsError("DBSnapshotNotFound", f"DBClusterSnapshot {name} not found.")
    return RdsError("InvalidParameterValue", f"The resource {name} does not exist.")
