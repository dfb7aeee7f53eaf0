"""Choose the source snapshot: by exact name, by name prefix and date, or the newest automated one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from clients.rds import find_snapshot, list_snapshots
from errors import StepFailed
from models.checks import Comparison
from models.snapshots import SnapshotCheckInput, SourceSnapshot
from models.source import SnapshotSelector, Source

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef, DBClusterTypeDef

NOT_FOUND = "Snapshot not found"
MAX_LISTED = 5
"""How many snapshots a message lists at most."""


def select_snapshot(rds: RDSClient, source: Source, at: datetime) -> SourceSnapshot:
    """The newest available snapshot of the source that the request's selector matches, at the time `at` (aware).

    Raises `StepFailed` with what was expected and what RDS lists instead.
    """
    candidates = _candidates(rds, source, at)
    own = [snapshot for snapshot in candidates if snapshot["DBClusterIdentifier"] == source.cluster]
    available = [snapshot for snapshot in own if snapshot["Status"] == "available" and "SnapshotCreateTime" in snapshot]
    if not available:
        raise StepFailed(
            NOT_FOUND,
            f"expected {_expected(source, at)}; found {_listed(candidates)}. "
            "Check that the source's backup was made, or correct source.snapshot.",
        )
    newest = max(available, key=lambda snapshot: snapshot["SnapshotCreateTime"])
    limit = source.snapshot.age_limit
    if limit is not None and at - newest["SnapshotCreateTime"] > limit:
        raise StepFailed(
            "Snapshot too old",
            f"the newest snapshot is {newest['DBClusterSnapshotIdentifier']}, created at "
            f"{newest['SnapshotCreateTime']:%Y-%m-%d %H:%M} UTC; expected one that is no older than {limit}. "
            "Check why the source has no newer one, or raise source.snapshot.max_age.",
        )
    return _source_snapshot(newest)


def compare_snapshot(source: Source, chosen: SourceSnapshot, at: datetime) -> Iterator[Comparison]:
    """What the chosen snapshot was compared with, at the time `at` (aware)."""
    yield Comparison("snapshot", _expected(source, at), chosen.identifier)
    if (limit := source.snapshot.age_limit) is not None:
        age = timedelta(seconds=int((at - chosen.created_at).total_seconds()))
        yield Comparison("snapshot-age", f"at most {limit}", str(age))


def _expected(source: Source, at: datetime) -> str:
    """What the selector asks for, in words."""
    selector = source.snapshot
    if selector.identifier:
        return f"an available snapshot {selector.identifier} of {source.arn}"
    if selector.prefix:
        return f"an available snapshot of {source.arn} whose name begins with {_beginning(selector, at)}"
    return f"an available automated snapshot of {source.arn}"


def _beginning(selector: SnapshotSelector, at: datetime) -> str:
    return f"{selector.prefix}-{selector.date or at.date()}"


def _candidates(rds: RDSClient, source: Source, at: datetime) -> list[DBClusterSnapshotTypeDef]:
    """The snapshots that the selector matches."""
    selector = source.snapshot
    if selector.identifier:
        snapshot = find_snapshot(rds, selector.identifier)
        return [snapshot] if snapshot else []
    if selector.prefix:
        beginning = _beginning(selector, at)
        snapshots = list_snapshots(rds, "manual", source.cluster) + list_snapshots(rds, "automated", source.cluster)
        return [snapshot for snapshot in snapshots if snapshot["DBClusterSnapshotIdentifier"].startswith(beginning)]
    return list_snapshots(rds, "automated", source.cluster)


def _listed(snapshots: list[DBClusterSnapshotTypeDef]) -> str:
    if not snapshots:
        return "none"
    return ", ".join(
        f"{snapshot['DBClusterSnapshotIdentifier']} of cluster {snapshot['DBClusterIdentifier']} ({snapshot['Status']})"
        for snapshot in snapshots[:MAX_LISTED]
    )


def _source_snapshot(snapshot: DBClusterSnapshotTypeDef) -> SourceSnapshot:
    return SourceSnapshot(
        arn=snapshot["DBClusterSnapshotArn"],
        identifier=snapshot["DBClusterSnapshotIdentifier"],
        created_at=snapshot["SnapshotCreateTime"],
        engine=snapshot["Engine"],
        engine_version=snapshot["EngineVersion"],
        type=snapshot.get("SnapshotType", "manual"),
        encrypted=snapshot.get("StorageEncrypted", False),
        kms_key_id=snapshot.get("KmsKeyId"),
        cluster_resource_id=snapshot.get("DbClusterResourceId"),
    )


def snapshot_of_now(source: DBClusterTypeDef | None, step_input: SnapshotCheckInput) -> SourceSnapshot:
    """What a snapshot of the source cluster would be if it were taken now."""
    cluster = source or {}
    return SourceSnapshot(
        arn=step_input.source.arn,
        identifier=f"of {step_input.source.cluster}",
        created_at=step_input.step_started_at,
        engine=cluster.get("Engine", ""),
        engine_version=cluster.get("EngineVersion", ""),
        encrypted=cluster.get("StorageEncrypted", False),
        kms_key_id=cluster.get("KmsKeyId"),
        cluster_resource_id=cluster.get("DbClusterResourceId"),
    )
