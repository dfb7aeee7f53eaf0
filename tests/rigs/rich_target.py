"""A target whose every setting is something else than RDS's default, as its owner would have made it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from activities.rds import tags

ROLE = "arn:aws:iam::{}:role/{}"
WINDOW = "sat:01:00-sat:01:30"


def create_rich_target(
    rds: Any,
    scaling: Any,
    name: str,
    source_arn: str,
    security_group: str,
    key_arn: str,
    advance_clock: Callable[[], None],
) -> None:
    """Create the cluster `name` with two instances, roles, endpoints, a proxy and everything that the tables call kept.

    `rds` and `scaling` are its owner's clients, the second one of Application Auto Scaling. The subnet group `staging` must exist.
    """
    owner = [{"Key": tags.REPLACED_BY, "Value": source_arn}]
    created = rds.create_db_cluster(
        DBClusterIdentifier=name,
        Engine="aurora-postgresql",
        EngineVersion="16.6",
        MasterUsername="boss",
        ManageMasterUserPassword=True,
        MasterUserSecretKmsKeyId=key_arn,
        DBSubnetGroupName="staging",
        VpcSecurityGroupIds=[security_group],
        Port=5433,
        StorageEncrypted=True,
        KmsKeyId=key_arn,
        StorageType="aurora-iopt1",
        EngineLifecycleSupport="open-source-rds-extended-support-disabled",
        NetworkType="DUAL",
        EnableIAMDatabaseAuthentication=True,
        EnableCloudwatchLogsExports=["postgresql"],
        BackupRetentionPeriod=9,
        PreferredBackupWindow="02:00-02:30",
        PreferredMaintenanceWindow=WINDOW,
        CopyTagsToSnapshot=False,
        ServerlessV2ScalingConfiguration={"MinCapacity": 0, "MaxCapacity": 4, "SecondsUntilAutoPause": 3600},
        Domain="d-1234567890",
        DomainIAMRoleName="rds-directory",
        Tags=[*owner, {"Key": "team", "Value": "orders"}],
    )["DBCluster"]
    advance_clock()
    account = created["DBClusterArn"].split(":")[4]
    for colour, tier, instance_class in (("blue", 1, "db.r6g.large"), ("green", 15, "db.serverless")):
        rds.create_db_instance(
            DBInstanceIdentifier=f"blue-{name}-{colour}",
            DBClusterIdentifier=name,
            DBInstanceClass=instance_class,
            Engine="aurora-postgresql",
            PromotionTier=tier,
            AutoMinorVersionUpgrade=False,
            AvailabilityZone=f"{created['DBClusterArn'].split(':')[3]}b",
            PreferredMaintenanceWindow="sun:04:00-sun:04:30",
            CACertificateIdentifier="rds-ca-ecc384-g1",
            MonitoringInterval=15,
            MonitoringRoleArn=ROLE.format(account, "rds-monitoring"),
            EnablePerformanceInsights=True,
            PerformanceInsightsKMSKeyId=key_arn,
            PerformanceInsightsRetentionPeriod=93,
            Tags=[*owner, {"Key": "schedule", "Value": colour}],
        )
        advance_clock()
    rds.add_role_to_db_cluster(
        DBClusterIdentifier=name, RoleArn=ROLE.format(account, "rds-import"), FeatureName="s3Import"
    )
    rds.enable_http_endpoint(ResourceArn=created["DBClusterArn"])
    rds.create_db_cluster_endpoint(
        DBClusterIdentifier=name,
        DBClusterEndpointIdentifier=f"{name}-reports",
        EndpointType="ANY",
        StaticMembers=[f"blue-{name}-green"],
        Tags=[{"Key": "for", "Value": "reports"}],
    )
    rds.modify_db_cluster(
        DBClusterIdentifier=name,
        AutoMinorVersionUpgrade=False,
        DatabaseInsightsMode="advanced",
        EnablePerformanceInsights=True,
        PerformanceInsightsKMSKeyId=key_arn,
        PerformanceInsightsRetentionPeriod=465,
        EnableLocalWriteForwarding=True,
        ApplyImmediately=True,
    )
    advance_clock()
    _add_proxy(rds, name, account)
    add_scaling(scaling, name)


def _add_proxy(rds: Any, name: str, account: str) -> None:
    rds.create_db_proxy(
        DBProxyName=f"{name}-pool",
        EngineFamily="POSTGRESQL",
        RoleArn=ROLE.format(account, "rds-proxy"),
        VpcSubnetIds=["subnet-01", "subnet-02"],
    )
    rds.register_db_proxy_targets(DBProxyName=f"{name}-pool", DBClusterIdentifiers=[name])


def add_scaling(scaling: Any, name: str) -> None:
    """Register the cluster with Application Auto Scaling, with a policy of each kind and a scheduled action."""
    place = {
        "ServiceNamespace": "rds",
        "ResourceId": f"cluster:{name}",
        "ScalableDimension": "rds:cluster:ReadReplicaCount",
    }
    scaling.register_scalable_target(
        **place,
        MinCapacity=0,
        MaxCapacity=6,
        SuspendedState={"DynamicScalingInSuspended": True},
        Tags={"team": "orders"},
    )
    scaling.put_scaling_policy(
        **place,
        PolicyName="busy",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 60.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "RDSReaderAverageCPUUtilization"},
            "ScaleInCooldown": 600,
            "DisableScaleIn": True,
        },
    )
    scaling.put_scaling_policy(
        **place,
        PolicyName="crowded",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
            "Cooldown": 120,
        },
    )
    scaling.put_scheduled_action(
        **place,
        ScheduledActionName="morning",
        Schedule="cron(0 6 ? * MON-FRI *)",
        Timezone="Europe/Berlin",
        StartTime=datetime(2024, 4, 1, tzinfo=UTC),
        EndTime=datetime(2034, 4, 1, tzinfo=UTC),
        ScalableTargetAction={"MinCapacity": 2, "MaxCapacity": 6},
    )
