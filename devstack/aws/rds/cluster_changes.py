"""ModifyDBCluster: some changes take effect at once, others after a phase in which the cluster is busy.

As in AWS the response still says `available`, and so does the cluster for the first quarter of the time; only
PendingModifiedValues shows the coming change. A client that waits for `available` alone is therefore misled.
Source: RDS API Reference, ModifyDBCluster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime
from typing import Any

from devstack.aws.rds import (
    clusters,
    entrances,
    events,
    groups,
    keys,
    lookup,
    master_passwords,
    network,
    renames,
    requests,
    responses,
    servers,
    settings,
)
from devstack.aws.rds.engine_versions import EngineVersion, check_log_types, resolve_version
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Cluster
from devstack.aws.rds.state import Call

CONTROL_PARAMETERS = frozenset({"AllowMajorVersionUpgrade", "ApplyImmediately", "DBClusterIdentifier"})
"""Parameters that change nothing by themselves."""
WINDOW_CHANGES = frozenset({"DBClusterIdentifier", "EngineVersion", "IAMDatabaseAuthenticationEnabled"})
"""Changes that wait for a maintenance window without ApplyImmediately; the emulator has no such window."""


@serves(
    "ModifyDBCluster",
    models="""
    AllowMajorVersionUpgrade ApplyImmediately AutoMinorVersionUpgrade BackupRetentionPeriod BacktrackWindow
    CloudwatchLogsExportConfiguration CopyTagsToSnapshot DatabaseInsightsMode DBClusterIdentifier
    DBClusterParameterGroupName DeletionProtection Domain DomainIAMRoleName EnableIAMDatabaseAuthentication
    EnableLocalWriteForwarding EnablePerformanceInsights EngineLifecycleSupport EngineVersion ManageMasterUserPassword
    MasterUserPassword MasterUserSecretKmsKeyId NetworkType NewDBClusterIdentifier PerformanceInsightsKMSKeyId
    PerformanceInsightsRetentionPeriod Port PreferredBackupWindow PreferredMaintenanceWindow RotateMasterUserPassword
    ServerlessV2ScalingConfiguration StorageType VpcSecurityGroupIds
    """,
)
def modify_db_cluster(call: Call) -> dict[str, Any]:
    """Change an available cluster; the module's docstring says what changes when."""
    parameters = call.parameters
    cluster = lookup.find_cluster(call.region, parameters["DBClusterIdentifier"])
    if not parameters.keys() - CONTROL_PARAMETERS:
        raise RdsError("InvalidParameterCombination", "No modifications were requested")
    lookup.require_cluster_available(cluster)
    _check(call, cluster)
    changed = _changed_settings(call, cluster)
    directory = settings.domain(parameters, cluster.domain)
    _change_at_once(call, cluster, changed)
    cluster.domain = directory
    _change_password(call, cluster)
    _change_later(call, cluster)
    return {"DBCluster": responses.cluster(call.state, cluster)}


def _check(call: Call, cluster: Cluster) -> None:
    """Raise RdsError before anything is changed: a refused call leaves the cluster as it was."""
    parameters = call.parameters
    if "NewDBClusterIdentifier" in parameters:
        renames.check_cluster(call, cluster)
    version = _version(parameters, cluster)
    if "DBClusterParameterGroupName" in parameters:
        groups.resolve_cluster_parameter_group(call.region, parameters["DBClusterParameterGroupName"], version)
    if "VpcSecurityGroupIds" in parameters:
        security_groups = groups.resolve_security_groups(call.region, parameters["VpcSecurityGroupIds"])
        subnet_group = call.region.subnet_groups[cluster.subnet_group]
        network.check_security_groups(call.state, call.region, subnet_group, security_groups)
    logs = parameters.get("CloudwatchLogsExportConfiguration", {})
    check_log_types(version, [*logs.get("EnableLogTypes", []), *logs.get("DisableLogTypes", [])])
    clusters.retention(parameters, default=cluster.backup_retention_days)
    settings.scaling(parameters, version, cluster.scaling)
    _check_password(parameters, cluster)


def _changed_settings(call: Call, cluster: Cluster) -> dict[str, Any]:
    changed = settings.of_cluster(call, _version(call.parameters, cluster), cluster.settings)
    if changed.get("BacktrackWindow") and not cluster.settings.get("BacktrackWindow"):
        raise RdsError("InvalidParameterCombination", "Backtrack can only be enabled when a cluster is created.")
    return changed


