"""What no night may ever do, checked on what took effect, with none of the pipeline's own code but its names.

Each promise looks at one effect, with the world as it was in the instant before, and says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from devstack.aws.rds.resources import Cluster, Snapshot
from models.request import RestoreRequest
from models.snapshots import SnapshotCheckOutcome
from tests.worlds.aws_at_hand import Effect
from tests.worlds.night import Night
from tests.worlds.scenario import UNHEARD_OF

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
NOT_DELETABLE = ("stopped", "stopping", UNHEARD_OF)


class BrokenPromise(AssertionError):
    """Harm was done."""


@dataclass(frozen=True)
class Facts:
    """What an effect is held against."""

    request: RestoreRequest
    checked: SnapshotCheckOutcome
    source_resource_ids: frozenset[str]
    made: frozenset[str]
    """Resource ids of the clusters that this operation had restored by then."""
    copied: bool
    """Whether this night needs a copy."""
    tonight: str


def check(night: Night, source_resource_id: str) -> None:
    """Raise `BrokenPromise` for the first effect that should not have been."""
    effects = night.stage.aws.effects
    if night.checked is None:
        if effects:
            raise BrokenPromise(f"{effects[0]}, though snapshot-check never said yes")
        return
    facts = _facts(night, night.checked, source_resource_id)
    for effect in effects:
        for promise in PROMISES:
            if wrong := promise(effect, facts):
                raise BrokenPromise(f"{promise.__name__}: {effect}: {wrong}")
        if effect.made:
            facts = Facts(**{**vars(facts), "made": facts.made | {effect.made}})
    _check_numbers(night, effects)
    if night.checked.target_resource_id in night.called_gone:
        raise BrokenPromise("delete-rds said that the target is gone, and it was there")


def _facts(night: Night, checked: SnapshotCheckOutcome, source_resource_id: str) -> Facts:
    ids = {source_resource_id, checked.source_resource_id, checked.snapshot.cluster_resource_id}
    return Facts(
        request=night.stage.request,
        checked=checked,
        source_resource_ids=frozenset(filter(None, ids)),
        made=frozenset(),
        copied=night.stage.request.copy_needed,
        tonight=night.stage.tonight,
    )


def only_what_a_night_does(effect: Effect, facts: Facts) -> str | None:
    """Nothing is stopped, failed over, untagged or taken from a global database."""
    return None if effect.operation in ALLOWED else "no step makes this call"


def only_in_the_targets_account_and_region(effect: Effect, facts: Facts) -> str | None:
    """The source's account and region are only read; everybody else's are not even that."""
    target = facts.request.target
    here = (effect.account, effect.region) == (target.account_id, target.region)
    return None if here else f"the target is in {target.account_id} {target.region}"


def never_the_source(effect: Effect, facts: Facts) -> str | None:
    """Whatever its name is by now."""
    cluster, snapshot = effect.cluster, effect.snapshot
    by_id = cluster is not None and cluster.resource_id in facts.source_resource_ids
    by_arn = cluster is not None and cluster.arn == facts.request.source.arn
    if effect.operation != "RestoreDBClusterFromSnapshot" and (by_id or by_arn):
        return "it is the source"
    if snapshot and snapshot.arn == facts.checked.snapshot.arn:
        return "it is the source's snapshot"
    return None


def only_the_target_is_deleted(effect: Effect, facts: Facts) -> str | None:
    """The very cluster that snapshot-check saw, opted in and unbound in the instant before the call."""
    if effect.operation not in DELETIONS:
        return None
    if effect.cluster is None:
        return "of a cluster that is not there"
    return _why_not_to_be_deleted(effect.cluster, facts)


def _why_not_to_be_deleted(cluster: Cluster, facts: Facts) -> str | None:
    reasons = {
        f"it is {cluster.arn}": cluster.arn != facts.request.target.arn,
        f"it is not what snapshot-check saw, but {cluster.resource_id}": cluster.resource_id
        != facts.checked.target_resource_id,
        "it was restored by this very operation": cluster.resource_id in facts.made,
        "it has not opted in": cluster.tags.get("aurora-restore:replaced-by") != facts.request.source.arn,
        "it is protected": cluster.deletion_protection,
        "it belongs to a global database": cluster.global_cluster is not None,
        "it is a replica": cluster.replication_source is not None,
        "it has replicas": bool(cluster.read_replicas),
        f"it is {cluster.status}": cluster.status in NOT_DELETABLE,
    }
    return next((reason for reason, true in reasons.items() if true), None)


def nothing_is_deleted_before_the_copy_is_there(effect: Effect, facts: Facts) -> str | None:
    """A copy of the right snapshot, or that snapshot itself where none is needed, available."""
    if effect.operation not in DELETIONS:
        return None
    name = facts.tonight if facts.copied else facts.checked.snapshot.identifier
    found = effect.snapshots.get(name)
    if found is None:
        return f"there is no {name}"
    if not _is_right(found, facts):
        return f"{name} is not of {facts.checked.snapshot.arn}"
    return None if found.status == "available" else f"{name} is {found.status}"


def _is_right(found: Snapshot, facts: Facts) -> bool:
    if facts.copied:
        return found.source_arn == facts.checked.snapshot.arn
    return found.taken == facts.checked.snapshot.created_at


def nothing_is_deleted_that_the_trail_does_not_announce(effect: Effect, facts: Facts) -> str | None:
    """No intent, no call."""
    if effect.operation in DELETIONS:
        return None if "delete-rds" in effect.declared else "the trail has no intent of delete-rds"
    if effect.operation == "DeleteDBClusterSnapshot" and effect.snapshot and effect.snapshot.status != "failed":
        return None if "archive-snapshot" in effect.declared else "the trail has no intent of archive-snapshot"
    return None


def only_own_copies_are_pruned(effect: Effect, facts: Facts) -> str | None:
    """Made for this target, named by the pipeline, and not tonight's, unless that has failed."""
    if effect.operation != "DeleteDBClusterSnapshot":
        return None
    found = effect.snapshot
    if found is None:
        return "of a snapshot that is not there"
    target = facts.request.target
    ours = re.fullmatch(rf"aurora-restore-{target.cluster}-[0-9]{{8}}-[0-9a-f]{{10}}", found.identifier)
    reasons = {
        "its name is not one of ours": not ours,
        "its tag is not of this target": found.tags.get("aurora-restore:copy-for") != target.arn,
        f"it is {found.kind}": found.kind != "manual",
        "it is tonight's": found.identifier == facts.tonight and found.status != "failed",
    }
    return next((reason for reason, true in reasons.items() if true), None)


