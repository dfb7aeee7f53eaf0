"""RestoreDBClusterFromSnapshot: a new cluster, without instances, from a snapshot in the same region.

Source: RDS API Reference, RestoreDBClusterFromSnapshot.
"""

from __future__ import annotations

from typing import Any

from devstack.aws.rds import account, clusters, keys, lookup
from devstack.aws.rds.engine_versions import EngineVersion, check_engine, order_of, resolve_version
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Snapshot
from devstack.aws.rds.servers import retain_backup
from devstack.aws.rds.state import Call


@serves(
    "RestoreDBClusterFromSnapshot",
    models="""
    AssociatedRoles AvailabilityZones BackupRetentionPeriod BacktrackWindow CopyTagsToSnapshot DatabaseName
    DBClusterIdentifier DBClusterParameterGroupName DBSubnetGroupName DeletionProtection Domain DomainIAMRoleName
    EnableCloudwatchLogsExports EnableIAMDatabaseAuthentication EnablePerformanceInsights Engine EngineLifecycleSupport
    EngineMode EngineVersion KmsKeyId MonitoringInterval MonitoringRoleArn NetworkType PerformanceInsightsKMSKeyId
    PerformanceInsightsRetentionPeriod Port PreferredBackupWindow ServerlessV2ScalingConfiguration SnapshotIdentifier
    StorageType Tags VpcSecurityGroupIds
    """,
)
def restore_db_cluster_from_snapshot(call: Call) -> dict[str, Any]:
    """A cluster with the snapshot's data, port, master user and retention; the call or a default sets everything else.

    Without `EngineVersion` it gets the engine's default version, not the snapshot's.
    """
    parameters = call.parameters
    identifier = clusters.new_identifier(call)
    account.check_cluster_quota(call)
    snapshot = _source(call)
    version = _version(call, snapshot)
    kms_key = _key(call, snapshot)
    cluster = clusters.new_cluster(call, identifier, version, snapshot.master_username)
    cluster.kms_key = kms_key
    cluster.port = parameters.get("Port", snapshot.port)
    cluster.backup_retention_days = clusters.retention(parameters, default=snapshot.backup_retention_days)
    cluster.origin = retain_backup(call.state, snapshot.backup)
    return clusters.add_cluster(call, cluster, call.state.durations.cluster_restore)


def _source(call: Call) -> Snapshot:
    name = call.parameters["SnapshotIdentifier"]
    snapshot = lookup.find_usable_snapshot(call.state, call.region, name)
    if snapshot.region != call.region.name:
        raise lookup.snapshot_not_found(name)
    lookup.require_snapshot_available(snapshot)
    return snapshot


def _version(call: Call, snapshot: Snapshot) -> EngineVersion:
    engine = call.parameters["Engine"]
    check_engine(engine)
    if engine != snapshot.engine:
        raise RdsError(
            "InvalidParameterValue",
            f"The engine {engine} is not compatible with the engine {snapshot.engine} of the DB cluster snapshot.",
        )
    version = resolve_version(engine, call.parameters.get("EngineVersion"))
    if version.order < order_of(snapshot.engine_version):
        raise RdsError(
            "InvalidParameterCombination",
            f"The engine version {version.version} is earlier than the engine version of the DB cluster "
            f"snapshot ({snapshot.engine_version}).",
        )
    return version


def _key(call: Call, snapshot: Snapshot) -> str | None:
    requested = call.parameters.get("KmsKeyId")
    if requested is not None:
        return keys.key_arn(call.state, call.region, requested)
    if snapshot.kms_key is not None and snapshot.account == call.region.account:
        return keys.key_arn(call.state, call.region, snapshot.kms_key)
    return snapshot.kms_key
