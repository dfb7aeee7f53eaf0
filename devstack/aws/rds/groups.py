"""DB subnet groups, DB cluster parameter groups and DB parameter groups.

The `default` subnet group and the `default.FAMILY` parameter groups exist from the start, as in AWS.
"""

from __future__ import annotations

import re
from typing import Any

from devstack.aws.rds import network, requests, responses
from devstack.aws.rds.engine_versions import VERSIONS, EngineVersion
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import ParameterGroup, SubnetGroup
from devstack.aws.rds.state import Call, Region

DEFAULT_SUBNET_GROUP = "default"
MIN_SUBNETS = 2
FAMILIES = sorted({version.family for version in VERSIONS})


def add_default_groups(region: Region) -> None:
    """Add the default groups to a region that has none yet."""
    if region.subnet_groups:
        return
    subnets = [f"subnet-{region.account[-6:]}{place:02x}" for place in range(3)]
    vpc, zones = region.default_vpc, region.availability_zones
    arn = region.arn("subgrp", DEFAULT_SUBNET_GROUP)
    default = SubnetGroup(DEFAULT_SUBNET_GROUP, arn, "default", subnets, vpc, {}, zones)
    region.subnet_groups[DEFAULT_SUBNET_GROUP] = default
    for family in FAMILIES:
        name = f"default.{family}"
        region.cluster_parameter_groups[name] = _parameter_group(region, "cluster-pg", name, family)
        region.parameter_groups[name] = _parameter_group(region, "pg", name, family)


def _parameter_group(region: Region, kind: str, name: str, family: str) -> ParameterGroup:
    return ParameterGroup(name, region.arn(kind, name), family, f"Default parameter group for {family}", {})


def resolve_subnet_group(region: Region, name: str | None) -> str:
    """The stored name of a subnet group, the default one if none is named. Raises RdsError if it does not exist."""
    stored = (name or DEFAULT_SUBNET_GROUP).lower()
    if stored not in region.subnet_groups:
        raise RdsError("DBSubnetGroupNotFoundFault", f"DB subnet group '{stored}' does not exist.")
    return stored


def resolve_cluster_parameter_group(region: Region, name: str | None, version: EngineVersion) -> str:
    """The stored name of a cluster parameter group, the family's default if none is named.

    Raises RdsError if it does not exist or is of another family.
    """
    stored = (name or f"default.{version.family}").lower()
    group = region.cluster_parameter_groups.get(stored)
    if group is None:
        raise RdsError("DBClusterParameterGroupNotFound", f"DBClusterParameterGroup not found: {stored}")
    _check_family(group, version)
    return stored


def resolve_parameter_group(region: Region, name: str | None, version: EngineVersion) -> str:
    """The stored name of an instance parameter group, the family's default if none is named.

    Raises RdsError if it does not exist or is of another family.
    """
    stored = (name or f"default.{version.family}").lower()
    group = region.parameter_groups.get(stored)
    if group is None:
        raise RdsError("DBParameterGroupNotFound", f"DBParameterGroup not found: {stored}")
    _check_family(group, version)
    return stored


def _check_family(group: ParameterGroup, version: EngineVersion) -> None:
    if group.family != version.family:
        raise RdsError(
            "InvalidParameterCombination",
            f"The Parameter Group {group.name} with DBParameterGroupFamily {group.family} cannot be used "
            f"for this instance. Please use a Parameter Group with DBParameterGroupFamily {version.family}",
        )


def resolve_security_groups(region: Region, given: list[str] | None) -> list[str]:
    """The security groups of a cluster, by default the VPC's. Raises RdsError for an id of the wrong form."""
    for name in given or []:
        if not re.fullmatch(r"sg-[0-9a-z]+(-[0-9a-z]+)*", name):
            raise RdsError("InvalidParameterValue", f"Invalid security group , groupId= {name}, groupName=.")
    return given or [f"sg-{region.account[-6:]}default"]


# Subnet groups


