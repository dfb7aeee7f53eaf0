"""The cluster's steps: delete-rds and restore-snapshot. Its coming up is in restored_cluster.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from activities.preflight import guards
from activities.preflight.guards import ObservedTarget
from activities.rds import tags
from activities.rds.aws_errors import Action, action_for
from activities.rds.provenance import provenance_mismatch
from activities.rds.target import TargetCluster
from activities.step import Intents, end_wait_if_final, now, step_activity
from clients.aws import AwsClients
from errors import Refused, ResourceBusy, StepFailed
from models.clusters import DeleteClusterInput, RestoreClusterInput, RestoreClusterOutcome
from models.configuration import SETTINGS_FACT, ClusterConfiguration
from models.operation import StepOutcome
from models.steps import Step

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef


class ClusterActivities:
    """Deletes the target and restores it from the copy."""

    def __init__(self, aws: AwsClients, intents: Intents) -> None:
        """`intents` is the trail, without which nothing is deleted."""
        self._aws = aws
        self._intents = intents

    @step_activity(Step.DELETE_RDS)
    def delete_rds(self, step_input: DeleteClusterInput) -> StepOutcome:
        """Delete the target: guards, intent, readers, writer, cluster; done when RDS no longer knows it.

        Only the cluster that snapshot-check saw, told by its resource id, is ever deleted.
        Raises `Refused` if a guard says no, `StepFailed` if the target vanished without this operation.
        Source: RDS API Reference, DeleteDBInstance, DeleteDBCluster.
        Run twice: what is being deleted is left to go, what is gone is success if the trail holds this operation's
        intent; a cluster restored since, by this operation or another, is refused.
        """
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        cluster = target.find()
        if cluster is None:
            return self._gone(step_input, target)
        if _restored_here(step_input, cluster):
            raise Refused(
                "Restored by this operation",
                f"{cluster['DBClusterArn']} was restored by {step_input.operation_id} itself, and no step of it that is taken "
                "again deletes that. Retry from a later step, or start a new night, which replaces it.",
            )
        if cluster["DbClusterResourceId"] != step_input.target_resource_id:
            raise another_cluster(cluster, step_input.target_resource_id, "snapshot-check saw")
        if cluster["Status"] == "deleting":
            then = "It goes on without us, then the target is gone: run the night again."
            end_wait_if_final(step_input, "Deletion under way", then)
        else:
            # Before any call: who cancels to save the target must not have it deleted by the look that ends the wait.
            end_wait_if_final(
                step_input, "Target not deleted", "See whether it has its instances; the next night deletes it."
            )
            self._delete(step_input, target, cluster)
        return _deleting(step_input)

    def _delete(self, step_input: DeleteClusterInput, target: TargetCluster, cluster: DBClusterTypeDef) -> None:
        self._guard(step_input, target, cluster)
        details = f"Deleting {step_input.target.cluster} ({step_input.target_resource_id})"
        carried = step_input.target_settings
        settings = {SETTINGS_FACT: carried.model_dump_json(exclude_none=True)} if carried else {}
        self._intents.declare(Step.DELETE_RDS, step_input, details, (step_input.target.arn,), settings)
        # The guards and the trail took their time: what is deleted is looked at once more, just before.
        still = target.find()
        if still and still["DbClusterResourceId"] == step_input.target_resource_id:
            target.delete_members(still)
            target.delete_cluster()

    def _gone(self, step_input: DeleteClusterInput, target: TargetCluster) -> StepOutcome:
        # Another account has no cluster of ours, which is no proof that it was deleted.
        target.check_account()
        if step_input.target_resource_id and (renamed := target.find_by_resource_id(step_input.target_resource_id)):
            return _renamed(step_input, renamed)
        if self._intents.has_intent(Step.DELETE_RDS, step_input.operation_id):
            return StepOutcome(details="Deleted existing cluster", resource_arns=(step_input.target.arn,))
        if step_input.target_resource_id is None:
            return StepOutcome(details="No cluster to delete")
        raise StepFailed(
            "Cluster not found",
            f"{step_input.target.arn} was there when the night began and is gone, though this operation did not delete it. "
            "See who did; to restore without a target, say target.missing: create.",
            code="DBClusterNotFoundFault",
        )

    def _guard(self, step_input: DeleteClusterInput, target: TargetCluster, cluster: DBClusterTypeDef) -> None:
        caller = target.caller_account()
        sources = guards.known_resource_ids(step_input.source_resource_id, step_input.snapshot.cluster_resource_id)
        seen = ObservedTarget(step_input.source, step_input.target, cluster, sources, caller)
        guards.refuse_if_any(
            [
                *guards.guard_violations(seen),
                *self._copy_violations(step_input, target),
                *self._age_violations(step_input),
            ]
        )

    def _copy_violations(self, step_input: DeleteClusterInput, target: TargetCluster) -> list[guards.Violation]:
        """Nothing is deleted before its replacement is there."""
        copy = target.find_snapshot(step_input.snapshot_copy.identifier)
        status = copy["Status"] if copy else "gone"
        if copy and (strange := provenance_mismatch(copy, step_input.snapshot)):
            return [guards.Violation("copy-source", "Copy is of another snapshot", strange)]
        if status == "available":
            return []
        text = f"{step_input.snapshot_copy.arn} is {status}, wanted available; the target stays as it is. Start again."
        return [guards.Violation("copy-available", "No snapshot to restore from", text)]

    def _age_violations(self, step_input: DeleteClusterInput) -> list[guards.Violation]:
        """A night that was held up for long replaces nothing by old data; a deletion that has begun goes on."""
        age, max_age = now() - step_input.snapshot.created_at, step_input.max_snapshot_age
        if max_age is None or age <= max_age or self._intents.has_intent(Step.DELETE_RDS, step_input.operation_id):
            return []
        text = (
            f"{step_input.snapshot.arn} is {age.total_seconds() / 3600:.0f} h old, wanted at most "
            f"{max_age.total_seconds() / 3600:.0f} h when the deletion begins: the age limit of the request and the "
            "time that the copy may take. The target stays as it is; start a new night."
        )
        return [guards.Violation("snapshot-age", "Snapshot too old", text)]

    @step_activity(Step.RESTORE_SNAPSHOT)
    def restore_snapshot(self, step_input: RestoreClusterInput) -> RestoreClusterOutcome:
        """Have a cluster under the target's name, restored from the copy by this operation.

        The engine version is pinned to the snapshot's: left out, RDS takes the region's default.
        Source: RDS API Reference, RestoreDBClusterFromSnapshot.
        Run twice: one cluster; one that carries this operation's tag is adopted, any other is refused.
        """
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        cluster = target.find()
        if cluster is None:
            cluster = self._restore(target, step_input)
        if cluster["Status"] == "deleting":
            # RDS answers from more than one place: the old one may be seen once more after it was gone.
            raise ResourceBusy("Old cluster still being deleted", f"{step_input.target.arn} is deleting, wanted gone.")
        found = tags.tags_of(cluster.get("TagList", []))
        if (
            found.get(tags.OPERATION) != step_input.operation_id
            or found.get(tags.RESTORED_FROM) != step_input.snapshot_copy.arn
        ):
            raise Refused(
                "Another cluster has the target's name",
                f"{cluster['DBClusterArn']} is there and was not restored by {step_input.operation_id} from "
                f"{step_input.snapshot_copy.arn}. Somebody made it since the deletion; see whose it is, then start again.",
            )
        return RestoreClusterOutcome(
            details="Started restore process",
            resource_arns=(cluster["DBClusterArn"], step_input.snapshot_copy.arn),
            cluster_arn=cluster["DBClusterArn"],
            cluster_resource_id=cluster["DbClusterResourceId"],
        )

    def _restore(self, target: TargetCluster, step_input: RestoreClusterInput) -> DBClusterTypeDef:
        copy = target.find_snapshot(step_input.snapshot_copy.identifier)
        if copy and (strange := provenance_mismatch(copy, step_input.snapshot)):
            raise Refused("Copy is of another snapshot", strange)
        try:
            return target.restore(**_restore_arguments(step_input))
        except ClientError as error:
            if action_for(error) is not Action.ADOPT:
                raise
            if cluster := target.find():
                return cluster
            # The name is taken, though no cluster answers to it yet: the next attempt will see which it is.
            raise ResourceBusy(
                "Cluster not to be seen yet", f"{step_input.target.arn} exists, but RDS does not show it."
            ) from error


def _restored_here(step_input: DeleteClusterInput, cluster: DBClusterTypeDef) -> bool:
    """Whether this operation made it: not by the tag alone, since other tables count from op-001 too."""
    tagged = tags.tags_of(cluster.get("TagList", [])).get(tags.OPERATION) == step_input.operation_id
    return (
        tagged
        and step_input.operation_started_at is not None
        and cluster["ClusterCreateTime"] >= step_input.operation_started_at
    )


def another_cluster(found: DBClusterTypeDef, wanted: str | None, which: str) -> Refused:
    """The target's name leads to a cluster that is not the one wanted, by its resource id; `which` says who knows it."""
    return Refused(
        "Another cluster has the target's name",
        f"{found['DBClusterArn']} is {found['DbClusterResourceId']}, wanted {wanted or 'none'}, which {which}. "
        "Somebody made it since; see whose it is, then start again.",
    )


