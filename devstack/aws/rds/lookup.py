"""Finding the resource that a call names, and refusing to work on one that is not available."""

from __future__ import annotations

from devstack.aws.rds import requests
from devstack.aws.rds.errors import Refusal
from devstack.aws.rds.resources import Cluster, Instance, Snapshot
from devstack.aws.rds.state import RdsState, Region


def cluster_named(region: Region, name: str) -> Cluster:
    """A cluster by identifier or ARN; Refusal if there is none."""
    cluster = region.clusters.get(requests.name_of(name, "cluster"))
    if cluster is None or not _is_meant(cluster.arn, name):
        raise Refusal("DBClusterNotFoundFault", f"DBCluster {name} not found.")
    return cluster


def instance_named(region: Region, name: str) -> Instance:
    """An instance by identifier or ARN; Refusal if there is none."""
    instance = region.instances.get(requests.name_of(name, "db"))
    if instance is None or not _is_meant(instance.arn, name):
        raise Refusal("DBInstanceNotFound", f"DBInstance {name} not found.")
    return instance


def snapshot_named(region: Region, name: str) -> Snapshot:
    """A snapshot of this account and region by identifier or ARN; Refusal if there is none."""
    snapshot = region.snapshots.get(requests.name_of(name, "cluster-snapshot"))
    if snapshot is None or not _is_meant(snapshot.arn, name):
        raise snapshot_not_found(name)
    return snapshot


def usable_snapshot(state: RdsState, region: Region, name: str) -> Snapshot:
    """A snapshot to copy or restore from: an own one, or by ARN one that is shared with the caller."""
    parts = requests.arn(name)
    if parts is None or parts.kind != "cluster-snapshot":
        return snapshot_named(region, name)
    snapshot = state.region(parts.account, parts.region).snapshots.get(parts.name)
    if snapshot is None or not _may_use(snapshot, region.account):
        raise snapshot_not_found(name)
    return snapshot


def snapshot_not_found(name: str) -> Refusal:
    """The refusal for a snapshot that does not exist, or that the caller may not know of."""
    return Refusal("DBClusterSnapshotNotFoundFault", f"DBClusterSnapshot {name} not found.")


def _is_meant(arn: str, name: str) -> bool:
    return requests.arn(name) is None or arn.lower() == name.lower()


def _may_use(snapshot: Snapshot, account: str) -> bool:
    return account == snapshot.account or account in snapshot.shared_with or "all" in snapshot.shared_with


def require_cluster_available(cluster: Cluster) -> None:
    """Refuse to work on a cluster that is busy, stopped or broken."""
    if cluster.status != "available":
        raise Refusal(
            "InvalidDBClusterStateFault",
            f"DB cluster is not available for modification with status {cluster.status}",
        )


def require_snapshot_available(snapshot: Snapshot) -> None:
    """Refuse to work with a snapshot that is not finished, or failed."""
    if snapshot.status != "available":
        raise Refusal(
            "InvalidDBClusterSnapshotStateFault",
            f"The DB cluster snapshot {snapshot.identifier} is not in the available state: {snapshot.status}",
        )
