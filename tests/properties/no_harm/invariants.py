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
from tests.properties.no_harm.in_process_aws import Effect
from tests.properties.no_harm.scenario import UNHEARD_OF
from tests.properties.no_harm.scenario_run import Night

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
    users_set: bool
    """Whether this operation has handed its cluster over."""
    copied: bool
    """Whether this night needs a copy."""
    tonight: str


def check(night: Night, source_resource_id: str) -> None:
    """Raise `BrokenPromise` for the first effect that should not have been, or for an answer that was not true."""
    of_night = [effect for effect in night.stage.aws.effects if effect.step != "remove-orphans"]
    of_cleanup = [effect for effect in night.stage.aws.effects if effect.step == "remove-orphans"]
    for effect in of_cleanup:
        if wrong := only_orphans_are_cleaned_up(effect, night.stage.request):
            raise BrokenPromise(f"only_orphans_are_cleaned_up: {effect}: {wrong}")
    if night.called_removed:
        raise BrokenPromise(f"{', '.join(night.called_removed)} was called removed, and was there")
    if night.checked is not None:
        _check_night(night, of_night, _facts(night, night.checked, source_resource_id))
    elif of_night:
        raise BrokenPromise(f"{of_night[0]}, though snapshot-check never said yes")


def _check_night(night: Night, effects: list[Effect], facts: Facts) -> None:
    for effect in effects:
        for promise in PROMISES:
            if wrong := promise(effect, facts):
                raise BrokenPromise(f"{promise.__name__}: {effect}: {wrong}")
        if effect.made:
            facts = Facts(**{**vars(facts), "made": facts.made | {effect.made}})
    _check_numbers(night)
    if facts.checked.target_resource_id in night.called_gone:
        raise BrokenPromise("delete-rds said that the target is gone, and it was there")


