"""What archive-snapshot keeps: this operation's copy of production's data, or a snapshot of the masked target.

Nothing is pruned before what is kept exists, and nothing is deleted without an intent in the trail.
Source: RDS API Reference, CreateDBClusterSnapshot, ModifyDBClusterSnapshotAttribute; Aurora User Guide, "Sharing a DB
cluster snapshot".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from activities.rds import tags
from activities.rds.aws_errors import rule_for
from activities.rds.copies import copies_that_make_room, split_by_retention
from activities.rds.fault_table import Action
from activities.rds.masked_snapshots import is_own_masked, masked_ones_that_make_room, own_masked_snapshots
from activities.rds.provenance import check_provenance, check_resource_id
from activities.rds.statuses import Meaning, snapshot_meaning
from activities.rds.target import TargetCluster
from activities.step import Intents, end_wait_if_final
from errors import Refused, StepFailed
from models.identifiers import masked_identifier
from models.snapshots import ArchiveSnapshotInput, CopySnapshotInput
from models.steps import Step

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef

NOT_TAKEN = "Masked snapshot not taken"
FAILED = "Masked snapshot failed"
NOTHING_PRUNED = "Every copy is kept so far."


@dataclass(frozen=True)
class Kept:
    """What archive-snapshot has kept and pruned so far."""

    arns: tuple[str, ...]
    """This operation's own snapshot: the copy, or the masked one."""
    kept: tuple[str, ...] = ()
    pruned: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    waiting_for: str | None = None
    """None once everything is kept and pruned."""


def keep_copies(intents: Intents, step_input: ArchiveSnapshotInput, target: TargetCluster) -> Kept:
    """Tag this operation's copy as kept, and prune older ones; see `SnapshotActivities.archive_snapshot`."""
    snapshot_copy, keep = step_input.snapshot_copy, step_input.archive.copies_to_keep
    if not snapshot_copy.copied:
        return Kept(arns=(snapshot_copy.arn,))
    target.check_account()
    if copy := target.find_snapshot(snapshot_copy.identifier):
        check_provenance(copy, step_input.snapshot)
    if keep:
        target.add_tags(snapshot_copy.arn, {tags.ARCHIVED_BY: target.operation_tag})
    # The last read before the pruning: the read guard measures its age, so no read of another copy may follow.
    kept, to_prune = split_by_retention(
        target.search.find_own_copies(snapshot_copy.identifier), snapshot_copy.arn, keep
    )
    prune(intents, Step.ARCHIVE_SNAPSHOT, step_input, target, to_prune)
    pruned = _list_pruned(intents, step_input, target, to_prune)
    return Kept(arns=(snapshot_copy.arn,), kept=tuple(kept), pruned=pruned)


def keep_masked_snapshots(intents: Intents, step_input: ArchiveSnapshotInput, target: TargetCluster) -> Kept:
    """Keep a snapshot of the masked target, share it, and prune every copy and the older masked snapshots.

    `step_input.masked_cluster_resource_id` is the cluster that this operation restored and masked.
    Raises `Refused` if the trail has no success of setup-db-users for it, if another cluster has the target's name, or if
    a snapshot of that name is not of this cluster; `StepFailed` if the snapshot failed.
    Run twice: one snapshot, because its name is derived from the cluster's resource id; sharing it again changes nothing.
    """
    resource_id = step_input.masked_cluster_resource_id or ""
    target.check_account()
    created_at = step_input.snapshot.created_at
    name = masked_identifier(target.environment, step_input.target.arn, resource_id, created_at)
    snapshot = target.find_snapshot(name)
    if snapshot is None:
        return _take_snapshot(intents, step_input, target, name)
    _check_own(step_input, target, snapshot, resource_id)
    arn = snapshot["DBClusterSnapshotArn"]
    meaning = snapshot_meaning(snapshot["Status"])
    if meaning is Meaning.TERMINAL:
        return _replace_failed(intents, step_input, target, snapshot)
    if meaning is not Meaning.READY:
        percent = snapshot.get("PercentProgress")
        progress = f"masked snapshot {snapshot['Status']}" + (f" {percent} %" if percent else "")
        advice = f"RDS continues the snapshot. {NOTHING_PRUNED} Retry, or allow a longer wait."
        end_wait_if_final(step_input, "Masked snapshot not available", f"It is {progress}. {advice}")
        return Kept(arns=(arn,), waiting_for=progress)
    details = ["masked snapshot kept"]
    if accounts := step_input.archive.share_with:
        target.share_snapshot(name, accounts)
        details.append(f"shared with {', '.join(accounts)}")
    # The last read before the pruning, as in keep_copies.
    copies, masked = target.search.find_own_snapshots(step_input.snapshot_copy.identifier, name)
    kept, older = split_by_retention(masked, arn, step_input.archive.keep)
    to_prune = [*split_by_retention(copies, step_input.snapshot_copy.arn, 0)[1], *older]
    prune(intents, Step.ARCHIVE_SNAPSHOT, step_input, target, to_prune)
    pruned = _list_pruned(intents, step_input, target, to_prune)
    return Kept(arns=(arn,), kept=tuple(kept), pruned=pruned, details=tuple(details))


