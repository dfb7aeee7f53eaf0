"""The steps delete-rds and restore-snapshot; restored.py has what follows the restore."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from activities.preflight import guards
from activities.preflight.blockers import blocker_checks
from activities.preflight.guards import ObservedTarget, Violation
from activities.rds import tags
from activities.rds.aws_errors import rule_for
from activities.rds.fault_table import Action
from activities.rds.provenance import (
    check_not_restored_since,
    check_provenance,
    check_resource_id,
    check_still_restored,
    is_identified,
    provenance_mismatch,
)
from activities.rds.renames import NamedCluster
from activities.rds.restore_parameters import restore_parameters
from activities.rds.shared_polls import SharedPolls
from activities.rds.stops import start_if_stopped
from activities.rds.target import TargetCluster
from activities.rds.target_deletion import delete_target, with_what_is_left
from activities.step import Intents, end_wait_if_final, step_activity
from clients.aws import AwsClients
from errors import Refused, ResourceBusy, StepFailed
from models.checks import Comparison, checks_fact
from models.clusters import DeleteClusterInput, RestoreClusterInput, RestoreClusterOutcome
from models.configuration import SETTINGS_FACT
from models.drill import DRILL_FACT
from models.step_call import StepOutcome
from models.steps import Step
from models.waits import Change
from waiting.clock import now

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef


class ClusterActivities:
    """Deletes the target and restores it from the copy."""

    def __init__(self, aws: AwsClients, intents: Intents) -> None:
        """`intents` is the trail; without a row in it nothing is deleted."""
        self._aws = aws
        self._intents = intents

    @step_activity(Step.DELETE_RDS)
    def delete_rds(self, step_input: DeleteClusterInput) -> StepOutcome:
        """Delete the target: guards, intent, readers, writer, cluster. Done when RDS no longer knows the cluster.

        A stopped target is started first, if the request allows it, because RDS does not delete a stopped one.
        Deletes only the cluster that snapshot-check saw, identified by its resource id.
        Raises `Refused` if a guard refuses, `StepFailed` if the target vanished without this operation.
        Source: RDS API Reference, DeleteDBInstance, DeleteDBCluster, StartDBCluster.
        Run twice: a deletion under way continues, and an absent cluster is success if the trail holds this operation's
        intent; a cluster that was restored since, by this operation or another, is refused; one that is being renamed waits.
        """
        if self._is_being_deleted(step_input):
            return _deletion_under_way(step_input)
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        cluster = target.find()
        if cluster is None:
            return self._confirm_absence(step_input, target)
        check_not_restored_since(cluster, target.operation_tag, step_input.operation_started_at)
        check_resource_id(cluster, step_input.target_resource_id, "as seen by snapshot-check")
        if successor := step_input.successor:
            named = step_input.target.model_copy(update={"cluster": successor.cluster})
            new = TargetCluster(self._aws, named, step_input.operation_id)
            check_still_restored(new, named.arn, successor.cluster_resource_id)
        if cluster["Status"] == "deleting":
            end_wait_if_final(step_input, "Deletion under way", "RDS continues it; retry when the target is gone.")
            return _deletion_under_way(step_input)
        # Before any call: an operator who cancels to save the target must not lose it to the final poll.
        advice = "Check whether the target still has its instances; a retry deletes it."
        end_wait_if_final(step_input, "Target not deleted", advice)
        passed = self._check_guards(step_input, target, cluster)
        arns = (step_input.target.arn,)
        if NamedCluster(cluster, target.name).is_renaming:
            return StepOutcome(done=False, details="renaming", in_progress=(Change.CLUSTER_RENAME,), resource_arns=arns)
        if waiting_for := start_if_stopped(target, cluster):
            return StepOutcome(done=False, details=waiting_for, in_progress=(Change.CLUSTER_START,), resource_arns=arns)
        self._declare(step_input, passed)
        self._delete(step_input, target)
        return _deletion_under_way(step_input)

    def _is_being_deleted(self, step_input: DeleteClusterInput) -> bool:
        """Whether a read that other restores share says so; False if it says anything else, which is then read by name."""
        seen = SharedPolls(self._aws, step_input.target, step_input.operation_id).find_cluster()
        if seen is None or step_input.successor:
            return False
        return seen["Status"] == "deleting" and seen["DbClusterResourceId"] == step_input.target_resource_id

    def _confirm_absence(self, step_input: DeleteClusterInput, target: TargetCluster) -> StepOutcome:
        """The outcome if no cluster has the target's name: deleted, never there, renamed, or deleted by someone else."""
        # Another account has no cluster of ours, which is no proof that ours is deleted.
        target.check_account()
        resource_id = step_input.target_resource_id
        if resource_id and (renamed := target.find_by_resource_id(resource_id)):
            if renamed["Status"] == "deleting":
                return _deletion_under_way(step_input)
            raise _target_was_renamed(step_input, renamed)
        if self._intents.has_intent(Step.DELETE_RDS, step_input.operation_id):
            return StepOutcome(details="Deleted existing cluster", resource_arns=(step_input.target.arn,))
        if resource_id is None:
            return StepOutcome(details="No cluster to delete")
        raise StepFailed(
            "Cluster not found",
            f"{step_input.target.arn} existed when the restore began and is gone, but this operation did not delete it. "
            "Find out who deleted it. To restore without a target, set target.missing to create in the request and start "
            "a new restore.",
            code="DBClusterNotFoundFault",
        )

    def _check_guards(
        self, step_input: DeleteClusterInput, target: TargetCluster, cluster: DBClusterTypeDef
    ) -> list[Comparison]:
        """What was compared. Raises `Refused` with every reason not to delete the cluster, or not to go on with it."""
        sources = guards.known_resource_ids(step_input.source_resource_id, step_input.snapshot.cluster_resource_id)
        observed = ObservedTarget(
            step_input.source, step_input.target, cluster, sources, target.caller_account(), target.environment
        )
        try:
            guards.refuse_if_any(
                [
                    *guards.guard_violations(observed),
                    *guards.find_violations(blocker_checks(target.reader, cluster)),
                    *_copy_violations(step_input, target),
                    *self._age_violations(step_input),
                ]
            )
        except Refused as refused:
            if not self._intents.has_intent(Step.DELETE_RDS, step_input.operation_id):
                raise
            raise with_what_is_left(target, cluster, refused) from refused
        return [
            Comparison("resource-id", str(step_input.target_resource_id), cluster["DbClusterResourceId"]),
            *guards.guard_comparisons(observed),
            Comparison("copy-available", "available", "available"),
            *_compare_age(step_input),
        ]

    def _age_violations(self, step_input: DeleteClusterInput) -> list[Violation]:
        """A restore that was delayed for long must not delete newer data; a deletion that has begun continues."""
        age, max_age = now() - step_input.snapshot.created_at, step_input.max_snapshot_age
        if max_age is None or age <= max_age or self._intents.has_intent(Step.DELETE_RDS, step_input.operation_id):
            return []
        text = (
            f"{step_input.snapshot.arn} is {age.total_seconds() / 3600:.0f} h old, expected at most "
            f"{max_age.total_seconds() / 3600:.0f} h when the deletion begins: the age limit of the request and the time "
            "that the copy may take. The target was not deleted. Start a new restore."
        )
        return [Violation("snapshot-age", "Snapshot too old", text)]

    def _declare(self, step_input: DeleteClusterInput, passed: list[Comparison]) -> None:
        """Write the intent, with the target's settings; they would be lost with it if the restore never came."""
        details = f"Deleting {step_input.target.cluster} ({step_input.target_resource_id})"
        settings = step_input.target_settings
        facts = {SETTINGS_FACT: settings.model_dump_json(exclude_none=True)} if settings else {}
        self._intents.declare(
            Step.DELETE_RDS, step_input, details, (step_input.target.arn,), facts | checks_fact(passed)
        )

    def _delete(self, step_input: DeleteClusterInput, target: TargetCluster) -> None:
        # The guards and the trail took time: read the cluster again just before the first deletion.
        cluster = target.find()
        if cluster is None or NamedCluster(cluster, target.name).is_renaming:
            return
        if cluster["DbClusterResourceId"] == step_input.target_resource_id:
            delete_target(target, cluster)

    @step_activity(Step.RESTORE_SNAPSHOT)
    def restore_snapshot(self, step_input: RestoreClusterInput) -> RestoreClusterOutcome:
        """Restore a cluster under the target's name from the copy, or adopt the one that this operation restored.

        Not done while AWS has no room for it, or is busy with the copy. The engine version is the snapshot's; without one
        RDS would take the region's default.
        Raises `Refused` if another cluster has the name or the copy is of another snapshot, `ResourceBusy` (transient)
        while RDS still lists the old cluster or does not yet list the new one.
        Source: RDS API Reference, RestoreDBClusterFromSnapshot.
        Run twice: one cluster; one that has this operation's tags is adopted, any other is refused.
        """
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        cluster = target.find()
        if cluster is not None and not is_identified(cluster):
            cluster = _read_again(step_input, target)
        if cluster is None:
            restored = _restore(step_input, target)
            if isinstance(restored, RestoreClusterOutcome):
                return restored
            cluster = restored
        if cluster["Status"] == "deleting":
            # RDS reads are eventually consistent: the old cluster may be listed again after it was gone.
            raise ResourceBusy(
                "Old cluster still being deleted",
                f"{step_input.target.arn} is deleting, expected gone. The next attempt reads again.",
            )
        _check_restored_by(step_input, target, cluster)
        return RestoreClusterOutcome(
            details="Started restore process",
            resource_arns=(cluster["DBClusterArn"], step_input.snapshot_copy.arn),
            cluster_arn=cluster["DBClusterArn"],
            cluster_resource_id=cluster["DbClusterResourceId"],
            facts={DRILL_FACT: target.name} if step_input.target.drills else {},
        )