def _facts(night: Night, checked: SnapshotCheckOutcome, source_resource_id: str) -> Facts:
    ids = {source_resource_id, checked.source_resource_id, checked.snapshot.cluster_resource_id}
    return Facts(
        request=night.stage.request,
        checked=checked,
        source_resource_ids=frozenset(filter(None, ids)),
        made=frozenset(),
        users_set=night.users_set,
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
    """The very cluster that snapshot-check saw, or what the night made of it, opted in and unbound just before the call."""
    if effect.operation not in DELETIONS:
        return None
    if effect.cluster is None:
        return "of a cluster that is not there"
    which = {"delete-rds": _why_not_what_was_checked, "remove-leftovers": _why_not_half_restored}.get(effect.step)
    if which is None:
        return f"{effect.step} deletes no cluster"
    return which(effect.cluster, facts) or _why_not_to_be_deleted(effect.cluster, facts)


def _why_not_what_was_checked(cluster: Cluster, facts: Facts) -> str | None:
    reasons = {
        f"it is not what snapshot-check saw, but {cluster.resource_id}": cluster.resource_id
        != facts.checked.target_resource_id,
        "it was restored by this very operation": cluster.resource_id in facts.made,
    }
    return _first(reasons)


def _why_not_half_restored(cluster: Cluster, facts: Facts) -> str | None:
    reasons = {
        "nobody asked for it": facts.request.on_failure.half_restored_target != "remove",
        "this operation did not restore it": cluster.resource_id not in facts.made,
        "somebody took it over": "aurora-restore:operation" not in cluster.tags,
        "its users are set": facts.users_set,
    }
    return _first(reasons)


def _why_not_to_be_deleted(cluster: Cluster, facts: Facts) -> str | None:
    reasons = {
        f"it is {cluster.arn}": cluster.arn != facts.request.target.arn,
        "it has not opted in": cluster.tags.get("aurora-restore:replaced-by") != facts.request.source.arn,
        "it is protected": cluster.deletion_protection,
        "it belongs to a global database": cluster.global_cluster is not None,
        "it is a replica": cluster.replication_source is not None,
        "it has replicas": bool(cluster.read_replicas),
        f"it is {cluster.status}": cluster.status in NOT_DELETABLE,
    }
    return _first(reasons)


def _first(reasons: dict[str, bool]) -> str | None:
    return next((reason for reason, true in reasons.items() if true), None)


def nothing_is_deleted_before_the_copy_is_there(effect: Effect, facts: Facts) -> str | None:
    """A copy of the right snapshot, or that snapshot itself where none is needed, available."""
    if effect.operation not in DELETIONS or effect.step != "delete-rds":
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
    """No intent, no call; a failed copy under tonight's name is made anew without one."""
    if not effect.operation.startswith("Delete") or (effect.step == "copy-snapshot" and _was_failed(effect)):
        return None
    return None if effect.step in effect.declared else f"the trail has no intent of {effect.step}"


def only_own_copies_are_deleted(effect: Effect, facts: Facts) -> str | None:
    """Made for this target, named by the pipeline, and tonight's only if it is of no use."""
    if effect.operation != "DeleteDBClusterSnapshot":
        return None
    found = effect.snapshot
    if found is None:
        return "of a snapshot that is not there"
    wrong = _why_not_ours(found, facts.request)
    if wrong or effect.step != "remove-leftovers":
        tonights = found.identifier == facts.tonight and found.status != "failed"
        return wrong or ("it is tonight's" if tonights else None)
    return _first(
        {
            "nobody asked for it": facts.request.on_failure.unfinished_copy != "remove",
            "this operation did not make it": found.tags.get("aurora-restore:operation") != "op-001",
            "it can be restored from": found.status == "available",
        }
    )


def _why_not_ours(found: Snapshot, request: RestoreRequest) -> str | None:
    ours = re.fullmatch(rf"aurora-restore-{request.target.cluster}-[0-9]{{8}}-[0-9a-f]{{10}}", found.identifier)
    reasons = {
        "its name is not one of ours": not ours,
        "its tag is not of this target": found.tags.get("aurora-restore:copy-for") != request.target.arn,
        f"it is {found.kind}": found.kind != "manual",
    }
    return _first(reasons)


def only_orphans_are_cleaned_up(effect: Effect, request: RestoreRequest) -> str | None:
    """Copies of ours in the target's account, announced, and none of the good ones that stay."""
    found = effect.snapshot
    if effect.operation != "DeleteDBClusterSnapshot" or found is None:
        return "a cleanup deletes copies that are there"
    snapshots = effect.snapshots.values()
    good = [each for each in snapshots if each.status == "available" and not _why_not_ours(each, request)]
    as_new = [each for each in good if each.identifier != found.identifier and each.taken >= found.taken]
    target = request.target
    reasons = {
        f"the target is in {target.account_id} {target.region}": (effect.account, effect.region)
        != (target.account_id, target.region),
        "the trail has no intent of it": "remove-orphans" not in effect.declared,
        "it is one of the good ones that stay": found.status == "available" and len(as_new) < request.archive.keep,
        "it is archived": found.status == "available" and "aurora-restore:archived-by" in found.tags,
    }
    return _why_not_ours(found, request) or _first(reasons)


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
    only_own_copies_are_deleted,
    only_what_the_night_restored_is_changed,
    nothing_is_restored_while_the_target_lives,
    only_the_right_copy_is_restored,
)


def _check_numbers(night: Night) -> None:
    """One copy and one restore, and one more only for each that failed, was removed, or that somebody else took away."""
    effects = night.stage.aws.effects
    copies = [effect for effect in effects if effect.operation == "CopyDBClusterSnapshot"]
    no_more = [effect for effect in effects if effect.operation == "DeleteDBClusterSnapshot" and _is_no_more(effect)]
    restores = [effect for effect in effects if effect.made]
    removed = [
        effect for effect in effects if (effect.operation, effect.step) == ("DeleteDBCluster", "remove-leftovers")
    ]
    if len(copies) > 1 + len(no_more) + night.meddler.took_copies:
        raise BrokenPromise(f"one copy: {len(copies)} were made")
    if len(restores) > 1 + len(removed) + night.meddler.took_names:
        raise BrokenPromise(f"one restore: {len(restores)} were made")


def _is_no_more(effect: Effect) -> bool:
    return _was_failed(effect) or effect.step in ("remove-leftovers", "remove-orphans")


def _was_failed(effect: Effect) -> bool:
    return effect.snapshot is not None and effect.snapshot.status == "failed"
