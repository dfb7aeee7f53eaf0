"""The guards: named rules that must all hold before anything of the target is deleted.

snapshot-check evaluates them, so that a restore that may not delete does not copy either. delete-rds evaluates them
again before its first call, because deletion protection on a cluster does not protect its instances (RDS API
Reference, DeleteDBInstance, DeletionProtection).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from activities.rds import tags
from activities.rds.statuses import NOT_RUNNING, Meaning, cluster_meaning
from activities.rds.target import describe_wrong_account
from errors import Refused
from models.checks import Comparison
from models.configuration import WhenStopped
from models.request import Target
from models.source import Source

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef


@dataclass(frozen=True)
class Violation:
    """One reason to refuse the restore."""

    rule: str
    short: str
    """The text of the trail's Details column."""
    message: str
    """What is wrong with which resource, what is expected, what to do."""


class NotChecked(Exception):
    """A check could not be made, which is no reason to refuse; the text says why, for the plan."""


@dataclass(frozen=True)
class PreflightCheck:
    """A check, and the names of all rules that its violations can have."""

    rules: tuple[str, ...]
    run: Callable[[], Iterable[Violation]]
    compare: Callable[[], Iterable[Comparison]] | None = None
    """What it compared, once it has found no violation; None: it has no two values."""


@dataclass(frozen=True)
class ObservedTarget:
    """The target as RDS has just described it, and what the guards compare it with."""

    source: Source
    target: Target
    cluster: DBClusterTypeDef
    source_resource_ids: frozenset[str]
    """Of the cluster that has the source's name, and of the cluster that the snapshot was taken of."""
    caller_account: str
    environment: str
    """The worker's own."""


def known_resource_ids(*resource_ids: str | None) -> frozenset[str]:
    """Without the unknown ones: a cluster that is gone has none."""
    return frozenset(resource_id for resource_id in resource_ids if resource_id is not None)


Guard = Callable[[ObservedTarget], Violation | None]


def target_account_is_the_callers(observed: ObservedTarget) -> Violation | None:
    """A worker with the wrong credentials sees another account's cluster of the same name."""
    wrong = describe_wrong_account(observed.target, observed.caller_account)
    return Violation("target-account", "Wrong AWS account", wrong) if wrong else None


def target_arn_is_the_requests(observed: ObservedTarget) -> Violation | None:
    """The cluster of the target's name must be in the region and the account of the request."""
    arn = observed.cluster["DBClusterArn"]
    if arn == observed.target.arn:
        return None
    return Violation(
        "target-arn",
        "Wrong cluster",
        f"RDS returned the cluster {arn}, but the request names {observed.target.arn}. "
        "Find out which cluster this is before you change anything.",
    )


def target_is_not_the_source(observed: ObservedTarget) -> Violation | None:
    """Compares the ARN, and the resource id, which a rename does not change."""
    same_id = observed.cluster["DbClusterResourceId"] in observed.source_resource_ids
    if observed.cluster["DBClusterArn"] != observed.source.arn and not same_id:
        return None
    return Violation(
        "not-the-source",
        "Target is the source",
        f"{observed.target.arn} is the source cluster itself. Correct the request.",
    )


def target_opted_in(observed: ObservedTarget) -> Violation | None:
    """A cluster is replaced only if its owner tagged it for this very source."""
    target, source = observed.target, observed.source
    tagged_source = tags.tags_of(observed.cluster.get("TagList", [])).get(tags.REPLACED_BY)
    if tagged_source == source.arn:
        return None
    tag = f"its tag {tags.REPLACED_BY} is {tagged_source}" if tagged_source else f"it has no tag {tags.REPLACED_BY}"
    return Violation(
        "opt-in-tag",
        "Target has not opted in",
        f"{target.arn} may not be replaced by {source.arn}: {tag}. To allow it, the target's owner runs:\n"
        f"  aws rds add-tags-to-resource --region {target.region} --resource-name {target.arn} "
        f"--tags Key={tags.REPLACED_BY},Value={source.arn}",
    )


def target_is_of_this_environment(observed: ObservedTarget) -> Violation | None:
    """Another environment's restore may still be running: Temporal and the trail keep only our own restores apart."""
    target, operation = observed.target, tags.tags_of(observed.cluster.get("TagList", [])).get(tags.OPERATION)
    if operation is None or tags.environment_of(operation) == observed.environment:
        return None
    return Violation(
        "target-environment",
        "Target of another environment",
        f"{target.arn} was restored by {tags.describe_operation(operation, observed.environment)}, expected one that "
        f"{observed.environment} restored, or one without the tag {tags.OPERATION}. Two environments must not restore one "
        "target. If the other one no longer does, the target's owner runs:\n"
        f"  aws rds remove-tags-from-resource --region {target.region} --resource-name {target.arn} "
        f"--tag-keys {tags.OPERATION}",
    )


def deletion_protection_is_off(observed: ObservedTarget) -> Violation | None:
    """The pipeline never switches protection off: that is the owner's decision."""
    if not observed.cluster.get("DeletionProtection"):
        return None
    return Violation(
        "deletion-protection",
        "Deletion protection is on",
        f"{observed.target.arn} has deletion protection. If the target is meant to be replaced, its owner "
        "switches the protection off.",
    )


