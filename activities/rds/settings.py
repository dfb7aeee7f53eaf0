"""A cluster's settings as RDS has them now: read from the target before it is deleted, and from its successor after.

The same code reads both, so that the two can be compared. Which member becomes which field: activities/rds/members.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from activities.rds import tags
from activities.rds.statuses import BEING_DELETED, INACCESSIBLE, NOT_RUNNING, Meaning, instance_meaning
from models.configuration import (
    AssociatedRole,
    ClusterSettings,
    CustomEndpoint,
    Instance,
    ServerlessV2Scaling,
)

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterEndpointTypeDef, DBClusterTypeDef, DBInstanceTypeDef

RESERVED_TAG_PREFIXES = ("aws:", "aurora-restore:", "application-autoscaling:")
"""AWS sets the first and the last itself; the pipeline sets the second anew on each restore."""
AUTOSCALED_PREFIX = "application-autoscaling-"
"""How Application Auto Scaling names the readers that it adds. Source: Aurora User Guide, "Amazon Aurora Auto Scaling"."""


def read_settings(
    cluster: DBClusterTypeDef,
    instances: list[DBInstanceTypeDef],
    endpoints: list[DBClusterEndpointTypeDef],
    endpoint_tags: Mapping[str, dict[str, str]],
) -> ClusterSettings:
    """The settings of a cluster that a restore would otherwise leave to RDS's defaults.

    `endpoints` are its custom endpoints, `endpoint_tags` their tags by ARN.
    A default parameter group is left out: it belongs to one engine version, and
    RDS chooses it by itself. Members that RDS's model does not require may be absent; absent means nothing is said.
    Source: RDS API Reference, DBCluster, DBInstance, DBClusterEndpoint.
    """
    domain = next(iter(cluster.get("DomainMemberships", [])), None)
    secret = cluster.get("MasterUserSecret")
    return ClusterSettings(
        instances=_instances(cluster, instances) or None,
        db_subnet_group_name=cluster.get("DBSubnetGroup"),
        vpc_security_group_ids=tuple(sorted(_security_groups(cluster))) or None,
        db_cluster_parameter_group_name=_custom_group(cluster.get("DBClusterParameterGroup")),
        port=cluster.get("Port"),
        serverless_v2_scaling=_scaling(cluster),
        iam_database_authentication=cluster.get("IAMDatabaseAuthenticationEnabled"),
        cloudwatch_logs_exports=tuple(sorted(cluster.get("EnabledCloudwatchLogsExports", []))) or None,
        backup_retention_days=cluster.get("BackupRetentionPeriod"),
        preferred_backup_window=cluster.get("PreferredBackupWindow"),
        preferred_maintenance_window=cluster.get("PreferredMaintenanceWindow"),
        copy_tags_to_snapshot=cluster.get("CopyTagsToSnapshot"),
        tags=_own_tags(tags.tags_of(cluster.get("TagList", []))) or None,
        storage_encrypted=cluster.get("StorageEncrypted") or None,  # false is only ever a permission of the request
        kms_key_id=cluster.get("KmsKeyId"),
        storage_type=cluster.get("StorageType") or "aurora",
        engine_lifecycle_support=cluster.get("EngineLifecycleSupport"),
        network_type=cluster.get("NetworkType"),
        associated_roles=tuple(sorted(_roles(cluster), key=lambda role: (role.role_arn, role.feature_name or "")))
        or None,
        backtrack_window_seconds=cluster.get("BacktrackWindow"),
        domain=domain.get("Domain") if domain else None,
        domain_iam_role_name=domain.get("IAMRoleName") if domain else None,
        http_endpoint=cluster.get("HttpEndpointEnabled"),
        local_write_forwarding=_is_on(cluster.get("LocalWriteForwardingStatus")),
        auto_minor_version_upgrade=cluster.get("AutoMinorVersionUpgrade"),
        database_insights_mode=cluster.get("DatabaseInsightsMode"),
        performance_insights_kms_key_id=cluster.get("PerformanceInsightsKMSKeyId"),
        performance_insights_retention_days=cluster.get("PerformanceInsightsRetentionPeriod"),
        master_user_secret_kms_key_id=secret.get("KmsKeyId") if secret else None,
        custom_endpoints=_custom_endpoints(endpoints, endpoint_tags) or None,
    )


def is_autoscaled(instance: DBInstanceTypeDef) -> bool:
    """Whether Application Auto Scaling added this reader: it comes and goes with the load, and is no setting."""
    return instance["DBInstanceIdentifier"].startswith(AUTOSCALED_PREFIX)


def _instances(cluster: DBClusterTypeDef, instances: list[DBInstanceTypeDef]) -> tuple[Instance, ...]:
    """The writer first, then the readers by name; none that is autoscaled, being deleted or broken."""
    writers = {
        member["DBInstanceIdentifier"]
        for member in cluster.get("DBClusterMembers", [])
        if member.get("IsClusterWriter")
    }
    kept = [instance for instance in instances if not is_autoscaled(instance) and not _is_ending(instance)]
    writer_first = sorted(
        kept, key=lambda instance: (instance["DBInstanceIdentifier"] not in writers, instance["DBInstanceIdentifier"])
    )
    return tuple(_instance(instance) for instance in writer_first)


def _is_ending(instance: DBInstanceTypeDef) -> bool:
    """Being deleted or broken by itself; what its whole cluster shares says nothing about one instance."""
    status = instance["DBInstanceStatus"]
    shared = (*NOT_RUNNING, *INACCESSIBLE)
    return status in BEING_DELETED or (instance_meaning(status) is Meaning.TERMINAL and status not in shared)


def _instance(instance: DBInstanceTypeDef) -> Instance:
    return Instance(
        identifier=instance["DBInstanceIdentifier"],
        instance_class=instance["DBInstanceClass"],
        db_parameter_group_name=_custom_instance_group(instance),
        availability_zone=instance.get("AvailabilityZone"),
        promotion_tier=instance.get("PromotionTier"),
        auto_minor_version_upgrade=instance.get("AutoMinorVersionUpgrade"),
        preferred_maintenance_window=instance.get("PreferredMaintenanceWindow"),
        ca_certificate_identifier=instance.get("CACertificateIdentifier"),
        monitoring_interval_seconds=instance.get("MonitoringInterval"),
        monitoring_role_arn=instance.get("MonitoringRoleArn"),
        performance_insights=instance.get("PerformanceInsightsEnabled"),
        performance_insights_kms_key_id=instance.get("PerformanceInsightsKMSKeyId"),
        performance_insights_retention_days=instance.get("PerformanceInsightsRetentionPeriod"),
        tags=_own_tags(tags.tags_of(instance.get("TagList", []))) or None,
    )


def _custom_instance_group(instance: DBInstanceTypeDef) -> str | None:
    groups = (_custom_group(group.get("DBParameterGroupName")) for group in instance.get("DBParameterGroups", []))
    return next((group for group in groups if group), None)


def _custom_group(name: str | None) -> str | None:
    """The name of a parameter group, or None if it is one of RDS's defaults."""
    return None if name is None or name.startswith("default.") else name


