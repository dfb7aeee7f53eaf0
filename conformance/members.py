"""The members that the emulator's answers have, by kind of resource, and other words of its answers.

Always: what every available resource has. Sometimes: what depends on its settings. botocore's model requires none, so only
an account can say which AWS leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CLUSTER_ALWAYS = _names(
    """
    AllocatedStorage AssociatedRoles AutoMinorVersionUpgrade AvailabilityZones BackupRetentionPeriod
    ClusterCreateTime CopyTagsToSnapshot CrossAccountClone DBClusterArn DBClusterIdentifier DBClusterMembers
    DBClusterParameterGroup DBSubnetGroup DbClusterResourceId DeletionProtection DomainMemberships
    EarliestRestorableTime Endpoint Engine EngineMode EngineVersion HostedZoneId HttpEndpointEnabled
    IAMDatabaseAuthenticationEnabled LatestRestorableTime MasterUsername MultiAZ NetworkType Port
    PreferredBackupWindow PreferredMaintenanceWindow ReadReplicaIdentifiers ReaderEndpoint Status StorageEncrypted
    StorageEncryptionType TagList VpcSecurityGroups
    """
)
CLUSTER_SOMETIMES = _names(
    """
    BacktrackWindow CustomEndpoints DatabaseInsightsMode DatabaseName EnabledCloudwatchLogsExports
    EngineLifecycleSupport GlobalClusterIdentifier KmsKeyId LocalWriteForwardingStatus MasterUserSecret
    MonitoringInterval MonitoringRoleArn PendingModifiedValues PerformanceInsightsEnabled
    PerformanceInsightsKMSKeyId PerformanceInsightsRetentionPeriod ReplicationSourceIdentifier
    ServerlessV2ScalingConfiguration StorageType
    """
)
INSTANCE_ALWAYS = _names(
    """
    AllocatedStorage AssociatedRoles AutoMinorVersionUpgrade AvailabilityZone BackupRetentionPeriod
    CACertificateIdentifier CopyTagsToSnapshot DBClusterIdentifier DBInstanceArn DBInstanceClass
    DBInstanceIdentifier DBInstanceStatus DBParameterGroups DBSecurityGroups DBSubnetGroup DbInstancePort
    DbiResourceId DeletionProtection DomainMemberships Endpoint Engine EngineVersion
    IAMDatabaseAuthenticationEnabled InstanceCreateTime LicenseModel MasterUsername MonitoringInterval MultiAZ
    NetworkType OptionGroupMemberships PendingModifiedValues PerformanceInsightsEnabled PreferredBackupWindow
    PreferredMaintenanceWindow PromotionTier PubliclyAccessible ReadReplicaDBInstanceIdentifiers StorageEncrypted
    StorageEncryptionType StorageType TagList VpcSecurityGroups
    """
)
INSTANCE_SOMETIMES = _names(
    """
    DBName DatabaseInsightsMode KmsKeyId MonitoringRoleArn PerformanceInsightsKMSKeyId
    PerformanceInsightsRetentionPeriod
    """
)
SNAPSHOT_ALWAYS = _names(
    """
    AllocatedStorage AvailabilityZones BackupRetentionPeriod ClusterCreateTime DBClusterIdentifier
    DBClusterSnapshotArn DBClusterSnapshotIdentifier DbClusterResourceId Engine EngineMode EngineVersion
    IAMDatabaseAuthenticationEnabled LicenseModel MasterUsername PercentProgress Port PreferredBackupWindow
    SnapshotCreateTime SnapshotType Status StorageEncrypted StorageEncryptionType StorageType TagList VpcId
    """
)
SNAPSHOT_SOMETIMES = frozenset({"KmsKeyId", "SourceDBClusterSnapshotArn"})
VERSION_ALWAYS = _names(
    """
    DBEngineDescription DBEngineVersionDescription DBParameterGroupFamily Engine EngineVersion ExportableLogTypes
    MajorEngineVersion ServerlessV2FeaturesSupport Status SupportedCACertificateIdentifiers SupportedEngineModes
    SupportsGlobalDatabases SupportsLocalWriteForwarding SupportsLogExportsToCloudwatchLogs SupportsReadReplica
    ValidUpgradeTarget
    """
)
VERSION_SOMETIMES: frozenset[str] = frozenset()
CLASSES = frozenset({"db.r6g.large", "db.r6g.xlarge", "db.r7g.large", "db.serverless", "db.t4g.medium"})
"""Of those that the emulator has, what the documents of this project use."""
QUOTAS = frozenset({"AllocatedStorage", "DBClusters", "DBInstances", "ManualClusterSnapshots"})


NAME_AND_MINUTE = "the cluster's name and the minute"
"""The form of `rds:CLUSTER-YYYY-MM-DD-HH-MM`, in words that are no name."""


def forms_of_automated_names(snapshots: Sequence[Mapping[str, Any]]) -> list[str]:
    """The form of each automated snapshot's name, its cluster's name replaced; anything else is `other`."""
    return sorted({_form(snapshot) for snapshot in snapshots})


def _form(snapshot: Mapping[str, Any]) -> str:
    name, cluster = str(snapshot.get("DBClusterSnapshotIdentifier")), str(snapshot.get("DBClusterIdentifier"))
    form = rf"rds:{re.escape(cluster)}-\d{{4}}-\d{{2}}-\d{{2}}-\d{{2}}-\d{{2}}"
    return NAME_AND_MINUTE if re.fullmatch(form, name) else "other"
