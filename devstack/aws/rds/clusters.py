"""DB clusters: create, describe, delete, start, stop. `restores` and `cluster_changes` have the other operations."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from devstack.aws.rds import (
    account,
    events,
    groups,
    keys,
    lookup,
    master_passwords,
    network,
    requests,
    responses,
    roles,
    servers,
    settings,
)
from devstack.aws.rds.engine_versions import ENGINES, EngineVersion, check_log_types, resolve_version
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Cluster, GlobalCluster
from devstack.aws.rds.snapshots import (
    delete_automated_snapshots,
    new_snapshot_identifier,
    tags_for_snapshot,
    take_snapshot,
)
from devstack.aws.rds.state import Call, RdsState, Region

RETENTION_DAYS = range(1, 36)
DELETABLE_STATUSES = frozenset(
    {
        "available",
        "failed",
        "inaccessible-encryption-credentials",
        "inaccessible-encryption-credentials-recoverable",
        "incompatible-network",
        "incompatible-parameters",
        "incompatible-restore",
        "insufficient-capacity",
        "migration-failed",
        "restore-error",
        "restore-failed",
        "storage-optimization",
    }
)
"""Statuses in which DeleteDBCluster is accepted (Aurora User Guide, "Viewing DB cluster status")."""


def new_identifier(call: Call, parameter: str = "DBClusterIdentifier") -> str:
    """The identifier of a new cluster. Raises RdsError if it is taken, also by a deletion or a rename under way."""
    identifier = requests.identifier(call.parameters, parameter)
    renaming = {each.renaming_to for each in call.region.clusters.values()}
    if identifier in call.region.clusters or identifier in renaming:
        raise RdsError("DBClusterAlreadyExistsFault", f"DB Cluster already exists: {identifier}")
    return identifier


def new_resource_id(kind: str) -> str:
    """A new, unique DbClusterResourceId or DbiResourceId."""
    return f"{kind}-{base64.b32encode(secrets.token_bytes(16)).decode().rstrip('=')}"


def new_cluster(call: Call, identifier: str, version: EngineVersion, master_username: str) -> Cluster:
    """The part of a new cluster that create and restore share. Raises RdsError if a group that it names is missing."""
    parameters, region = call.parameters, call.region
    created = call.now
    subnet_group = groups.resolve_subnet_group(region, parameters.get("DBSubnetGroupName"))
    security_groups = groups.resolve_security_groups(region, parameters.get("VpcSecurityGroupIds"))
    network.check_security_groups(call.state, region, region.subnet_groups[subnet_group], security_groups)
    check_log_types(version, parameters.get("EnableCloudwatchLogsExports", []))
    cluster = Cluster(
        identifier=identifier,
        arn=region.arn("cluster", identifier),
        resource_id=new_resource_id("cluster"),
        engine=version.engine,
        engine_version=version.version,
        created=created,
        visible_from=created + timedelta(seconds=call.state.durations.visibility_lag),
        master_username=master_username,
        subnet_group=subnet_group,
        parameter_group=groups.resolve_cluster_parameter_group(
            region, parameters.get("DBClusterParameterGroupName"), version
        ),
        security_groups=security_groups,
        tags=requests.tags(parameters),
        port=parameters.get("Port", ENGINES[version.engine]),
        availability_zones=settings.zones(call),
        database_name=settings.database_name(parameters),
        deletion_protection=parameters.get("DeletionProtection", False),
        copy_tags_to_snapshot=parameters.get("CopyTagsToSnapshot", False),
        iam_authentication=parameters.get("EnableIAMDatabaseAuthentication", False),
        log_exports=parameters.get("EnableCloudwatchLogsExports", []),
        scaling=settings.scaling(parameters, version, None),
        domain=settings.domain(parameters, None),
        settings=settings.of_cluster(call, version, settings.CLUSTER_DEFAULTS),
    )
    roles.associate(call, cluster, parameters.get("AssociatedRoles", []))
    return cluster


def add_cluster(call: Call, cluster: Cluster, seconds: float) -> dict[str, Any]:
    """Add a new cluster that becomes available in `seconds`, and return the response with it."""
    call.region.clusters[cluster.identifier] = cluster

    def become_available(at: datetime) -> None:
        cluster.status, cluster.restorable_from = "available", at
        events.record(call.state, cluster, at, "DB cluster created", "creation")

    call.state.schedule(cluster, seconds, become_available)
    return {"DBCluster": responses.cluster(call.state, cluster)}


@serves(
    "CreateDBCluster",
    models="""
    AssociatedRoles AutoMinorVersionUpgrade AvailabilityZones BackupRetentionPeriod BacktrackWindow CopyTagsToSnapshot
    DatabaseInsightsMode DatabaseName DBClusterIdentifier DBClusterParameterGroupName DBSubnetGroupName
    DeletionProtection Domain DomainIAMRoleName EnableCloudwatchLogsExports EnableHttpEndpoint
    EnableIAMDatabaseAuthentication EnableLocalWriteForwarding EnablePerformanceInsights Engine EngineLifecycleSupport
    EngineMode EngineVersion GlobalClusterIdentifier KmsKeyId ManageMasterUserPassword MasterUsername
    MasterUserPassword MasterUserSecretKmsKeyId MonitoringInterval MonitoringRoleArn NetworkType
    PerformanceInsightsKMSKeyId PerformanceInsightsRetentionPeriod Port PreferredBackupWindow
    PreferredMaintenanceWindow ReplicationSourceIdentifier ServerlessV2ScalingConfiguration StorageEncrypted
    StorageType Tags VpcSecurityGroupIds
    """,
)
def create_db_cluster(call: Call) -> dict[str, Any]:
    """An empty cluster without instances."""
    parameters = call.parameters
    identifier = new_identifier(call)
    account.check_cluster_quota(call)
    version = resolve_version(parameters["Engine"], parameters.get("EngineVersion"))
    master_passwords.check_master(parameters)
    cluster = new_cluster(call, identifier, version, parameters.get("MasterUsername", "postgres"))
    cluster.backup_retention_days = retention(parameters, default=1)
    cluster.kms_key = _encryption(call)
    cluster.replication_source = parameters.get("ReplicationSourceIdentifier")
    cluster.http_endpoint = parameters.get("EnableHttpEndpoint", False)
    cluster.master_password = parameters.get("MasterUserPassword")
    global_cluster = _global_cluster(call, cluster)
    if parameters.get("ManageMasterUserPassword"):
        master_passwords.manage(call.state, cluster, parameters.get("MasterUserSecretKmsKeyId"))
    if global_cluster is not None:
        global_cluster.members.append(cluster)
        cluster.global_cluster = global_cluster.identifier
    return add_cluster(call, cluster, call.state.durations.cluster_create)


def _global_cluster(call: Call, cluster: Cluster) -> GlobalCluster | None:
    """The global cluster whose primary the new cluster becomes. Raises RdsError if it does not exist or does not fit."""
    if "GlobalClusterIdentifier" not in call.parameters:
        return None
    group = lookup.find_global_cluster(call.state, call.region, call.parameters["GlobalClusterIdentifier"])
    if group.members:
        raise RdsError(
            "InvalidParameterCombination",
            f"{group.identifier} has a primary cluster, and the emulator does not model secondary ones.",
        )
    if group.engine != cluster.engine:
        raise RdsError("InvalidParameterCombination", f"{group.identifier} is of the engine {group.engine}.")
    return group


def retention(parameters: Mapping[str, Any], default: int) -> int:
    """BackupRetentionPeriod in days. Raises RdsError outside of 1 to 35."""
    days: int = parameters.get("BackupRetentionPeriod", default)
    if days not in RETENTION_DAYS:
        raise RdsError("InvalidParameterValue", f"Invalid backup retention period: {days}. Must be between 1 and 35.")
    return days


def _encryption(call: Call) -> str | None:
    parameters = call.parameters
    if "KmsKeyId" not in parameters and not parameters.get("StorageEncrypted"):
        return None
    if parameters.get("StorageEncrypted") is False:
        raise RdsError("InvalidParameterCombination", "KmsKeyId can only be given together with StorageEncrypted.")
    return keys.key_arn(call.state, call.region, parameters.get("KmsKeyId", keys.DEFAULT_KEY))


@serves("DescribeDBClusters", models="DBClusterIdentifier Filters MaxRecords Marker")
def describe_db_clusters(call: Call) -> dict[str, Any]:
    """The account's clusters in the region; NotFound only for an exact identifier."""
    parameters = call.parameters
    filters = requests.filters(
        parameters, ("clone-group-id", "db-cluster-id", "db-cluster-resource-id", "domain", "engine")
    )
    visible = [each for each in call.region.clusters.values() if each.visible_from <= call.now]
    if "DBClusterIdentifier" in parameters:
        cluster = lookup.find_cluster(call.region, parameters["DBClusterIdentifier"])
        if cluster not in visible:
            raise RdsError("DBClusterNotFoundFault", f"DBCluster {cluster.identifier} not found.")
        visible = [cluster]
    matching = [
        each
        for each in visible
        if requests.matches_filter(filters, "db-cluster-id", each.identifier, each.arn)
        and requests.matches_filter(filters, "db-cluster-resource-id", each.resource_id)
        and requests.matches_filter(filters, "engine", each.engine)
        and requests.matches_filter(filters, "clone-group-id", None)
        and requests.matches_filter(filters, "domain", _directory(each))
    ]
    page, marker = requests.page(parameters, matching, key=lambda each: each.identifier)
    return {"DBClusters": [responses.cluster(call.state, each) for each in page], "Marker": marker}


