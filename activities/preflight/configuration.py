"""The live target's settings, as the restored cluster is to have them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities.rds import tags
from models.configuration import ClusterSettings, Instance, ServerlessV2Scaling

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef, DBInstanceTypeDef

NOT_CARRIED = ("aws:", "aurora-restore:")
"""Tags of AWS's own, which nobody may set, and ours, which are set anew."""


def live_settings(cluster: DBClusterTypeDef, instances: list[DBInstanceTypeDef]) -> ClusterSettings:
    """What a cluster has now, of all that a restore would otherwise leave to RDS's defaults.

    A default parameter group is left out: it belongs to one engine version, and RDS chooses it by itself.
    Source: RDS API Reference, DBCluster and DBInstance.
    """
    scaling = cluster.get("ServerlessV2ScalingConfiguration")
    found = {key: value for key, value in tags.tags_of(cluster.get("TagList", [])).items() if not _ours(key)}
    return ClusterSettings(
        instances=_instances(cluster, instances) or None,
        db_subnet_group_name=cluster.get("DBSubnetGroup"),
        vpc_security_group_ids=tuple(group["VpcSecurityGroupId"] for group in cluster.get("VpcSecurityGroups", []))
        or None,
        db_cluster_parameter_group_name=_own_group(cluster.get("DBClusterParameterGroup")),
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
        tags=found or None,
    )


def _instances(cluster: DBClusterTypeDef, instances: list[DBInstanceTypeDef]) -> tuple[Instance, ...]:
    writers = {
        member["DBInstanceIdentifier"] for member in cluster.get("DBClusterMembers", []) if member["IsClusterWriter"]
    }
    writer_first = sorted(
        instances, key=lambda one: (one["DBInstanceIdentifier"] not in writers, one["DBInstanceIdentifier"])
    )
    return tuple(
        Instance(
            instance_class=one["DBInstanceClass"],
            db_parameter_group_name=next(
                filter(None, (_own_group(group["DBParameterGroupName"]) for group in one.get("DBParameterGroups", []))),
                None,
            ),
        )
        for one in writer_first
    )


def _own_group(name: str | None) -> str | None:
    return None if name is None or name.startswith("default.") else name


def _ours(key: str) -> bool:
    return key.lower().startswith(NOT_CARRIED)
