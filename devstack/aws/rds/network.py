"""What RDS asks EC2: the VPC and the zone of subnets, the VPC of security groups.

A subnet or a group that EC2 does not know passes: it counts as one of the VPC that every account has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devstack.aws.caller import Caller
from devstack.aws.rds.engine_versions import zones_of
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.resources import SubnetGroup
from devstack.aws.rds.state import RdsState, Region
from devstack.aws.services import ServiceError


def new_subnet_group(
    state: RdsState, region: Region, name: str, description: str, subnets: list[str], tags: dict[str, str]
) -> SubnetGroup:
    """A subnet group in the VPC of its subnets. Raises RdsError if they are in several."""
    known = _subnets(state, region, subnets)
    vpcs = {subnet["VpcId"] for subnet in known.values()} or {region.default_vpc}
    if len(vpcs) > 1:
        raise RdsError("InvalidSubnet", f"The subnets are in more than one VPC: {', '.join(sorted(vpcs))}.")
    in_rotation = region.availability_zones
    zones = [
        known[subnet]["AvailabilityZone"] if subnet in known else in_rotation[place % len(in_rotation)]
        for place, subnet in enumerate(subnets)
    ]
    return SubnetGroup(name, region.arn("subgrp", name), description, subnets, vpcs.pop(), tags, zones)


def check_security_groups(state: RdsState, region: Region, group: SubnetGroup, security_groups: list[str]) -> None:
    """Raise RdsError if a security group is in another VPC than the subnet group.

    Code and text are those that users report of RDS.
    """
    if group.vpc == region.default_vpc:
        return
    for security_group in security_groups:
        vpc = _vpc_of_security_group(state, region, security_group)
        if vpc is not None and vpc != group.vpc:
            raise RdsError(
                "InvalidParameterCombination",
                "The DB instance and EC2 security group are in different VPCs. The DB instance is in "
                f"{group.vpc} and the EC2 security group is in {vpc}",
            )


def zones_for(region: Region, subnet_group: str, instance_class: str, requested: str | None) -> list[str]:
    """The zones in which a new instance may be. Raises RdsError if the subnet group or the class is in none of them.

    Source: RDS API Reference, CreateDBInstance, InsufficientDBInstanceCapacity and InvalidVPCNetworkStateFault.
    """
    covered = sorted(set(region.subnet_groups[subnet_group].zones))
    if requested is not None and requested not in covered:
        raise RdsError(
            "InvalidVPCNetworkStateFault",
            f"The DB subnet group {subnet_group} does not cover the Availability Zone {requested}.",
        )
    candidates = [requested] if requested else covered
    offered = [zone for zone in candidates if zone in zones_of(region, instance_class)]
    if not offered:
        raise RdsError(
            "InsufficientDBInstanceCapacity",
            f"{instance_class} is not available in the Availability Zones {', '.join(candidates)}.",
        )
    return offered


def _subnets(state: RdsState, region: Region, names: list[str]) -> dict[str, Mapping[str, Any]]:
    numbered = {f"SubnetId.{number}": name for number, name in enumerate(names, start=1)}
    try:
        answer = state.services.query(Caller(region.account, region.name, "ec2"), "DescribeSubnets", numbered)
    except ServiceError:
        return {}
    return {subnet["SubnetId"]: subnet for subnet in answer["Subnets"]}


def _vpc_of_security_group(state: RdsState, region: Region, name: str) -> str | None:
    caller = Caller(region.account, region.name, "ec2")
    try:
        answer = state.services.query(caller, "DescribeSecurityGroups", {"GroupId.1": name})
    except ServiceError:
        return None
    return str(answer["SecurityGroups"][0]["VpcId"])