def _directory(cluster: Cluster) -> str | None:
    return cluster.domain.directory if cluster.domain else None


@serves(
    "DeleteDBCluster",
    models="DBClusterIdentifier DeleteAutomatedBackups FinalDBSnapshotIdentifier SkipFinalSnapshot",
)
def delete_db_cluster(call: Call) -> dict[str, Any]:
    """Delete a cluster whose instances are all deleted or being deleted.

    The response still shows the previous status, as the API Reference's example does.
    """
    cluster = lookup.find_cluster(call.region, call.parameters["DBClusterIdentifier"])
    final = _final_snapshot(call)
    _check_deletable(call.region, cluster)
    if final is not None:
        take_snapshot(call, cluster, final, tags=tags_for_snapshot(cluster))
    response = {"DBCluster": responses.cluster(call.state, cluster)}
    cluster.status = "deleting"
    keep_automated = call.parameters.get("DeleteAutomatedBackups") is False
    call.state.cancel(cluster)
    call.state.schedule(
        cluster,
        call.state.durations.cluster_delete,
        lambda at: _remove(call.state, call.region, cluster, at, keep_automated=keep_automated),
        ready=lambda: not cluster.members,
    )
    return response


def _final_snapshot(call: Call) -> str | None:
    parameters = call.parameters
    skip, final = parameters.get("SkipFinalSnapshot", False), parameters.get("FinalDBSnapshotIdentifier")
    if skip and final:
        raise RdsError(
            "InvalidParameterCombination",
            "FinalDBSnapshotIdentifier cannot be specified when SkipFinalSnapshot is true.",
        )
    if not skip and not final:
        raise RdsError(
            "InvalidParameterCombination",
            "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
        )
    return new_snapshot_identifier(call, "FinalDBSnapshotIdentifier") if final else None


