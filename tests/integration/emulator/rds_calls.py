"""Calls of every operation that the emulator serves, which together have every member that it models.

Each call succeeds. A member that an operation comes to model gets its place here; `test_rds_members` says which is
missing.
"""

from __future__ import annotations

from typing import Any

from tests.integration.emulator.rds_calls_around_clusters import (
    PAGE,
    ROLE,
    TAGS,
    call_attachments,
    call_endpoints_and_roles,
    call_event_subscriptions,
    call_proxies,
)
from tests.rigs.emulated_aws import ENGINE, OTHER_ACCOUNT, SOURCE, START, TARGET, EmulatedAws

SCALING = {"MinCapacity": 0, "MaxCapacity": 4, "SecondsUntilAutoPause": 600}
MONITORING = {"MonitoringInterval": 60, "MonitoringRoleArn": ROLE}
SETTINGS: dict[str, Any] = {
    "BacktrackWindow": 0,
    "CopyTagsToSnapshot": True,
    "DBClusterParameterGroupName": "ours",
    "DBSubnetGroupName": "ours",
    "DatabaseName": "orders",
    "DeletionProtection": False,
    "Domain": "d-1234567890",
    "DomainIAMRoleName": "directory",
    "EnableCloudwatchLogsExports": ["postgresql"],
    "EnableIAMDatabaseAuthentication": True,
    "EngineLifecycleSupport": "open-source-rds-extended-support",
    "EngineMode": "provisioned",
    "EngineVersion": "16.6",
    "NetworkType": "DUAL",
    "Port": 5433,
    "PreferredBackupWindow": "01:00-01:30",
    "ServerlessV2ScalingConfiguration": SCALING,
    "StorageType": "aurora-iopt1",
    "VpcSecurityGroupIds": ["sg-0123"],
    "BackupRetentionPeriod": 3,
    "AvailabilityZones": [f"{SOURCE}a"],
    "AssociatedRoles": [{"RoleArn": ROLE, "FeatureName": "s3Import"}],
    "Tags": TAGS,
}
"""What CreateDBCluster and RestoreDBClusterFromSnapshot share."""

REFUSED_BY_AWS: dict[str, dict[str, Any]] = {
    "CreateDBInstance": {
        "AllocatedStorage": 1,
        "BackupRetentionPeriod": 1,
        "DBName": "orders",
        "KmsKeyId": "alias/ours",
        "ManageMasterUserPassword": True,
        "MasterUserPassword": "long-enough",
        "MasterUsername": "boss",
        "PreferredBackupWindow": "01:00-01:30",
        "StorageEncrypted": True,
        "VpcSecurityGroupIds": ["sg-0123"],
    },
    "DeleteDBInstance": {"FinalDBSnapshotIdentifier": "last"},
}
"""Members that an operation models by refusing them, as AWS does for an instance of Aurora, each with a value."""


def call_every_member(aws: EmulatedAws) -> None:
    """Make the calls, in an order in which each succeeds."""
    key = aws.create_key(SOURCE)
    insights = {
        "EnablePerformanceInsights": True,
        "PerformanceInsightsKMSKeyId": key,
        "PerformanceInsightsRetentionPeriod": 465,
    }
    _groups(aws)
    _clusters(aws, key, insights)
    _instances(aws, insights)
    _restarts(aws)
    call_event_subscriptions(aws)
    call_endpoints_and_roles(aws)
    call_attachments(aws, key)
    call_proxies(aws)
    _snapshots(aws, key, insights)
    _changes(aws, key, insights)
    _global_clusters(aws)
    _deletions(aws)


def _groups(aws: EmulatedAws) -> None:
    rds = aws.client()
    subnets = ["subnet-01", "subnet-02"]
    rds.create_db_subnet_group(DBSubnetGroupName="ours", DBSubnetGroupDescription="ours", SubnetIds=subnets, Tags=TAGS)
    rds.describe_db_subnet_groups(DBSubnetGroupName="ours", **PAGE)
    group = {"DBParameterGroupFamily": "aurora-postgresql16", "Description": "ours", "Tags": TAGS}
    rds.create_db_cluster_parameter_group(DBClusterParameterGroupName="ours", **group)
    rds.describe_db_cluster_parameter_groups(DBClusterParameterGroupName="ours", **PAGE)
    rds.create_db_parameter_group(DBParameterGroupName="ours", **group)
    rds.describe_db_parameter_groups(DBParameterGroupName="ours", **PAGE)
    rds.describe_db_engine_versions(
        Engine=ENGINE,
        EngineVersion="16.6",
        DBParameterGroupFamily="aurora-postgresql16",
        DefaultOnly=True,
        IncludeAll=True,
        Filters=[{"Name": "status", "Values": ["available"]}],
        **PAGE,
    )
    rds.describe_account_attributes()
    rds.describe_orderable_db_instance_options(
        Engine=ENGINE,
        EngineVersion="16.6",
        DBInstanceClass="db.r6g.large",
        LicenseModel="postgresql-license",
        Vpc=True,
        **PAGE,
    )


