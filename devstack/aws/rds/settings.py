"""Settings of clusters and instances that the emulator checks, stores and shows; few have an effect of their own here.

Source: RDS API Reference, CreateDBCluster, CreateDBInstance, ModifyDBCluster and ModifyDBInstance: the valid values and
the constraints of each parameter.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Any

from devstack.aws.rds import keys, requests, windows
from devstack.aws.rds.engine_versions import CERTIFICATES, MAX_CAPACITY_UNITS, EngineVersion
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.resources import Cluster, DomainMembership
from devstack.aws.rds.state import Call

PORTS = range(1150, 65536)
MAX_BACKTRACK_SECONDS = 72 * 3600
ADVANCED_RETENTION_DAYS = 465
AUTO_PAUSE_SECONDS = range(300, 86401)

CLUSTER_SETTINGS = (
    "AutoMinorVersionUpgrade",
    "BacktrackWindow",
    "EngineLifecycleSupport",
    "EngineMode",
    "NetworkType",
    "StorageType",
)
"""Parameters of a cluster that are shown under the same name."""

INSTANCE_SETTINGS = (
    "AutoMinorVersionUpgrade",
    "CACertificateIdentifier",
    "CopyTagsToSnapshot",
    "NetworkType",
)
"""Parameters of an instance that are shown under the same name."""

CLUSTER_DEFAULTS: dict[str, Any] = {
    "AutoMinorVersionUpgrade": True,
    "EngineMode": "provisioned",
    "NetworkType": "IPV4",
    # Also at restore, whatever the snapshot's is. Source: RDS API Reference, RestoreDBClusterFromSnapshot, StorageType.
    "StorageType": "aurora",
}
INSTANCE_DEFAULTS: dict[str, Any] = {
    "AutoMinorVersionUpgrade": True,
    "CACertificateIdentifier": "rds-ca-rsa2048-g1",
    "CopyTagsToSnapshot": False,
    "MonitoringInterval": 0,
    "NetworkType": "IPV4",
    "PerformanceInsightsEnabled": False,
}

VALID_VALUES: dict[str, Container[Any]] = {
    "DatabaseInsightsMode": ("standard", "advanced"),
    "EngineLifecycleSupport": ("open-source-rds-extended-support", "open-source-rds-extended-support-disabled"),
    "MonitoringInterval": (0, 1, 5, 10, 15, 30, 60),
    "PerformanceInsightsRetentionPeriod": (7, *(31 * month for month in range(1, 24)), 731),
    "Port": PORTS,
    "PromotionTier": range(16),
}


def of_cluster(call: Call, version: EngineVersion, current: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a cluster after a call that creates or changes it. Raises RdsError for those that AWS refuses."""
    parameters, engine = call.parameters, version.engine
    changed = {**current, **requests.select(parameters, CLUSTER_SETTINGS)}
    _check_valid_values(parameters)
    if parameters.get("StorageType", "aurora") not in ("aurora", "aurora-iopt1"):
        raise RdsError("StorageTypeNotSupported", f"{engine} has no storage type {parameters['StorageType']}.")
    if parameters.get("EngineMode", "provisioned") != "provisioned":
        raise RdsError("InvalidParameterValue", f"{engine} has no engine mode {parameters['EngineMode']}.")
    _check_network_type(parameters)
    _check_backtrack(parameters, engine)
    changed.update(_windows_of_cluster(parameters, current))
    if "EnableLocalWriteForwarding" in parameters:
        enabled = parameters["EnableLocalWriteForwarding"]
        if enabled and not version.forwards_writes:
            raise RdsError("InvalidParameterCombination", f"{engine} {version.version} has no local write forwarding.")
        changed["LocalWriteForwardingStatus"] = "enabled" if enabled else "disabled"
    return _with_database_insights(parameters, _with_performance_insights(call, _with_monitoring(parameters, changed)))


