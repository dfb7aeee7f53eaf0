"""Each guard refuses each of its reasons on its own."""

from __future__ import annotations

from typing import Any

import pytest

from activities.preflight.guards import (
    GUARDS,
    ObservedTarget,
    guard_comparisons,
    guard_violations,
    known_resource_ids,
    refuse_if_any,
)
from activities.rds import tags
from activities.rds.statuses import INACCESSIBLE
from errors import Refused
from models.request import Target
from models.source import Source

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
SOURCE = Source(account_id=ACCOUNT, region="eu-west-1", cluster="orders")
TARGET = Target(account_id=ACCOUNT, region="eu-central-1", cluster="staging")
OPT_IN = {"Key": tags.REPLACED_BY, "Value": SOURCE.arn}
CLUSTER: dict[str, Any] = {
    "DBClusterArn": TARGET.arn,
    "DbClusterResourceId": "cluster-target",
    "Status": "available",
    "TagList": [OPT_IN],
}


def observe(*, source: Source = SOURCE, caller_account: str = ACCOUNT, **cluster: Any) -> ObservedTarget:
    """A target that may be deleted, but for these differences."""
    described: Any = {**CLUSTER, **cluster}
    return ObservedTarget(source, TARGET, described, frozenset({"cluster-source"}), caller_account, "aurora-restore")


def test_a_target_that_may_be_deleted_passes_every_guard() -> None:
    """The other tests of this module change one thing in this target."""
    assert guard_violations(observe()) == []


@pytest.mark.parametrize(
    ("observed", "rule"),
    [
        (observe(caller_account=OTHER_ACCOUNT), "target-account"),
        (observe(DBClusterArn=TARGET.arn.replace(ACCOUNT, OTHER_ACCOUNT)), "target-arn"),
        (observe(DBClusterArn=TARGET.arn.replace("eu-central-1", "eu-north-1")), "target-arn"),
        (observe(DbClusterResourceId="cluster-source"), "not-the-source"),
        (observe(TagList=[]), "opt-in-tag"),
        (observe(TagList=[{"Key": tags.REPLACED_BY, "Value": f"{SOURCE.arn}-2"}]), "opt-in-tag"),
        (observe(TagList=[{"Key": tags.REPLACED_BY}]), "opt-in-tag"),
        (observe(TagList=[OPT_IN, {"Key": tags.OPERATION, "Value": "reporting/op-001"}]), "target-environment"),
        (observe(TagList=[OPT_IN, {"Key": tags.OPERATION, "Value": "op-001"}]), "target-environment"),
        (observe(DeletionProtection=True), "deletion-protection"),
        (observe(ReplicationSourceIdentifier="arn:another"), "not-replicated"),
        (observe(ReadReplicaIdentifiers=["arn:another"]), "not-replicated"),
        (observe(GlobalClusterIdentifier="worldwide"), "not-replicated"),
        (observe(Status="stopped"), "deletable-status"),
        (observe(Status="stopping"), "deletable-status"),
        (observe(Status="quarantined"), "deletable-status"),
    ],
)
def test_one_reason_breaks_one_rule(observed: ObservedTarget, rule: str) -> None:
    """No guard depends on another one to refuse the target."""
    assert [violation.rule for violation in guard_violations(observed)] == [rule]


def test_the_sources_arn_is_enough_to_refuse_it() -> None:
    """If the source cluster is gone and its snapshot has no resource id, only the ARN identifies the source."""
    source = Source(account_id=ACCOUNT, region="eu-central-1", cluster="staging")
    assert "not-the-source" in {violation.rule for violation in guard_violations(observe(source=source))}


@pytest.mark.parametrize(
    "status",
    [
        "available",
        "failed",
        "backing-up",
        "incompatible-network",
        "restore-failed",
        "storage-optimization",
        *INACCESSIBLE,
    ],
)
def test_a_cluster_that_rds_can_delete_or_will_soon_passes(status: str) -> None:
    """RDS deletes a broken cluster, and delete-rds waits for a busy one."""
    assert guard_violations(observe(Status=status)) == []


def test_a_refusal_lists_every_violation_on_a_line_of_its_own() -> None:
    """The short text counts the others; a command to copy is a line of its own."""
    observed = observe(TagList=[], DeletionProtection=True, caller_account=OTHER_ACCOUNT)
    with pytest.raises(Refused) as refused:
        refuse_if_any(guard_violations(observed))
    fault = refused.value.fault
    assert fault.short == "Wrong AWS account (and 2 more)"
    lines = fault.message.splitlines()
    assert [line[: line.index("]") + 1] for line in lines if line.startswith("[")] == [
        "[target-account]",
        "[opt-in-tag]",
        "[deletion-protection]",
    ]
    assert lines[2].startswith("  aws rds add-tags-to-resource ")


@pytest.mark.parametrize(("operation", "actual"), [("aurora-restore/op-005", "aurora-restore"), (None, "no tag")])
def test_the_environments_are_compared_and_not_the_operation(operation: str | None, actual: str) -> None:
    """The trail shows two values that a reader can compare."""
    tagged = [OPT_IN, *([{"Key": tags.OPERATION, "Value": operation}] if operation else [])]
    compared = {each.name: each for each in guard_comparisons(observe(TagList=tagged))}["target-environment"]
    assert (compared.expected, compared.actual) == ("aurora-restore, or no tag", actual)


def test_without_a_violation_nothing_is_refused() -> None:
    """And a single one is not counted."""
    refuse_if_any([])
    with pytest.raises(Refused) as refused:
        refuse_if_any(guard_violations(observe(DeletionProtection=True)))
    assert refused.value.fault.short == "Deletion protection is on"


def test_every_guard_names_its_own_rule() -> None:
    """A guard's violation has the name under which `GUARDS` lists it."""
    worst = observe(
        source=Source(account_id=ACCOUNT, region="eu-central-1", cluster="staging"),
        caller_account=OTHER_ACCOUNT,
        DBClusterArn=SOURCE.arn,
        DbClusterResourceId="cluster-source",
        TagList=[{"Key": tags.OPERATION, "Value": "reporting/op-001"}],
        DeletionProtection=True,
        GlobalClusterIdentifier="worldwide",
        Status="stopped",
    )
    assert [violation.rule for violation in guard_violations(worst)] == list(GUARDS)


def test_unknown_resource_ids_are_left_out() -> None:
    """A cluster without a resource id must not equal a source that is gone."""
    assert known_resource_ids(None, "cluster-source", None) == frozenset({"cluster-source"})
