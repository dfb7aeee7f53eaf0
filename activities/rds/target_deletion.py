"""Delete the target's instances and then the cluster, so that a refusal of RDS strands nothing that can be known before.

RDS deletes a cluster only after its instances, and may refuse that for reasons of the cluster alone. So DeleteDBCluster
is called first: with instances left, RDS refuses it without any effect, and a missing permission, a protection or a
relation that RDS names shows itself before the first instance is deleted.
Source: AWS Knowledge Center, "rds-error-delete-aurora-cluster"; moto's pull request 6998 has AWS's own answer: "Cluster
cannot be deleted, it still contains DB instances in non-deleting state."
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from activities.rds.aws_errors import action_for, pipeline_error_for
from activities.rds.fault_table import Action
from activities.rds.statuses import BEING_DELETED
from activities.rds.target import TargetCluster
from errors import PipelineError

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef

FINAL = (Action.FAIL, Action.REFUSE)
MAX_LISTED = 5
"""How many instances a message names at most."""


def _no_further_proof() -> None:
    """The cluster was read just before, and the read guard knows how long ago."""


def delete_target(
    target: TargetCluster, cluster: DBClusterTypeDef, prove: Callable[[], object] = _no_further_proof
) -> None:
    """Make the deletions that RDS accepts now, of the cluster as it was just read; the next poll makes the others.

    `prove` is called directly before each of them, and raises if the cluster may not be deleted after all.
    Raises `Refused` or `StepFailed` with AWS's words and with the instances that are left, if RDS refuses for good.
    """
    try:
        if _instances_left(target):
            prove()
            if _delete_cluster_unless_refused(target):
                return
            target.delete_members(cluster, prove)
        prove()
        _delete_cluster_unless_refused(target)
    except ClientError as error:
        if action_for(error) not in FINAL:
            raise
        raise with_what_is_left(target, cluster, pipeline_error_for(error)) from error


def with_what_is_left(target: TargetCluster, cluster: DBClusterTypeDef, failure: PipelineError) -> PipelineError:
    """The failure; if instances are being deleted or gone already, it says so too, and how to go on."""
    arn, left = cluster["DBClusterArn"], _instances_left(target)
    members = [member["DBInstanceIdentifier"] for member in cluster.get("DBClusterMembers", [])]
    if left and set(left) >= set(members):
        return failure
    state = (
        f"has only the instances {_listed(left)} left" if left else "has no instances now, but its data is still there"
    )
    return failure.with_more(
        f"{arn} {state}. When the cause is removed, retry: the deletion continues, and the restore makes the instances again."
    )


def _delete_cluster_unless_refused(target: TargetCluster) -> bool:
    """Whether RDS deletes the cluster; False if it refuses for now.

    A refusal that the fault table does not know is waited on as long as an instance is being deleted, which may be
    what RDS means; without instances it is final.
    """
    try:
        target.delete_cluster()
    except ClientError as error:
        action = action_for(error)
        if action is Action.WAIT or (action is Action.REFUSE and _are_all_being_deleted(target)):
            return False
        raise
    return True


def _are_all_being_deleted(target: TargetCluster) -> bool:
    """Whether the cluster has instances, all of which are being deleted."""
    instances = target.list_instances()
    return bool(instances) and all(instance["DBInstanceStatus"] in BEING_DELETED for instance in instances)


def _instances_left(target: TargetCluster) -> list[str]:
    """The names of the instances that are not being deleted."""
    return [
        instance["DBInstanceIdentifier"]
        for instance in target.list_instances()
        if instance["DBInstanceStatus"] not in BEING_DELETED
    ]


def _listed(names: list[str]) -> str:
    more = len(names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {more} more" if more > 0 else "")
