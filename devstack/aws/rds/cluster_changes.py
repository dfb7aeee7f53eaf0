"""ModifyDBCluster: some changes show at once, others after a phase in which the cluster is busy.

The answer still says `available`, and so does the cluster for the first quarter of the time; only
PendingModifiedValues tells that something is coming. Who waits for `available` alone is fooled, as in AWS.
Source: RDS API Reference, ModifyDBCluster.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from typing import Any

from devstack.aws.rds import answers, clusters, events, groups, keys, lookup, master_passwords, requests, servers
from devstack.aws.rds.engine_versions import version_for
from devstack.aws.rds.errors import Refusal
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Cluster
from devstack.aws.rds.state import Call, Region

NOT_CHANGES = frozenset(
    {"AllowEngineModeChange", "AllowMajorVersionUpgrade", "ApplyImmediately", "DBClusterIdentifier"}
)
WINDOW_BOUND = frozenset({"DBClusterIdentifier", "EngineVersion", "IAMDatabaseAuthenticationEnabled"})
"""What waits for a maintenance window, which never comes here, unless ApplyImmediately is given."""


@serves("ModifyDBCluster")
def modify_db_cluster(call: Call) -> dict[str, Any]:
    """Change an available cluster; see the module for what changes when."""
    wanted = call.parameters
    cluster = lookup.cluster_named(call.region, wanted["DBClusterIdentifier"])
    if not wanted.keys() - NOT_CHANGES:
        raise Refusal("InvalidParameterCombination", "No modifications were requested")
    lookup.require_cluster_available(cluster)
    _check(call, cluster)
    _change_at_once(call, cluster)
    _change_password(call, cluster)
    _change_later(call, cluster)
    return {"DBCluster": answers.cluster(call.state, cluster)}


def _check(call: Call, cluster: Cluster) -> None:
    """Refuse before anything is changed: a refused call leaves the cluster as it was."""
    wanted = call.parameters
    if "NewDBClusterIdentifier" in wanted:
        clusters.new_identifier(call, "NewDBClusterIdentifier")
    version = version_for(cluster.engine, wanted.get("EngineVersion", cluster.engine_version))
    if "DBClusterParameterGroupName" in wanted:
        groups.cluster_parameter_group_for(call.region, wanted["DBClusterParameterGroupName"], version)
    groups.security_groups(call.region, wanted.get("VpcSecurityGroupIds"))
    clusters.retention(wanted, default=cluster.backup_retention_days)
    _check_password(wanted, cluster)


def _check_password(wanted: dict[str, Any], cluster: Cluster) -> None:
    master_passwords.check(wanted.get("MasterUserPassword"))
    manage = wanted.get("ManageMasterUserPassword")
    if "MasterUserPassword" in wanted and (manage or (manage is None and cluster.secret is not None)):
        raise Refusal(
            "InvalidParameterCombination",
            "You can't specify MasterUserPassword for a cluster whose password is managed in Secrets Manager.",
        )
    if manage is False and cluster.secret is not None and "MasterUserPassword" not in wanted:
        raise Refusal(
            "InvalidParameterCombination",
            "MasterUserPassword is required when ManageMasterUserPassword is turned off.",
        )
    if wanted.get("RotateMasterUserPassword") and cluster.secret is None:
        raise Refusal(
            "InvalidParameterCombination",
            "RotateMasterUserPassword needs a password that is managed in Secrets Manager.",
        )


def _change_at_once(call: Call, cluster: Cluster) -> None:
    wanted = call.parameters
    cluster.deletion_protection = wanted.get("DeletionProtection", cluster.deletion_protection)
    cluster.copy_tags_to_snapshot = wanted.get("CopyTagsToSnapshot", cluster.copy_tags_to_snapshot)
    cluster.settings.update(requests.chosen(wanted, clusters.STORED))


# Passwords


def _change_password(call: Call, cluster: Cluster) -> None:
    wanted = call.parameters
    if wanted.get("ManageMasterUserPassword") and cluster.secret is None:
        master_passwords.manage(call.state, cluster, wanted.get("MasterUserSecretKmsKeyId"))
        _reset_credentials(call, cluster, servers.done())
    elif wanted.get("RotateMasterUserPassword") and cluster.secret is not None:
        password = keys.rotate_secret(call.state, cluster, cluster.secret)
        _reset_credentials(call, cluster, servers.set_master_password(call.state, cluster, password))
    elif "MasterUserPassword" in wanted:
        keys.delete_secret(call.state, cluster)
        cluster.pending["MasterUserPassword"] = "****"
        changed = servers.set_master_password(call.state, cluster, wanted["MasterUserPassword"])
        _reset_credentials(call, cluster, changed)


def _reset_credentials(call: Call, cluster: Cluster, changed: Future[None]) -> None:
    def finish(at: datetime) -> None:
        cluster.pending.pop("MasterUserPassword", None)
        events.record(call.state, cluster, at, "Reset master credentials", "configuration change")

    _phase(
        call,
        cluster,
        "resetting-master-credentials",
        call.state.durations.master_password,
        finish,
        ready=changed.done,
    )


def _phase(
    call: Call,
    cluster: Cluster,
    status: str,
    seconds: float,
    finish: Callable[[datetime], None],
    *,
    ready: Callable[[], bool] = lambda: True,
) -> None:
    """Let the cluster be busy from a quarter of the time on; at its end the change is done."""

    def begin(_: datetime) -> None:
        cluster.status = status

    def end(at: datetime) -> None:
        cluster.status = "available"
        finish(at)

    call.state.schedule(cluster, seconds / 4, begin)
    call.state.schedule(cluster, seconds, end, ready)


# Everything else


def _change_later(call: Call, cluster: Cluster) -> None:
    wanted = call.parameters
    changes = _asked_for(cluster, wanted)
    pending = _pending(wanted, changes)
    cluster.pending.update(pending)
    if not wanted.get("ApplyImmediately", False):
        changes = {name: value for name, value in changes.items() if name not in WINDOW_BOUND}
    if not changes:
        return

    def finish(at: datetime) -> None:
        for name in pending.keys() & (changes.keys() | {"PendingCloudwatchLogsExports"}):
            cluster.pending.pop(name, None)
        _apply(call, cluster, changes, at)

    status = "renaming" if "DBClusterIdentifier" in changes else "modifying"
    _phase(call, cluster, status, call.state.durations.cluster_modify, finish)


def _asked_for(cluster: Cluster, wanted: dict[str, Any]) -> dict[str, Any]:
    renamed = wanted.get("NewDBClusterIdentifier", "").lower()
    logs = wanted.get("CloudwatchLogsExportConfiguration")
    changes = {
        "BackupRetentionPeriod": wanted.get("BackupRetentionPeriod"),
        "DBClusterIdentifier": renamed or None,
        "DBClusterParameterGroup": wanted.get("DBClusterParameterGroupName"),
        "EngineVersion": wanted.get("EngineVersion"),
        "IAMDatabaseAuthenticationEnabled": wanted.get("EnableIAMDatabaseAuthentication"),
        "LogExports": _exports(cluster.log_exports, logs) if logs else None,
        "Port": wanted.get("Port"),
        "Scaling": wanted.get("ServerlessV2ScalingConfiguration"),
        "VpcSecurityGroups": wanted.get("VpcSecurityGroupIds"),
    }
    return {name: value for name, value in changes.items() if value is not None}


def _exports(now: list[str], change: dict[str, Any]) -> list[str]:
    off = change.get("DisableLogTypes", [])
    return sorted({*now, *change.get("EnableLogTypes", [])} - set(off))


def _pending(wanted: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    shown = (
        "BackupRetentionPeriod",
        "DBClusterIdentifier",
        "EngineVersion",
        "IAMDatabaseAuthenticationEnabled",
    )
    pending = requests.chosen(changes, shown)
    if "LogExports" in changes:
        logs = wanted["CloudwatchLogsExportConfiguration"]
        pending["PendingCloudwatchLogsExports"] = {
            "LogTypesToEnable": logs.get("EnableLogTypes", []),
            "LogTypesToDisable": logs.get("DisableLogTypes", []),
        }
    return pending


def _apply(call: Call, cluster: Cluster, changes: dict[str, Any], at: datetime) -> None:
    cluster.backup_retention_days = changes.get("BackupRetentionPeriod", cluster.backup_retention_days)
    cluster.parameter_group = changes.get("DBClusterParameterGroup", cluster.parameter_group).lower()
    cluster.engine_version = changes.get("EngineVersion", cluster.engine_version)
    cluster.iam_authentication = changes.get("IAMDatabaseAuthenticationEnabled", cluster.iam_authentication)
    cluster.log_exports = changes.get("LogExports", cluster.log_exports)
    cluster.port = changes.get("Port", cluster.port)
    cluster.scaling = changes.get("Scaling", cluster.scaling)
    cluster.security_groups = changes.get("VpcSecurityGroups", cluster.security_groups)
    if "DBClusterIdentifier" in changes:
        _rename(call, call.region, cluster, changes["DBClusterIdentifier"], at)


def _rename(call: Call, region: Region, cluster: Cluster, new: str, at: datetime) -> None:
    """Move a cluster to a new name, with its members; the DbClusterResourceId stays."""
    if new in region.clusters:
        return
    old = cluster.identifier
    del region.clusters[old]
    region.clusters[new] = cluster
    cluster.identifier, cluster.arn = new, region.arn("cluster", new)
    events.record(call.state, cluster, at, f"Renamed DB cluster from {old} to {new}", "notification")
