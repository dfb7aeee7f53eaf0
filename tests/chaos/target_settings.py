"""The target's settings, which every restore brings back: the campaign's request names none of them.

They are read from RDS's answers, member by member, and not as the pipeline reads them.
"""

from __future__ import annotations

from typing import Any

from devstack.demo_environment import (
    INSTANCE_CLASS,
    REPLACED_BY,
    SECURITY_GROUP,
    TARGET,
    TARGET_REGION,
    DemoEnvironment,
)

OWN_TAGS = "aurora-restore:"
CLUSTER_MEMBERS = (
    "BackupRetentionPeriod", "CopyTagsToSnapshot", "DBClusterParameterGroup", "DBSubnetGroup", "DeletionProtection",
    "EngineVersion", "IAMDatabaseAuthenticationEnabled", "KmsKeyId", "PreferredBackupWindow",
    "PreferredMaintenanceWindow", "StorageEncrypted", "VpcSecurityGroups",
)  # fmt: skip
INSTANCE_MEMBERS = (
    "AutoMinorVersionUpgrade", "DBInstanceClass", "MonitoringInterval", "PreferredMaintenanceWindow", "PromotionTier",
    "PubliclyAccessible",
)  # fmt: skip


def enrich_target(demo: DemoEnvironment) -> None:
    """Give the target settings that are not RDS's defaults, tags of its owner's, and a second instance."""
    rds = demo.client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier=f"{TARGET}-2", DBClusterIdentifier=TARGET, DBInstanceClass=INSTANCE_CLASS,
        Engine="aurora-postgresql", PromotionTier=7, Tags=[{"Key": "role", "Value": "reports"}],
    )  # fmt: skip
    demo.wait_until(lambda: {each["DBInstanceStatus"] for each in list_instances(demo)} == {"available"})
    rds.modify_db_cluster(
        DBClusterIdentifier=TARGET, ApplyImmediately=True, BackupRetentionPeriod=9, CopyTagsToSnapshot=True,
        EnableIAMDatabaseAuthentication=True, VpcSecurityGroupIds=[SECURITY_GROUP],
        PreferredBackupWindow="01:00-01:30", PreferredMaintenanceWindow="sun:03:00-sun:03:30",
    )  # fmt: skip
    rds.add_tags_to_resource(ResourceName=demo.target_arn, Tags=[{"Key": "owner", "Value": "payments"}])
    demo.wait_until(lambda: is_modified(find_target(demo)))


def is_modified(cluster: dict[str, Any]) -> bool:
    """Whether RDS has applied the change of its settings."""
    return bool(cluster["Status"] == "available" and cluster["BackupRetentionPeriod"] == 9)


def list_instances(demo: DemoEnvironment) -> list[dict[str, Any]]:
    """The target's instances as RDS shows them."""
    instances = demo.client("rds", TARGET_REGION).describe_db_instances()["DBInstances"]
    return [instance for instance in instances if instance["DBClusterIdentifier"] == TARGET]


def find_target(demo: DemoEnvironment) -> dict[str, Any]:
    """The target as RDS shows it; empty if it does not exist."""
    clusters = demo.client("rds", TARGET_REGION).describe_db_clusters()["DBClusters"]
    return next((dict(each) for each in clusters if each["DBClusterIdentifier"] == TARGET), {})


def read_target_settings(demo: DemoEnvironment) -> dict[str, Any]:
    """The settings of the target and its instances, by their names; empty if it does not exist."""
    cluster = find_target(demo)
    if not cluster:
        return {}
    # A swap gives the instances other names, which end with the same numbers.
    instances = {
        f"{TARGET}-{each['DBInstanceIdentifier'].rpartition('-')[2]}": _settings(each, INSTANCE_MEMBERS)
        for each in list_instances(demo)
    }
    return {TARGET: _settings(cluster, CLUSTER_MEMBERS), **instances}


def _settings(described: dict[str, Any], members: tuple[str, ...]) -> dict[str, Any]:
    tags = {tag["Key"]: tag["Value"] for tag in described["TagList"]}
    owners = {key: value for key, value in tags.items() if key == REPLACED_BY or not key.startswith(OWN_TAGS)}
    return {**{name: described.get(name) for name in members}, "tags": owners}
