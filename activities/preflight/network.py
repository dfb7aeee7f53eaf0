"""The network of the restored cluster: subnet group, security groups, availability zones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from activities.preflight.context import RestoreContext
from activities.preflight.guards import PreflightCheck, Violation
from activities.rds.restore_parameters import identifier_of

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBSubnetGroupTypeDef

INVALID_VPC = "Invalid VPC configuration"


class NetworkChecks:
    """Checked in the target's account and region."""

    def __init__(self, context: RestoreContext) -> None:
        """`context` is the planned restore."""
        self._context = context
        self._settings = context.settings

    def checks(self) -> list[PreflightCheck]:
        """One check for each kind of resource."""
        return [
            PreflightCheck(("subnet-group",), self._check_subnet_group),
            PreflightCheck(("security-group", "security-group-vpc"), self._check_security_groups),
            PreflightCheck(("availability-zone",), self._check_zones),
        ]

    def _check_subnet_group(self) -> Iterator[Violation]:
        name = self._settings.db_subnet_group_name
        if name and self._context.find_subnet_group(name) is None:
            yield self._context.missing_resource("subnet-group", INVALID_VPC, f"DB subnet group {name}")

    def _check_security_groups(self) -> Iterator[Violation]:
        """Source: EC2 API Reference, SecurityGroup, VpcId; RDS API Reference, DBSubnetGroup, VpcId."""
        name, subnet_group = self._settings.db_subnet_group_name, self._context.known_subnet_group
        vpc = subnet_group.get("VpcId") if subnet_group else None
        quarantine = self._context.step_input.target.quarantine
        in_quarantine = quarantine.vpc_security_group_ids if quarantine else ()
        for group in (*(self._settings.vpc_security_group_ids or ()), *in_quarantine):
            security_group = self._context.find_security_group(group)
            if security_group is None:
                yield self._context.missing_resource("security-group", INVALID_VPC, f"security group {group}")
                continue
            other = security_group.get("VpcId")
            if vpc and other and vpc != other:
                yield Violation(
                    "security-group-vpc",
                    "Security group in another VPC",
                    f"the security group {group} is in {other}, but the DB subnet group {name} is in {vpc}. "
                    "Name a security group of that VPC, or a subnet group of the other.",
                )

    def _check_zones(self) -> Iterator[Violation]:
        """An instance can only be in a zone of the subnet group."""
        name, zones = self._settings.db_subnet_group_name, zones_of(self._context.known_subnet_group)
        if not zones:
            return
        for number, instance in enumerate(self._settings.instances or (), start=1):
            zone = instance.availability_zone
            if zone and zone not in zones:
                identifier = identifier_of(self._context.step_input.target.cluster, number, instance)
                yield Violation(
                    "availability-zone",
                    "Availability zone not covered",
                    f"the instance {identifier} would be in {zone}, but the DB subnet group {name} covers "
                    f"{', '.join(sorted(zones))}. Choose one of these zones in target.instances.",
                )


def zones_of(subnet_group: DBSubnetGroupTypeDef | None) -> frozenset[str]:
    """The zones of a subnet group; empty if RDS does not name them."""
    subnets = subnet_group.get("Subnets", []) if subnet_group else []
    zones = (subnet.get("SubnetAvailabilityZone", {}).get("Name") for subnet in subnets)
    return frozenset(zone for zone in zones if zone)
