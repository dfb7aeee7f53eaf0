"""Deletion calls that several steps share. RDS deletes by name, so each caller reads the resource just before.

Call them through `TargetCluster`, which checks the account first.
Source: RDS API Reference, DeleteDBInstance, DeleteDBCluster, DeleteDBClusterSnapshot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from activities.rds.aws_errors import action_for
from activities.rds.fault_table import Action
from clients.rds import list_instances

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import DBClusterTypeDef


def delete_members(rds: RDSClient, cluster: DBClusterTypeDef, prove: Callable[[], object]) -> None:
    """Delete the cluster's instances: readers first, then the writer, so that RDS promotes no reader in between.

    `prove` is called directly before each deletion, and raises if the cluster may not be deleted after all.
    Skips an instance that is being deleted or busy; the next poll tries a busy one again.
    """
    members = cluster.get("DBClusterMembers", [])
    being_deleted = {
        instance["DBInstanceIdentifier"]
        for instance in list_instances(rds, cluster["DBClusterIdentifier"])
        if instance["DBInstanceStatus"] == "deleting"
    }
    for member in sorted(members, key=lambda member: member.get("IsClusterWriter", False)):
        if member["DBInstanceIdentifier"] not in being_deleted:
            prove()
            _delete_instance(rds, member["DBInstanceIdentifier"])


def delete_cluster(rds: RDSClient, identifier: str) -> None:
    """Delete the cluster without a final snapshot; a cluster that is gone is no error.

    RDS refuses while an instance is not yet being deleted.
    """
    try:
        rds.delete_db_cluster(DBClusterIdentifier=identifier, SkipFinalSnapshot=True)
    except ClientError as error:
        if action_for(error) is not Action.ABSENT:
            raise


def delete_copy(rds: RDSClient, identifier: str) -> None:
    """Delete a copy, also one that is still copying; a copy that is gone is no error.

    Source: RDS API Reference, CopyDBClusterSnapshot: deleting the target snapshot cancels the copy.
    """
    try:
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=identifier)
    except ClientError as error:
        if action_for(error) is not Action.ABSENT:
            raise


def delete_copy_unless_busy(rds: RDSClient, identifier: str) -> bool:
    """Delete a copy as `delete_copy` does; returns False if RDS is busy with it and refuses for now."""
    try:
        delete_copy(rds, identifier)
    except ClientError as error:
        if action_for(error) is not Action.WAIT:
            raise
        return False
    return True


def _delete_instance(rds: RDSClient, identifier: str) -> None:
    try:
        rds.delete_db_instance(DBInstanceIdentifier=identifier, SkipFinalSnapshot=True)
    except ClientError as error:
        if action_for(error) not in (Action.ABSENT, Action.WAIT):
            raise
