"""DB cluster snapshots: take, describe, delete. `copies` and `sharing` have the other operations."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from devstack.aws.rds import events, lookup, requests, responses, servers
from devstack.aws.rds.account import count_manual_snapshots
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Cluster, Snapshot, Tags
from devstack.aws.rds.state import Call, RdsState, Region

SNAPSHOT_SETTINGS = ("EngineMode", "PreferredBackupWindow", "StorageType")
"""Settings of a cluster that its snapshots store and show."""


def new_snapshot_identifier(call: Call, parameter: str) -> str:
    """The identifier of a new manual snapshot. Raises RdsError if it is taken or the quota is used up."""
    identifier = requests.identifier(call.parameters, parameter)
    if identifier in call.region.snapshots:
        raise RdsError(
            "DBClusterSnapshotAlreadyExistsFault",
            f"Cannot create the cluster snapshot because one with the identifier {identifier} already exists.",
        )
    limit = call.state.quotas.manual_snapshots
    if count_manual_snapshots(call) >= limit:
        raise RdsError("SnapshotQuotaExceeded", f"Cannot create more than {limit} manual snapshots")
    return identifier


def take_snapshot(call: Call, cluster: Cluster, identifier: str, tags: Tags, kind: str = "manual") -> Snapshot:
    """Take a snapshot of a cluster as it is now; it becomes available when its data is backed up."""
    state, region, now = call.state, call.state.region_of(cluster), call.now
    snapshot = Snapshot(
        identifier=identifier,
        arn=region.arn("cluster-snapshot", identifier),
        cluster_identifier=cluster.identifier,
        cluster_resource_id=cluster.resource_id,
        cluster_created=cluster.created,
        taken=now,
        visible_from=now + timedelta(seconds=state.durations.visibility_lag),
        engine=cluster.engine,
        engine_version=cluster.engine_version,
        master_username=cluster.master_username,
        port=cluster.port,
        iam_authentication=cluster.iam_authentication,
        backup_retention_days=cluster.backup_retention_days,
        backup=servers.back_up(state, cluster),
        tags=tags,
        kind=kind,
        kms_key=cluster.kms_key,
        settings=requests.select(cluster.settings, SNAPSHOT_SETTINGS),
    )
    region.snapshots[identifier] = snapshot
    events.record(state, snapshot, now, f"Creating {kind} cluster snapshot", "backup")
    complete_after(state, snapshot, state.durations.snapshot, f"{kind.capitalize()} cluster snapshot created")
    return snapshot


def complete_after(state: RdsState, snapshot: Snapshot, seconds: float, message: str | None) -> None:
    """Complete a snapshot in `seconds`, with an event if AWS documents one."""
    snapshot.started = state.clock.now()
    snapshot.ends = snapshot.started + timedelta(seconds=seconds)
    task = snapshot.backup.task

    def finish(at: datetime) -> None:
        snapshot.status = "available" if servers.succeeded(task) else "failed"
        if message is not None and snapshot.status == "available":
            events.record(state, snapshot, at, message, "backup")

    state.schedule(snapshot, seconds, finish, ready=task.done)


def remove_snapshot(state: RdsState, region: Region, snapshot: Snapshot) -> None:
    """Remove a snapshot; an unfinished copy of it fails (Aurora User Guide)."""
    del region.snapshots[snapshot.identifier]
    state.cancel(snapshot)
    servers.release_backup(state, snapshot.backup)
    for copy in (each for other in state.regions() for each in other.snapshots.values()):
        if copy.source_arn == snapshot.arn and copy.status == "copying":
            copy.status = "failed"
            state.cancel(copy)


def delete_automated_snapshots(state: RdsState, region: Region, cluster: Cluster) -> None:
    """Remove the automated snapshots of a cluster, as AWS does when it deletes the cluster."""
    for each in list(region.snapshots.values()):
        if each.kind == "automated" and each.cluster_resource_id == cluster.resource_id:
            remove_snapshot(state, region, each)


def take_automated_snapshot(call: Call, cluster: Cluster) -> Snapshot:
    """Take the snapshot that RDS takes once a day, under the name that RDS gives it."""
    identifier = f"rds:{cluster.identifier}-{call.now:%Y-%m-%d-%H-%M}"
    return take_snapshot(call, cluster, identifier, tags_for_snapshot(cluster), kind="automated")


def tags_for_snapshot(cluster: Cluster) -> Tags:
    """The tags that a snapshot inherits from its cluster: all of them with CopyTagsToSnapshot, else none."""
    return dict(cluster.tags) if cluster.copy_tags_to_snapshot else {}


@serves("CreateDBClusterSnapshot", models="DBClusterIdentifier DBClusterSnapshotIdentifier Tags")
def create_db_cluster_snapshot(call: Call) -> dict[str, Any]:
    """A manual snapshot of an available cluster."""
    cluster = lookup.find_cluster(call.region, call.parameters["DBClusterIdentifier"])
    identifier = new_snapshot_identifier(call, "DBClusterSnapshotIdentifier")
    lookup.require_cluster_available(cluster)
    tags = {**tags_for_snapshot(cluster), **requests.tags(call.parameters)}
    return {"DBClusterSnapshot": responses.snapshot(call.state, take_snapshot(call, cluster, identifier, tags))}


@serves(
    "DescribeDBClusterSnapshots",
    models="DBClusterIdentifier DBClusterSnapshotIdentifier DbClusterResourceId Filters IncludePublic IncludeShared "
    "Marker MaxRecords SnapshotType",
)
def describe_db_cluster_snapshots(call: Call) -> dict[str, Any]:
    """The snapshots that the caller may see; NotFound only for an exact identifier, otherwise an empty list."""
    parameters = call.parameters
    filters = requests.filters(parameters, ("db-cluster-id", "db-cluster-snapshot-id", "engine", "snapshot-type"))
    if "DBClusterIdentifier" in parameters and "DBClusterSnapshotIdentifier" in parameters:
        raise RdsError(
            "InvalidParameterCombination",
            "DBClusterIdentifier and DBClusterSnapshotIdentifier cannot be specified at the same time.",
        )
    kind, name = parameters.get("SnapshotType"), parameters.get("DBClusterSnapshotIdentifier")
    cluster, resource_id = parameters.get("DBClusterIdentifier"), parameters.get("DbClusterResourceId")
    matching = [
        each
        for each in _candidates(call)
        if _is_of_kind(each, kind)
        and (name is None or _is_named(each, name, kind))
        and (cluster is None or requests.name_of(cluster, "cluster") == each.cluster_identifier)
        and resource_id in (None, each.cluster_resource_id)
        and _passes(each, filters)
    ]
    if not matching and name is not None:
        raise lookup.snapshot_not_found(name)
    page, marker = requests.page(parameters, matching, key=lambda each: each.arn)
    return {"DBClusterSnapshots": [_response(call, each) for each in page], "Marker": marker}


def _candidates(call: Call) -> list[Snapshot]:
    parameters, kind = call.parameters, call.parameters.get("SnapshotType")
    shared, public = parameters.get("IncludeShared", False), parameters.get("IncludePublic", False)
    own = [] if kind in ("shared", "public") else list(call.region.snapshots.values())
    others = [
        each
        for region in call.state.regions()
        if region.name == call.region.name and region.account != call.region.account
        for each in region.snapshots.values()
    ]
    include_shared = kind == "shared" or (kind is None and shared)
    include_public = kind == "public" or (kind is None and public)
    usable = [
        each
        for each in others
        if (include_shared and call.region.account in each.shared_with)
        or (include_public and "all" in each.shared_with)
    ]
    return [each for each in own + usable if each.visible_from <= call.now]


def _is_of_kind(snapshot: Snapshot, kind: str | None) -> bool:
    return kind not in ("automated", "manual", "awsbackup") or snapshot.kind == kind


def _is_named(snapshot: Snapshot, name: str, kind: str | None) -> bool:
    # API Reference: "If this identifier is for an automated snapshot, SnapshotType must also be specified."
    if snapshot.kind == "automated" and kind != "automated":
        return False
    return name.lower() in (snapshot.identifier, snapshot.arn.lower())


def _passes(snapshot: Snapshot, filters: requests.FilterValues) -> bool:
    cluster_arn = f"{snapshot.arn.split(':cluster-snapshot:')[0]}:cluster:{snapshot.cluster_identifier}"
    return (
        requests.matches_filter(filters, "db-cluster-id", snapshot.cluster_identifier, cluster_arn)
        and requests.matches_filter(filters, "db-cluster-snapshot-id", snapshot.identifier)
        and requests.matches_filter(filters, "engine", snapshot.engine)
        and requests.matches_filter(filters, "snapshot-type", snapshot.kind)
    )


def _response(call: Call, snapshot: Snapshot) -> responses.Response:
    if snapshot.account == call.region.account:
        return responses.snapshot(call.state, snapshot)
    return responses.shared_snapshot(call.state, snapshot)


@serves("DeleteDBClusterSnapshot", models="DBClusterSnapshotIdentifier")
def delete_db_cluster_snapshot(call: Call) -> dict[str, Any]:
    """Delete a manual snapshot at once, or cancel an unfinished copy."""
    snapshot = lookup.find_snapshot(call.region, call.parameters["DBClusterSnapshotIdentifier"])
    if snapshot.kind != "manual":
        raise RdsError(
            "InvalidDBClusterSnapshotStateFault",
            f"Only manual snapshots may be deleted; {snapshot.identifier} is {snapshot.kind}.",
        )
    if snapshot.status not in ("available", "copying", "failed"):
        lookup.require_snapshot_available(snapshot)
    remove_snapshot(call.state, call.region, snapshot)
    return {"DBClusterSnapshot": {**responses.snapshot(call.state, snapshot), "Status": "available"}}