def _clusters(aws: EmulatedAws, key: str, insights: dict[str, Any]) -> None:
    rds = aws.client()
    source = aws.create_cluster("source")
    rds.create_global_cluster(
        GlobalClusterIdentifier="planned",
        Engine=ENGINE,
        EngineVersion="16.6",
        DatabaseName="orders",
        DeletionProtection=False,
        StorageEncrypted=True,
        Tags=TAGS,
    )
    rds.create_db_cluster(
        DBClusterIdentifier="rich",
        Engine=ENGINE,
        MasterUsername="boss",
        ManageMasterUserPassword=True,
        MasterUserSecretKmsKeyId=key,
        StorageEncrypted=True,
        KmsKeyId=key,
        GlobalClusterIdentifier="planned",
        EnableHttpEndpoint=True,
        EnableLocalWriteForwarding=False,
        AutoMinorVersionUpgrade=False,
        DatabaseInsightsMode="advanced",
        PreferredMaintenanceWindow="sun:02:00-sun:02:30",
        **SETTINGS,
        **MONITORING,
        **insights,
    )
    aws.wait()
    aws.create_cluster(
        "prod", ReplicationSourceIdentifier=source["DBClusterArn"], DatabaseName="orders", StorageEncrypted=True
    )
    rds.describe_db_clusters(
        DBClusterIdentifier="prod", Filters=[{"Name": "db-cluster-id", "Values": ["prod"]}], **PAGE
    )


def _instances(aws: EmulatedAws, insights: dict[str, Any]) -> None:
    rds = aws.client()
    settings = {
        "AutoMinorVersionUpgrade": False,
        "CACertificateIdentifier": "rds-ca-ecc384-g1",
        "CopyTagsToSnapshot": True,
        "DBParameterGroupName": "ours",
        "PreferredMaintenanceWindow": "sun:02:00-sun:02:30",
        "PromotionTier": 2,
        "PubliclyAccessible": False,
        **MONITORING,
        **insights,
    }
    for name in ("one", "two"):
        aws.create_instance(
            name,
            AvailabilityZone=f"{SOURCE}b",
            DBSubnetGroupName="default",
            NetworkType="IPV4",
            Tags=TAGS,
            **settings,
        )
    rds.modify_db_instance(
        DBInstanceIdentifier="two",
        NewDBInstanceIdentifier="three",
        DBInstanceClass="db.r6g.xlarge",
        ApplyImmediately=True,
        **settings,
    )
    aws.wait()
    rds.describe_db_instances(
        DBInstanceIdentifier="three", Filters=[{"Name": "db-instance-id", "Values": ["three"]}], **PAGE
    )


def _restarts(aws: EmulatedAws) -> None:
    rds = aws.client()
    rds.failover_db_cluster(DBClusterIdentifier="prod", TargetDBInstanceIdentifier="three")
    aws.wait()
    rds.reboot_db_instance(DBInstanceIdentifier="one", ForceFailover=False)
    aws.wait()
    rds.describe_pending_maintenance_actions(
        ResourceIdentifier=aws.describe_cluster()["DBClusterArn"],
        Filters=[{"Name": "db-cluster-id", "Values": ["prod"]}],
        **PAGE,
    )


def _snapshots(aws: EmulatedAws, key: str, insights: dict[str, Any]) -> None:
    rds = aws.client()
    arn = aws.create_snapshot("taken", "rich", Tags=TAGS)["DBClusterSnapshotArn"]
    aws.copy_snapshot(arn, region=TARGET, KmsKeyId=aws.create_key(), CopyTags=True, Tags=TAGS, SourceRegion=SOURCE)
    rds.describe_db_cluster_snapshots(
        DBClusterSnapshotIdentifier="taken",
        SnapshotType="manual",
        Filters=[{"Name": "engine", "Values": [ENGINE]}],
        **PAGE,
    )
    rds.describe_db_cluster_snapshots(
        DBClusterIdentifier="nothing", DbClusterResourceId="nothing", IncludePublic=True, IncludeShared=True
    )
    attribute = {"DBClusterSnapshotIdentifier": "taken", "AttributeName": "restore"}
    rds.modify_db_cluster_snapshot_attribute(ValuesToAdd=[OTHER_ACCOUNT], **attribute)
    rds.modify_db_cluster_snapshot_attribute(ValuesToRemove=[OTHER_ACCOUNT], **attribute)
    rds.describe_db_cluster_snapshot_attributes(DBClusterSnapshotIdentifier="taken")
    rds.restore_db_cluster_from_snapshot(
        DBClusterIdentifier="restored",
        SnapshotIdentifier=arn,
        Engine=ENGINE,
        KmsKeyId=key,
        **SETTINGS,
        **MONITORING,
        **insights,
    )
    aws.wait()
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="taken")


