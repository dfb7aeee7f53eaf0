"""Find the resource that a call names, and refuse to change one that is not available."""

from __future__ import annotations

from devstack.aws.rds import requests
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.resources import Cluster, GlobalCluster, Instance, Snapshot
from devstack.aws.rds.state import RdsState, Region


def find_cluster(region: Region, name: str) -> Cluster:
    """A cluster by identifier or ARN. Raises RdsError if there is none."""
    cluster = region.clusters.get(requests.name_of(name, "cluster"))
    if cluster is None or not _names(name, cluster.arn):
        raise RdsError("DBClusterNotFoundFault", f"DBCluster {name} not found.")
    return cluster


def find_instance(region: Region, name: str) -> Instance:
    """An instance by identifier or ARN. Raises RdsError if there is none."""
    instance = region.instances.get(requests.name_of(name, "db"))
    if instance is None or not _names(name, instance.arn):
        raise RdsError("DBInstanceNotFound", f"DBInstance {name} not found.")
    return instance


def find_snapshot(region: Region, name: str) -> Snapshot:
    """A snapshot of this account and region by identifier or ARN. Raises RdsError if there is none."""
    snapshot = region.snapshots.get(requests.name_of(name, "cluster-snapshot"))
    if snapshot is None or not _names(name, snapshot.arn):
        raise snapshot_not_found(name)
    return snapshot


def find_usable_snapshot(state: RdsState, region: Region, name: str) -> Snapshot:
    """A snapshot that the caller may copy or restore: an own one, or by ARN one that is shared with the caller.

    Raises RdsError if there is none.
    """
    parts = requests.arn(name)
    if parts is None or parts.kind != "cluster-snapshot":
        return find_snapshot(region, name)
    snapshot = state.region(parts.account, parts.region).snapshots.get(parts.name)
    if snapshot is None or not _may_use(snapshot, region.account):
        raise snapshot_not_found(name)
    return snapshot


def find_global_cluster(state: RdsState, region: Region, name: str) -> GlobalCluster:
    """A global cluster of the account by identifier. Raises RdsError if there is none."""
    group = state.global_clusters.get((region.account, name.lower()))
    if group is None:
        raise RdsError("GlobalClusterNotFoundFault", f"Global cluster {name.lower()} not found.")
    return group


def snapshot_not_found(name: str) -> RdsError:
    """The error for a snapshot that does not exist, or that the caller may not see."""
    return RdsError("DBClusterSnapshotNotFoundFault", f"DBClusterSnapshot {name} not found.")


def _names(name: str, arn: str) -> bool:
    """Whether a parameter is an identifier, or the ARN of exactly this resource."""
    return requests.arn(name) is None or arn.lower() == name.lower()


def _may_use(snapshot: Snapshot, account: str) -> bool:
    return account == snapshot.account or account in snapshot.shared_with or "all" in snapshot.shared_with


def require_cluster_available(cluster: Cluster) -> None:
    """Raise RdsError for a cluster that is busy, stopped or failed."""
    if cluster.status != "available":
        raise RdsError(
            "InvalidDBClusterStateFault",
            f"DB cluster is not available for modification with status {cluster.status}",
        )


def require_instance_available(instance: Instance) -> None:
    """Raise RdsError for an instance that is busy, stopped or failed."""
    if instance.status != "available":
        raise RdsError("InvalidDBInstanceState", f"Instance {instance.identifier} is in {instance.status} state.")


def require_snapshot_available(snapshot: Snapshot) -> None:
    """Raise RdsError for a snapshot that is unfinished or failed."""
    if snapshot.status != "available":
        raise RdsError(
            "InvalidDBClusterSnapshotStateFault",
            f"The DB cluster snapshot {snapshot.identifier} is not in the available state: {snapshot.status}",
        )
