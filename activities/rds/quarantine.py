"""The end of a quarantine: the restored cluster gets the target's own security groups.

Until then it has groups that let only the worker in. Their change needs no restart; that of the parameter group, if the
quarantine has one of its own, restarts the instances before anyone gets in.
Source: RDS API Reference, ModifyDBCluster, VpcSecurityGroupMembership, DBClusterMember (DBClusterParameterGroupStatus),
RebootDBInstance; Aurora User Guide, "Working with parameter groups".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from activities.rds import tags
from activities.rds.aws_errors import action_for, pipeline_error_for
from activities.rds.fault_table import Action
from activities.rds.provenance import check_resource_id
from activities.rds.statuses import Meaning, cluster_meaning, instance_meaning
from activities.rds.target import TargetCluster
from errors import StepFailed
from models.quarantine import OwnNetwork

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef

NOT_LEFT = "Quarantine not left"
IN_SYNC = "in-sync"
STILL_CLOSED = "The target is still in quarantine: only the worker reaches it. Retry, or allow a longer wait."


def leave_quarantine(target: TargetCluster, own: OwnNetwork) -> str | None:
    """Give the restored cluster its own security groups; returns what is waited for, None once all of them are active.

    Raises `StepFailed` if the cluster is gone, `Refused` if another one has the target's name.
    """
    cluster = target.find()
    if cluster is None:
        raise StepFailed(
            NOT_LEFT,
            f"the cluster {target.name} is gone. Find out who deleted it, then start a new restore.",
        )
    check_resource_id(cluster, own.cluster_resource_id, "restored by this operation")
    if waiting_for := _own_parameters(target, cluster, own):
        return waiting_for
    groups = _security_groups(cluster)
    staying = {group for group, status in groups.items() if status != "removing"}
    if staying != set(own.vpc_security_group_ids):
        return _modify(target, "leaving quarantine", VpcSecurityGroupIds=list(own.vpc_security_group_ids))
    return next((f"security group {group} {status}" for group, status in groups.items() if status != "active"), None)


def _own_parameters(target: TargetCluster, cluster: DBClusterTypeDef, own: OwnNetwork) -> str | None:
    """Give the cluster its own parameter group and restart what has not taken it; returns what is waited for."""
    name = own.db_cluster_parameter_group_name
    if name is None:
        return None
    if cluster.get("DBClusterParameterGroup") != name:
        return _modify(target, f"changing the parameter group to {name}", DBClusterParameterGroupName=name)
    if cluster_meaning(cluster["Status"]) is not Meaning.READY:
        return f"cluster {cluster['Status']}"
    # The writer first: its restart may restart the readers too.
    members = sorted(cluster.get("DBClusterMembers", []), key=lambda member: not member.get("IsClusterWriter"))
    for member in members:
        status = member.get("DBClusterParameterGroupStatus", IN_SYNC)
        if status == "pending-reboot":
            return _reboot(target, member["DBInstanceIdentifier"])
        if status != IN_SYNC:
            return f"parameter group of {member['DBInstanceIdentifier']} {status}"
    restarting = (
        f"instance {instance['DBInstanceIdentifier']} {instance['DBInstanceStatus']}"
        for instance in target.list_instances()
        if instance_meaning(instance["DBInstanceStatus"]) is not Meaning.READY
    )
    return next(restarting, None)


def _reboot(target: TargetCluster, instance: str) -> str:
    try:
        target.reboot_instance(instance)
    except ClientError as error:
        if action_for(error) is not Action.WAIT:
            raise
        return pipeline_error_for(error).fault.short
    return f"restarting {instance}"


def _modify(target: TargetCluster, waiting_for: str, **change: object) -> str:
    try:
        target.modify(**change)
    except ClientError as error:
        if action_for(error) is not Action.WAIT:
            raise
        return pipeline_error_for(error).fault.short
    return waiting_for


def is_in_quarantine(cluster: DBClusterTypeDef) -> bool:
    """Whether a restore left the cluster in the quarantine groups that its tag names: they are not the target's own."""
    quarantine = tags.tags_of(cluster.get("TagList", [])).get(tags.QUARANTINE)
    return quarantine is not None and set(quarantine.split()) == set(_security_groups(cluster))


def _security_groups(cluster: DBClusterTypeDef) -> dict[str, str]:
    """Each group with its status."""
    return {
        group["VpcSecurityGroupId"]: group.get("Status", "without a status")
        for group in cluster.get("VpcSecurityGroups", [])
        if "VpcSecurityGroupId" in group
    }
