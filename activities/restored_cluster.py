"""check-restore-status: the restored cluster, its instances and its master password.

A restored Aurora cluster has no instances and can be reached by nobody until one is created, and its master
password is the source's until it is replaced. Source: RDS API Reference, RestoreDBClusterFromSnapshot,
CreateDBInstance, ModifyDBCluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from activities.clusters import another_cluster
from activities.databases.passwords import read_password
from activities.rds import tags
from activities.rds.aws_errors import Action, action_for, pipeline_error_for
from activities.rds.statuses import BEING_DELETED, Meaning, cluster_meaning, instance_meaning
from activities.rds.target import TargetCluster
from activities.snapshots import NOT_FOUND_GRACE
from activities.step import end_wait_if_final, step_activity, time_in_step
from clients.aws import AwsClients
from errors import StepFailed
from models.clusters import CheckRestoreInput, CheckRestoreOutcome, Endpoint
from models.configuration import Instance
from models.identifiers import instance_identifier
from models.steps import Step

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef, DBInstanceTypeDef


class RestoredClusterActivities:
    """Brings a restored cluster up."""

    def __init__(self, aws: AwsClients) -> None:
        """`aws` gives the clients."""
        self._aws = aws

    @step_activity(Step.CHECK_RESTORE_STATUS)
    def check_restore_status(self, step_input: CheckRestoreInput) -> CheckRestoreOutcome:
        """Look how far the restore is, and take the next step towards a cluster that can be used.

        Cluster, then writer, then readers, then the master password; done when all of it is available.
        Raises `StepFailed` if anything ended in a state from which it does not return.
        Run twice: instances have fixed names and are created once; the master password may be set twice, to the same
        value from its secret.
        """
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        cluster = target.find()
        if cluster is None:
            return self._absent(step_input)
        if cluster["DbClusterResourceId"] != step_input.cluster_resource_id:
            raise another_cluster(cluster, step_input.cluster_resource_id, "this operation restored")
        waiting = (
            _cluster_wait(cluster)
            or _instances_wait(target, step_input)
            or self._master_password_wait(target, step_input, cluster)
        )
        if waiting:
            end_wait_if_final(
                step_input,
                f"Restore at: {waiting}",
                f"{step_input.target.arn} stays as it is; the next night replaces it.",
            )
            return CheckRestoreOutcome(
                done=False, details=waiting, percent=_percent(cluster), warnings=_warnings(cluster)
            )
        return CheckRestoreOutcome(
            details="Restore completed",
            percent=100,
            resource_arns=(cluster["DBClusterArn"],),
            endpoint=_endpoint(step_input, cluster),
        )

    def _absent(self, step_input: CheckRestoreInput) -> CheckRestoreOutcome:
        if step_input.resource_seen or time_in_step(step_input) > NOT_FOUND_GRACE:
            raise StepFailed(
                "Restored cluster not found", f"{step_input.target.arn} is gone. See who deleted it; start again."
            )
        end_wait_if_final(step_input, "Cluster not to be seen yet", "See whether it came up.")
        return CheckRestoreOutcome(done=False, details="not to be seen yet")

    def _master_password_wait(
        self, target: TargetCluster, step_input: CheckRestoreInput, cluster: DBClusterTypeDef
    ) -> str | None:
        if step_input.target.master_user_secret_id is None:
            return _managed_password_wait(target, step_input, cluster)
        if tags.tags_of(cluster.get("TagList", [])).get(tags.MASTER_PASSWORD_SET_BY) != step_input.operation_id:
            self._set_master_password(target, step_input, step_input.target.master_user_secret_id, cluster)
            return "setting the master password"
        return "setting the master password" if cluster.get("PendingModifiedValues") else None

    def _set_master_password(
        self, target: TargetCluster, step_input: CheckRestoreInput, secret_id: str, cluster: DBClusterTypeDef
    ) -> None:
        password = read_password(self._aws.secretsmanager(step_input.target, step_input.operation_id), secret_id)
        if not _modified(target, step_input, MasterUserPassword=password):
            return
        # Tagged only after RDS took the password: a death in between sets the same password once more.
        target.add_tags(cluster["DBClusterArn"], {tags.MASTER_PASSWORD_SET_BY: step_input.operation_id})


def _cluster_wait(cluster: DBClusterTypeDef) -> str | None:
    status = cluster["Status"]
    if cluster_meaning(status) is Meaning.TERMINAL:
        raise StepFailed(
            "Restore failed", f"{cluster['DBClusterArn']} is {status}, wanted available. See its events in RDS."
        )
    return None if status == "available" else f"cluster {status}"


def _instances_wait(target: TargetCluster, step_input: CheckRestoreInput) -> str | None:
    """The writer first; readers only when it is available, because they copy nothing but join it."""
    there = {instance["DBInstanceIdentifier"]: instance for instance in target.list_instances()}
    waits: list[str] = []
    for number, wanted in enumerate(step_input.configuration.instances, start=1):
        found = there.get(instance_identifier(step_input.target.cluster, number))
        waiting = _instance_wait(found) if found else _create_instance(target, step_input, number, wanted)
        waits += [waiting] if waiting else []
        if waiting and number == 1:
            break
    return waits[0] if waits else None


def _instance_wait(instance: DBInstanceTypeDef) -> str | None:
    status, identifier = instance["DBInstanceStatus"], instance["DBInstanceIdentifier"]
    if instance_meaning(status) is Meaning.TERMINAL:
        raise StepFailed(
            "Restore failed", f"the instance {identifier} is {status}, wanted available. See its events in RDS."
        )
    return None if status == "available" else f"instance {identifier} {status}"


def _create_instance(target: TargetCluster, step_input: CheckRestoreInput, number: int, wanted: Instance) -> str:
    identifier = instance_identifier(step_input.target.cluster, number)
    group = {"DBParameterGroupName": wanted.db_parameter_group_name} if wanted.db_parameter_group_name else {}
    try:
        target.create_instance(
            DBInstanceIdentifier=identifier,
            DBInstanceClass=wanted.instance_class,
            Engine=step_input.engine,
            PubliclyAccessible=False,
            PromotionTier=min(number - 1, 15),
            Tags=tags.tag_list({tags.OPERATION: step_input.operation_id}),
            **group,
        )
    except ClientError as error:
        if (action := action_for(error)) is Action.WAIT:
            return f"instance {identifier} not made yet: {pipeline_error_for(error).fault.short}"
        if action is not Action.ADOPT:
            raise
        # Ours, made by a call whose answer was lost, or one that is still being deleted: the next look sees which.
        named = target.find_instances([identifier])
        _refuse_anothers(step_input, named)
        if any(instance["DBInstanceStatus"] in BEING_DELETED for instance in named):
            return f"instance {identifier} not made yet: one of that name is still being deleted"
    return f"instance {identifier} creating"


def _refuse_anothers(step_input: CheckRestoreInput, named: list[DBInstanceTypeDef]) -> None:
    """What is deleting is nobody's any more: its name is free in minutes."""
    for instance in named:
        owner = instance.get("DBClusterIdentifier")
        if owner != step_input.target.cluster and instance["DBInstanceStatus"] not in BEING_DELETED:
            raise StepFailed(
                "Instance name is taken",
                f"{instance['DBInstanceArn']} belongs to {owner or 'no cluster'}, and "
                f"{step_input.target.cluster} needs an instance "
                "of that name. Rename or delete that instance, then retry from here.",
                code="DBInstanceAlreadyExists",
            )


