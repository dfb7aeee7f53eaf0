"""What becomes of each member of a cluster and an instance when the target is replaced: one row each, with the reason.

A restored cluster has the snapshot's settings and RDS's defaults for everything that is not sent. So nothing may be
unknown here: a test walks botocore's shapes and fails on a member without a row, which is how a new botocore tells us
what AWS has added. docs/reference/what-is-kept.md is written from these tables.
Source: botocore's RDS service model; Aurora User Guide, "Restoring from a DB cluster snapshot".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Fate(StrEnum):
    """What becomes of a member."""

    KEPT = "kept"
    """The new one gets the live target's value, unless the request says otherwise."""
    FOLLOWS = "follows"
    """Comes with the snapshot, or follows from another member."""
    NEW = "new"
    """Cannot be the same: it names the new resource, or says how it is at the moment."""
    SET = "set"
    """The pipeline gives it the same value every time, on purpose."""
    REFUSED = "refused"
    """A target that has it is not deleted: a restore could not bring it back."""
    NOT_AURORA = "not Aurora"
    """Only other kinds of clusters and instances have it."""


@dataclass(frozen=True)
class Member:
    """One row."""

    fate: Fate
    reason: str
    """For a kept one the call that carries it, for the others why it has this fate."""
    setting: str | None = None
    """For a kept one: the field of `ClusterSettings` or `Instance` that holds it."""
    is_in_plan: bool = False
    """Whether a plan names it, because something may depend on the value that is not kept."""


RESTORE = "RestoreDBClusterFromSnapshot"
MODIFY = "ModifyDBCluster"
CREATE = "CreateDBInstance"


def _kept(call: str, **settings: str) -> dict[str, Member]:
    return {member: Member(Fate.KEPT, call, setting) for member, setting in settings.items()}


def _all(fate: Fate, reason: str, members: str, *, is_in_plan: bool = False) -> dict[str, Member]:
    return {member: Member(fate, reason, is_in_plan=is_in_plan) for member in members.split()}


