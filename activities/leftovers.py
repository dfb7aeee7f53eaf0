"""remove-leftovers and remove-orphans: what nights leave half-done, removed where an operator asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from activities.preflight import guards
from activities.preflight.guards import ObservedTarget
from activities.rds import tags
from activities.rds.copies import operation_of
from activities.rds.orphans import find_orphans
from activities.rds.statuses import BEING_DELETED
from activities.rds.target import TargetCluster
from activities.step import Intents, end_wait_if_final, named_activity
from clients.aws import AwsClients
from errors import Refused, ResourceBusy
from models.inventory import Orphan
from models.leftovers import RemoveLeftoversInput, RemoveOrphansInput
from models.operation import StepOutcome
from models.steps import Housekeeping, Step

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef, DBClusterTypeDef


@dataclass(frozen=True)
class _Left:
    """What an operation has left half-done, as it was just seen."""

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
    def untouched(self) -> _Left:
        """Without what is being deleted already."""
        cluster = self.cluster if self.cluster and self.cluster["Status"] not in BEING_DELETED else None
        return _Left([copy for copy in self.copies if copy["Status"] not in BEING_DELETED], cluster)


class LeftoverActivities:
    """Removes what is this pipeline's own and of no use any more."""

    def __init__(self, aws: AwsClients, intents: Intents) -> None:
        """`intents` is the trail, without which nothing is removed."""
        self._aws = aws
        self._intents = intents

    @named_activity(Housekeeping.REMOVE_LEFTOVERS.value)
    def remove_leftovers(self, step_input: RemoveLeftoversInput) -> StepOutcome:
        """Remove this operation's unfinished copy and half-restored cluster, as far as it is asked to.

        A copy is one that bears this operation's tag, a name of the pipeline and the night's own snapshot; the cluster is
        the one of the resource id that restore-snapshot answered, and it passes every guard of delete-rds. A cluster
        whose users this operation set, also before a retry, is not half-restored. Done when both are gone.
        Raises `Refused` if a guard says no, or if somebody renamed the cluster.
        Run twice: what is gone already is no error, and what is being deleted is left to go; the trail holds what was
        declared, and the answer names what of it is gone.
        """
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        left = self._left(step_input, target)
        if not left.arns:
            return self._over(
                Housekeeping.REMOVE_LEFTOVERS, step_input, "Leftovers removed", self._there(step_input, target)
            )
        then = "What is deleting goes on without us; remove the rest by hand, or leave it to the next night."
        end_wait_if_final(step_input, f"Leftovers not removed: {left.text}", then)
        if left.untouched.arns:
            self._remove(step_input, target, left.untouched)
        return StepOutcome(done=False, details=f"removing {left.text}", resource_arns=left.arns)

    @named_activity(Housekeeping.REMOVE_ORPHANS.value)
    def remove_orphans(self, step_input: RemoveOrphansInput) -> StepOutcome:
        """Remove the orphans of the target's earlier nights; no night may run meanwhile, which the workflow sees to.

        Raises `Refused` if the credentials are another account's, `ResourceBusy` (transient) if RDS did not let go of
        one of them.
        Run twice: nothing is left to remove; the trail holds what was declared, and the answer names what of it is gone.
        """
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        # Also before nothing is found: another account's "nothing to remove" says nothing of the target's.
        target.check_account()
        now_gone: set[str] = set()
        if found := self._orphans(step_input, target):
            names = ", ".join(orphan.identifier for orphan in found)
            declared = tuple(orphan.arn for orphan in found)
            self._intents.declare(Housekeeping.REMOVE_ORPHANS, step_input, f"Removing {names}", declared)
            # The trail took its time: what is removed is looked at once more, just before.
            still = [orphan for orphan in self._orphans(step_input, target) if orphan.arn in declared]
            if busy := [orphan.identifier for orphan in still if not target.delete_copy_unless_busy(orphan.identifier)]:
                raise ResourceBusy("Snapshot is busy", f"RDS does not delete {', '.join(busy)} just now.")
            now_gone = {orphan.arn for orphan in still}
        # A list right after the deletion may still show what RDS has let go of.
        there = target.list_existing_snapshot_arns() - now_gone
        return self._over(Housekeeping.REMOVE_ORPHANS, step_input, "Orphans removed", there)

    def _over(
        self, what: Housekeeping, step_input: RemoveLeftoversInput | RemoveOrphansInput, details: str, there: set[str]
    ) -> StepOutcome:
        """What was declared and is gone; what was spared at the last moment is not told as removed."""
        gone = tuple(arn for arn in self._intents.list_declared_arns(what, step_input) if arn not in there)
        return StepOutcome(details=details if gone else "Nothing to remove", resource_arns=gone)

    def _there(self, step_input: RemoveLeftoversInput, target: TargetCluster) -> set[str]:
        """What is there after all, whosever it is by now; a cluster also if it was renamed since it was declared."""
        copies = target.list_existing_snapshot_arns() if step_input.unfinished_copy else set()
        return copies | {step_input.target.arn} if _lives(target, step_input.cluster_resource_id) else copies

    def _orphans(self, step_input: RemoveOrphansInput, target: TargetCluster) -> list[Orphan]:
        return find_orphans(target.list_own_copies(), step_input.archive.keep)

    def _left(self, step_input: RemoveLeftoversInput, target: TargetCluster) -> _Left:
        copies = target.list_own_copies() if step_input.unfinished_copy else []
        return _Left(
            [copy for copy in copies if _is_unfinished(copy, step_input)], self._half_restored(step_input, target)
        )

    def _half_restored(self, step_input: RemoveLeftoversInput, target: TargetCluster) -> DBClusterTypeDef | None:
        """The cluster that this operation restored; one that only has the target's name is somebody else's."""
        if step_input.cluster_resource_id is None:
            return None
        cluster = target.find_by_resource_id(step_input.cluster_resource_id)
        if cluster is None:
            return None
        going = cluster["Status"] in BEING_DELETED  # nobody can take it over any more
        if not going and not _is_restored_by(cluster, step_input):
            return None
        if not going and cluster["DBClusterIdentifier"] != step_input.target.cluster:
            raise Refused(
                "Half-restored cluster was renamed",
                f"{step_input.cluster_resource_id}, which {step_input.operation_id} restored as {step_input.target.cluster}, is "
                f"{cluster['DBClusterIdentifier']} now ({cluster['Status']}). Whoever renames it wants to keep it: it "
                "stays. See whether it has its instances.",
            )
        if self._intents.has_succeeded(Step.SETUP_DB_USERS, step_input.operation_id, cluster["ClusterCreateTime"]):
            return None
        return cluster

    def _remove(self, step_input: RemoveLeftoversInput, target: TargetCluster, left: _Left) -> None:
        """Guards and intent before the first call: no row, no call."""
        target.check_account()
        if left.cluster:
            caller = target.caller_account()
            seen = ObservedTarget(
                step_input.source, step_input.target, left.cluster, guards.known_resource_ids(), caller
            )
            guards.refuse_if_any(guards.guard_violations(seen))
        self._intents.declare(Housekeeping.REMOVE_LEFTOVERS, step_input, f"Removing {left.text}", left.arns)
        # The guards and the trail took their time: what is removed is looked at once more, just before.
        still = self._left(step_input, target).untouched
        for copy in still.copies:
            if copy["DBClusterSnapshotArn"] in left.arns:
                target.delete_copy_unless_busy(copy["DBClusterSnapshotIdentifier"])
        if left.cluster and still.cluster:
            target.delete_members(still.cluster)
            target.delete_cluster()


def _is_unfinished(copy: DBClusterSnapshotTypeDef, step_input: RemoveLeftoversInput) -> bool:
    """Whether it is this night's own copy of the snapshot that it chose, and cannot be restored from."""
    ours = operation_of(copy) == step_input.operation_id
    chosen = tags.tags_of(copy.get("TagList", [])).get(tags.SOURCE_SNAPSHOT) == step_input.snapshot_arn
    return ours and chosen and copy["Status"] not in ("available", "deleted")


def _is_restored_by(cluster: DBClusterTypeDef, step_input: RemoveLeftoversInput) -> bool:
    """Whether it still bears the marks of the restore: who takes them away takes the cluster away from us."""
    marks = tags.tags_of(cluster.get("TagList", []))
    return marks.get(tags.OPERATION) == step_input.operation_id and tags.RESTORED_FROM in marks


def _lives(target: TargetCluster, resource_id: str | None) -> bool:
    """Whether there is a cluster of this resource id, under whatever name and with whatever marks."""
    return resource_id is not None and target.find_by_resource_id(resource_id) is not None