@serves(
    "CreateDBSubnetGroup",
    models="DBSubnetGroupDescription DBSubnetGroupName SubnetIds Tags",
)
def create_db_subnet_group(call: Call) -> dict[str, Any]:
    """A subnet group over at least two subnets, in the VPC and the zones that EC2 says."""
    name = _group_name(call, "DBSubnetGroupName")
    subnets = call.parameters["SubnetIds"]
    for subnet in subnets:
        if not re.fullmatch(r"subnet-[0-9a-z]+(-[0-9a-z]+)*", subnet):
            raise RdsError("InvalidSubnet", f"The subnet ID {subnet!r} does not exist.")
    if len(set(subnets)) < MIN_SUBNETS:
        raise RdsError(
            "DBSubnetGroupDoesNotCoverEnoughAZs",
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ "
            "coverage: 1. Add subnets to cover at least 2 AZs.",
        )
    if name in call.region.subnet_groups:
        raise RdsError("DBSubnetGroupAlreadyExists", f"The DB subnet group '{name}' already exists.")
    description = call.parameters["DBSubnetGroupDescription"]
    tags = requests.tags(call.parameters)
    group = network.new_subnet_group(call.state, call.region, name, description, subnets, tags)
    call.region.subnet_groups[name] = group
    return {"DBSubnetGroup": responses.subnet_group(group)}


@serves("DescribeDBSubnetGroups", models="DBSubnetGroupName Marker MaxRecords")
def describe_db_subnet_groups(call: Call) -> dict[str, Any]:
    """All subnet groups, or the named one."""
    groups = list(call.region.subnet_groups.values())
    if "DBSubnetGroupName" in call.parameters:
        name = resolve_subnet_group(call.region, call.parameters["DBSubnetGroupName"])
        groups = [call.region.subnet_groups[name]]
    page, marker = requests.page(call.parameters, groups, key=lambda group: group.name)
    return {"DBSubnetGroups": [responses.subnet_group(group) for group in page], "Marker": marker}


@serves("DeleteDBSubnetGroup", models="DBSubnetGroupName")
def delete_db_subnet_group(call: Call) -> dict[str, Any]:
    """Delete a subnet group that no cluster uses."""
    name = resolve_subnet_group(call.region, call.parameters["DBSubnetGroupName"])
    users = [cluster.identifier for cluster in call.region.clusters.values() if cluster.subnet_group == name]
    if users or name == DEFAULT_SUBNET_GROUP:
        reason = f"it is used by {', '.join(users)}" if users else "it is the default one"
        raise RdsError("InvalidDBSubnetGroupStateFault", f"Cannot delete the DB subnet group '{name}': {reason}.")
    del call.region.subnet_groups[name]
    return {}


# Parameter groups


@serves(
    "CreateDBClusterParameterGroup",
    models="DBClusterParameterGroupName DBParameterGroupFamily Description Tags",
)
def create_db_cluster_parameter_group(call: Call) -> dict[str, Any]:
    """A cluster parameter group without parameters."""
    group = _new_parameter_group(call, "DBClusterParameterGroupName", "cluster-pg")
    _add(call.region.cluster_parameter_groups, group)
    return {"DBClusterParameterGroup": _cluster_response(group)}


@serves(
    "DescribeDBClusterParameterGroups",
    models="DBClusterParameterGroupName Marker MaxRecords",
)
def describe_db_cluster_parameter_groups(call: Call) -> dict[str, Any]:
    """All cluster parameter groups, or the named one."""
    groups = _select(call, call.region.cluster_parameter_groups, "DBClusterParameterGroupName")
    page, marker = requests.page(call.parameters, groups, key=lambda group: group.name)
    shown = [_cluster_response(group) for group in page]
    return {"DBClusterParameterGroups": shown, "Marker": marker}