def _security_groups(cluster: DBClusterTypeDef) -> list[str]:
    return [
        group["VpcSecurityGroupId"] for group in cluster.get("VpcSecurityGroups", []) if "VpcSecurityGroupId" in group
    ]


def _roles(cluster: DBClusterTypeDef) -> list[AssociatedRole]:
    return [
        AssociatedRole(role_arn=role["RoleArn"], feature_name=role.get("FeatureName") or None)
        for role in cluster.get("AssociatedRoles", [])
        if "RoleArn" in role
    ]


def _scaling(cluster: DBClusterTypeDef) -> ServerlessV2Scaling | None:
    scaling = cluster.get("ServerlessV2ScalingConfiguration")
    if not scaling or "MaxCapacity" not in scaling:
        return None
    return ServerlessV2Scaling(
        min_capacity=scaling.get("MinCapacity", 0),
        max_capacity=scaling["MaxCapacity"],
        seconds_until_auto_pause=scaling.get("SecondsUntilAutoPause"),
    )


def _is_on(status: str | None) -> bool | None:
    """Local write forwarding has a status; None where the engine does not know it."""
    return None if status is None else status in ("enabled", "enabling", "requested")


def _custom_endpoints(
    endpoints: list[DBClusterEndpointTypeDef], endpoint_tags: Mapping[str, dict[str, str]]
) -> tuple[CustomEndpoint, ...]:
    restorable = [
        _endpoint(endpoint, endpoint_tags.get(endpoint.get("DBClusterEndpointArn", ""), {})) for endpoint in endpoints
    ]
    return tuple(sorted(restorable, key=lambda endpoint: endpoint.identifier))


def _endpoint(endpoint: DBClusterEndpointTypeDef, found_tags: dict[str, str]) -> CustomEndpoint:
    return CustomEndpoint(
        identifier=endpoint["DBClusterEndpointIdentifier"],
        endpoint_type=endpoint.get("CustomEndpointType", "READER"),
        static_members=tuple(sorted(endpoint.get("StaticMembers", []))),
        excluded_members=tuple(sorted(endpoint.get("ExcludedMembers", []))),
        tags=_own_tags(found_tags),
    )


def _own_tags(existing: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in existing.items() if not key.lower().startswith(RESERVED_TAG_PREFIXES)}