def _check_deletable(region: Region, cluster: Cluster) -> None:
    if cluster.deletion_protection:
        raise RdsError(
            "InvalidParameterCombination",
            "Cannot delete protected Cluster, please disable deletion protection and try again.",
        )
    if cluster.status not in DELETABLE_STATUSES:
        raise RdsError("InvalidDBClusterStateFault", f"DbCluster {cluster.identifier} is in {cluster.status} state")
    if any(region.instances[name].status != "deleting" for name in cluster.members):
        raise RdsError(
            "InvalidDBClusterStateFault",
            "Cluster cannot be deleted, it still contains DB instances in non-deleting state.",
        )
    if cluster.global_cluster is not None:
        raise RdsError(
            "InvalidDBClusterStateFault",
            "This cluster is a part of a global cluster, please remove it from globalcluster first",
        )
    for attachment in region.attachments:
        if attachment.cluster_arn == cluster.arn:
            # AWS documents the refusal, not its text.
            raise RdsError(
                "InvalidDBClusterStateFault",
                f"Cluster {cluster.identifier} cannot be deleted because of its {attachment.kind} {attachment.name}.",
            )


def _remove(state: RdsState, region: Region, cluster: Cluster, at: datetime, *, keep_automated: bool) -> None:
    del region.clusters[cluster.identifier]
    for proxy in region.proxies.values():
        # RDS-EVENT-0215
        proxy.targets = [each for each in proxy.targets if each.cluster is not cluster]
    region.scalable_targets.pop(f"cluster:{cluster.identifier}", None)
    if not keep_automated:
        delete_automated_snapshots(state, region, cluster)
    keys.delete_secret(state, cluster)
    servers.destroy(state, cluster)
    events.record(state, cluster, at, "DB cluster deleted", "deletion")
