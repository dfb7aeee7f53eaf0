"""The network of the restored cluster: subnet group, security groups, availability zones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from activities.preflight.context import RestoreContext
from activities.preflight.guards import PreflightCheck, Violation
from activities.rds.restore_parameters import identifier_of
from limits import MAX_QUOTED, join_names

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import IpPermissionOutputTypeDef as IpPermissionTypeDef
    from mypy_boto3_rds.type_defs import DBSubnetGroupTypeDef

INVALID_VPC = "Invalid VPC configuration"
EVERYWHERE = frozenset({"0.0.0.0/0", "::/0"})
NOWHERE = frozenset({"127.0.0.1/32", "::1/128"})
"""What CloudFormation needs in a group without outbound rules: with none at all EC2 adds a rule that lets everything out."""


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
            PreflightCheck(("quarantine",), self._check_quarantine),
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

    def _check_quarantine(self) -> Iterator[Violation]:
        """A quarantine shuts nothing if the target has its groups anyway, or if its rules let others in or anything out.

        Source: EC2 API Reference, SecurityGroup, IpPermissions and IpPermissionsEgress.
        """
        quarantine = self._context.step_input.target.quarantine
        groups = quarantine.vpc_security_group_ids if quarantine else ()
        has_other_parameters = quarantine is not None and quarantine.db_cluster_parameter_group_name is not None
        if has_other_parameters and self._settings.db_cluster_parameter_group_name is None:
            yield _open_quarantine(
                "target.quarantine has a DB cluster parameter group, but it is not known which one the target gets in the end. "
                "Set target.db_cluster_parameter_group_name in the request."
            )
        for both in sorted(set(groups) & set(self._settings.vpc_security_group_ids or ())):
            yield _open_quarantine(
                f"the target has the security group {both}, which is also its quarantine, so its users would get in. "
                "Name groups in target.quarantine that the target does not have."
            )
        for group in groups:
            if (found := self._context.find_security_group(group)) is None:
                continue
            if outward := _destinations(found.get("IpPermissionsEgress", [])):
                yield _open_quarantine(
                    f"the security group {group} of target.quarantine lets connections out to {outward}: the copy could act "
                    "on production. Remove its outbound rules; deploy/README.md says how."
                )
            if anyone := sorted(_addresses(found.get("IpPermissions", [])) & EVERYWHERE):
                yield _open_quarantine(
                    f"the security group {group} of target.quarantine lets {', '.join(anyone)} in, which is everyone. Let only "
                    "the worker in."
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


def _open_quarantine(text: str) -> Violation:
    return Violation("quarantine", "Quarantine is open", text)


def _destinations(rules: Iterable[IpPermissionTypeDef]) -> str:
    """Where the outbound rules lead, for a message; empty if nowhere."""
    rules = list(rules)
    groups = [pair["GroupId"] for rule in rules for pair in rule.get("UserIdGroupPairs", []) if "GroupId" in pair]
    prefix_lists = [
        each["PrefixListId"] for rule in rules for each in rule.get("PrefixListIds", []) if "PrefixListId" in each
    ]
    return join_names([*sorted(_addresses(rules) - NOWHERE), *groups, *prefix_lists], MAX_QUOTED)


def _addresses(rules: Iterable[IpPermissionTypeDef]) -> set[str]:
    rules = list(rules)
    ipv4 = {each["CidrIp"] for rule in rules for each in rule.get("IpRanges", []) if "CidrIp" in each}
    return ipv4 | {each["CidrIpv6"] for rule in rules for each in rule.get("Ipv6Ranges", []) if "CidrIpv6" in each}
