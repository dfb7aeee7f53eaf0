"""What no restore may ever do, checked on each effect without any of the pipeline's own code but its names.

Each invariant reads one effect, with the state in the instant before, and returns what is wrong with it, or None.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from devstack.aws.rds.resources import Cluster, Snapshot
from models.request import RestoreRequest
from models.snapshots import SnapshotCheckOutcome
from tests.properties.no_harm.in_process_aws import Effect
from tests.properties.no_harm.scenario import UNKNOWN_STATUS

DELETIONS = ("DeleteDBInstance", "DeleteDBCluster")
ALLOWED = (
    "CopyDBClusterSnapshot",
    "DeleteDBInstance",
    "DeleteDBCluster",
    "RestoreDBClusterFromSnapshot",
    "CreateDBInstance",
    "ModifyDBCluster",
    "AddTagsToResource",
    "DeleteDBClusterSnapshot",
)
NOT_DELETABLE = ("stopped", "stopping", UNKNOWN_STATUS)


@dataclass(frozen=True)
class Facts:
    """What an effect is compared with."""

    request: RestoreRequest
    checked: SnapshotCheckOutcome
    source_resource_ids: frozenset[str]
    restored_ids: frozenset[str]
    """The resource ids of the clusters that this operation had restored by then."""
    users_are_set: bool
    """Whether setup-db-users succeeded in this operation."""
    copy_needed: bool
    copy_name: str
    """The name of this operation's copy."""


def only_calls_that_a_restore_makes(effect: Effect, facts: Facts) -> str | None:
    """Nothing is stopped, failed over, untagged or removed from a global database."""
    return None if effect.operation in ALLOWED else "no step makes this call"


def only_in_the_targets_account_and_region(effect: Effect, facts: Facts) -> str | None:
    """The source's account and region are only read, other accounts and regions not even that."""
    target = facts.request.target
    is_targets = (effect.account, effect.region) == (target.account_id, target.region)
    return None if is_targets else f"the target is in {target.account_id} {target.region}"


def never_the_source(effect: Effect, facts: Facts) -> str | None:
    """Under any name."""
    cluster, snapshot = effect.cluster, effect.snapshot
    by_id = cluster is not None and cluster.resource_id in facts.source_resource_ids
    by_arn = cluster is not None and cluster.arn == facts.request.source.arn
    if effect.operation != "RestoreDBClusterFromSnapshot" and (by_id or by_arn):
        return "it is the source"
    if snapshot and snapshot.arn == facts.checked.snapshot.arn:
        return "it is the source's snapshot"
    return None


def only_the_target_is_deleted(effect: Effect, facts: Facts) -> str | None:
    """The cluster that snapshot-check saw, or a half-restored one of this operation; opted in and not replicated."""
    if effect.operation not in DELETIONS:
        return None
    if effect.cluster is None:
        return "the cluster does not exist"
    reasons_by_step = {"delete-rds": _why_not_what_was_checked, "remove-leftovers": _why_not_half_restored}
    if facts.request.target.replacement == "drill":
        reasons_by_step = {"remove-drill": _why_not_of_the_drill, "remove-leftovers": _why_not_of_a_failed_drill}
    reason = reasons_by_step.get(effect.step)
    if reason is None:
        return f"{effect.step} deletes no cluster"
    return reason(effect.cluster, facts) or _why_not_deletable(effect.cluster, facts.request)


def _why_not_what_was_checked(cluster: Cluster, facts: Facts) -> str | None:
    return _first_true(
        {
            f"snapshot-check saw another cluster than {cluster.resource_id}": cluster.resource_id
            != facts.checked.target_resource_id,
            "this operation restored it": cluster.resource_id in facts.restored_ids,
        }
    )


def _why_not_half_restored(cluster: Cluster, facts: Facts) -> str | None:
    return _first_true(
        {
            "the request does not ask for it": facts.request.on_failure.half_restored_target != "remove",
            "this operation did not restore it": cluster.resource_id not in facts.restored_ids,
            "another user took it over": "aurora-restore:operation" not in cluster.tags,
            "its users are set": facts.users_are_set,
        }
    )


def _why_not_of_the_drill(cluster: Cluster, facts: Facts) -> str | None:
    return _first_true(
        {
            "it is the target": cluster.resource_id == facts.checked.target_resource_id,
            "this operation did not restore it": cluster.resource_id not in facts.restored_ids,
            "another user took it over": "aurora-restore:operation" not in cluster.tags,
        }
    )


