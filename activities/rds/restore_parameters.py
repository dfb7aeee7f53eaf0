"""The parameters of the calls that make the new cluster, built from its configuration. Pure: nothing is called here.

What each call is sent and what not, with the reason: activities/rds/parameters.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from activities.rds import tags
from models.clusters import CheckRestoreInput, RestoreClusterInput
from models.configuration import ClusterConfiguration, Instance, ServerlessV2Scaling
from models.identifiers import instance_identifier

ADVANCED = "advanced"
"""The mode of Database Insights that is asked for at the cluster; the other one is the default."""


def restore_parameters(step_input: RestoreClusterInput, operation_tag: str) -> dict[str, Any]:
    """For RestoreDBClusterFromSnapshot, besides the cluster's name.

    `operation_tag` is the one of the operation that makes the call. The engine version is pinned, to the snapshot's or
    the request's: left out, RDS takes the region's default.
    """
    configuration = step_input.configuration
    own_tags = {
        tags.REPLACED_BY: step_input.source_arn,
        tags.OPERATION: operation_tag,
        tags.RESTORED_FROM: step_input.snapshot_copy.arn,
    }
    if quarantine := step_input.target.quarantine:
        # The next restore must not take them for the target's own groups if this one ends in quarantine.
        own_tags[tags.QUARANTINE] = " ".join(quarantine.vpc_security_group_ids)
    return _given(
        SnapshotIdentifier=step_input.snapshot_copy.arn,
        Engine=step_input.snapshot.engine,
        EngineVersion=step_input.target.engine_version or step_input.snapshot.engine_version,
        DBSubnetGroupName=configuration.db_subnet_group_name,
        VpcSecurityGroupIds=list(configuration.vpc_security_group_ids),
        DBClusterParameterGroupName=configuration.db_cluster_parameter_group_name,
        KmsKeyId=_key(step_input),
        Port=configuration.port,
        DeletionProtection=False,
        EnableIAMDatabaseAuthentication=configuration.iam_database_authentication,
        EnableCloudwatchLogsExports=list(configuration.cloudwatch_logs_exports or ()) or None,
        BackupRetentionPeriod=configuration.backup_retention_days,
        PreferredBackupWindow=configuration.preferred_backup_window,
        CopyTagsToSnapshot=configuration.copy_tags_to_snapshot is not False,
        ServerlessV2ScalingConfiguration=_scaling(configuration.serverless_v2_scaling),
        StorageType=configuration.storage_type,
        EngineLifecycleSupport=configuration.engine_lifecycle_support,
        NetworkType=configuration.network_type,
        BacktrackWindow=configuration.backtrack_window_seconds,
        Domain=configuration.domain,
        DomainIAMRoleName=configuration.domain_iam_role_name,
        AssociatedRoles=[
            _given(RoleArn=role.role_arn, FeatureName=role.feature_name)
            for role in configuration.associated_roles or ()
        ]
        or None,
        Tags=tags.tag_list((configuration.tags or {}) | own_tags),
    )


def _key(step_input: RestoreClusterInput) -> str | None:
    """The key to encrypt with at restore. An encrypted copy was made with it; a request may give up encryption by name."""
    encrypted = step_input.snapshot.encrypted
    has_the_key = encrypted and step_input.snapshot_copy.copied
    gives_up = step_input.configuration.storage_encrypted is False and not encrypted
    return None if has_the_key or gives_up else step_input.configuration.kms_key_id


def instance_parameters(
    step_input: CheckRestoreInput, number: int, instance: Instance, operation_tag: str
) -> dict[str, Any]:
    """For CreateDBInstance, besides the cluster's name; number 1 is the writer.

    Its tag lets the next restore delete it: the policies in deploy/ allow that for an instance of the pipeline's own.
    """
    tier = instance.promotion_tier
    return _given(
        DBInstanceIdentifier=identifier_of(step_input.target.cluster, number, instance),
        DBInstanceClass=instance.instance_class,
        Engine=step_input.engine,
        PubliclyAccessible=False,
        PromotionTier=min(number - 1, 15) if tier is None else tier,
        DBParameterGroupName=instance.db_parameter_group_name,
        AvailabilityZone=instance.availability_zone,
        AutoMinorVersionUpgrade=instance.auto_minor_version_upgrade,
        PreferredMaintenanceWindow=instance.preferred_maintenance_window,
        CACertificateIdentifier=instance.ca_certificate_identifier,
        **_monitoring(instance),
        **_performance_insights(instance),
        Tags=tags.tag_list((instance.tags or {}) | {tags.OPERATION: operation_tag}),
    )


def identifier_of(cluster: str, number: int, instance: Instance) -> str:
    """The name of an instance of the restored cluster."""
    return instance.identifier or instance_identifier(cluster, number)


def modification_parameters(configuration: ClusterConfiguration) -> dict[str, Any]:
    """For ModifyDBCluster: the settings that a restore does not take. They go with the new master password."""
    advanced = configuration.database_insights_mode == ADVANCED
    insights: Mapping[str, object] = (
        {
            # Source: RDS API Reference, ModifyDBCluster, DatabaseInsightsMode: advanced needs both of them.
            "DatabaseInsightsMode": ADVANCED,
            "EnablePerformanceInsights": True,
            "PerformanceInsightsRetentionPeriod": configuration.performance_insights_retention_days or 465,
            "PerformanceInsightsKMSKeyId": configuration.performance_insights_kms_key_id,
        }
        if advanced
        else {}
    )
    return _given(
        PreferredMaintenanceWindow=configuration.preferred_maintenance_window,
        AutoMinorVersionUpgrade=configuration.auto_minor_version_upgrade,
        # Off is the default; an engine without it refuses the parameter.
        EnableLocalWriteForwarding=configuration.local_write_forwarding or None,
        **insights,
    )


def _monitoring(instance: Instance) -> dict[str, object]:
    """RDS refuses a role without an interval, and an interval without a role."""
    if not instance.monitoring_interval_seconds:
        return {}
    return {
        "MonitoringInterval": instance.monitoring_interval_seconds,
        "MonitoringRoleArn": instance.monitoring_role_arn,
    }


def _performance_insights(instance: Instance) -> dict[str, object]:
    if not instance.performance_insights:
        return {"EnablePerformanceInsights": instance.performance_insights}
    return {
        "EnablePerformanceInsights": True,
        "PerformanceInsightsKMSKeyId": instance.performance_insights_kms_key_id,
        "PerformanceInsightsRetentionPeriod": instance.performance_insights_retention_days,
    }


def _scaling(scaling: ServerlessV2Scaling | None) -> dict[str, Any] | None:
    if scaling is None:
        return None
    return _given(
        MinCapacity=scaling.min_capacity,
        MaxCapacity=scaling.max_capacity,
        SecondsUntilAutoPause=scaling.seconds_until_auto_pause,
    )


def _given(**parameters: object) -> dict[str, Any]:
    """Those that say something."""
    return {name: value for name, value in parameters.items() if value is not None}
