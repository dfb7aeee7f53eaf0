"""The cluster's steps: delete-rds and restore-snapshot. Its coming up is in restored_cluster.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from activities.preflight import guards
from activities.preflight.guards import Sighting
from activities.rds import tags
from activities.rds.aws_errors import Action, action_for
from activities.rds.provenance import stranger
from activities.step import Intents, final_look_over, now, step_activity
from clients.aws import AwsClients
from clients.rds import find_cluster, find_cluster_by_resource_id, find_snapshot, list_instances
from errors import Refused, ResourceBusy, StepFailed
from models.clusters import DeleteClusterInput, RestoreClusterInput, RestoreClusterOutcome
from models.configuration import SETTINGS_FACT, ClusterConfiguration
from models.operation import StepOutcome
from models.steps import Step

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import DBClusterTypeDef


class ClusterActivities:
    """Deletes the target and restores it from the copy."""

    def __init__(self, aws: AwsClients, intents: Intents) -> None:
        """`intents` is the trail, without which nothing is deleted."""
        self._aws = aws
        self._intents = intents

    @step_activity(Step.DELETE_RDS)
    def delete_rds(self, of: DeleteClusterInput) -> StepOutcome:
        """Delete the target: guards, intent, readers, writer, cluster; done when RDS no longer knows it.

        Only the cluster that snapshot-check saw, told by its resource id, is ever deleted.
        Raises `Refused` if a guard says no, `StepFailed` if the target vanished without this operation.
        Source: RDS API Reference, DeleteDBInstance, DeleteDBCluster.
        Run twice: what is being deleted is left to go, what is gone is success if the trail holds this operation's
        intent; a cluster restored since, by this operation or another, is refused.
        """
        rds = self._aws.rds(of.target, of.operation_id)
        cluster = find_cluster(rds, of.target.cluster)
        if cluster is None:
            return self._gone(of, rds)
        if _restored_here(of, cluster):
            raise Refused(
                "Restored by this operation",
                f"{cluster['DBClusterArn']} was restored by {of.operation_id} itself, and no step of it that is taken "
                "again deletes that. Retry from a later step, or start a new night, which replaces it.",
            )
        if cluster["DbClusterResourceId"] != of.target_resource_id:
            raise another_cluster(cluster, of.target_resource_id, "snapshot-check saw")
        if cluster["Status"] == "deleting":
            then = "It goes on without us, then the target is gone: run the night again."
            final_look_over(of, "Deletion under way", then)
        else:
            # Before any call: who cancels to save the target must not have it deleted by the look that ends the wait.
            final_look_over(of, "Target not deleted", "See whether it has its instances; the next night deletes it.")
            self._delete(of, rds, cluster)
        return _deleting(of)

    def _delete(self, of: DeleteClusterInput, rds: RDSClient, cluster: DBClusterTypeDef) -> None:
        self._guard(of, cluster)
        details = f"Deleting {of.target.cluster} ({of.target_resource_id})"
        settings = {SETTINGS_FACT: of.live.model_dump_json(exclude_none=True)} if of.live else {}
        self._intents.declare(Step.DELETE_RDS, of, details, (of.target.arn,), settings)
        # The guards and the trail took their time: what is deleted is looked at once more, just before.
        if (still := find_cluster(rds, of.target.cluster)) and still["DbClusterResourceId"] == of.target_resource_id:
            delete_members(rds, still)
            delete_cluster(rds, of.target.cluster)

    def _gone(self, of: DeleteClusterInput, rds: RDSClient) -> StepOutcome:
        # In another account nothing of ours is there, which is no reason to call it deleted.
        caller = self._aws.sts(of.target, of.operation_id).get_caller_identity()["Account"]
        if wrong := guards.wrong_target_account(of.target, caller):
            guards.refuse_if_any([wrong])
        if of.target_resource_id and (renamed := find_cluster_by_resource_id(rds, of.target_resource_id)):
            return _renamed(of, renamed)
        if self._intents.declared(Step.DELETE_RDS, of.operation_id):
            return StepOutcome(details="Deleted existing cluster", resource_arns=(of.target.arn,))
        if of.target_resource_id is None:
            return StepOutcome(details="No cluster to delete")
        raise StepFailed(
            "Cluster not found",
            f"{of.target.arn} was there when the night began and is gone, though this operation did not delete it. "
            "See who did; to restore without a target, say target.missing: create.",
            code="DBClusterNotFoundFault",
        )

    def _guard(self, of: DeleteClusterInput, cluster: DBClusterTypeDef) -> None:
        caller = self._aws.sts(of.target, of.operation_id).get_caller_identity()["Account"]
        sources = guards.known(of.source_resource_id, of.snapshot.cluster_resource_id)
        seen = Sighting(of.source, of.target, cluster, sources, caller)
        guards.refuse_if_any([*guards.violations(seen), *self._copy_violations(of), *self._age_violations(of)])

    def _copy_violations(self, of: DeleteClusterInput) -> list[guards.Violation]:
        """Nothing is deleted before its replacement is there."""
        copy = find_snapshot(self._aws.rds(of.target, of.operation_id), of.snapshot_copy.identifier)
        status = copy["Status"] if copy else "gone"
        if copy and (strange := stranger(copy, of.snapshot)):
            return [guards.Violation("copy-source", "Copy is of another snapshot", strange)]
        if status == "available":
            return []
        text = f"{of.snapshot_copy.arn} is {status}, wanted available; the target stays as it is. Start again."
        return [guards.Violation("copy-available", "No snapshot to restore from", text)]

    def _age_violations(self, of: DeleteClusterInput) -> list[guards.Violation]:
        """A night that was held up for long replaces nothing by old data; a deletion that has begun goes on."""
        age = now() - of.snapshot.created_at
        if of.oldest is None or age <= of.oldest or self._intents.declared(Step.DELETE_RDS, of.operation_id):
            return []
        text = (
            f"{of.snapshot.arn} is {age.total_seconds() / 3600:.0f} h old, wanted at most "
            f"{of.oldest.total_seconds() / 3600:.0f} h when the deletion begins: the age limit of the request and the "
            "time that the copy may take. The target stays as it is; start a new night."
        )
        return [guards.Violation("snapshot-age", "Snapshot too old", text)]

    @step_activity(Step.RESTORE_SNAPSHOT)
    def restore_snapshot(self, of: RestoreClusterInput) -> RestoreClusterOutcome:
        """Have a cluster under the target's name, restored from the copy by this operation.

        The engine version is pinned to the snapshot's: left out, RDS takes the region's default.
        Source: RDS API Reference, RestoreDBClusterFromSnapshot.
        Run twice: one cluster; one that carries this operation's tag is adopted, any other is refused.
        """
        rds = self._aws.rds(of.target, of.operation_id)
        cluster = find_cluster(rds, of.target.cluster) or self._restore(rds, of)
        if cluster["Status"] == "deleting":
            # RDS answers from more than one place: the old one may be seen once more after it was gone.
            raise ResourceBusy("Old cluster still being deleted", f"{of.target.arn} is deleting, wanted gone.")
        found = tags.tags_of(cluster.get("TagList", []))
        if found.get(tags.OPERATION) != of.operation_id or found.get(tags.RESTORED_FROM) != of.snapshot_copy.arn:
            raise Refused(
                "Another cluster has the target's name",
                f"{cluster['DBClusterArn']} is there and was not restored by {of.operation_id} from "
                f"{of.snapshot_copy.arn}. Somebody made it since the deletion; see whose it is, then start again.",
            )
        return RestoreClusterOutcome(
            details="Started restore process",
            resource_arns=(cluster["DBClusterArn"], of.snapshot_copy.arn),
            cluster_arn=cluster["DBClusterArn"],
            cluster_resource_id=cluster["DbClusterResourceId"],
        )

    def _restore(self, rds: RDSClient, of: RestoreClusterInput) -> DBClusterTypeDef:
        copy = find_snapshot(rds, of.snapshot_copy.identifier)
        if copy and (strange := stranger(copy, of.snapshot)):
            raise Refused("Copy is of another snapshot", strange)
        try:
            return rds.restore_db_cluster_from_snapshot(**_restore_arguments(of))["DBCluster"]
        except ClientError as error:
            if action_for(error) is not Action.ADOPT:
                raise
            if cluster := find_cluster(rds, of.target.cluster):
                return cluster
            # The name is taken, though no cluster answers to it yet: the next attempt will see which it is.
            raise ResourceBusy(
                "Cluster not to be seen yet", f"{of.target.arn} exists, but RDS does not show it."
            ) from error


def _restored_here(of: DeleteClusterInput, cluster: DBClusterTypeDef) -> bool:
    """Whether this operation made it: not by the tag alone, since other tables count from op-001 too."""
    tagged = tags.tags_of(cluster.get("TagList", [])).get(tags.OPERATION) == of.operation_id
    return tagged and of.night_began_at is not None and cluster["ClusterCreateTime"] >= of.night_began_at


def another_cluster(found: DBClusterTypeDef, wanted: str | None, which: str) -> Refused:
    """The target's name leads to a cluster that is not the one wanted, by its resource id; `which` says who knows it."""
    return Refused(
        "Another cluster has the target's name",
        f"{found['DBClusterArn']} is {found['DbClusterResourceId']}, wanted {wanted or 'none'}, which {which}. "
        "Somebody made it since; see whose it is, then start again.",
    )