def _version(parameters: Mapping[str, Any], cluster: Cluster) -> EngineVersion:
    """The version after the change. Raises RdsError for an earlier one, or for a major upgrade that is not allowed."""
    current = resolve_version(cluster.engine, cluster.engine_version)
    allowed = parameters.get("AllowMajorVersionUpgrade", False)
    version = resolve_version(cluster.engine, parameters.get("EngineVersion", current.version))
    if version.order < current.order:
        raise RdsError(
            "InvalidParameterCombination",
            f"Cannot upgrade {cluster.engine} from {current.version} to {version.version}",
        )
    if version.major != current.major and not allowed:
        raise RdsError(
            "InvalidParameterCombination",
            "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version.",
        )
    return version


def _check_password(parameters: Mapping[str, Any], cluster: Cluster) -> None:
    master_passwords.check(parameters.get("MasterUserPassword"))
    manage = parameters.get("ManageMasterUserPassword")
    if "MasterUserPassword" in parameters and (manage or (manage is None and cluster.secret is not None)):
        raise RdsError(
            "InvalidParameterCombination",
            "You can't specify MasterUserPassword for a cluster whose password is managed in Secrets Manager.",
        )
    if manage is False and cluster.secret is not None and "MasterUserPassword" not in parameters:
        raise RdsError(
            "InvalidParameterCombination",
            "MasterUserPassword is required when ManageMasterUserPassword is turned off.",
        )
    if "MasterUserSecretKmsKeyId" in parameters and not (manage and cluster.secret is None):
        raise RdsError(
            "InvalidParameterCombination",
            "MasterUserSecretKmsKeyId is only valid when ManageMasterUserPassword is turned on.",
        )
    if parameters.get("RotateMasterUserPassword") and cluster.secret is None:
        raise RdsError(
            "InvalidParameterCombination",
            "RotateMasterUserPassword needs a password that is managed in Secrets Manager.",
        )


def _change_at_once(call: Call, cluster: Cluster, changed: dict[str, Any]) -> None:
    parameters = call.parameters
    cluster.settings = changed
    cluster.deletion_protection = parameters.get("DeletionProtection", cluster.deletion_protection)
    cluster.copy_tags_to_snapshot = parameters.get("CopyTagsToSnapshot", cluster.copy_tags_to_snapshot)


# Passwords


def _change_password(call: Call, cluster: Cluster) -> None:
    parameters = call.parameters
    if parameters.get("ManageMasterUserPassword") and cluster.secret is None:
        cluster.pending["MasterUserPassword"] = "****"
        master_passwords.manage(call.state, cluster, parameters.get("MasterUserSecretKmsKeyId"))
        _reset_credentials(call, cluster, servers.completed())
    elif parameters.get("RotateMasterUserPassword") and cluster.secret is not None:
        cluster.pending["MasterUserPassword"] = "****"
        password = keys.rotate_secret(call.state, cluster, cluster.secret)
        _reset_credentials(call, cluster, servers.set_master_password(call.state, cluster, password))
    elif "MasterUserPassword" in parameters:
        keys.delete_secret(call.state, cluster)
        cluster.pending["MasterUserPassword"] = "****"
        changed = servers.set_master_password(call.state, cluster, parameters["MasterUserPassword"])
        _reset_credentials(call, cluster, changed)


def _reset_credentials(call: Call, cluster: Cluster, changed: Future[None]) -> None:
    def finish(at: datetime) -> None:
        cluster.pending.pop("MasterUserPassword", None)
        events.record(call.state, cluster, at, "Reset master credentials", "configuration change")

    _schedule_busy_phase(
        call,
        cluster,
        "resetting-master-credentials",
        call.state.durations.master_password,
        finish,
        ready=changed.done,
    )


def _schedule_busy_phase(
    call: Call,
    cluster: Cluster,
    status: str,
    seconds: float,
    finish: Callable[[datetime], None],
    *,
    ready: Callable[[], bool] = lambda: True,
) -> None:
    """Make the cluster busy after a quarter of the time, and finish the change at its end."""

    def begin(_: datetime) -> None:
        cluster.status = status
        entrances.update_reachability(call.state, cluster)

    def end(at: datetime) -> None:
        cluster.status = "available"
        finish(at)
        entrances.update_reachability(call.state, cluster)

    call.state.schedule(cluster, seconds / 4, begin)
    call.state.schedule(cluster, seconds, end, ready)