def _why_not_of_a_failed_drill(cluster: Cluster, facts: Facts) -> str | None:
    keeps = facts.request.on_failure.half_restored_target == "keep"
    return "the request keeps it" if keeps else _why_not_of_the_drill(cluster, facts)


def restored_name(request: RestoreRequest) -> str:
    """The name under which the first operation restores the snapshot."""
    target = request.target
    return f"{target.cluster}-drill-op-001" if target.replacement == "drill" else target.cluster


def _why_not_deletable(cluster: Cluster, request: RestoreRequest) -> str | None:
    arn = request.target.arn.rpartition(":")[0] + f":{restored_name(request)}"
    return _first_true(
        {
            f"it is {cluster.arn}": cluster.arn != arn,
            "it has not opted in": cluster.tags.get("aurora-restore:replaced-by") != request.source.arn,
            "another environment restored it": cluster.tags.get("aurora-restore:operation", "").startswith(
                "reporting/"
            ),
            "it is protected": cluster.deletion_protection,
            "it belongs to a global database": cluster.global_cluster is not None,
            "it is a replica": cluster.replication_source is not None,
            "it has replicas": bool(cluster.read_replicas),
            f"it is {cluster.status}": cluster.status in NOT_DELETABLE,
        }
    )


def _first_true(reasons: dict[str, bool]) -> str | None:
    return next((reason for reason, is_true in reasons.items() if is_true), None)


def nothing_is_deleted_before_the_copy_is_available(effect: Effect, facts: Facts) -> str | None:
    """A copy of the right snapshot, or that snapshot itself if no copy is needed."""
    if effect.operation not in DELETIONS or effect.step != "delete-rds":
        return None
    name = facts.copy_name if facts.copy_needed else facts.checked.snapshot.identifier
    snapshot = effect.snapshots.get(name)
    if snapshot is None:
        return f"{name} does not exist"
    if not _is_of_the_checked_snapshot(snapshot, facts):
        return f"{name} is not of {facts.checked.snapshot.arn}"
    return None if snapshot.status == "available" else f"{name} is {snapshot.status}"


def _is_of_the_checked_snapshot(snapshot: Snapshot, facts: Facts) -> bool:
    if facts.copy_needed:
        return snapshot.source_arn == facts.checked.snapshot.arn
    return snapshot.taken == facts.checked.snapshot.created_at


def nothing_is_deleted_without_an_intent(effect: Effect, facts: Facts) -> str | None:
    """The trail holds the step's intent; copy-snapshot needs none to replace a failed copy."""
    if not effect.operation.startswith("Delete") or (effect.step == "copy-snapshot" and had_failed(effect)):
        return None
    return None if effect.step in effect.declared else f"the trail has no intent of {effect.step}"


def only_own_copies_are_deleted(effect: Effect, facts: Facts) -> str | None:
    """Made for this target and named by the pipeline; this operation's own copy only if it is of no use."""
    if effect.operation != "DeleteDBClusterSnapshot":
        return None
    snapshot = effect.snapshot
    if snapshot is None:
        return "the snapshot does not exist"
    if wrong := why_not_the_pipelines(snapshot, facts.request):
        return wrong
    if effect.step != "remove-leftovers":
        is_usable_copy = snapshot.identifier == facts.copy_name and snapshot.status != "failed"
        return "it is this operation's copy" if is_usable_copy else None
    return _first_true(
        {
            "the request does not ask for it": facts.request.on_failure.unfinished_copy != "remove",
            "this operation did not make it": snapshot.tags.get("aurora-restore:operation") != "aurora-restore/op-001",
            "it can be restored from": snapshot.status == "available",
        }
    )


def why_not_the_pipelines(snapshot: Snapshot, request: RestoreRequest) -> str | None:
    """Why a snapshot is not a copy that the pipeline made for the target; None if it is one."""
    name_matches = re.fullmatch(
        rf"aurora-restore-{request.target.cluster}-[0-9]{{8}}-[0-9a-f]{{10}}", snapshot.identifier
    )
    return _first_true(
        {
            "its name is not the pipeline's": not name_matches,
            "its tag is not of this target": snapshot.tags.get("aurora-restore:copy-for") != request.target.arn,
            f"it is {snapshot.kind}": snapshot.kind != "manual",
        }
    )


def had_failed(effect: Effect) -> bool:
    """Whether the snapshot that the call deletes was a failed one."""
    return effect.snapshot is not None and effect.snapshot.status == "failed"