def _deleting(of: DeleteClusterInput) -> StepOutcome:
    return StepOutcome(done=False, details="deleting", resource_arns=(of.target.arn,))


def _renamed(of: DeleteClusterInput, renamed: DBClusterTypeDef) -> StepOutcome:
    """Whoever renames a cluster that is being replaced wants to keep it: nothing more of it is deleted."""
    if renamed["Status"] == "deleting":
        return _deleting(of)
    raise Refused(
        "Target was renamed",
        f"{of.target_resource_id}, which snapshot-check saw as {of.target.cluster}, is {renamed['DBClusterIdentifier']} "
        f"now ({renamed['Status']}). Nothing more of it is deleted; see whether it has its instances. Rename it back "
        "and start again, or, if it is to be kept, start a night with target.missing: create.",
    )


def _restore_arguments(of: RestoreClusterInput) -> dict[str, Any]:
    target, configuration = of.target, of.configuration
    own_tags = {
        tags.REPLACED_BY: of.source_arn,
        tags.OPERATION: of.operation_id,
        tags.RESTORED_FROM: of.snapshot_copy.arn,
    }
    wanted = {
        "DBClusterIdentifier": target.cluster,
        "SnapshotIdentifier": of.snapshot_copy.arn,
        "Engine": of.snapshot.engine,
        "EngineVersion": of.snapshot.engine_version,
        "DBSubnetGroupName": configuration.db_subnet_group_name,
        "VpcSecurityGroupIds": list(configuration.vpc_security_group_ids),
        "DBClusterParameterGroupName": configuration.db_cluster_parameter_group_name,
        "KmsKeyId": target.kms_key_id if not of.snapshot_copy.made_here else None,
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


def delete_members(rds: RDSClient, cluster: DBClusterTypeDef) -> None:
    """Readers first, then the writer, so that no reader is promoted only to be deleted."""
    members = cluster.get("DBClusterMembers", [])
    going = {
        instance["DBInstanceIdentifier"]
        for instance in list_instances(rds, cluster["DBClusterIdentifier"])
        if instance["DBInstanceStatus"] == "deleting"
    }
    for member in sorted(members, key=lambda member: member["IsClusterWriter"]):
        if member["DBInstanceIdentifier"] not in going:
            _delete_instance(rds, member["DBInstanceIdentifier"])


def _delete_instance(rds: RDSClient, identifier: str) -> None:
    try:
        rds.delete_db_instance(DBInstanceIdentifier=identifier, SkipFinalSnapshot=True)
    except ClientError as error:
        if action_for(error) not in (Action.ABSENT, Action.WAIT):
            raise


def delete_cluster(rds: RDSClient, identifier: str) -> None:
    """RDS takes this once every member is being deleted; until then it says so and the next look asks again."""
    try:
        rds.delete_db_cluster(DBClusterIdentifier=identifier, SkipFinalSnapshot=True)
    except ClientError as error:
        if action_for(error) not in (Action.ABSENT, Action.WAIT):
            raise
