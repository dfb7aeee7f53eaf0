"""DB cluster snapshots: take, describe, delete. Copying and sharing have modules of their own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from devstack.aws.rds import answers, events, lookup, requests, servers
from devstack.aws.rds.errors import Refusal
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Cluster, Snapshot, Tags
from devstack.aws.rds.state import Call, RdsState, Region

CARRIED = ("EngineMode", "PreferredBackupWindow", "StorageType")
"""Settings of a cluster that its snapshots show."""


def new_snapshot_identifier(call: Call, parameter: str) -> str:
    """The identifier of a manual snapshot to be; Refusal if it is taken or there are too many."""
    identifier = requests.identifier(call.parameters, parameter)
    if identifier in call.region.snapshots:
        raise Refusal(
            "DBClusterSnapshotAlreadyExistsFault",
            f"Cannot create the cluster snapshot because one with the identifier {identifier} already exists.",
        )
    limit = call.state.quotas.manual_snapshots
    if sum(each.kind == "manual" for each in call.region.snapshots.values()) >= limit:
        raise Refusal("SnapshotQuotaExceeded", f"Cannot create more than {limit} manual snapshots")
    return identifier


def capture(call: Call, cluster: Cluster, identifier: str, tags: Tags, kind: str = "manual") -> Snapshot:
    """Take a snapshot of a cluster as it is now; it is available when its data is safe."""
    state, region, now = call.state, call.state.of(cluster), call.now
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
        settings=requests.chosen(cluster.settings, CARRIED),
    )
    region.snapshots[identifier] = snapshot
    events.record(state, snapshot, now, f"Creating {kind} cluster snapshot", "backup")
    finish_in(state, snapshot, state.durations.snapshot, f"{kind.capitalize()} cluster snapshot created")
    return snapshot


def finish_in(state: RdsState, snapshot: Snapshot, seconds: float, message: str | None) -> None:
    """Let a snapshot become available in `seconds`, with an event if AWS documents one."""
    snapshot.started = state.clock.now()
    snapshot.ends = snapshot.started + timedelta(seconds=seconds)
    work = snapshot.backup.work

    def finish(at: datetime) -> None:
        snapshot.status = "available" if servers.succeeded(work) else "failed"
        if message is not None and snapshot.status == "available":
            events.record(state, snapshot, at, message, "backup")

    state.schedule(snapshot, seconds, finish, ready=work.done)


def remove(state: RdsState, region: Region, snapshot: Snapshot) -> None:
    """Take a snapshot away; a copy of it that is still under way fails (Aurora User Guide)."""
    del region.snapshots[snapshot.identifier]
    state.cancel(snapshot)
    servers.release(state, snapshot.backup)
    for copy in (each for other in state.regions() for each in other.snapshots.values()):
        if copy.source_arn == snapshot.arn and copy.status == "copying":
            copy.status = "failed"
            state.cancel(copy)


def delete_automated(state: RdsState, region: Region, cluster: Cluster) -> None:
    """Take the automated snapshots of a cluster away, as happens when it is deleted."""
    for each in list(region.snapshots.values()):
        if each.kind == "automated" and each.cluster_resource_id == cluster.resource_id:
            remove(state, region, each)


def capture_automated(call: Call, cluster: Cluster) -> Snapshot:
    """Take the automated snapshot that RDS takes once a day, under the name that RDS gives it."""
    identifier = f"rds:{cluster.identifier}-{call.now:%Y-%m-%d-%H-%M}"
    tags = dict(cluster.tags) if cluster.copy_tags_to_snapshot else {}
    return capture(call, cluster, identifier, tags, kind="automated")


@serves("CreateDBClusterSnapshot")
def create_db_cluster_snapshot(call: Call) -> dict[str, Any]:
    """A manual snapshot of an available cluster."""
    cluster = lookup.cluster_named(call.region, call.parameters["DBClusterIdentifier"])
    identifier = new_snapshot_identifier(call, "DBClusterSnapshotIdentifier")
    lookup.require_cluster_available(cluster)
    inherited = cluster.tags if cluster.copy_tags_to_snapshot else {}
    tags = {**inherited, **requests.tags(call.parameters)}
    return {"DBClusterSnapshot": answers.snapshot(call.state, capture(call, cluster, identifier, tags))}


@serves("DescribeDBClusterSnapshots")
def describe_db_cluster_snapshots(call: Call) -> dict[str, Any]:
    """Snapshots; NotFound only for an exact identifier, an empty list for everything else."""
    wanted = call.parameters
    filters = requests.filters(wanted, ("db-cluster-id", "db-cluster-snapshot-id", "engine", "snapshot-type"))
    if "DBClusterIdentifier" in wanted and "DBClusterSnapshotIdentifier" in wanted:
        raise Refusal(
            "InvalidParameterCombination",
            "DBClusterIdentifier and DBClusterSnapshotIdentifier cannot be specified at the same time.",
        )
    found = [each for each in _candidates(call) if _matches(each, wanted) and _passes(each, filters)]
    if not found and "DBClusterSnapshotIdentifier" in wanted:
        raise lookup.snapshot_not_found(wanted["DBClusterSnapshotIdentifier"])
    shown, marker = requests.page(wanted, found, key=lambda each: each.arn)
    return {"DBClusterSnapshots": [_answer(call, each) for each in shown], "Marker": marker}


def _candidates(call: Call) -> list[Snapshot]:
    wanted, kind = call.parameters, call.parameters.get("SnapshotType")
    own = [] if kind in ("shared", "public") else list(call.region.snapshots.values())
    others = [
        each
        for region in call.state.regions()
        if region.name == call.region.name and region.account != call.region.account
        for each in region.snapshots.values()
    ]
    shared = kind == "shared" or (kind is None and wanted.get("IncludeShared", False))
    public = kind == "public" or (kind is None and wanted.get("IncludePublic", False))
    given = [
        each
        for each in others
        if (shared and call.region.account in each.shared_with) or (public and "all" in each.shared_with)
    ]
    return [each for each in own + given if each.visible_from <= call.now]


def _matches(snapshot: Snapshot, wanted: dict[str, Any]) -> bool:
    kind = wanted.get("SnapshotType")
    if kind in ("automated", "manual", "awsbackup") and snapshot.kind != kind:
        return False
    if "DBClusterSnapshotIdentifier" in wanted:
        return _is(snapshot, wanted["DBClusterSnapshotIdentifier"], kind)
    cluster = wanted.get("DBClusterIdentifier", snapshot.cluster_identifier)
    resource = wanted.get("DbClusterResourceId", snapshot.cluster_resource_id)
    return (
        requests.name_of(cluster, "cluster") == snapshot.cluster_identifier and resource == snapshot.cluster_resource_id
    )


def _is(snapshot: Snapshot, name: str, kind: str | None) -> bool:
    # API Reference: "If this identifier is for an automated snapshot, SnapshotType must also be specified."
    if snapshot.kind == "automated" and kind != "automated":
        return False
    return name.lower() in (snapshot.identifier, snapshot.arn.lower())


def _passes(snapshot: Snapshot, filters: requests.FilterValues) -> bool:
    cluster_arn = f"{snapshot.arn.split(':cluster-snapshot:')[0]}:cluster:{snapshot.cluster_identifier}"
    return (
        requests.admits(filters, "db-cluster-id", snapshot.cluster_identifier, cluster_arn)
        and requests.admits(filters, "db-cluster-snapshot-id", snapshot.identifier)
        and requests.admits(filters, "engine", snapshot.engine)
        and requests.admits(filters, "snapshot-type", snapshot.kind)
    )


def _answer(call: Call, snapshot: Snapshot) -> answers.Answer:
    if snapshot.account == call.region.account:
        return answers.snapshot(call.state, snapshot)
    return answers.shared_snapshot(call.state, snapshot)


@serves("DeleteDBClusterSnapshot")
def delete_db_cluster_snapshot(call: Call) -> dict[str, Any]:
    """Delete a manual snapshot, or cancel a copy that is under way. It is gone at once."""
    snapshot = lookup.snapshot_named(call.region, call.parameters["DBClusterSnapshotIdentifier"])
    if snapshot.kind != "manual":
        raise Refusal(
            "InvalidDBClusterSnapshotStateFault",
            f"Only manual snapshots may be deleted; {snapshot.identifier} is {snapshot.kind}.",
        )
    if snapshot.status not in ("available", "copying", "failed"):
        lookup.require_snapshot_available(snapshot)
    remove(call.state, call.region, snapshot)
    return {"DBClusterSnapshot": {**answers.snapshot(call.state, snapshot), "Status": "deleted"}}
