"""Starting a stopped target before its deletion, and stopping the restored cluster at the end, where the request asks.

Source: RDS API Reference, StartDBCluster, StopDBCluster; Aurora User Guide, "Stopping and starting an Amazon Aurora DB
cluster": RDS does not delete a stopped cluster, and starts it again after seven days.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from activities.rds import tags
from activities.rds.aws_errors import action_for
from activities.rds.fault_table import Action
from activities.rds.statuses import NOT_RUNNING
from activities.rds.target import TargetCluster
from errors import StepFailed

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef


def start_if_stopped(target: TargetCluster, cluster: DBClusterTypeDef) -> str | None:
    """Start the cluster if it is stopped; returns what its deletion waits for, None if for nothing."""
    status = cluster["Status"]
    if status == "stopped":
        try:
            target.start()
        except ClientError as error:
            if action_for(error) is not Action.WAIT:
                raise
        return "starting the stopped cluster"
    return f"cluster {status}" if status in ("stopping", "starting") else None


def stop_restored(target: TargetCluster, name: str) -> str:
    """Stop the cluster that this operation restored; returns what happens to it.

    Raises `StepFailed` if the name belongs to no cluster or to another one.
    """
    cluster = target.find()
    if cluster is None or tags.tags_of(cluster.get("TagList", [])).get(tags.OPERATION) != target.operation_tag:
        found = "is gone" if cluster is None else "was not restored by this operation"
        text = f"the cluster {name} {found}, so it was not stopped. The snapshot is archived. Find out who changed it."
        raise StepFailed("Cluster not stopped", text)
    if cluster["Status"] not in NOT_RUNNING:
        target.stop()
    return "cluster stopping"
