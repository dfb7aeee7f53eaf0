"""DB clusters: create, describe, delete, start, stop. Restoring and modifying have modules of their own."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime, timedelta
from typing import Any

from devstack.aws.rds import answers, events, groups, keys, lookup, master_passwords, requests, servers
from devstack.aws.rds.engine_versions import ENGINES, EngineVersion, version_for
from devstack.aws.rds.errors import Refusal
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Cluster
from devstack.aws.rds.snapshots import capture, delete_automated, new_snapshot_identifier
from devstack.aws.rds.state import Call, RdsState, Region

RETENTION_DAYS = range(1, 36)
DELETABLE = frozenset(
    {
        "available",
        "failed",
        "inaccessible-encryption-credentials",
        "incompatible-network",
        "incompatible-parameters",
        "incompatible-restore",
        "insufficient-capacity",
        "migration-failed",
        "restore-error",
    }
)
"""Statuses in which DeleteDBCluster is accepted (Aurora User Guide, "Viewing DB cluster status")."""

STORED = (
    "DatabaseInsightsMode",
    "EngineLifecycleSupport",
    "EngineMode",
    "MonitoringInterval",
    "MonitoringRoleArn",
    "NetworkType",
    "PerformanceInsightsKMSKeyId",
    "PerformanceInsightsRetentionPeriod",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "StorageType",
)
"""Parameters that are stored and shown under the same name, and have no other effect."""

_DEFAULT_SETTINGS: dict[str, Any] = {
    "AutoMinorVersionUpgrade": True,
    "EngineMode": "provisioned",
    "NetworkType": "IPV4",
    "PreferredBackupWindow": "03:00-03:30",
    "PreferredMaintenanceWindow": "sun:05:00-sun:05:30",
}


def new_identifier(call: Call, parameter: str = "DBClusterIdentifier") -> str:
    """The identifier of a cluster to be; Refusal if it is taken, also by one that is being deleted."""
    identifier = requests.identifier(call.parameters, parameter)
    if identifier in call.region.clusters:
        raise Refusal("DBClusterAlreadyExistsFault", f"DB Cluster already exists: {identifier}")
    return identifier


def check_quota(call: Call) -> None:
    """Refuse one cluster too many."""
    if len(call.region.clusters) >= call.state.quotas.clusters:
        raise Refusal("DBClusterQuotaExceededFault", "The request would exceed the number of clusters allowed.")


def new_resource_id(kind: str) -> str:
    """A DbClusterResourceId or DbiResourceId; never used twice."""
    return f"{kind}-{base64.b32encode(secrets.token_bytes(16)).decode().rstrip('=')}"


def new_cluster(call: Call, identifier: str, version: EngineVersion, master_username: str) -> Cluster:
    """A cluster with what create and restore have in common; Refusal if a part of it does not exist."""
    wanted, region = call.parameters, call.region
    created = call.now
    return Cluster(
        identifier=identifier,
        arn=region.arn("cluster", identifier),
        resource_id=new_resource_id("cluster"),
        engine=version.engine,
        engine_version=version.version,
        created=created,
        visible_from=created + timedelta(seconds=call.state.durations.visibility_lag),
        master_username=master_username,
        subnet_group=groups.subnet_group_named(region, wanted.get("DBSubnetGroupName")),
        parameter_group=groups.cluster_parameter_group_for(region, wanted.get("DBClusterParameterGroupName"), version),
        security_groups=groups.security_groups(region, wanted.get("VpcSecurityGroupIds")),
        tags=requests.tags(wanted),
        port=wanted.get("Port", ENGINES[version.engine]),
        database_name=wanted.get("DatabaseName"),
        deletion_protection=wanted.get("DeletionProtection", False),
        copy_tags_to_snapshot=wanted.get("CopyTagsToSnapshot", False),
        iam_authentication=wanted.get("EnableIAMDatabaseAuthentication", False),
        log_exports=wanted.get("EnableCloudwatchLogsExports", []),
        scaling=wanted.get("ServerlessV2ScalingConfiguration"),
        settings={**_DEFAULT_SETTINGS, **requests.chosen(wanted, STORED)},
    )


def bring_up(call: Call, cluster: Cluster, seconds: float) -> dict[str, Any]:
    """Add a new cluster that becomes available in `seconds`, and answer with it."""
    call.region.clusters[cluster.identifier] = cluster

    def available(at: datetime) -> None:
        cluster.status, cluster.restorable_from = "available", at
        events.record(call.state, cluster, at, "DB cluster created", "creation")

    call.state.schedule(cluster, seconds, available)
    return {"DBCluster": answers.cluster(call.state, cluster)}


@serves("CreateDBCluster")
def create_db_cluster(call: Call) -> dict[str, Any]:
    """An empty cluster without instances."""
    wanted = call.parameters
    identifier = new_identifier(call)
    check_quota(call)
    version = version_for(wanted["Engine"], wanted.get("EngineVersion"))
    master_passwords.check_master(wanted)
    cluster = new_cluster(call, identifier, version, wanted.get("MasterUsername", "postgres"))
    cluster.backup_retention_days = retention(wanted, default=1)
    cluster.kms_key = _encryption(call)
    cluster.replication_source = wanted.get("ReplicationSourceIdentifier")
    cluster.master_password = wanted.get("MasterUserPassword")
    if wanted.get("ManageMasterUserPassword"):
        master_passwords.manage(call.state, cluster, wanted.get("MasterUserSecretKmsKeyId"))
    return bring_up(call, cluster, call.state.durations.cluster_create)


def retention(wanted: dict[str, Any], default: int) -> int:
    """BackupRetentionPeriod in days; Refusal outside of 1 to 35."""
    days: int = wanted.get("BackupRetentionPeriod", default)
    if days not in RETENTION_DAYS:
        raise Refusal("InvalidParameterValue", f"Invalid backup retention period: {days}. Must be between 1 and 35.")
    return days


def _encryption(call: Call) -> str | None:
    wanted = call.parameters
    if "KmsKeyId" not in wanted and not wanted.get("StorageEncrypted"):
        return None
    if wanted.get("StorageEncrypted") is False:
        raise Refusal("InvalidParameterCombination", "KmsKeyId can only be given together with StorageEncrypted.")
    return keys.key_arn(call.state, call.region, wanted.get("KmsKeyId", keys.DEFAULT_KEY))


@serves("DescribeDBClusters")
def describe_db_clusters(call: Call) -> dict[str, Any]:
    """Clusters of the account in the region; NotFound only for an exact identifier."""
    wanted = call.parameters
    filters = requests.filters(
        wanted, ("clone-group-id", "db-cluster-id", "db-cluster-resource-id", "domain", "engine")
    )
    visible = [each for each in call.region.clusters.values() if each.visible_from <= call.now]
    if "DBClusterIdentifier" in wanted:
        cluster = lookup.cluster_named(call.region, wanted["DBClusterIdentifier"])
        if cluster not in visible:
            raise Refusal("DBClusterNotFoundFault", f"DBCluster {cluster.identifier} not found.")
        visible = [cluster]
    found = [
        each
        for each in visible
        if requests.admits(filters, "db-cluster-id", each.identifier, each.arn)
        and requests.admits(filters, "db-cluster-resource-id", each.resource_id)
        and requests.admits(filters, "engine", each.engine)
        and requests.admits(filters, "clone-group-id", None)
        and requests.admits(filters, "domain", None)
    ]
    shown, marker = requests.page(wanted, found, key=lambda each: each.identifier)
    return {"DBClusters": [answers.cluster(call.state, each) for each in shown], "Marker": marker}


@serves("DeleteDBCluster")
def delete_db_cluster(call: Call) -> dict[str, Any]:
    """Delete a cluster whose instances are all deleted or being deleted.

    The answer still shows the status from before, as the API Reference's example does.
    """
    cluster = lookup.cluster_named(call.region, call.parameters["DBClusterIdentifier"])
    final = _final_snapshot(call)
    _check_deletable(call.region, cluster)
    if final is not None:
        capture(call, cluster, final, tags=dict(cluster.tags) if cluster.copy_tags_to_snapshot else {})
    answer = {"DBCluster": answers.cluster(call.state, cluster)}
    cluster.status = "deleting"
    keep_automated = call.parameters.get("DeleteAutomatedBackups") is False
    call.state.cancel(cluster)
    call.state.schedule(
        cluster,
        call.state.durations.cluster_delete,
        lambda at: _remove(call.state, call.region, cluster, at, keep_automated=keep_automated),
        ready=lambda: not cluster.members,
    )
    return answer


def _final_snapshot(call: Call) -> str | None:
    wanted = call.parameters
    skip, final = wanted.get("SkipFinalSnapshot", False), wanted.get("FinalDBSnapshotIdentifier")
    if skip and final:
        raise Refusal(
            "InvalidParameterCombination",
            "FinalDBSnapshotIdentifier cannot be specified when SkipFinalSnapshot is true.",
        )
    if not skip and not final:
        raise Refusal(
            "InvalidParameterCombination",
            "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
        )
    return new_snapshot_identifier(call, "FinalDBSnapshotIdentifier") if final else None


def _check_deletable(region: Region, cluster: Cluster) -> None:
    if cluster.deletion_protection:
        raise Refusal(
            "InvalidParameterCombination",
            "Cannot delete protected Cluster, please disable deletion protection and try again.",
        )
    if cluster.status not in DELETABLE:
        raise Refusal("InvalidDBClusterStateFault", f"DbCluster {cluster.identifier} is in {cluster.status} state")
    if any(region.instances[name].status != "deleting" for name in cluster.members):
        raise Refusal(
            "InvalidDBClusterStateFault",
            "Cluster cannot be deleted, it still contains DB instances in non-deleting state.",
        )
    if cluster.global_cluster is not None:
        raise Refusal(
            "InvalidDBClusterStateFault",
            "This cluster is a part of a global cluster, please remove it from globalcluster first",
        )


def _remove(state: RdsState, region: Region, cluster: Cluster, at: datetime, *, keep_automated: bool) -> None:
    del region.clusters[cluster.identifier]
    if not keep_automated:
        delete_automated(state, region, cluster)
    keys.delete_secret(state, cluster)
    servers.destroy(state, cluster)
    events.record(state, cluster, at, "DB cluster deleted", "deletion")


@serves("StopDBCluster")
def stop_db_cluster(call: Call) -> dict[str, Any]:
    """Stop a cluster and its instances. The database server behind it goes on running."""
    cluster = lookup.cluster_named(call.region, call.parameters["DBClusterIdentifier"])
    lookup.require_cluster_available(cluster)
    return _turn(call, cluster, "stopping", "stopped", "DB cluster stopped")


@serves("StartDBCluster")
def start_db_cluster(call: Call) -> dict[str, Any]:
    """Start a stopped cluster."""
    cluster = lookup.cluster_named(call.region, call.parameters["DBClusterIdentifier"])
    if cluster.status != "stopped":
        raise Refusal(
            "InvalidDBClusterStateFault",
            f"DbCluster {cluster.identifier} is in {cluster.status} state but expected stopped",
        )
    return _turn(call, cluster, "starting", "available", "DB cluster started")


def _turn(call: Call, cluster: Cluster, during: str, after: str, message: str) -> dict[str, Any]:
    instances = [call.region.instances[name] for name in cluster.members]

    def change(status: str) -> None:
        cluster.status = status
        for each in instances:
            each.status = status

    def finish(at: datetime) -> None:
        change(after)
        events.record(call.state, cluster, at, message, "notification")

    change(during)
    call.state.schedule(cluster, call.state.durations.cluster_modify, finish)
    return {"DBCluster": answers.cluster(call.state, cluster)}