def _take_snapshot(intents: Intents, step_input: ArchiveSnapshotInput, target: TargetCluster, name: str) -> Kept:
    # Before any call: a cancellation must not have the final poll start a snapshot.
    end_wait_if_final(step_input, NOT_TAKEN, f"{NOTHING_PRUNED} Retry, or allow a longer wait.")
    _check_masked(intents, step_input, target)
    own_tags = tags.tag_list(tags.masked_tags(step_input.target.arn, target.operation_tag))
    arn = step_input.target.arn.rpartition(":cluster:")[0] + f":cluster-snapshot:{name}"
    try:
        target.take_snapshot(DBClusterSnapshotIdentifier=name, Tags=own_tags)
    except ClientError as error:
        rule = rule_for(error)
        if rule.action is Action.WAIT:
            return Kept(arns=(), waiting_for=rule.short)
        if rule.action is Action.PRUNE and (pruned := _make_room(intents, step_input, target)):
            return Kept(arns=(), waiting_for=f"Pruned {pruned} masked snapshots to make room")
        if rule.action is not Action.ADOPT:
            raise
        # Most likely taken by a call whose answer was lost; the next poll reads whose it is.
    return Kept(arns=(arn,), waiting_for="masked snapshot started")


def _check_masked(intents: Intents, step_input: ArchiveSnapshotInput, target: TargetCluster) -> None:
    """Raise unless the cluster is the restored one and setup-db-users, which masks, has succeeded in it."""
    cluster = target.find()
    if cluster is None:
        raise StepFailed(
            NOT_TAKEN,
            f"the cluster {target.name} is gone. {NOTHING_PRUNED} Find out who deleted it, then start a new restore.",
        )
    check_resource_id(cluster, step_input.masked_cluster_resource_id, "restored by this operation")
    restored_at = cluster["ClusterCreateTime"]
    if not intents.has_succeeded(Step.SETUP_DB_USERS, step_input.operation_id, restored_at):
        raise Refused(
            "Target is not masked",
            f"the trail has no success of setup-db-users in {cluster['DBClusterArn']} since it was restored at "
            f"{restored_at}, so that a snapshot would have production's data. {NOTHING_PRUNED} Start a new restore.",
        )


def _check_own(
    step_input: ArchiveSnapshotInput, target: TargetCluster, snapshot: DBClusterSnapshotTypeDef, resource_id: str
) -> None:
    own = is_own_masked(snapshot, step_input.target, target.environment)
    if own and snapshot.get("DbClusterResourceId") == resource_id:
        return
    raise Refused(
        "Masked snapshot's name is taken",
        f"{snapshot['DBClusterSnapshotArn']} is a snapshot of the cluster {snapshot.get('DbClusterResourceId')}, expected "
        f"this pipeline's own snapshot of {resource_id}. {NOTHING_PRUNED} Rename or delete it, then retry.",
    )


def _replace_failed(
    intents: Intents, step_input: ArchiveSnapshotInput, target: TargetCluster, snapshot: DBClusterSnapshotTypeDef
) -> Kept:
    """Fail if the snapshot failed in this run of the step; delete one that had failed before, which keeps the name."""
    arn, status = snapshot["DBClusterSnapshotArn"], snapshot["Status"]
    if step_input.resource_seen or step_input.final_poll or status != "failed":
        raise StepFailed(
            FAILED,
            f"{arn} is {status}, expected available. {NOTHING_PRUNED} Check the target's KMS key, then retry, which deletes "
            "a failed snapshot and takes another.",
        )
    prune(intents, Step.ARCHIVE_SNAPSHOT, step_input, target, [arn])
    return Kept(arns=(), waiting_for="Deleted a failed masked snapshot")


def _make_room(intents: Intents, step_input: ArchiveSnapshotInput, target: TargetCluster) -> int:
    """Prune now the older masked snapshots that would be pruned at the end; returns how many those were."""
    masked = own_masked_snapshots(target.reader, step_input.target, target.environment)
    to_prune = masked_ones_that_make_room(masked, step_input.archive)
    prune(intents, Step.ARCHIVE_SNAPSHOT, step_input, target, to_prune)
    return len(to_prune)


def make_room_for_copy(intents: Intents, step_input: CopySnapshotInput, target: TargetCluster) -> int:
    """Prune now what archive-snapshot would prune at the end; returns how many copies that were."""
    keep = step_input.archive.copies_to_keep
    to_prune = copies_that_make_room(target.list_own_copies(), step_input.snapshot.arn, keep)
    prune(intents, Step.COPY_SNAPSHOT, step_input, target, to_prune)
    return len(to_prune)


def prune(
    intents: Intents,
    step: Step,
    step_input: CopySnapshotInput | ArchiveSnapshotInput,
    target: TargetCluster,
    arns: list[str],
) -> None:
    """Delete snapshots. Account check and intent come before the first deletion: no row, no call."""
    if not arns:
        return
    target.check_account()
    names = [arn.rpartition(":")[2] for arn in arns]
    intents.declare(step, step_input, f"Pruning {', '.join(names)}", tuple(arns))
    for name in names:
        target.delete_copy(name)


def _list_pruned(
    intents: Intents, step_input: ArchiveSnapshotInput, target: TargetCluster, just_pruned: list[str]
) -> tuple[str, ...]:
    """The ARNs that this run of the step pruned, in any attempt, without those that were kept after all."""
    declared = intents.list_declared_arns(Step.ARCHIVE_SNAPSHOT, step_input)
    if set(declared) <= set(just_pruned):
        return tuple(just_pruned)
    existing = target.list_existing_snapshot_arns() - set(just_pruned)
    return tuple(arn for arn in declared if arn not in existing)
