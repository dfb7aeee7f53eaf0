"""remove-leftovers and remove-orphans delete what operations leave half-done, where an operator wants it; list-orphans lists it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from activities.clusters.left_clusters import (
    LeftClusters,
    delete_left_clusters,
    find_left_clusters,
    list_left_cluster_arns,
    list_left_old,
)
from activities.clusters.own_drill import OwnDrill, check_guards, prove
from activities.preflight import guards
from activities.preflight.blockers import refuse_unless_deletable
from activities.preflight.guards import ObservedTarget
from activities.rds import tags
from activities.rds.copies import operation_of
from activities.rds.orphans import CLEANUP, delete_copies, find_orphans, list_orphans
from activities.rds.renames import NamedCluster
from activities.rds.statuses import BEING_DELETED
from activities.rds.stops import start_if_stopped
from activities.rds.target import TargetCluster
from activities.rds.target_deletion import delete_target
from activities.step import Intents, end_wait_if_final, named_activity
from clients.aws import AwsClients
from errors import Refused
from limits import MAX_LISTED_ORPHANS
from models.inventory import Orphan
from models.leftovers import ListOrphansInput, OrphanList, RemoveLeftoversInput, RemoveOrphansInput
from models.step_call import StepOutcome
from models.steps import Housekeeping, Step
from models.waits import Change

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef, DBClusterTypeDef


LIST_ORPHANS = "list-orphans"


@dataclass(frozen=True)
class _Leftovers:
    """What an operation has left half-done, as it was just read."""

    copies: list[DBClusterSnapshotTypeDef]
    cluster: DBClusterTypeDef | None

    @property
    def arns(self) -> tuple[str, ...]:
        copies = [copy["DBClusterSnapshotArn"] for copy in self.copies]
        return (*copies, *([self.cluster["DBClusterArn"]] if self.cluster else []))

    @property
    def text(self) -> str:
        parts = [f"{copy['DBClusterSnapshotIdentifier']} ({copy['Status']})" for copy in self.copies]
        if self.cluster:
            parts.append(f"{self.cluster['DBClusterIdentifier']} ({self.cluster['Status']})")
        return ", ".join(parts)

    @property
    def to_delete(self) -> _Leftovers:
        """Without what is being deleted already."""
        cluster = self.cluster if self.cluster and self.cluster["Status"] not in BEING_DELETED else None
        return _Leftovers([copy for copy in self.copies if copy["Status"] not in BEING_DELETED], cluster)


@dataclass(frozen=True)
class _Orphans:
    """The orphans of a target, as they were just read."""

    copies: list[Orphan]
    clusters: LeftClusters

    @property
    def listed(self) -> list[Orphan]:
        return [*self.copies, *self.clusters.listed]

    def only(self, arns: Collection[str]) -> _Orphans:
        """Those that have one of these ARNs."""
        return _Orphans([copy for copy in self.copies if copy.arn in arns], self.clusters.only(arns))


class LeftoverActivities:
    """Deletes what is this pipeline's own and of no use any more."""

    def __init__(self, aws: AwsClients, intents: Intents) -> None:
        """`intents` is the trail; without a row in it nothing is deleted."""
        self._aws = aws
        self._intents = intents

    @named_activity(LIST_ORPHANS)
    def list_orphans(self, listed: ListOrphansInput) -> OrphanList:
        """List the copies and clusters that earlier operations left behind and that nothing uses.

        Raises `Refused` if the credentials belong to another account.
        Run twice: only reads.
        """
        orphans, request = list_orphans(self._aws, listed), listed.request
        target = TargetCluster(self._aws, request.target, CLEANUP)
        orphans += list_left_old(self._intents, target, request.target, request.source, listed.operation_id)
        return OrphanList(orphans=tuple(orphans[:MAX_LISTED_ORPHANS]), more=max(len(orphans) - MAX_LISTED_ORPHANS, 0))

    @named_activity(Housekeeping.REMOVE_LEFTOVERS.value)
    def remove_leftovers(self, step_input: RemoveLeftoversInput) -> StepOutcome:
        """Delete this operation's unfinished copy and half-restored cluster, as far as the request wants it.

        The copy has this operation's tag, a name of the pipeline and the chosen snapshot as its origin; the cluster has
        the resource id that restore-snapshot returned, and every guard of delete-rds holds; a stopped one is started
        first, if the request allows it or a drill restored it. A cluster whose users this operation set, also before a
        retry, is not half-restored. Done when both are gone.
        Raises `Refused` if a guard refuses, or if someone renamed the cluster.
        Run twice: what is gone is no error, and a deletion under way continues; the trail holds what was declared, and
        the outcome names what of it is gone.
        """
        # Copies are those of the target, whatever name the half-restored cluster has.
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        leftovers = self._find_leftovers(step_input, target)
        if not leftovers.arns:
            existing = _list_existing(step_input, target)
            return self._removal_outcome(Housekeeping.REMOVE_LEFTOVERS, step_input, "Leftovers removed", existing)
        later = "the next restore adopts the copy and replaces the cluster."
        if step_input.target.drills:
            later = "the next restore adopts the copy, and cleanup removes the cluster."
        advice = f"RDS continues the deletions that have begun. Delete the rest by hand, or leave it: {later}"
        end_wait_if_final(step_input, f"Leftovers not removed: {leftovers.text}", advice)
        if leftovers.to_delete.arns:
            self._check_guards(step_input, target, leftovers.to_delete)
            if waiting_for := _start_if_stopped(self._restored(step_input), leftovers.to_delete):
                return StepOutcome(done=False, details=waiting_for, resource_arns=leftovers.arns)
            self._delete(step_input, target, leftovers.to_delete)
        removing = (Change.CLUSTER_DELETION,)
        return StepOutcome(
            done=False, details=f"removing {leftovers.text}", in_progress=removing, resource_arns=leftovers.arns
        )

    @named_activity(Housekeeping.REMOVE_ORPHANS.value)
    def remove_orphans(self, step_input: RemoveOrphansInput) -> StepOutcome:
        """Delete the orphans of the target's earlier operations. The workflow ensures that no restore runs meanwhile.

        The cluster of a drill has the proofs and the guards of remove-drill, the old cluster of a swap those of delete-rds.
        Raises `Refused` if the credentials belong to another account, `ResourceBusy` (transient) while RDS refuses to delete
        one of them, `Refused` if a guard refuses; the other orphans are deleted before.
        Run twice: nothing is left to delete; the trail holds what was declared, and the outcome names what of it is gone.
        """
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        # Also if there are no orphans: that another account has none says nothing about the target's.
        target.check_account()
        just_deleted: set[str] = set()
        found = self._find_orphans(step_input, target)
        if orphans := found.listed:
            names = ", ".join(orphan.identifier for orphan in orphans)
            declared = tuple(orphan.arn for orphan in orphans)
            self._intents.declare(Housekeeping.REMOVE_ORPHANS, step_input, f"Removing {names}", declared)
            # The trail took time: read the orphans again just before the first deletion.
            remaining = self._find_orphans(step_input, target).only(declared)
            failures = delete_copies([copy.identifier for copy in remaining.copies], target)
            if step_input.source:
                failures += delete_left_clusters(target, step_input.target, step_input.source, remaining.clusters)
            if failures:
                # What Temporal repeats comes first: a refusal would end the attempts for the others, too.
                raise min(failures, key=lambda failure: not failure.retryable)
            just_deleted = {orphan.arn for orphan in remaining.listed}
        # A list right after the deletion may still have what RDS has deleted.
        left = target.list_existing_snapshot_arns() | list_left_cluster_arns(target, step_input.target, found.clusters)
        outcome = self._removal_outcome(Housekeeping.REMOVE_ORPHANS, step_input, "Orphans removed", left - just_deleted)
        return outcome.model_copy(update={"details": f"{outcome.details}{found.clusters.kept}"})

    def _find_orphans(self, step_input: RemoveOrphansInput, target: TargetCluster) -> _Orphans:
        copies, source = find_orphans(target.list_own_copies(), step_input.archive.copies_to_keep), step_input.source
        clusters = find_left_clusters(self._intents, target, step_input.target, source) if source else LeftClusters()
        return _Orphans(copies, clusters)

    def _restored(self, step_input: RemoveLeftoversInput) -> TargetCluster:
        return TargetCluster(self._aws, step_input.restored_target, step_input.operation_id)

    def _removal_outcome(
        self,
        activity: Housekeeping,
        step_input: RemoveLeftoversInput | RemoveOrphansInput,
        details: str,
        existing: set[str],
    ) -> StepOutcome:
        """Names what was declared and is gone; what was kept at the last moment is not reported as removed."""
        declared = self._intents.list_declared_arns(activity, step_input)
        removed = tuple(arn for arn in declared if arn not in existing)
        return StepOutcome(details=details if removed else "Nothing to remove", resource_arns=removed)

    def _find_leftovers(self, step_input: RemoveLeftoversInput, target: TargetCluster) -> _Leftovers:
        copies = target.list_own_copies() if step_input.unfinished_copy else []
        unfinished = [copy for copy in copies if _is_unfinished(copy, step_input, target)]
        return _Leftovers(unfinished, self._find_half_restored(step_input, target))

    def _find_half_restored(self, step_input: RemoveLeftoversInput, target: TargetCluster) -> DBClusterTypeDef | None:
        """The cluster that this operation restored; one that only has the target's name belongs to someone else."""
        if step_input.cluster_resource_id is None:
            return None
        cluster = target.find_by_resource_id(step_input.cluster_resource_id)
        if cluster is None:
            return None
        if cluster["Status"] not in BEING_DELETED:
            if not _is_restored_by(cluster, target):
                return None
            _refuse_renamed(cluster, step_input)
        if step_input.target.drills:
            return cluster
        # Beside the target it is of no use, whether its users are set up or not: it has not taken the target's place.
        last, since = Step.SWAP_CLUSTERS if step_input.beside else Step.SETUP_DB_USERS, cluster["ClusterCreateTime"]
        operation_id = step_input.operation_id
        in_place = self._intents.has_succeeded(last, operation_id, since)
        # After a rollback it has its first name again, which is checked above.
        rolled_back = step_input.beside and self._intents.has_succeeded(Housekeeping.SWAP_BACK, operation_id, since)
        return None if in_place and not rolled_back else cluster

    def _check_guards(self, step_input: RemoveLeftoversInput, target: TargetCluster, leftovers: _Leftovers) -> None:
        """Raise `Refused` with every reason not to delete; a copy has only the account to check."""
        target.check_account()
        if leftovers.cluster is None:
            return
        if own := _own_drill(step_input, target):
            check_guards(own, self._restored(step_input), leftovers.cluster)
            return
        no_sources, caller = guards.known_resource_ids(), target.caller_account()
        observed = ObservedTarget(
            step_input.source, step_input.restored_target, leftovers.cluster, no_sources, caller, target.environment
        )
        refuse_unless_deletable(observed, target.reader)

    def _delete(self, step_input: RemoveLeftoversInput, target: TargetCluster, leftovers: _Leftovers) -> None:
        """Write the intent, then delete: no row, no call."""
        self._intents.declare(Housekeeping.REMOVE_LEFTOVERS, step_input, f"Removing {leftovers.text}", leftovers.arns)
        # The guards and the trail took time: read again just before the first deletion.
        remaining = self._find_leftovers(step_input, target).to_delete
        for copy in remaining.copies:
            if copy["DBClusterSnapshotArn"] in leftovers.arns:
                target.delete_copy_unless_busy(copy["DBClusterSnapshotIdentifier"])
        if leftovers.cluster and remaining.cluster:
            restored = self._restored(step_input)
            if own := _own_drill(step_input, restored):
                delete_target(restored, remaining.cluster, partial(prove, own, restored))
            else:
                delete_target(restored, remaining.cluster)


