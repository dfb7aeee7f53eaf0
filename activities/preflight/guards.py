"""What must be true before anything of the target may be deleted: named rules, all of them looked at.

Evaluated in snapshot-check, so that a night that may not delete does not copy either, and again in delete-rds
before its first call: deletion protection on a cluster does not protect its instances (RDS API Reference,
DeleteDBInstance, DeletionProtection).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from activities.rds import tags
from activities.rds.statuses import Meaning, cluster_meaning
from errors import Refused
from models.request import Source, Target

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef


@dataclass(frozen=True)
class Violation:
    """One reason not to go on."""

    rule: str
    short: str
    message: str


@dataclass(frozen=True)
class PreflightCheck:
    """One look, and the names of the rules that it can find broken."""

    rules: tuple[str, ...]
    run: Callable[[], Iterable[Violation]]


@dataclass(frozen=True)
class ObservedTarget:
    """The target as it was just seen, and what it is held against."""

    source: Source
    target: Target
    cluster: DBClusterTypeDef
    source_resource_ids: frozenset[str]
    """Of the cluster with the source's name and of the one that the snapshot was taken of."""
    caller_account: str


def known(*resource_ids: str | None) -> frozenset[str]:
    """Those that are known: of a cluster that is gone there is none."""
    return frozenset(resource_id for resource_id in resource_ids if resource_id is not None)


Guard = Callable[[ObservedTarget], Violation | None]


def target_account_is_the_callers(seen: ObservedTarget) -> Violation | None:
    """A worker with the wrong credentials sees another account's cluster of the same name."""
    return wrong_target_account(seen.target, seen.caller_account)


def wrong_target_account(target: Target, caller_account: str) -> Violation | None:
    """The same where there is no cluster to see, but copies to delete."""
    if caller_account == target.account_id:
        return None
    return Violation(
        "target-account",
        "Wrong AWS account",
        f"the credentials for the target belong to account {caller_account}, the request says "
        f"{target.account_id}. Correct target.account_id or target.role_arn.",
    )


def target_arn_is_the_requests(seen: ObservedTarget) -> Violation | None:
    """What answers under the name must be the cluster that the request names, in its region and account."""
    found = seen.cluster["DBClusterArn"]
    if found == seen.target.arn:
        return None
    return Violation(
        "target-arn", "Wrong cluster", f"the target answers with the ARN {found}, the request means {seen.target.arn}."
    )


def target_is_not_the_source(seen: ObservedTarget) -> Violation | None:
    """By ARN and by resource id, which a rename does not change."""
    same_id = seen.cluster["DbClusterResourceId"] in seen.source_resource_ids
    if seen.cluster["DBClusterArn"] != seen.source.arn and not same_id:
        return None
    return Violation(
        "not-the-source",
        "Target is the source",
        f"{seen.target.arn} is the source cluster itself. Correct the request.",
    )


def target_opted_in(seen: ObservedTarget) -> Violation | None:
    """Only a cluster whose owner tagged it for this very source is ever replaced."""
    found = tags.tags_of(seen.cluster.get("TagList", [])).get(tags.REPLACED_BY)
    if found == seen.source.arn:
        return None
    has = f"its tag {tags.REPLACED_BY} says {found}" if found else f"it has no tag {tags.REPLACED_BY}"
    return Violation(
        "opt-in-tag",
        "Target has not opted in",
        f"{seen.target.arn} may not be replaced by {seen.source.arn}: {has}. If it is meant to be, its owner runs: "
        f"aws rds add-tags-to-resource --region {seen.target.region} --resource-name {seen.target.arn} "
        f"--tags Key={tags.REPLACED_BY},Value={seen.source.arn}",
    )


def deletion_protection_is_off(seen: ObservedTarget) -> Violation | None:
    """The pipeline never switches protection off: that is the owner's decision."""
    if not seen.cluster.get("DeletionProtection"):
        return None
    return Violation(
        "deletion-protection",
        "Deletion protection is on",
        f"{seen.target.arn} is protected from deletion. If it is meant to be replaced, switch the protection off.",
    )


def target_is_not_replicated(seen: ObservedTarget) -> Violation | None:
    """A member of a global database, a replica or a replication source is somebody's production."""
    cluster = seen.cluster
    ties = [
        f"replicates {cluster['ReplicationSourceIdentifier']}" if cluster.get("ReplicationSourceIdentifier") else "",
        f"has the replicas {', '.join(cluster['ReadReplicaIdentifiers'])}"
        if cluster.get("ReadReplicaIdentifiers")
        else "",
        f"belongs to the global database {cluster['GlobalClusterIdentifier']}"
        if cluster.get("GlobalClusterIdentifier")
        else "",
    ]
    if not any(ties):
        return None
    return Violation(
        "not-replicated",
        "Target is replicated",
        f"{seen.target.arn} {' and '.join(filter(None, ties))}. A target of the restore stands alone.",
    )


def target_can_be_deleted(seen: ObservedTarget) -> Violation | None:
    """RDS deletes no stopped cluster; a broken one is somebody's to look at first, unless it is deletable."""
    status = seen.cluster["Status"]
    if status not in ("stopped", "stopping") and cluster_meaning(status) is not Meaning.UNKNOWN:
        return None
    return Violation(
        "deletable-status",
        "Target cannot be deleted now",
        f"{seen.target.arn} is {status}; RDS deletes a cluster that is available. Start it, or wait, and run the night again.",
    )


GUARDS: dict[str, Guard] = {
    "target-account": target_account_is_the_callers,
    "target-arn": target_arn_is_the_requests,
    "not-the-source": target_is_not_the_source,
    "opt-in-tag": target_opted_in,
    "deletion-protection": deletion_protection_is_off,
    "not-replicated": target_is_not_replicated,
    "deletable-status": target_can_be_deleted,
}
"""By the name that their violations bear."""


def violations(seen: ObservedTarget) -> list[Violation]:
    """Every rule that the target breaks, not only the first."""
    return find_violations(checks(seen))


def checks(seen: ObservedTarget) -> list[PreflightCheck]:
    """One for each rule."""
    return [PreflightCheck((name,), partial(_look, rule, seen)) for name, rule in GUARDS.items()]


def _look(rule: Guard, seen: ObservedTarget) -> list[Violation]:
    violation = rule(seen)
    return [violation] if violation else []


def find_violations(checks: Iterable[PreflightCheck]) -> list[Violation]:
    """What all the checks find."""
    return [violation for check in checks for violation in check.run()]


def refuse_if_any(found: list[Violation]) -> None:
    """Raise one `Refused` that lists them all."""
    if not found:
        return
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    listed = " ".join(f"[{violation.rule}] {violation.message}" for violation in found)
    raise Refused(f"{found[0].short}{more}", listed)
