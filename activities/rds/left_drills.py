"""The clusters that drills of a target left: a drill was terminated, or its request keeps the cluster of a failed one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from activities.rds import tags
from activities.rds.statuses import BEING_DELETED
from activities.rds.target import TargetCluster
from models.drill import drill_operation
from models.inventory import Orphan, OrphanReason
from models.request import Target

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef


class LeftDrill(NamedTuple):
    """The cluster that a drill restored and did not remove."""

    cluster: DBClusterTypeDef
    operation_id: str
    """The operation of the drill, by the cluster's name and tags."""


def left_drills(
    target: TargetCluster, requested: Target, clusters: list[DBClusterTypeDef], running: str | None = None
) -> list[LeftDrill]:
    """The clusters that drills of the target restored and did not remove, but not that of the operation that runs now."""
    existing = [cluster for cluster in clusters if cluster["Status"] not in BEING_DELETED]
    found = ((cluster, _left_by(target, requested, cluster)) for cluster in existing)
    return [LeftDrill(cluster, operation) for cluster, operation in found if operation and operation != running]


def _left_by(target: TargetCluster, requested: Target, cluster: DBClusterTypeDef) -> str | None:
    """The operation whose drill restored the cluster, by name and tags; None if it is no drill's."""
    operation_id = drill_operation(requested.cluster, cluster["DBClusterIdentifier"])
    tagged = tags.tags_of(cluster.get("TagList", []))
    own = tags.operation_tag(target.environment, operation_id or "")
    return operation_id if tags.is_restored_by(tagged, own) else None


def describe_left_drills(drills: list[LeftDrill]) -> list[Orphan]:
    """What `left_drills` found, as orphans."""
    return [
        Orphan(
            arn=cluster["DBClusterArn"],
            identifier=cluster["DBClusterIdentifier"],
            reason=OrphanReason.DRILL,
            status=cluster["Status"],
            operation_id=operation_id,
        )
        for cluster, operation_id in drills
    ]


def list_drill_arns(target: TargetCluster, requested: Target) -> set[str]:
    """The ARNs that exist of clusters with a drill's name, of any owner: read before one is reported as removed."""
    existing = [cluster for cluster in target.list_clusters() if cluster["Status"] not in BEING_DELETED]
    return {
        cluster["DBClusterArn"]
        for cluster in existing
        if drill_operation(requested.cluster, cluster["DBClusterIdentifier"])
    }