def _copy_violations(step_input: DeleteClusterInput, target: TargetCluster) -> list[Violation]:
    """Without an available copy of the right snapshot nothing may be deleted."""
    copy = target.find_snapshot(step_input.snapshot_copy.identifier)
    if copy and (mismatch := provenance_mismatch(copy, step_input.snapshot)):
        short = "Copy is of another snapshot" if step_input.snapshot_copy.copied else "Snapshot was replaced"
        return [Violation("copy-source", short, mismatch)]
    status = copy["Status"] if copy else "gone"
    if status == "available":
        return []
    text = (
        f"{step_input.snapshot_copy.arn} is {status}, expected available. The target was not deleted. "
        "Retry from copy-snapshot."
    )
    return [Violation("copy-available", "No snapshot to restore from", text)]


def _compare_age(step_input: DeleteClusterInput) -> Iterator[Comparison]:
    if (max_age := step_input.max_snapshot_age) is not None:
        age = now() - step_input.snapshot.created_at
        # `_age_violations` lets a deletion continue at any age.
        began = ", and the deletion had begun before" if age > max_age else ""
        actual = f"{timedelta(seconds=int(age.total_seconds()))}{began}"
        yield Comparison("snapshot-age", f"at most {max_age} when the deletion begins", actual)


def _deletion_under_way(step_input: DeleteClusterInput) -> StepOutcome:
    arns = (step_input.target.arn,)
    return StepOutcome(done=False, details="deleting", in_progress=(Change.CLUSTER_DELETION,), resource_arns=arns)