def target_is_not_replicated(observed: ObservedTarget) -> Violation | None:
    """A member of a global database, a replica or a replication source serves more than the target's owner."""
    cluster = observed.cluster
    relations = []
    if source := cluster.get("ReplicationSourceIdentifier"):
        relations.append(f"replicates {source}")
    if replicas := cluster.get("ReadReplicaIdentifiers"):
        relations.append(f"has the replicas {', '.join(replicas)}")
    if global_cluster := cluster.get("GlobalClusterIdentifier"):
        relations.append(f"belongs to the global database {global_cluster}")
    if not relations:
        return None
    return Violation(
        "not-replicated",
        "Target is replicated",
        f"{observed.target.arn} {' and '.join(relations)}. A target must not take part in any replication: "
        "choose another target, or end the replication.",
    )


def target_can_be_deleted(observed: ObservedTarget) -> Violation | None:
    """RDS does not delete a stopped cluster, and a status that the pipeline does not know needs a person first.

    A broken cluster is what a restore repairs.
    """
    status = observed.cluster["Status"]
    if status in NOT_RUNNING:
        if observed.target.when_stopped is WhenStopped.START:
            return None
        text = (
            f"{observed.target.arn} is {status}, and RDS does not delete a stopped cluster. Start it, then retry; or set "
            "target.when_stopped to start in the request, and start a new restore."
        )
        return Violation("deletable-status", "Target cannot be deleted now", text)
    if cluster_meaning(status) is not Meaning.UNKNOWN:
        return None
    return Violation(
        "deletable-status",
        "Target cannot be deleted now",
        f"{observed.target.arn} is {status}, expected available. Wait until it is available; then retry.",
    )


GUARDS: dict[str, Guard] = {
    "target-account": target_account_is_the_callers,
    "target-arn": target_arn_is_the_requests,
    "not-the-source": target_is_not_the_source,
    "opt-in-tag": target_opted_in,
    "target-environment": target_is_of_this_environment,
    "deletion-protection": deletion_protection_is_off,
    "not-replicated": target_is_not_replicated,
    "deletable-status": target_can_be_deleted,
}
"""By the name of the rule, which is also the `rule` of its violations."""


IDENTITY = ("target-account", "target-arn", "not-the-source")
"""The guards that a drill evaluates on the target, which it only reads: whether it is the request's at all."""


def guard_violations(observed: ObservedTarget) -> list[Violation]:
    """The violations of every guard, not only the first."""
    return find_violations(guard_checks(observed))


def guard_checks(observed: ObservedTarget, rules: Iterable[str] | None = None) -> list[PreflightCheck]:
    """One check for each guard, or for those of these rules."""
    chosen = GUARDS if rules is None else {rule: GUARDS[rule] for rule in rules if rule in GUARDS}
    return [
        PreflightCheck((rule,), partial(_evaluate, guard, observed), partial(_compare, rule, observed))
        for rule, guard in chosen.items()
    ]


def guard_comparisons(observed: ObservedTarget) -> list[Comparison]:
    """What the guards compared, if none of them found a violation."""
    return [comparison for rule in GUARDS for comparison in _compare(rule, observed)]


def _compare(rule: str, observed: ObservedTarget) -> Iterator[Comparison]:
    cluster, target, source = observed.cluster, observed.target, observed.source
    tagged, arn = tags.tags_of(cluster.get("TagList", [])), cluster["DBClusterArn"]
    environment = tags.environment_of(tagged.get(tags.OPERATION, ""))
    sources = ", ".join(sorted(observed.source_resource_ids))
    # In the order of expected and actual; a rule without an entry has no two values.
    values = {
        "target-account": (target.account_id, observed.caller_account),
        "target-arn": (target.arn, arn),
        "not-the-source": (f"not {source.arn} ({sources})", f"{arn} ({cluster['DbClusterResourceId']})"),
        "opt-in-tag": (source.arn, tagged.get(tags.REPLACED_BY, "no tag")),
        "target-environment": (f"{observed.environment}, or no tag", environment or "no tag"),
        "deletion-protection": ("off", "on" if cluster.get("DeletionProtection") else "off"),
        "not-replicated": ("takes part in no replication", "takes part in none"),
        "deletable-status": ("a status in which it may be deleted", cluster["Status"]),
    }
    yield Comparison(rule, *values[rule]) if rule in values else Comparison(rule)


def _evaluate(guard: Guard, observed: ObservedTarget) -> list[Violation]:
    violation = guard(observed)
    return [violation] if violation else []


def find_violations(checks: Iterable[PreflightCheck]) -> list[Violation]:
    """Run every check that can be made, and return the violations of all of them."""
    violations: list[Violation] = []
    for check in checks:
        with suppress(NotChecked):
            violations += check.run()
    return violations


def refuse_if_any(violations: list[Violation]) -> None:
    """Raise one `Refused` that lists all violations, each on a line of its own; do nothing if there is none."""
    if not violations:
        return
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    listed = "\n".join(f"[{violation.rule}] {violation.message}" for violation in violations)
    raise Refused(f"{violations[0].short}{more}", listed)