CLUSTER: Mapping[str, Member] = {
    **_kept(
        RESTORE,
        AssociatedRoles="associated_roles",
        BackupRetentionPeriod="backup_retention_days",
        BacktrackWindow="backtrack_window_seconds",
        CopyTagsToSnapshot="copy_tags_to_snapshot",
        DBClusterParameterGroup="db_cluster_parameter_group_name",
        DBSubnetGroup="db_subnet_group_name",
        DomainMemberships="domain",
        EnabledCloudwatchLogsExports="cloudwatch_logs_exports",
        EngineLifecycleSupport="engine_lifecycle_support",
        IAMDatabaseAuthenticationEnabled="iam_database_authentication",
        KmsKeyId="kms_key_id",
        NetworkType="network_type",
        Port="port",
        PreferredBackupWindow="preferred_backup_window",
        ServerlessV2ScalingConfiguration="serverless_v2_scaling",
        StorageEncrypted="storage_encrypted",
        StorageType="storage_type",
        TagList="tags",
        VpcSecurityGroups="vpc_security_group_ids",
    ),
    **_kept(
        MODIFY,
        AutoMinorVersionUpgrade="auto_minor_version_upgrade",
        DatabaseInsightsMode="database_insights_mode",
        PerformanceInsightsKMSKeyId="performance_insights_kms_key_id",
        PerformanceInsightsRetentionPeriod="performance_insights_retention_days",
        LocalWriteForwardingStatus="local_write_forwarding",
        MasterUserSecret="master_user_secret_kms_key_id",
        PreferredMaintenanceWindow="preferred_maintenance_window",
    ),
    **_kept(CREATE, DBClusterMembers="instances"),
    **_kept("CreateDBClusterEndpoint", CustomEndpoints="custom_endpoints"),
    **_kept("EnableHttpEndpoint", HttpEndpointEnabled="http_endpoint"),
    **_all(Fate.FOLLOWS, "comes with the snapshot", "AllocatedStorage CharacterSetName DatabaseName MasterUsername"),
    **_all(Fate.FOLLOWS, "the engine and version of the snapshot, or of target.engine_version", "Engine EngineVersion"),
    **_all(Fate.FOLLOWS, "follows from the subnet group", "AvailabilityZones MultiAZ"),
    **_all(
        Fate.FOLLOWS,
        "follows from the key (kms_key_id); never less than before",
        "StorageEncryptionType",
    ),
    **_all(
        Fate.FOLLOWS,
        "Aurora keeps it for each instance, and there it is kept",
        "MonitoringInterval MonitoringRoleArn PerformanceInsightsEnabled CertificateDetails",
    ),
    **_all(Fate.FOLLOWS, "AWS chooses it", "ServerlessV2PlatformVersion UpgradeRolloutOrder"),
    **_all(
        Fate.NEW, "the name stays, and with it the name of the endpoints", "DBClusterIdentifier Endpoint ReaderEndpoint"
    ),
    **_all(
        Fate.NEW,
        "a restored cluster has a new one; IAM policies for rds-db:connect that name the old one must follow",
        "DbClusterResourceId",
        is_in_plan=True,
    ),
    **_all(Fate.NEW, "made of region, account and name, which stay", "DBClusterArn HostedZoneId"),
    **_all(
        Fate.NEW,
        "says how the cluster is at the moment",
        "Status PercentProgress StatusInfos PendingModifiedValues Capacity ClusterCreateTime AutomaticRestartTime "
        "EarliestRestorableTime LatestRestorableTime EarliestBacktrackTime BacktrackConsumedChangeRecords "
        "IOOptimizedNextAllowedModificationTime",
    ),
    **_all(
        Fate.NEW,
        "a restored cluster belongs to no clone group and no recovery point",
        "CloneGroupId CrossAccountClone AwsBackupRecoveryPointArn",
        is_in_plan=True,
    ),
    **_all(
        Fate.SET,
        "off: a target that is protected is refused, and the next restore must be able to replace it",
        "DeletionProtection",
    ),
    **_all(
        Fate.SET, "off: a restored cluster is never reachable from the internet", "PubliclyAccessible", is_in_plan=True
    ),
    **_all(
        Fate.REFUSED,
        "a member of a global database, a replica or a replication source",
        "GlobalClusterIdentifier GlobalWriteForwardingStatus GlobalWriteForwardingRequested ReadReplicaIdentifiers "
        "ReplicationSourceIdentifier",
    ),
    **_all(
        Fate.REFUSED,
        "an activity stream ends with the cluster, and AWS deletes its Kinesis stream",
        "ActivityStreamStatus ActivityStreamMode ActivityStreamKmsKeyId ActivityStreamKinesisStreamName",
    ),
    **_all(
        Fate.REFUSED,
        "Aurora Limitless Database cannot be restored like this",
        "LimitlessDatabase ClusterScalabilityType",
    ),
    **_all(
        Fate.REFUSED,
        "a cluster of the express configuration cannot be restored like this",
        "VPCNetworkingEnabled InternetAccessGatewayEnabled",
    ),
    **_all(
        Fate.REFUSED,
        "Aurora Serverless v1 and other engine modes cannot be restored like this",
        "EngineMode ScalingConfigurationInfo",
    ),
    **_all(
        Fate.REFUSED, "a Multi-AZ DB cluster is not an Aurora cluster", "DBClusterInstanceClass Iops StorageThroughput"
    ),
    **_all(Fate.NOT_AURORA, "only RDS Custom has it", "RdsCustomClusterConfiguration"),
    **_all(Fate.NOT_AURORA, "an Aurora cluster has the default option group only", "DBClusterOptionGroupMemberships"),
    **_all(Fate.NOT_AURORA, "only Oracle has it", "DBSystemId"),
}
"""Every member of the shape DBCluster."""