def _changes(aws: EmulatedAws, key: str, insights: dict[str, Any]) -> None:
    rds = aws.client()
    unchanged = SETTINGS.keys() - {
        "AssociatedRoles", "AvailabilityZones", "DBSubnetGroupName", "DatabaseName", "EnableCloudwatchLogsExports",
        "EngineMode", "Tags",
    }  # fmt: skip
    rds.modify_db_cluster(
        DBClusterIdentifier="prod",
        ApplyImmediately=True,
        AllowMajorVersionUpgrade=False,
        AutoMinorVersionUpgrade=True,
        CloudwatchLogsExportConfiguration={"EnableLogTypes": ["postgresql"], "DisableLogTypes": ["instance"]},
        DatabaseInsightsMode="standard",
        EnableLocalWriteForwarding=True,
        MasterUserPassword="another-one",
        PreferredMaintenanceWindow="sun:02:00-sun:02:30",
        **{name: SETTINGS[name] for name in unchanged},
        **insights,
    )
    aws.wait(300)
    rds.modify_db_cluster(DBClusterIdentifier="restored", NewDBClusterIdentifier="renamed", ApplyImmediately=True)
    rds.modify_db_cluster(DBClusterIdentifier="prod", ManageMasterUserPassword=True, MasterUserSecretKmsKeyId=key)
    aws.wait()
    rds.modify_db_cluster(DBClusterIdentifier="prod", RotateMasterUserPassword=True, ApplyImmediately=True)
    aws.wait()
    rds.stop_db_cluster(DBClusterIdentifier="prod")
    aws.wait()
    rds.start_db_cluster(DBClusterIdentifier="prod")
    aws.wait()
    arn = aws.describe_cluster("prod")["DBClusterArn"]
    rds.add_tags_to_resource(ResourceName=arn, Tags=TAGS)
    rds.list_tags_for_resource(ResourceName=arn)
    rds.remove_tags_from_resource(ResourceName=arn, TagKeys=["team"])
    rds.describe_events(SourceIdentifier="prod", SourceType="db-cluster", EventCategories=["creation"], Duration=5)
    rds.describe_events(StartTime=START, EndTime=aws.emulator.clock.now(), **PAGE)


def _global_clusters(aws: EmulatedAws) -> None:
    rds = aws.client()
    arn = aws.describe_cluster("renamed")["DBClusterArn"]
    rds.create_global_cluster(GlobalClusterIdentifier="everywhere", SourceDBClusterIdentifier=arn)
    rds.describe_global_clusters(
        GlobalClusterIdentifier="everywhere", Filters=[{"Name": "region", "Values": [SOURCE]}], **PAGE
    )
    rds.remove_from_global_cluster(GlobalClusterIdentifier="everywhere", DbClusterIdentifier=arn)
    rds.delete_global_cluster(GlobalClusterIdentifier="everywhere")


def _deletions(aws: EmulatedAws) -> None:
    rds = aws.client()
    for name in ("one", "three"):
        rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    rds.delete_db_cluster(DBClusterIdentifier="prod", FinalDBSnapshotIdentifier="final")
    rds.delete_db_cluster(DBClusterIdentifier="renamed", SkipFinalSnapshot=True, DeleteAutomatedBackups=False)
    aws.wait()
    rds.create_db_subnet_group(
        DBSubnetGroupName="unused", DBSubnetGroupDescription="-", SubnetIds=["subnet-01", "subnet-02"]
    )
    rds.delete_db_subnet_group(DBSubnetGroupName="unused")
    rds.delete_db_parameter_group(DBParameterGroupName="ours")
    group = {"DBParameterGroupFamily": "aurora-postgresql16", "Description": "-"}
    rds.create_db_cluster_parameter_group(DBClusterParameterGroupName="unused", **group)
    rds.delete_db_cluster_parameter_group(DBClusterParameterGroupName="unused")
