"""Whether a snapshot or a cluster is still the one that an earlier step chose, copied or restored.

Checked wherever a name is all that leads to it: between two steps a name can be given to something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from activities.rds import tags
from errors import Refused, ResourceBusy, StepFailed
from models.checks import Comparison
from models.snapshots import SourceSnapshot

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef, DBClusterTypeDef

    from activities.rds.target import TargetCluster


def provenance_mismatch(actual: DBClusterSnapshotTypeDef, chosen: SourceSnapshot) -> str | None:
    """What is wrong if `actual` is neither the chosen snapshot nor a copy of it, else None."""
    arn = actual["DBClusterSnapshotArn"]
    if arn == chosen.arn:
        return _recreation_mismatch(actual, chosen)
    origin = _origin(actual)
    if origin == chosen.arn:
        return None
    return (
        f"{arn} is a copy of {origin or 'an unknown snapshot'}, expected a copy of {chosen.arn}. "
        "Rename or delete it, then retry."
    )


def _origin(copy: DBClusterSnapshotTypeDef) -> str | None:
    tagged = tags.tags_of(copy.get("TagList", [])).get(tags.SOURCE_SNAPSHOT)
    return copy.get("SourceDBClusterSnapshotArn") or tagged


def compare_copy(copy: DBClusterSnapshotTypeDef, chosen: SourceSnapshot) -> Iterator[Comparison]:
    """What the snapshot to restore from, a copy or the chosen one itself, was compared with."""
    arn = copy["DBClusterSnapshotArn"]
    yield Comparison("copy-source", chosen.arn, arn if arn == chosen.arn else _origin(copy) or "not known")
    yield Comparison("copy-available", "available", copy["Status"])


def check_provenance(actual: DBClusterSnapshotTypeDef, chosen: SourceSnapshot) -> None:
    """Raise `Refused` if `actual` is neither the chosen snapshot nor a copy of it, `ResourceBusy` if RDS does not say."""
    mismatch = provenance_mismatch(actual, chosen)
    if mismatch is None:
        return
    if actual["DBClusterSnapshotArn"] != chosen.arn and not is_origin_known(actual):
        raise ResourceBusy(
            "Copy not visible yet",
            f"RDS's answer does not say of what {actual['DBClusterSnapshotArn']} is a copy. The next attempt reads again.",
        )
    if actual["DBClusterSnapshotArn"] == chosen.arn:
        raise Refused("Snapshot was replaced", mismatch)
    raise Refused("Copy is of another snapshot", mismatch)


def is_identified(cluster: DBClusterTypeDef) -> bool:
    """Whether RDS's answer has all that tells one cluster from another: no member of its model is promised."""
    return all(name in cluster for name in ("DBClusterArn", "DbClusterResourceId", "Status", "TagList"))


def is_origin_known(snapshot: DBClusterSnapshotTypeDef) -> bool:
    """Whether RDS's answer says of what the snapshot is a copy: a list of tags without ours says that it is no copy."""
    return bool(snapshot.get("SourceDBClusterSnapshotArn")) or "TagList" in snapshot


def check_resource_id(cluster: DBClusterTypeDef, expected: str | None, origin: str) -> None:
    """Raise `Refused` if the cluster that has the target's name is another one than an earlier step knew.

    `expected` is the resource id that the cluster must have, None if there was no cluster; `origin` says which step
    knows it, such as "restored by this operation".
    """
    actual = cluster["DbClusterResourceId"]
    if actual == expected:
        return
    raise Refused(
        "Another cluster has the target's name",
        f"{cluster['DBClusterArn']} has the resource id {actual}, expected {expected or 'no cluster'} ({origin}). "
        "Find out who created this cluster; the pipeline does not touch it.",
    )


def check_still_restored(target: TargetCluster, arn: str, resource_id: str) -> None:
    """Raise unless the target's name, and so its endpoint, still belongs to the cluster that this operation restored.

    `StepFailed` if it belongs to none, `Refused` if to another one. `arn` is the target's, for the message.
    """
    cluster = target.find()
    if cluster is None:
        raise StepFailed(
            "Restored cluster not found",
            f"{arn} does not exist any more. Find out who deleted or renamed it, then retry from restore-snapshot.",
        )
    check_resource_id(cluster, resource_id, "restored by this operation")


def check_not_restored_since(cluster: DBClusterTypeDef, operation: str, started_at: datetime | None) -> None:
    """Raise `Refused` if an operation restored the cluster after this one began at `started_at` (aware; None: unknown).

    `operation` is this one, as `tags.operation_tag` writes it.

    Then this operation was repeated, by a retry or by a reset of an older run, and what it would delete is newer than
    itself. A number of the same size or greater proves nothing alone: the tables may be new, and count from op-001 again.
    A cluster that says no time of its creation may be the newer one.
    """
    restored_by = tags.tags_of(cluster.get("TagList", [])).get(tags.OPERATION)
    created_at = cluster.get("ClusterCreateTime")
    if restored_by is None or started_at is None or _is_earlier(restored_by, operation):
        return
    if created_at is not None and created_at < started_at:
        return
    arn, environment = cluster["DBClusterArn"], tags.environment_of(operation)
    name = tags.describe_operation(operation, environment)
    if restored_by == operation:
        raise Refused(
            "Restored by this operation",
            f"{arn} was restored by {name} itself, and a retry never deletes what its own operation restored. "
            "Start a new restore, which replaces the cluster.",
        )
    raise Refused(
        "Restored since this operation began",
        f"{arn} was restored by {tags.describe_operation(restored_by, environment)} after {name} had begun, and an operation "
        "never deletes what a newer one restored. Start a new restore, which replaces the cluster.",
    )


def _is_earlier(other: str, operation: str) -> bool:
    """Whether the other operation began before this one; the numbers of two environments say nothing about that."""
    same_environment = tags.environment_of(other) == tags.environment_of(operation)
    return same_environment and tags.number_of(other) < tags.number_of(operation)


def _recreation_mismatch(actual: DBClusterSnapshotTypeDef, chosen: SourceSnapshot) -> str | None:
    created_at, cluster = actual.get("SnapshotCreateTime"), actual.get("DbClusterResourceId")
    if created_at == chosen.created_at and cluster == chosen.cluster_resource_id:
        return None
    return (
        f"{chosen.arn} was created at {created_at} from the cluster {cluster}, expected {chosen.created_at} and "
        f"{chosen.cluster_resource_id}, as snapshot-check found it: it was deleted and created again. "
        "Start a new restore."
    )