def _target_was_renamed(step_input: DeleteClusterInput, renamed: DBClusterTypeDef) -> Refused:
    """An owner who renames a cluster that is being replaced wants to keep it."""
    return Refused(
        "Target was renamed",
        f"{step_input.target_resource_id}, which snapshot-check saw as {step_input.target.cluster}, is now named "
        f"{renamed['DBClusterIdentifier']} ({renamed['Status']}). Nothing more of it is deleted; check whether it still "
        "has its instances. To replace it, rename it back and retry; to keep it, set target.missing to create in the "
        "request and start a new restore.",
    )


def _restore(step_input: RestoreClusterInput, target: TargetCluster) -> DBClusterTypeDef | RestoreClusterOutcome:
    """Start the restore; returns the cluster, or an outcome that is not done while AWS has no room for it."""
    # Before any call: a cancellation must not have the final poll start a restore.
    gone = "The target answers" if step_input.target.restores_beside else "The target is gone"
    advice = f"{gone}; the copy is available. Retry, or allow a longer wait."
    end_wait_if_final(step_input, "Restore not started", advice)
    copy = target.find_snapshot(step_input.snapshot_copy.identifier)
    if copy:
        check_provenance(copy, step_input.snapshot)
    try:
        answer = target.restore(**restore_parameters(step_input, target.operation_tag))
    except ClientError as error:
        rule = rule_for(error)
        if rule.action is Action.WAIT:
            return RestoreClusterOutcome(done=False, details=f"Waiting: {rule.short}", in_progress=(Change.CAPACITY,))
        if rule.action is not Action.ADOPT:
            raise
        return _read_again(step_input, target)
    return answer if is_identified(answer) else _read_again(step_input, target)


def _read_again(step_input: RestoreClusterInput, target: TargetCluster) -> DBClusterTypeDef:
    """The cluster as RDS lists it. Raises `ResourceBusy` (transient) until it lists the cluster with its tags."""
    cluster = target.find()
    if cluster is not None and is_identified(cluster):
        return cluster
    raise ResourceBusy(
        "Cluster not visible yet",
        f"RDS says that {step_input.target.arn} exists, but does not list it with its tags. The next attempt reads again.",
    )


def _check_restored_by(step_input: RestoreClusterInput, target: TargetCluster, cluster: DBClusterTypeDef) -> None:
    """Raise `Refused` unless the tags prove that this operation restored the cluster from this copy."""
    tagged = tags.tags_of(cluster.get("TagList", []))
    own = tagged.get(tags.OPERATION) == target.operation_tag
    if own and tagged.get(tags.RESTORED_FROM) == step_input.snapshot_copy.arn:
        return
    raise Refused(
        "Another cluster has the target's name",
        f"{cluster['DBClusterArn']} exists, but {step_input.operation_id} did not restore it from "
        f"{step_input.snapshot_copy.arn}. Find out who created it since the deletion. If it may be replaced, its owner "
        f"gives it the tag {tags.REPLACED_BY}; then start a new restore.",
    )
