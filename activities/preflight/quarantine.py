"""Whether the quarantine of the request shuts anything.

It does not if the target has its groups anyway, or if its rules let others in or anything out.
Source: EC2 API Reference, SecurityGroup, IpPermissions and IpPermissionsEgress.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from activities.preflight.context import RestoreContext
from activities.preflight.guards import PreflightCheck, Violation
from limits import MAX_QUOTED, join_names
from models.quarantine import Quarantine

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import IpPermissionOutputTypeDef as IpPermissionTypeDef

EVERYWHERE = frozenset({"0.0.0.0/0", "::/0"})
NOWHERE = frozenset({"127.0.0.1/32", "::1/128"})
"""What CloudFormation needs in a group without outbound rules: with none at all EC2 adds a rule that lets everything out."""


def quarantine_checks(context: RestoreContext) -> list[PreflightCheck]:
    """One check, also of a request without a quarantine: then it passes."""
    quarantine = context.step_input.target.quarantine
    return [PreflightCheck(("quarantine",), lambda: _find_openings(context, quarantine) if quarantine else ())]


def _find_openings(context: RestoreContext, quarantine: Quarantine) -> Iterator[Violation]:
    settings = context.settings
    if quarantine.db_cluster_parameter_group_name and settings.db_cluster_parameter_group_name is None:
        yield _is_open(
            "target.quarantine has a DB cluster parameter group, but it is not known which one the target gets in the end. "
            "Set target.db_cluster_parameter_group_name in the request."
        )
    for group in quarantine.vpc_security_group_ids:
        if group in (settings.vpc_security_group_ids or ()):
            yield _is_open(
                f"the target has the security group {group}, which is also its quarantine, so its users would get in. "
                "Name groups in target.quarantine that the target does not have."
            )
        # A group that does not exist is another check's.
        if (found := context.find_security_group(group)) is None:
            continue
        if outward := _destinations(found.get("IpPermissionsEgress", [])):
            yield _is_open(
                f"the security group {group} of target.quarantine lets connections out to {outward}: the copy could act "
                "on production. Remove its outbound rules; deploy/README.md says how."
            )
        if anyone := sorted(_addresses(found.get("IpPermissions", [])) & EVERYWHERE):
            yield _is_open(
                f"the security group {group} of target.quarantine lets {', '.join(anyone)} in, which is everyone. Let only "
                "the worker in."
            )


def _is_open(text: str) -> Violation:
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
