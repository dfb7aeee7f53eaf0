"""The values that RDS accepts for the settings that an operator may write. A live target's are RDS's own.

RDS would refuse any other value, but only after the deletion.
Source: RDS API Reference, CreateDBCluster and CreateDBInstance, the valid values and constraints of each parameter.
"""

from collections.abc import Container

from models.configuration import ClusterSettings, Instance

ADVANCED = "advanced"
ADVANCED_RETENTION_DAYS = 465
LIFECYCLES = ("open-source-rds-extended-support", "open-source-rds-extended-support-disabled")
MONITORING_SECONDS = (0, 1, 5, 10, 15, 30, 60)
RETENTION_DAYS = (7, *(31 * months for months in range(1, 24)), 731)

_RETENTION = (RETENTION_DAYS, "7, 731, or 31 times 1 to 23 months")
_CLUSTER_VALUES: dict[str, tuple[Container[object], str]] = {
    "storage_type": (("aurora", "aurora-iopt1"), "aurora or aurora-iopt1"),
    "engine_lifecycle_support": (LIFECYCLES, " or ".join(LIFECYCLES)),
    "network_type": (("IPV4", "DUAL"), "IPV4 or DUAL"),
    "database_insights_mode": (("standard", ADVANCED), f"standard or {ADVANCED}"),
    "performance_insights_retention_days": _RETENTION,
}
_INSTANCE_VALUES: dict[str, tuple[Container[object], str]] = {
    "monitoring_interval_seconds": (MONITORING_SECONDS, "0, 1, 5, 10, 15, 30 or 60"),
    "performance_insights_retention_days": _RETENTION,
}
"""By field: the valid values, and the words for them."""


def check_cluster_values(settings: ClusterSettings) -> None:
    """Raise ValueError for a setting of the cluster that RDS would refuse."""
    _check(settings, _CLUSTER_VALUES)
    retention = settings.performance_insights_retention_days
    if settings.database_insights_mode == ADVANCED and retention and retention < ADVANCED_RETENTION_DAYS:
        raise ValueError(
            f"performance_insights_retention_days must be at least {ADVANCED_RETENTION_DAYS} "
            f"with database_insights_mode {ADVANCED}"
        )


def check_instance_values(instance: Instance) -> None:
    """Raise ValueError for a setting of an instance that RDS would refuse, or that says nothing without another one."""
    _check(instance, _INSTANCE_VALUES)
    if bool(instance.monitoring_interval_seconds) != bool(instance.monitoring_role_arn):
        raise ValueError("monitoring_interval_seconds other than 0 and monitoring_role_arn need each other")
    details = instance.performance_insights_kms_key_id or instance.performance_insights_retention_days
    if details and not instance.performance_insights:
        raise ValueError(
            "performance_insights_kms_key_id and performance_insights_retention_days need performance_insights: true"
        )


def _check(settings: ClusterSettings | Instance, values: dict[str, tuple[Container[object], str]]) -> None:
    for name, (valid, words) in values.items():
        value = getattr(settings, name)
        if value is not None and value not in valid:
            raise ValueError(f"{name} must be {words}")