@serves("DeleteDBClusterParameterGroup", models="DBClusterParameterGroupName")
def delete_db_cluster_parameter_group(call: Call) -> dict[str, Any]:
    """Delete a cluster parameter group that no cluster uses."""
    used = [cluster.parameter_group for cluster in call.region.clusters.values()]
    _delete(call.region.cluster_parameter_groups, call.parameters["DBClusterParameterGroupName"], used)
    return {}


@serves("CreateDBParameterGroup", models="DBParameterGroupFamily DBParameterGroupName Description Tags")
def create_db_parameter_group(call: Call) -> dict[str, Any]:
    """An instance parameter group without parameters."""
    group = _new_parameter_group(call, "DBParameterGroupName", "pg")
    _add(call.region.parameter_groups, group)
    return {"DBParameterGroup": _response(group)}


@serves("DescribeDBParameterGroups", models="DBParameterGroupName Marker MaxRecords")
def describe_db_parameter_groups(call: Call) -> dict[str, Any]:
    """All instance parameter groups, or the named one."""
    groups = _select(call, call.region.parameter_groups, "DBParameterGroupName")
    page, marker = requests.page(call.parameters, groups, key=lambda group: group.name)
    return {"DBParameterGroups": [_response(group) for group in page], "Marker": marker}


@serves("DeleteDBParameterGroup", models="DBParameterGroupName")
def delete_db_parameter_group(call: Call) -> dict[str, Any]:
    """Delete an instance parameter group that no instance uses."""
    used = [instance.parameter_group for instance in call.region.instances.values()]
    _delete(call.region.parameter_groups, call.parameters["DBParameterGroupName"], used)
    return {}


def _group_name(call: Call, parameter: str) -> str:
    name: str = call.parameters[parameter].lower()
    if not re.fullmatch(r"[a-z0-9._-]{1,255}", name) or name == "default" or name.startswith("default."):
        raise RdsError("InvalidParameterValue", f"The parameter {parameter} is not a valid name: {name}")
    return name


def _new_parameter_group(call: Call, parameter: str, kind: str) -> ParameterGroup:
    name = _group_name(call, parameter)
    family = call.parameters["DBParameterGroupFamily"]
    if family not in FAMILIES:
        raise RdsError("InvalidParameterValue", f"ParameterGroupFamily {family} is not a valid parameter group family")
    tags = requests.tags(call.parameters)
    return ParameterGroup(name, call.region.arn(kind, name), family, call.parameters["Description"], tags)


def _add(groups: dict[str, ParameterGroup], group: ParameterGroup) -> None:
    if group.name in groups:
        raise RdsError("DBParameterGroupAlreadyExists", f"Parameter group {group.name} already exists")
    groups[group.name] = group


def _select(call: Call, groups: dict[str, ParameterGroup], parameter: str) -> list[ParameterGroup]:
    if parameter not in call.parameters:
        return list(groups.values())
    return [_find(groups, call.parameters[parameter])]


def _find(groups: dict[str, ParameterGroup], name: str) -> ParameterGroup:
    if name.lower() not in groups:
        raise RdsError("DBParameterGroupNotFound", f"DBParameterGroup not found: {name}")
    return groups[name.lower()]


def _delete(groups: dict[str, ParameterGroup], name: str, used: list[str]) -> None:
    group = _find(groups, name)
    if group.name in used or group.name.startswith("default."):
        raise RdsError("InvalidDBParameterGroupState", f"One or more resources use the parameter group {group.name}.")
    del groups[group.name]


def _cluster_response(group: ParameterGroup) -> dict[str, Any]:
    """DBClusterParameterGroup."""
    return {
        "DBClusterParameterGroupArn": group.arn,
        "DBClusterParameterGroupName": group.name,
        "DBParameterGroupFamily": group.family,
        "Description": group.description,
    }


def _response(group: ParameterGroup) -> dict[str, Any]:
    """DBParameterGroup."""
    return {
        "DBParameterGroupArn": group.arn,
        "DBParameterGroupFamily": group.family,
        "DBParameterGroupName": group.name,
        "Description": group.description,
    }
