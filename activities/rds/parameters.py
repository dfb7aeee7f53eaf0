"""What the pipeline sends of each call that changes something, and why it leaves out the rest.

The counterpart of `members`: a test walks the input shapes of botocore's model and fails on a parameter without a row.
Source: botocore's RDS service model, the documentation of each parameter ("Valid for …", "Default: …").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Parameters:
    """The parameters of one call."""

    sent: frozenset[str]
    left_out: Mapping[str, str]
    """With the reason."""


def _parameters(sent: str, **left_out: str) -> Parameters:
    """`left_out` maps each reason to its parameters."""
    reasons = {parameter: reason for reason, names in left_out.items() for parameter in names.split()}
    return Parameters(frozenset(sent.split()), {name: REASONS[reason] for name, reason in reasons.items()})


REASONS: Mapping[str, str] = {
    "snapshot": "comes with the snapshot",
    "cluster": "an Aurora instance has its cluster's",
    "subnets": "follows from the subnet group",
    "engine": "other engines, Multi-AZ DB clusters, Serverless v1 or RDS Custom only",
    "express": "the express configuration only, which is refused as a target",
    "option": "an Aurora cluster has the default option group only",
    "instance": "Aurora keeps it for each instance; CreateDBInstance carries it",
    "restored": "the restore has carried it already",
    "backups": "the tags of the automated backups, which follow the cluster's",
    "name": "the pipeline renames nothing here",
    "never": "the pipeline never asks for this",
    "revoke": "the snapshot is new, so that nobody is to be removed",
    "signed": "botocore signs the request itself",
    "tags": "the tags of the copy are the pipeline's own, so that nobody else's are taken for them",
    "final": "the copy of the source is what is kept; no final snapshot of the old target is taken",
    "default": "the default is right",
    "instances": "a proxy leads to an Aurora cluster, not to its instances",
    "linked": "Aurora has a service-linked role",
    "predictive": "only Amazon ECS has it",
}

CALLS: Mapping[str, Parameters] = {
    "RestoreDBClusterFromSnapshot": _parameters(
        "AssociatedRoles BackupRetentionPeriod BacktrackWindow CopyTagsToSnapshot DBClusterIdentifier "
        "DBClusterParameterGroupName DBSubnetGroupName DeletionProtection Domain DomainIAMRoleName "
        "EnableCloudwatchLogsExports EnableIAMDatabaseAuthentication Engine EngineLifecycleSupport EngineVersion KmsKeyId "
        "NetworkType Port PreferredBackupWindow ServerlessV2ScalingConfiguration SnapshotIdentifier StorageType Tags "
        "VpcSecurityGroupIds",
        snapshot="DatabaseName",
        subnets="AvailabilityZones",
        engine="DBClusterInstanceClass EngineMode Iops PubliclyAccessible RdsCustomClusterConfiguration ScalingConfiguration",
        express="EnableInternetAccessGateway EnableVPCNetworking",
        option="OptionGroupName",
        instance="EnablePerformanceInsights MonitoringInterval MonitoringRoleArn PerformanceInsightsKMSKeyId "
        "PerformanceInsightsRetentionPeriod",
        backups="TagSpecifications",
    ),
    "CreateDBInstance": _parameters(
        "AutoMinorVersionUpgrade AvailabilityZone CACertificateIdentifier DBClusterIdentifier DBInstanceClass "
        "DBInstanceIdentifier DBParameterGroupName EnablePerformanceInsights Engine MonitoringInterval MonitoringRoleArn "
        "PerformanceInsightsKMSKeyId PerformanceInsightsRetentionPeriod PreferredMaintenanceWindow PromotionTier "
        "PubliclyAccessible Tags",
        cluster="AllocatedStorage BackupRetentionPeriod CharacterSetName CopyTagsToSnapshot DatabaseInsightsMode "
        "DBName DBSubnetGroupName DeletionProtection Domain DomainIAMRoleName EnableCloudwatchLogsExports "
        "EnableIAMDatabaseAuthentication EngineLifecycleSupport EngineVersion KmsKeyId ManageMasterUserPassword "
        "MasterUserAuthenticationType MasterUserPassword MasterUserSecretKmsKeyId MasterUsername NetworkType Port "
        "PreferredBackupWindow StorageEncrypted StorageType VpcSecurityGroupIds",
        engine="AdditionalStorageVolumes BackupTarget CustomIamInstanceProfile DBCapacityReservationIdentifier "
        "DBSecurityGroups DBSystemId DedicatedLogVolume DomainAuthSecretArn DomainDnsIps DomainFqdn DomainOu "
        "EnableCustomerOwnedIp Iops LicenseModel MaxAllocatedStorage MultiAZ MultiTenant NcharCharacterSetName "
        "OptionGroupName ProcessorFeatures StorageThroughput TdeCredentialArn TdeCredentialPassword Timezone",
        backups="TagSpecifications",
    ),
    "ModifyDBCluster": _parameters(
        "ApplyImmediately AutoMinorVersionUpgrade DatabaseInsightsMode DBClusterIdentifier EnableLocalWriteForwarding "
        "EnablePerformanceInsights ManageMasterUserPassword MasterUserPassword MasterUserSecretKmsKeyId "
        "PerformanceInsightsKMSKeyId PerformanceInsightsRetentionPeriod PreferredMaintenanceWindow",
        restored="BackupRetentionPeriod BacktrackWindow CloudwatchLogsExportConfiguration CopyTagsToSnapshot "
        "DBClusterParameterGroupName DeletionProtection Domain DomainIAMRoleName EnableIAMDatabaseAuthentication "
        "EngineLifecycleSupport EngineVersion NetworkType Port PreferredBackupWindow ServerlessV2ScalingConfiguration "
        "StorageType VpcSecurityGroupIds",
        engine="AllocatedStorage AllowEngineModeChange CACertificateIdentifier DBClusterInstanceClass EnableHttpEndpoint "
        "EngineMode Iops MonitoringInterval MonitoringRoleArn ScalingConfiguration",
        name="NewDBClusterIdentifier",
        option="OptionGroupName",
        never="AllowMajorVersionUpgrade AwsBackupRecoveryPointArn DBInstanceParameterGroupName EnableGlobalWriteForwarding "
        "EnableLimitlessDatabase MasterUserAuthenticationType RotateMasterUserPassword",
    ),
    "CopyDBClusterSnapshot": _parameters(
        "KmsKeyId SourceDBClusterSnapshotIdentifier SourceRegion Tags TargetDBClusterSnapshotIdentifier",
        signed="PreSignedUrl",
        tags="CopyTags",
    ),
    "CreateDBClusterSnapshot": _parameters("DBClusterIdentifier DBClusterSnapshotIdentifier Tags"),
    "ModifyDBClusterSnapshotAttribute": _parameters(
        "AttributeName DBClusterSnapshotIdentifier ValuesToAdd", revoke="ValuesToRemove"
    ),
    "DeleteDBCluster": _parameters(
        "DBClusterIdentifier SkipFinalSnapshot", final="FinalDBSnapshotIdentifier", default="DeleteAutomatedBackups"
    ),
    "DeleteDBInstance": _parameters(
        "DBInstanceIdentifier SkipFinalSnapshot", final="FinalDBSnapshotIdentifier", cluster="DeleteAutomatedBackups"
    ),
    "DeleteDBClusterSnapshot": _parameters("DBClusterSnapshotIdentifier"),
    "AddTagsToResource": _parameters("ResourceName Tags"),
    "AddRoleToDBCluster": _parameters("DBClusterIdentifier FeatureName RoleArn"),
    "CreateDBClusterEndpoint": _parameters(
        "DBClusterEndpointIdentifier DBClusterIdentifier EndpointType ExcludedMembers StaticMembers Tags"
    ),
    "StartDBCluster": _parameters("DBClusterIdentifier"),
    "StopDBCluster": _parameters("DBClusterIdentifier"),
    "RebootDBInstance": _parameters("DBInstanceIdentifier", engine="ForceFailover"),
    "EnableHttpEndpoint": _parameters("ResourceArn"),
    "RegisterDBProxyTargets": _parameters(
        "DBClusterIdentifiers DBProxyName TargetGroupName", instances="DBInstanceIdentifiers"
    ),
}
"""By operation of RDS."""

_PLACE = "ResourceId ScalableDimension ServiceNamespace"
SCALING_CALLS: Mapping[str, Parameters] = {
    "RegisterScalableTarget": _parameters(f"{_PLACE} MaxCapacity MinCapacity SuspendedState Tags", linked="RoleARN"),
    "PutScalingPolicy": _parameters(
        f"{_PLACE} PolicyName PolicyType StepScalingPolicyConfiguration TargetTrackingScalingPolicyConfiguration",
        predictive="PredictiveScalingPolicyConfiguration",
    ),
    "PutScheduledAction": _parameters(
        f"{_PLACE} EndTime Schedule ScalableTargetAction ScheduledActionName StartTime Timezone"
    ),
}
"""By operation of Application Auto Scaling."""
