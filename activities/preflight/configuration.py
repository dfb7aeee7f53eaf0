"""The settings of the live target that the restored cluster has again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities.rds import tags
from models.configuration import ClusterSettings, Instance, ServerlessV2Scaling

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef, DBInstanceTypeDef

RESERVED_TAG_PREFIXES = ("aws:", "aurora-restore:")
"""AWS sets the former and refuses them from anyone else; the pipeline sets the latter anew on each restore."""


def live_settings(cluster: DBClusterTypeDef, instances: list[DBInstanceTypeDef]) -> ClusterSettings:
    """The settings of a cluster that a restore would otherwise leave to RDS's defaults.

    A default parameter group is left out: it belongs to one engine version, and RDS chooses it by itself.
    Source: RDS API Reference, DBCluster and DBInstance.
    """
    scaling = cluster.get("ServerlessV2ScalingConfiguration")
    own_tags = {
        key: value for key, value in tags.tags_of(cluster.get("TagList", [])).items() if not _is_reserved_tag(key)
    }
    return ClusterSettings(
        instances=_instances(cluster, instances) or None,
        db_subnet_group_name=cluster.get("DBSubnetGroup"),
        vpc_security_group_ids=tuple(group["VpcSecurityGroupId"] for group in cluster.get("VpcSecurityGroups", []))
        or None,
        db_cluster_parameter_group_name=_custom_group(cluster.get("DBClusterParameterGroup")),
        port=cluster.get("Port"),
        serverless_v2_scaling=ServerlessV2Scaling(
            min_capacity=scaling["MinCapacity"], max_capacity=scaling["MaxCapacity"]
        )
        if scaling
        else None,
        iam_database_authentication=cluster.get("IAMDatabaseAuthenticationEnabled"),
        cloudwatch_logs_exports=tuple(cluster.get("EnabledCloudwatchLogsExports", [])) or None,
        backup_retention_days=cluster.get("BackupRetentionPeriod"),
        preferred_backup_window=cluster.get("PreferredBackupWindow"),
        preferred_maintenance_window=cluster.get("PreferredMaintenanceWindow"),
        copy_tags_to_snapshot=cluster.get("CopyTagsToSnapshot"),
        tags=own_tags or None,
    )


def _instances(cluster: DBClusterTypeDef, instances: list[DBInstanceTypeDef]) -> tuple[Instance, ...]:
    """The writer first, then the readers by name."""
    writers = {
        member["DBInstanceIdentifier"] for member in cluster.get("DBClusterMembers", []) if member["IsClusterWriter"]
    }
    writer_first = sorted(
        instances,
        key=lambda instance: (instance["DBInstanceIdentifier"] not in writers, instance["DBInstanceIdentifier"]),
    )
    return tuple(
        Instance(instance_class=instance["DBInstanceClass"], db_parameter_group_name=_custom_instance_group(instance))
        for instance in writer_first
    )


def _custom_instance_group(instance: DBInstanceTypeDef) -> str | None:
    groups = (_custom_group(group["DBParameterGroupName"]) for group in instance.get("DBParameterGroups", []))
    return next((group for group in groups if group), None)


def _custom_group(name: str | None) -> str | None:
    """The name of a parameter group, or None if it is one of RDS's defaults."""
    return None if name is None or name.startswith("default.") else name


def _is_reserved_tag(key: str) -> bool:
    return key.lower().startswith(RESERVED_TAG_PREFIXES)