INSTANCE: Mapping[str, Member] = {
    **_kept(
        CREATE,
        AutoMinorVersionUpgrade="auto_minor_version_upgrade",
        AvailabilityZone="availability_zone",
        CACertificateIdentifier="ca_certificate_identifier",
        DBInstanceClass="instance_class",
        DBInstanceIdentifier="identifier",
        DBParameterGroups="db_parameter_group_name",
        MonitoringInterval="monitoring_interval_seconds",
        MonitoringRoleArn="monitoring_role_arn",
        PerformanceInsightsEnabled="performance_insights",
        PerformanceInsightsKMSKeyId="performance_insights_kms_key_id",
        PerformanceInsightsRetentionPeriod="performance_insights_retention_days",
        PreferredMaintenanceWindow="preferred_maintenance_window",
        PromotionTier="promotion_tier",
        TagList="tags",
    ),
    **_all(
        Fate.FOLLOWS,
        "an Aurora instance has its cluster's",
        "AllocatedStorage AssociatedRoles BackupRetentionPeriod CopyTagsToSnapshot DatabaseInsightsMode DBClusterIdentifier "
        "DBName DBSubnetGroup DeletionProtection DomainMemberships EnabledCloudwatchLogsExports Engine "
        "EngineLifecycleSupport EngineVersion IAMDatabaseAuthenticationEnabled KmsKeyId LatestRestorableTime "
        "MasterUsername MasterUserSecret MultiAZ NetworkType PreferredBackupWindow StorageEncrypted "
        "StorageEncryptionType StorageType VpcSecurityGroups CharacterSetName",
    ),
    **_all(
        Fate.FOLLOWS,
        "AWS chooses it",
        "CertificateDetails LicenseModel OptionGroupMemberships UpgradeRolloutOrder BackupTarget",
    ),
    **_all(
        Fate.NEW,
        "a new instance has a new one; policies, logs and dashboards that name the old one must follow",
        "DbiResourceId EnhancedMonitoringResourceArn",
        is_in_plan=True,
    ),
    **_all(
        Fate.NEW,
        "made of region, account and name, which stay",
        "DBInstanceArn Endpoint DbInstancePort ListenerEndpoint",
    ),
    **_all(
        Fate.NEW,
        "says how the instance is at the moment",
        "DBInstanceStatus InstanceCreateTime PendingModifiedValues PercentProgress StatusInfos AutomaticRestartTime "
        "IsStorageConfigUpgradeAvailable StorageVolumeStatus StorageOperationStatus StorageOperationPercentProgress",
    ),
    **_all(
        Fate.SET, "off: a restored instance is never reachable from the internet", "PubliclyAccessible", is_in_plan=True
    ),
    **_all(
        Fate.REFUSED,
        "the cluster's activity stream; see there",
        "ActivityStreamStatus ActivityStreamKmsKeyId ActivityStreamKinesisStreamName ActivityStreamMode "
        "ActivityStreamPolicyStatus ActivityStreamEngineNativeAuditFieldsIncluded",
    ),
    **_all(
        Fate.REFUSED,
        "a replica in another cluster or instance",
        "ReadReplicaDBClusterIdentifiers ReadReplicaDBInstanceIdentifiers ReadReplicaSourceDBClusterIdentifier "
        "ReadReplicaSourceDBInstanceIdentifier",
    ),
    **_all(
        Fate.NOT_AURORA,
        "only other engines and RDS Custom have it",
        "AdditionalStorageVolumes AutomationMode AwsBackupRecoveryPointArn CustomerOwnedIpEnabled CustomIamInstanceProfile "
        "DBCapacityReservationIdentifier DBInstanceAutomatedBackupsReplications DBSecurityGroups DBSystemId "
        "DedicatedLogVolume Iops MaxAllocatedStorage MultiTenant NcharCharacterSetName ProcessorFeatures ReplicaMode "
        "ResumeFullAutomationModeTime SecondaryAvailabilityZone StorageThroughput TdeCredentialArn Timezone",
    ),
}
"""Every member of the shape DBInstance."""