def _managed_password_wait(
    target: TargetCluster, step_input: CheckRestoreInput, cluster: DBClusterTypeDef
) -> str | None:
    secret = cluster.get("MasterUserSecret")
    if not secret:
        _modified(target, step_input, ManageMasterUserPassword=True)
        return "setting the master password"
    status = secret.get("SecretStatus", "creating")
    if status == "impaired":
        raise StepFailed(
            "Master password not set", f"the secret {secret.get('SecretArn')} is impaired. See its rotation."
        )
    return None if status == "active" else f"master secret {status}"


def _modified(target: TargetCluster, step_input: CheckRestoreInput, **change: object) -> bool:
    """Whether RDS took the change; it does not while it is busy."""
    # A restore takes every setting but this one; it goes with the change that every restored cluster needs.
    window = step_input.configuration.preferred_maintenance_window
    settings = change | ({"PreferredMaintenanceWindow": window} if window else {})
    try:
        target.modify(**settings)
    except ClientError as error:
        if action_for(error) is not Action.WAIT:
            raise
        return False
    return True


def _endpoint(step_input: CheckRestoreInput, cluster: DBClusterTypeDef) -> Endpoint:
    secret_id = step_input.target.master_user_secret_id or cluster["MasterUserSecret"]["SecretArn"]
    return Endpoint(
        host=cluster["Endpoint"],
        port=cluster["Port"],
        engine=cluster["Engine"],
        master_username=cluster["MasterUsername"],
        master_user_secret_id=secret_id,
        database_name=cluster.get("DatabaseName"),
    )


def _percent(cluster: DBClusterTypeDef) -> int | None:
    text = cluster.get("PercentProgress", "")
    return int(text) if text.isdigit() else None


def _warnings(cluster: DBClusterTypeDef) -> tuple[str, ...]:
    if cluster_meaning(cluster["Status"]) is not Meaning.UNKNOWN:
        return ()
    return (f"The cluster has the status {cluster['Status']}, which the pipeline does not know.",)