def _deleting(step_input: DeleteClusterInput) -> StepOutcome:
    return StepOutcome(done=False, details="deleting", resource_arns=(step_input.target.arn,))


def _renamed(step_input: DeleteClusterInput, renamed: DBClusterTypeDef) -> StepOutcome:
    """Whoever renames a cluster that is being replaced wants to keep it: nothing more of it is deleted."""
    if renamed["Status"] == "deleting":
        return _deleting(step_input)
    raise Refused(
        "Target was renamed",
        f"{step_input.target_resource_id}, which snapshot-check saw as {step_input.target.cluster}, "
        f"is {renamed['DBClusterIdentifier']} "
        f"now ({renamed['Status']}). Nothing more of it is deleted; see whether it has its instances. Rename it back "
        "and start again, or, if it is to be kept, start a night with target.missing: create.",
    )


def _restore_arguments(step_input: RestoreClusterInput) -> dict[str, Any]:
    target, configuration = step_input.target, step_input.configuration
    own_tags = {
        tags.REPLACED_BY: step_input.source_arn,
        tags.OPERATION: step_input.operation_id,
        tags.RESTORED_FROM: step_input.snapshot_copy.arn,
    }
    wanted = {
        "SnapshotIdentifier": step_input.snapshot_copy.arn,
        "Engine": step_input.snapshot.engine,
        "EngineVersion": step_input.snapshot.engine_version,
        "DBSubnetGroupName": configuration.db_subnet_group_name,
        "VpcSecurityGroupIds": list(configuration.vpc_security_group_ids),
        "DBClusterParameterGroupName": configuration.db_cluster_parameter_group_name,
        "KmsKeyId": target.kms_key_id if not step_input.snapshot_copy.copied else None,
        "Port": configuration.port,
        "DeletionProtection": False,
        "EnableIAMDatabaseAuthentication": configuration.iam_database_authentication,
        "EnableCloudwatchLogsExports": list(configuration.cloudwatch_logs_exports or ()) or None,
        "BackupRetentionPeriod": configuration.backup_retention_days,
        "PreferredBackupWindow": configuration.preferred_backup_window,
        "CopyTagsToSnapshot": configuration.copy_tags_to_snapshot is not False,
        "ServerlessV2ScalingConfiguration": _scaling(configuration),
        "Tags": tags.tag_list((configuration.tags or {}) | own_tags),
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _scaling(configuration: ClusterConfiguration) -> dict[str, float] | None:
    scaling = configuration.serverless_v2_scaling
    return {"MinCapacity": scaling.min_capacity, "MaxCapacity": scaling.max_capacity} if scaling else None