# Everything else


def _change_later(call: Call, cluster: Cluster) -> None:
    parameters = call.parameters
    changes = _requested_changes(cluster, parameters)
    pending = _pending_values(parameters, changes)
    cluster.pending.update(pending)
    if not parameters.get("ApplyImmediately", False):
        changes = {name: value for name, value in changes.items() if name not in WINDOW_CHANGES}
    if not changes:
        return

    def finish(at: datetime) -> None:
        for name in pending.keys() & (changes.keys() | {"PendingCloudwatchLogsExports"}):
            cluster.pending.pop(name, None)
        _apply(call, cluster, changes, at)

    status, seconds = "modifying", call.state.durations.cluster_modify
    if "DBClusterIdentifier" in changes:
        cluster.renaming_to = changes["DBClusterIdentifier"]
        status, seconds = "renaming", max(seconds, call.state.durations.cluster_rename)
    _schedule_busy_phase(call, cluster, status, seconds, finish)


def _requested_changes(cluster: Cluster, parameters: Mapping[str, Any]) -> dict[str, Any]:
    new_name = parameters.get("NewDBClusterIdentifier", "").lower()
    logs = parameters.get("CloudwatchLogsExportConfiguration")
    scaling = settings.scaling(parameters, _version(parameters, cluster), cluster.scaling)
    changes = {
        "BackupRetentionPeriod": parameters.get("BackupRetentionPeriod"),
        "DBClusterIdentifier": new_name or None,
        "DBClusterParameterGroup": parameters.get("DBClusterParameterGroupName"),
        "EngineVersion": parameters.get("EngineVersion"),
        "IAMDatabaseAuthenticationEnabled": parameters.get("EnableIAMDatabaseAuthentication"),
        "LogExports": _changed_exports(cluster.log_exports, logs) if logs else None,
        "Port": parameters.get("Port"),
        "Scaling": scaling if "ServerlessV2ScalingConfiguration" in parameters else None,
        "VpcSecurityGroups": parameters.get("VpcSecurityGroupIds"),
    }
    return {name: value for name, value in changes.items() if value is not None}


def _changed_exports(current: list[str], change: dict[str, Any]) -> list[str]:
    enabled, disabled = change.get("EnableLogTypes", []), change.get("DisableLogTypes", [])
    return sorted({*current, *enabled} - set(disabled))


def _pending_values(parameters: Mapping[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """PendingModifiedValues of these changes."""
    shown = (
        "BackupRetentionPeriod",
        "DBClusterIdentifier",
        "EngineVersion",
        "IAMDatabaseAuthenticationEnabled",
    )
    pending = requests.select(changes, shown)
    if "LogExports" in changes:
        logs = parameters["CloudwatchLogsExportConfiguration"]
        pending["PendingCloudwatchLogsExports"] = {
            "LogTypesToEnable": logs.get("EnableLogTypes", []),
            "LogTypesToDisable": logs.get("DisableLogTypes", []),
        }
    return pending


def _apply(call: Call, cluster: Cluster, changes: dict[str, Any], at: datetime) -> None:
    cluster.backup_retention_days = changes.get("BackupRetentionPeriod", cluster.backup_retention_days)
    parameter_group = changes.get("DBClusterParameterGroup", cluster.parameter_group).lower()
    if parameter_group != cluster.parameter_group:
        for name in cluster.members:
            call.region.instances[name].needs_restart = True
    cluster.parameter_group = parameter_group
    cluster.engine_version = changes.get("EngineVersion", cluster.engine_version)
    cluster.iam_authentication = changes.get("IAMDatabaseAuthenticationEnabled", cluster.iam_authentication)
    cluster.log_exports = changes.get("LogExports", cluster.log_exports)
    cluster.port = changes.get("Port", cluster.port)
    cluster.scaling = changes.get("Scaling", cluster.scaling)
    cluster.security_groups = changes.get("VpcSecurityGroups", cluster.security_groups)
    if "DBClusterIdentifier" in changes:
        renames.finish_cluster(call, cluster, at)