def only_what_the_night_restored_is_changed(effect: Effect, facts: Facts) -> str | None:
    """Instances, passwords and tags go to the cluster that this operation made, or to its copy."""
    if effect.operation == "AddTagsToResource" and effect.snapshot is not None:
        right = effect.snapshot.identifier == facts.tonight and _is_right(effect.snapshot, facts)
        return None if right else "it is not tonight's copy"
    if effect.operation not in ("CreateDBInstance", "ModifyDBCluster", "AddTagsToResource"):
        return None
    made = effect.cluster is not None and effect.cluster.resource_id in facts.made
    return None if made else "this operation did not make that cluster"


def nothing_is_restored_while_the_target_lives(effect: Effect, facts: Facts) -> str | None:
    """A target that somebody renamed to keep it is neither gone nor to be replaced."""
    if effect.operation != "RestoreDBClusterFromSnapshot" or facts.checked.target_resource_id is None:
        return None
    lives = effect.clusters.get(facts.checked.target_resource_id)
    return f"it lives as {lives}" if lives else None


def only_the_right_copy_is_restored(effect: Effect, facts: Facts) -> str | None:
    """Under the target's name, from a snapshot that is what snapshot-check chose."""
    if effect.operation != "RestoreDBClusterFromSnapshot":
        return None
    if effect.parameters["DBClusterIdentifier"] != facts.request.target.cluster:
        return f"the target is {facts.request.target.cluster}"
    found = effect.snapshots.get(effect.parameters["SnapshotIdentifier"].rpartition("cluster-snapshot:")[2])
    return None if found and _is_right(found, facts) else f"that is not of {facts.checked.snapshot.arn}"


PROMISES: tuple[Callable[[Effect, Facts], str | None], ...] = (
    only_what_a_night_does,
    only_in_the_targets_account_and_region,
    never_the_source,
    only_the_target_is_deleted,
    nothing_is_deleted_before_the_copy_is_there,
    nothing_is_deleted_that_the_trail_does_not_announce,
    only_own_copies_are_pruned,
    only_what_the_night_restored_is_changed,
    nothing_is_restored_while_the_target_lives,
    only_the_right_copy_is_restored,
)


def _check_numbers(night: Night, effects: list[Effect]) -> None:
    """One copy and one restore, and one more only for each that somebody else took away, or that failed."""
    copies = [effect for effect in effects if effect.operation == "CopyDBClusterSnapshot"]
    failed = [effect for effect in effects if effect.operation == "DeleteDBClusterSnapshot" and _was_failed(effect)]
    restores = [effect for effect in effects if effect.made]
    if len(copies) > 1 + len(failed) + night.meddler.took_copies:
        raise BrokenPromise(f"one copy: {len(copies)} were made")
    if len(restores) > 1 + night.meddler.took_names:
        raise BrokenPromise(f"one restore: {len(restores)} were made")


def _was_failed(effect: Effect) -> bool:
    return effect.snapshot is not None and effect.snapshot.status == "failed"
