"""remove-leftovers and remove-orphans: what nights leave half-done, removed where an operator asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from activities import guards, tags
from activities.clusters import delete_cluster, delete_members
from activities.faults import Action, action_for
from activities.guards import Sighting
from activities.orphans import operation_of, orphans, own_copies
from activities.statuses import Meaning, snapshot_meaning
from activities.step import Intents, final_look_over, named_activity
from clients.aws import AwsClients
from clients.rds import find_cluster
from errors import ResourceBusy
from models.leftovers import RemoveLeftoversInput, RemoveOrphansInput
from models.operation import StepOutcome
from models.request import Target
from models.steps import Housekeeping

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef, DBClusterTypeDef


class LeftoverActivities:
    """Removes what is this pipeline's own and of no use any more."""

    def __init__(self, aws: AwsClients, intents: Intents) -> None:
        """`intents` is the trail, without which nothing is removed."""
        self._aws = aws
        self._intents = intents

    @named_activity(Housekeeping.REMOVE_LEFTOVERS.value)
    def remove_leftovers(self, of: RemoveLeftoversInput) -> StepOutcome:
        """Remove this operation's unfinished copy and half-restored cluster, as far as it is asked to.

        A copy is one that bears this operation's tag and a name of the pipeline; the cluster is the one of the resource
        id that restore-snapshot answered, and it passes every guard of delete-rds. Done when both are gone.
        Raises `Refused` if a guard says no.
        Run twice: what is gone already is no error, and what is being deleted is left to go; the trail holds what the
        operation declared, and the answer names that.
        """
        rds = self._aws.rds(of.target, of.operation_id)
        copies = self._unfinished_copies(of, rds) if of.unfinished_copy else []
        cluster = _half_restored(of, rds)
        if not copies and cluster is None:
            return self._over(Housekeeping.REMOVE_LEFTOVERS, of.operation_id, "Leftovers removed")
        left = _listed(copies, cluster)
        final_look_over(of, f"Leftovers not removed: {left}", "Remove it by hand, or leave it to the next night.")
        if copies or (cluster and cluster["Status"] != "deleting"):
            self._remove(of, rds, copies, cluster, left)
        return StepOutcome(done=False, details=f"removing {left}", resource_arns=_arns(copies, cluster))

    @named_activity(Housekeeping.REMOVE_ORPHANS.value)
    def remove_orphans(self, of: RemoveOrphansInput) -> StepOutcome:
        """Remove the orphans of the target's earlier nights; no night may run meanwhile, which the workflow sees to.

        Raises `Refused` if the credentials are another account's, `ResourceBusy` (transient) if RDS did not let go of
        one of them.
        Run twice: nothing is left to remove; the trail holds what was declared, and the answer names that.
        """
        rds = self._aws.rds(of.target, of.operation_id)
        found = orphans(own_copies(rds, of.target), of.archive.keep)
        if found:
            self._check_account(of.target, of.operation_id)
            names = ", ".join(orphan.identifier for orphan in found)
            arns = tuple(orphan.arn for orphan in found)
            self._intents.declare(Housekeeping.REMOVE_ORPHANS, of, f"Removing {names}", arns)
            if busy := [orphan.identifier for orphan in found if not _deleted(rds, orphan.identifier)]:
                raise ResourceBusy("Snapshot is busy", f"RDS does not delete {', '.join(busy)} just now.")
        return self._over(Housekeeping.REMOVE_ORPHANS, of.operation_id, "Orphans removed")

    def _over(self, what: Housekeeping, operation_id: str, details: str) -> StepOutcome:
        removed = self._intents.declared_resources(what, operation_id)
        return StepOutcome(details=details if removed else "Nothing to remove", resource_arns=removed)

    def _unfinished_copies(self, of: RemoveLeftoversInput, rds: RDSClient) -> list[DBClusterSnapshotTypeDef]:
        return [
            copy
            for copy in own_copies(rds, of.target)
            if operation_of(copy) == of.operation_id and _is_unfinished(copy["Status"])
        ]

    def _remove(
        self,
        of: RemoveLeftoversInput,
        rds: RDSClient,
        copies: list[DBClusterSnapshotTypeDef],
        cluster: DBClusterTypeDef | None,
        left: str,
    ) -> None:
        """Guards and intent before the first call: no row, no call."""
        if cluster:
            caller = self._aws.sts(of.target, of.operation_id).get_caller_identity()["Account"]
            guards.refuse_if_any(guards.violations(Sighting(of.source, of.target, cluster, guards.known(), caller)))
        else:
            self._check_account(of.target, of.operation_id)
        self._intents.declare(Housekeeping.REMOVE_LEFTOVERS, of, f"Removing {left}", _arns(copies, cluster))
        for copy in copies:
            _deleted(rds, copy["DBClusterSnapshotIdentifier"])
        if cluster and cluster["Status"] != "deleting":
            delete_members(rds, cluster)
            delete_cluster(rds, of.target.cluster)

    def _check_account(self, target: Target, operation_id: str) -> None:
        caller = self._aws.sts(target, operation_id).get_caller_identity()["Account"]
        if wrong := guards.wrong_target_account(target, caller):
            guards.refuse_if_any([wrong])


def _half_restored(of: RemoveLeftoversInput, rds: RDSClient) -> DBClusterTypeDef | None:
    """The cluster that this operation restored; one that only has the target's name is somebody else's."""
    if of.cluster_resource_id is None or (cluster := find_cluster(rds, of.target.cluster)) is None:
        return None
    marks = tags.tags_of(cluster.get("TagList", []))
    ours = marks.get(tags.OPERATION) == of.operation_id and tags.RESTORED_FROM in marks
    return cluster if ours and cluster["DbClusterResourceId"] == of.cluster_resource_id else None


def _is_unfinished(status: str) -> bool:
    return status == "failed" or snapshot_meaning(status) in (Meaning.WAIT, Meaning.UNKNOWN)


def _listed(copies: list[DBClusterSnapshotTypeDef], cluster: DBClusterTypeDef | None) -> str:
    parts = [f"{copy['DBClusterSnapshotIdentifier']} ({copy['Status']})" for copy in copies]
    return ", ".join([*parts, *([f"{cluster['DBClusterIdentifier']} ({cluster['Status']})"] if cluster else [])])


def _arns(copies: list[DBClusterSnapshotTypeDef], cluster: DBClusterTypeDef | None) -> tuple[str, ...]:
    return tuple([copy["DBClusterSnapshotArn"] for copy in copies] + ([cluster["DBClusterArn"]] if cluster else []))


def _deleted(rds: RDSClient, copy: str) -> bool:
    """Whether RDS took the deletion, or knows the copy no longer; a copy under way is ended by it.

    Source: RDS API Reference, CopyDBClusterSnapshot.
    """
    try:
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copy)
    except ClientError as error:
        if (action := action_for(error)) not in (Action.ABSENT, Action.WAIT):
            raise
        return action is Action.ABSENT
    return True