def of_instance(call: Call, cluster: Cluster, current: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an instance after a call that creates or changes it. Raises RdsError for those that AWS refuses."""
    parameters = call.parameters
    changed = {**current, **requests.select(parameters, INSTANCE_SETTINGS)}
    _check_valid_values(parameters)
    _check_network_type(parameters)
    if parameters.get("CACertificateIdentifier", CERTIFICATES[0]) not in CERTIFICATES:
        raise RdsError("CertificateNotFound", f"Certificate {parameters['CACertificateIdentifier']} not found.")
    window = parameters.get("PreferredMaintenanceWindow", current.get("PreferredMaintenanceWindow"))
    changed["PreferredMaintenanceWindow"] = windows.instance_window(cluster.settings["PreferredBackupWindow"], window)
    return _with_performance_insights(call, _with_monitoring(parameters, changed))


def _windows_of_cluster(parameters: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, str]:
    """Both windows; one that a call leaves out is the cluster's own, and a new cluster's is a default."""
    names = ("PreferredBackupWindow", "PreferredMaintenanceWindow")
    return windows.cluster_windows({**requests.select(current, names), **requests.select(parameters, names)})


def _check_valid_values(parameters: Mapping[str, Any]) -> None:
    for name, valid in VALID_VALUES.items():
        if name in parameters and parameters[name] not in valid:
            raise RdsError("InvalidParameterValue", f"Invalid value {parameters[name]} for {name}.")


def _check_network_type(parameters: Mapping[str, Any]) -> None:
    if parameters.get("NetworkType", "IPV4") not in ("IPV4", "DUAL"):
        raise RdsError("NetworkTypeNotSupported", f"There is no network type {parameters['NetworkType']}.")


def _check_backtrack(parameters: Mapping[str, Any], engine: str) -> None:
    window = parameters.get("BacktrackWindow", 0)
    if not 0 <= window <= MAX_BACKTRACK_SECONDS:
        raise RdsError("InvalidParameterValue", f"Invalid BacktrackWindow {window}: 0 to {MAX_BACKTRACK_SECONDS}.")
    if window and engine != "aurora-mysql":
        raise RdsError("InvalidParameterCombination", f"Backtrack is not available for {engine}.")


def _with_monitoring(parameters: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Enhanced Monitoring: an interval other than 0 needs a role, and a role needs such an interval."""
    changed = {**settings, **requests.select(parameters, ("MonitoringInterval", "MonitoringRoleArn"))}
    if changed.get("MonitoringInterval", 0) == 0:
        if "MonitoringRoleArn" in parameters:
            raise RdsError("InvalidParameterCombination", "MonitoringRoleArn needs a MonitoringInterval other than 0.")
        changed.pop("MonitoringRoleArn", None)
    elif "MonitoringRoleArn" not in changed:
        raise RdsError("InvalidParameterCombination", "A MonitoringInterval other than 0 needs a MonitoringRoleArn.")
    return changed


def _with_performance_insights(call: Call, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Performance Insights: a key and a retention make no sense without it; left out, they have defaults."""
    parameters, changed = call.parameters, dict(settings)
    details = ("PerformanceInsightsKMSKeyId", "PerformanceInsightsRetentionPeriod")
    if "EnablePerformanceInsights" in parameters:
        changed["PerformanceInsightsEnabled"] = parameters["EnablePerformanceInsights"]
    if not changed.get("PerformanceInsightsEnabled"):
        if any(name in parameters for name in details):
            raise RdsError("InvalidParameterCombination", f"{' and '.join(details)} need EnablePerformanceInsights.")
        return {name: value for name, value in changed.items() if name not in details}
    key, retention = (parameters.get(name) or changed.get(name) for name in details)
    changed["PerformanceInsightsKMSKeyId"] = keys.key_arn(call.state, call.region, key or keys.DEFAULT_KEY)
    changed["PerformanceInsightsRetentionPeriod"] = retention or 7
    return changed


def _with_database_insights(parameters: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Database Insights: its advanced mode needs Performance Insights with a retention of 465 days."""
    changed = {**settings, **requests.select(parameters, ("DatabaseInsightsMode",))}
    retention = changed.get("PerformanceInsightsRetentionPeriod", 0)
    if changed.get("DatabaseInsightsMode") == "advanced" and retention < ADVANCED_RETENTION_DAYS:
        raise RdsError(
            "InvalidParameterCombination",
            "The advanced mode of Database Insights needs EnablePerformanceInsights and a "
            f"PerformanceInsightsRetentionPeriod of {ADVANCED_RETENTION_DAYS}.",
        )
    return changed


def scaling(
    parameters: Mapping[str, Any], version: EngineVersion, current: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """ServerlessV2ScalingConfiguration after a call. Raises RdsError for capacities that AWS refuses.

    With MinCapacity 0 a cluster pauses, after five minutes unless another time is given; SecondsUntilAutoPause is
    shown only then. Source: RDS API Reference, ServerlessV2ScalingConfiguration and …Info.
    """
    if "ServerlessV2ScalingConfiguration" not in parameters:
        return dict(current) if current else None
    names = ("MinCapacity", "MaxCapacity", "SecondsUntilAutoPause")
    given = requests.select(parameters["ServerlessV2ScalingConfiguration"], names)
    changed = {"SecondsUntilAutoPause": 300, **(current or {}), **given}
    lowest, highest, pause = (changed.get(name) for name in names)
    if lowest is None or highest is None:
        raise RdsError("InvalidParameterCombination", "MinCapacity and MaxCapacity must both be given.")
    in_order = version.min_capacity <= lowest <= highest and 1 <= highest <= MAX_CAPACITY_UNITS
    if not in_order or lowest * 2 % 1 or highest * 2 % 1:
        raise RdsError(
            "InvalidParameterValue",
            f"Invalid Serverless v2 capacity {lowest:g} to {highest:g} for {version.engine} {version.version}: give half "
            f"steps, {version.min_capacity:g} to {MAX_CAPACITY_UNITS:g}, the minimum not above the maximum.",
        )
    if pause not in AUTO_PAUSE_SECONDS:
        raise RdsError("InvalidParameterValue", f"Invalid SecondsUntilAutoPause {pause}: 300 to 86400.")
    if lowest > 0:
        del changed["SecondsUntilAutoPause"]
    return changed


def zones(call: Call) -> list[str]:
    """Where the cluster's instances are created, at most three zones. Raises RdsError for one of another region."""
    existing = call.region.availability_zones
    given: list[str] = call.parameters.get("AvailabilityZones", existing)
    if not set(given) <= set(existing) or len(given) > len(existing):
        raise RdsError("InvalidParameterValue", f"Invalid AvailabilityZones {', '.join(given)}: {', '.join(existing)}.")
    return given


def database_name(parameters: Mapping[str, Any]) -> str | None:
    """The database that a new cluster has. Raises RdsError for a name that RDS refuses."""
    name: str | None = parameters.get("DatabaseName")
    if name is not None and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", name):
        raise RdsError("InvalidParameterValue", f"DatabaseName {name} is not 1 to 64 letters, digits and underscores.")
    return name


def domain(parameters: Mapping[str, Any], current: DomainMembership | None) -> DomainMembership | None:
    """The directory of a cluster after a call; `none` leaves it. Raises RdsError for one without a role."""
    directory, role = parameters.get("Domain"), parameters.get("DomainIAMRoleName")
    if directory is None:
        if role is not None:
            raise RdsError("InvalidParameterCombination", "DomainIAMRoleName needs Domain.")
        return current
    if directory == "none":
        return None
    if role is None:
        raise RdsError("InvalidParameterCombination", "DomainIAMRoleName is required with Domain.")
    if not re.fullmatch(r"d-[0-9a-f]{10}", directory):
        raise RdsError("DomainNotFoundFault", f"The domain {directory} was not found.")
    return DomainMembership(directory, role)