def only_what_this_operation_restored_is_changed(effect: Effect, facts: Facts) -> str | None:
    """Instances, passwords and tags go to the cluster that this operation restored, or to its copy."""
    if effect.operation == "AddTagsToResource" and effect.snapshot is not None:
        is_own = effect.snapshot.identifier == facts.copy_name and _is_of_the_checked_snapshot(effect.snapshot, facts)
        return None if is_own else "it is not this operation's copy"
    if effect.operation not in ("CreateDBInstance", "ModifyDBCluster", "AddTagsToResource"):
        return None
    is_restored = effect.cluster is not None and effect.cluster.resource_id in facts.restored_ids
    return None if is_restored else "this operation did not restore that cluster"


def a_drill_changes_nothing_but_what_it_restored(effect: Effect, facts: Facts) -> str | None:
    """Neither the target nor any other cluster, whatever the step."""
    if facts.request.target.replacement != "drill" or effect.operation == "RestoreDBClusterFromSnapshot":
        return None
    is_own = effect.cluster is None or effect.cluster.resource_id in facts.restored_ids
    return None if is_own else "the drill did not restore that cluster"


def nothing_is_restored_while_the_old_target_exists(effect: Effect, facts: Facts) -> str | None:
    """A target that its owner renamed to keep it was not deleted, and is not replaced. A drill replaces none."""
    if facts.request.target.replacement == "drill":
        return None
    if effect.operation != "RestoreDBClusterFromSnapshot" or facts.checked.target_resource_id is None:
        return None
    name = effect.clusters.get(facts.checked.target_resource_id)
    return f"the old target exists as {name}" if name else None


def only_the_right_copy_is_restored(effect: Effect, facts: Facts) -> str | None:
    """Under the target's name or the drill's, from the snapshot that snapshot-check selected or a copy of it."""
    if effect.operation != "RestoreDBClusterFromSnapshot":
        return None
    if effect.parameters["DBClusterIdentifier"] != (name := restored_name(facts.request)):
        return f"it is to be named {name}"
    snapshot = effect.snapshots.get(effect.parameters["SnapshotIdentifier"].rpartition("cluster-snapshot:")[2])
    is_right = snapshot is not None and _is_of_the_checked_snapshot(snapshot, facts)
    return None if is_right else f"its snapshot is not of {facts.checked.snapshot.arn}"


INVARIANTS: tuple[Callable[[Effect, Facts], str | None], ...] = (
    only_calls_that_a_restore_makes,
    only_in_the_targets_account_and_region,
    never_the_source,
    only_the_target_is_deleted,
    nothing_is_deleted_before_the_copy_is_available,
    nothing_is_deleted_without_an_intent,
    only_own_copies_are_deleted,
    only_what_this_operation_restored_is_changed,
    a_drill_changes_nothing_but_what_it_restored,
    nothing_is_restored_while_the_old_target_exists,
    only_the_right_copy_is_restored,
)


def only_orphans_are_cleaned_up(effect: Effect, request: RestoreRequest) -> str | None:
    """For remove-orphans: a copy of the pipeline in the target's account, declared, and none of those to keep.

    Of clusters only one that a drill left: the one operation that a scenario has before its cleanup.
    """
    if effect.operation in DELETIONS and effect.cluster is not None and request.target.replacement == "drill":
        own = effect.cluster.tags.get("aurora-restore:operation") == "aurora-restore/op-001"
        no_intent = None if "remove-orphans" in effect.declared else "the trail has no intent of it"
        return no_intent or _why_not_deletable(effect.cluster, request) or (None if own else "no drill restored it")
    snapshot = effect.snapshot
    if effect.operation != "DeleteDBClusterSnapshot" or snapshot is None:
        return "a cleanup deletes existing copies only"
    usable = [
        copy
        for copy in effect.snapshots.values()
        if copy.status == "available" and not why_not_the_pipelines(copy, request)
    ]
    as_new = [copy for copy in usable if copy.identifier != snapshot.identifier and copy.taken >= snapshot.taken]
    target = request.target
    reasons = {
        f"the target is in {target.account_id} {target.region}": (effect.account, effect.region)
        != (target.account_id, target.region),
        "the trail has no intent of it": "remove-orphans" not in effect.declared,
        "it is one of the copies to keep": snapshot.status == "available" and len(as_new) < request.archive.keep,
        "it is archived": snapshot.status == "available" and "aurora-restore:archived-by" in snapshot.tags,
    }
    return why_not_the_pipelines(snapshot, request) or _first_true(reasons)