def _own_drill(step_input: RemoveLeftoversInput, target: TargetCluster) -> OwnDrill | None:
    """What a drill restored, which has the proof and the guards of remove-drill; None if this operation is no drill."""
    if not (step_input.target.drills and step_input.cluster_resource_id):
        return None
    drill, operation = step_input.restored_target, target.operation_tag
    return OwnDrill(step_input.source, drill, operation, step_input.cluster_resource_id)


def _start_if_stopped(target: TargetCluster, leftovers: _Leftovers) -> str | None:
    """Start a half-restored cluster that someone stopped, because RDS does not delete it otherwise; as delete-rds does."""
    return start_if_stopped(target, leftovers.cluster) if leftovers.cluster else None


def _list_existing(step_input: RemoveLeftoversInput, target: TargetCluster) -> set[str]:
    """The ARNs that exist after all, of any owner; the cluster's also if it was renamed since it was declared."""
    existing = target.list_existing_snapshot_arns() if step_input.unfinished_copy else set()
    if _cluster_exists(target, step_input.cluster_resource_id):
        existing.add(step_input.restored_target.arn)
    return existing


def _is_unfinished(copy: DBClusterSnapshotTypeDef, step_input: RemoveLeftoversInput, target: TargetCluster) -> bool:
    """Whether this operation made the copy from the snapshot that it chose, and it cannot be restored from."""
    own = operation_of(copy) == target.operation_tag
    of_chosen = tags.tags_of(copy.get("TagList", [])).get(tags.SOURCE_SNAPSHOT) == step_input.snapshot_arn
    return own and of_chosen and copy["Status"] not in ("available", "deleted")


def _is_restored_by(cluster: DBClusterTypeDef, target: TargetCluster) -> bool:
    """Whether the cluster still has the tags of its restore: an owner who removes them keeps the cluster."""
    return tags.is_restored_by(tags.tags_of(cluster.get("TagList", [])), target.operation_tag)


def _refuse_renamed(cluster: DBClusterTypeDef, step_input: RemoveLeftoversInput) -> None:
    name, wanted = cluster["DBClusterIdentifier"], step_input.restored_target.cluster
    renaming = NamedCluster(cluster, wanted).is_renaming
    if name == wanted and not renaming:
        return
    raise Refused(
        "Half-restored cluster was renamed",
        f"{step_input.cluster_resource_id}, which {step_input.operation_id} restored as {wanted}, is now named {name} "
        f"({'renaming' if renaming else cluster['Status']}). It is kept, because a user who renames a cluster wants to keep it. "
        "Check whether it still has its instances.",
    )


def _cluster_exists(target: TargetCluster, resource_id: str | None) -> bool:
    """Whether a cluster has this resource id, under any name and with any tags."""
    return resource_id is not None and target.find_by_resource_id(resource_id) is not None
