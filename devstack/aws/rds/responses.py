"""The resources that several operations return, member by member as botocore's model names them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from devstack.aws.rds import entrances, hosts
from devstack.aws.rds.engine_versions import default_option_group, license_model
from devstack.aws.rds.resources import AssociatedRole, Cluster, Instance, Snapshot, SubnetGroup, Tags
from devstack.aws.rds.state import RdsState

Response = dict[str, Any]


def cluster(state: RdsState, cluster: Cluster) -> Response:
    """DBCluster."""
    restorable = cluster.restorable_from
    return {
        **cluster.settings,
        # Not returned for aurora. Source: RDS API Reference, CreateDBCluster, StorageType.
        "StorageType": None if cluster.settings.get("StorageType") == "aurora" else cluster.settings.get("StorageType"),
        "AllocatedStorage": 1,
        "AssociatedRoles": [_role(role) for role in cluster.roles],
        "AvailabilityZones": state.region_of(cluster).availability_zones,
        "BackupRetentionPeriod": cluster.backup_retention_days,
        "ClusterCreateTime": cluster.created,
        "CopyTagsToSnapshot": cluster.copy_tags_to_snapshot,
        "CrossAccountClone": False,
        "CustomEndpoints": [hosts.custom(cluster, name) for name in cluster.endpoints],
        "DatabaseName": cluster.database_name,
        "DBClusterArn": cluster.arn,
        "DBClusterIdentifier": cluster.identifier,
        "DBClusterMembers": [_member(state, cluster, name) for name in cluster.members],
        "DBClusterParameterGroup": cluster.parameter_group,
        "DbClusterResourceId": cluster.resource_id,
        "DBSubnetGroup": cluster.subnet_group,
        "DeletionProtection": cluster.deletion_protection,
        "DomainMemberships": _domains(cluster),
        "EarliestRestorableTime": restorable,
        "LatestRestorableTime": state.clock.now() if restorable else None,
        "EnabledCloudwatchLogsExports": cluster.log_exports or None,
        "Endpoint": hosts.writer(cluster),
        "ReaderEndpoint": hosts.reader(cluster),
        "Port": entrances.port(cluster),
        "Engine": cluster.engine,
        "EngineVersion": cluster.engine_version,
        "GlobalClusterIdentifier": cluster.global_cluster,
        "HostedZoneId": "Z0000000EMULATED",
        "HttpEndpointEnabled": cluster.http_endpoint,
        "IAMDatabaseAuthenticationEnabled": cluster.iam_authentication,
        "KmsKeyId": cluster.kms_key,
        "MasterUsername": cluster.master_username,
        "MasterUserSecret": _secret(cluster),
        "MultiAZ": len(cluster.members) > 1,
        "PendingModifiedValues": cluster.pending or None,
        "ReadReplicaIdentifiers": cluster.read_replicas,
        "ReplicationSourceIdentifier": cluster.replication_source,
        "ServerlessV2ScalingConfiguration": cluster.scaling,
        "Status": cluster.status,
        "StorageEncrypted": cluster.kms_key is not None,
        "StorageEncryptionType": encryption_type(cluster.kms_key),
        "TagList": tags(cluster.tags),
        "VpcSecurityGroups": _security_groups(cluster.security_groups),
    }


def encryption_type(kms_key: str | None) -> str:
    """StorageEncryptionType: what has no key of KMS is under a key that AWS owns, and StorageEncrypted is false.

    Clusters from before 18 February 2026, which may have `none`, are not modelled. Source: RDS API Reference, DBCluster;
    Aurora User Guide, "Encrypting Amazon Aurora resources".
    """
    return "sse-rds" if kms_key is None else "sse-kms"


def _member(state: RdsState, cluster: Cluster, name: str) -> Response:
    instance = state.region_of(cluster).instances[name]
    return {
        "DBInstanceIdentifier": name,
        "IsClusterWriter": name == cluster.members[0],
        "DBClusterParameterGroupStatus": "pending-reboot" if instance.needs_restart else "in-sync",
        "PromotionTier": instance.promotion_tier,
    }


def _role(role: AssociatedRole) -> Response:
    return {"RoleArn": role.arn, "FeatureName": role.feature, "Status": role.status}


def _domains(cluster: Cluster) -> list[Response]:
    domain = cluster.domain
    return [{"Domain": domain.directory, "IAMRoleName": domain.role, "Status": "joined"}] if domain else []


def _secret(cluster: Cluster) -> Response | None:
    secret = cluster.secret
    if secret is None:
        return None
    return {"SecretArn": secret.arn, "SecretStatus": secret.status, "KmsKeyId": secret.kms_key_id}


def _security_groups(names: list[str]) -> list[Response]:
    return [{"VpcSecurityGroupId": name, "Status": "active"} for name in names]


def _instance_endpoint(instance: Instance) -> Response:
    return {"Address": hosts.member(instance.cluster, instance.identifier), "Port": entrances.port(instance.cluster)}


def instance(state: RdsState, instance: Instance) -> Response:
    """DBInstance. As in AWS the endpoint appears once the instance is created."""
    parent = instance.cluster
    option_group = default_option_group(parent.engine, parent.engine_version)
    return {
        **instance.settings,
        "AllocatedStorage": 1,
        "AssociatedRoles": [],
        "AvailabilityZone": instance.availability_zone,
        "BackupRetentionPeriod": parent.backup_retention_days,
        # Aurora instances inherit it. Source: RDS API Reference, CreateDBInstance, DatabaseInsightsMode.
        "DatabaseInsightsMode": parent.settings.get("DatabaseInsightsMode"),
        "DBClusterIdentifier": parent.identifier,
        "DBInstanceArn": instance.arn,
        "DBInstanceClass": instance.instance_class,
        "DBInstanceIdentifier": instance.identifier,
        "DbInstancePort": 0,
        "DBInstanceStatus": instance.status,
        "DbiResourceId": instance.resource_id,
        "DBName": parent.database_name,
        "DBParameterGroups": [{"DBParameterGroupName": instance.parameter_group, "ParameterApplyStatus": "in-sync"}],
        "DBSecurityGroups": [],
        "DomainMemberships": _domains(parent),
        "DBSubnetGroup": subnet_group(state.region_of(parent).subnet_groups[parent.subnet_group]),
        "DeletionProtection": False,
        "Endpoint": _instance_endpoint(instance) if instance.status != "creating" else None,
        "Engine": parent.engine,
        "EngineVersion": parent.engine_version,
        "IAMDatabaseAuthenticationEnabled": parent.iam_authentication,
        "InstanceCreateTime": None if instance.status == "creating" else instance.created,
        "KmsKeyId": parent.kms_key,
        "LicenseModel": license_model(parent.engine),
        "MasterUsername": parent.master_username,
        "MultiAZ": False,
        "OptionGroupMemberships": [{"OptionGroupName": option_group, "Status": "in-sync"}],
        "PendingModifiedValues": instance.pending,
        "PreferredBackupWindow": parent.settings.get("PreferredBackupWindow"),
        "PromotionTier": instance.promotion_tier,
        "PubliclyAccessible": instance.publicly_accessible,
        "ReadReplicaDBInstanceIdentifiers": [],
        "StorageEncrypted": parent.kms_key is not None,
        "StorageEncryptionType": encryption_type(parent.kms_key),
        "StorageType": parent.settings.get("StorageType", "aurora"),
        "TagList": tags(instance.tags),
        "VpcSecurityGroups": _security_groups(parent.security_groups),
    }


def snapshot(state: RdsState, snapshot: Snapshot) -> Response:
    """DBClusterSnapshot."""
    region = state.region_of(snapshot)
    return {
        **snapshot.settings,
        "AllocatedStorage": 1,
        "AvailabilityZones": region.availability_zones,
        "BackupRetentionPeriod": snapshot.backup_retention_days,
        "ClusterCreateTime": snapshot.cluster_created,
        "DBClusterIdentifier": snapshot.cluster_identifier,
        "DBClusterSnapshotArn": snapshot.arn,
        "DBClusterSnapshotIdentifier": snapshot.identifier,
        "DbClusterResourceId": snapshot.cluster_resource_id,
        "Engine": snapshot.engine,
        "EngineVersion": snapshot.engine_version,
        "IAMDatabaseAuthenticationEnabled": snapshot.iam_authentication,
        "KmsKeyId": snapshot.kms_key,
        "LicenseModel": "aurora-mysql" if snapshot.engine == "aurora-mysql" else license_model(snapshot.engine),
        "MasterUsername": snapshot.master_username,
        "PercentProgress": percent(snapshot, state.clock.now()),
        # 0 in recordings of AWS and in the AWS CLI's examples; a restore takes the cluster's port all the same.
        "Port": 0,
        "SnapshotCreateTime": snapshot.taken,
        "SnapshotType": snapshot.kind,
        "SourceDBClusterSnapshotArn": snapshot.source_arn,
        "Status": snapshot.status,
        "StorageEncrypted": snapshot.kms_key is not None,
        "StorageEncryptionType": encryption_type(snapshot.kms_key),
        "TagList": tags(snapshot.tags),
        "VpcId": region.default_vpc,
    }


def percent(snapshot: Snapshot, now: datetime) -> int:
    """PercentProgress: the share of the time that has passed; at most 99 until the snapshot is available."""
    if snapshot.status == "available" or snapshot.started is None or snapshot.ends is None:
        return 100 if snapshot.status == "available" else 0
    whole = (snapshot.ends - snapshot.started).total_seconds()
    passed = (now - snapshot.started).total_seconds()
    return max(0, min(99, int(100 * passed / whole))) if whole > 0 else 99


def shared_snapshot(state: RdsState, shared: Snapshot) -> Response:
    """DBClusterSnapshot as another account sees it: named by its ARN, of type `shared`, without tags."""
    own = snapshot(state, shared)
    return {**own, "DBClusterSnapshotIdentifier": shared.arn, "SnapshotType": "shared", "TagList": []}


def subnet_group(group: SubnetGroup) -> Response:
    """DBSubnetGroup."""
    return {
        "DBSubnetGroupArn": group.arn,
        "DBSubnetGroupDescription": group.description,
        "DBSubnetGroupName": group.name,
        "SubnetGroupStatus": "Complete",
        "Subnets": [
            {
                "SubnetIdentifier": subnet,
                "SubnetAvailabilityZone": {"Name": zone},
                "SubnetOutpost": {},
                "SubnetStatus": "Active",
            }
            for subnet, zone in zip(group.subnets, group.zones, strict=True)
        ],
        "SupportedNetworkTypes": ["IPV4"],
        "VpcId": group.vpc,
    }


def tags(tags: Tags) -> list[Response]:
    """TagList."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
