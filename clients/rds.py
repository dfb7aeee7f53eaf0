"""Looking at RDS: one resource or None, and whole lists through their paginators.

A name that RDS does not know is an answer, not an error, for whoever looks before acting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef, DBClusterTypeDef, DBInstanceTypeDef


def find_cluster(rds: RDSClient, identifier: str) -> DBClusterTypeDef | None:
    """The cluster of this name, or None. The answer's own name is compared: RDS may lag behind a rename."""
    try:
        clusters = rds.describe_db_clusters(DBClusterIdentifier=identifier)["DBClusters"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "DBClusterNotFoundFault":
            return None
        raise
    return next((found for found in clusters if found["DBClusterIdentifier"] == identifier), None)


def list_clusters(rds: RDSClient) -> list[DBClusterTypeDef]:
    """Every cluster of the account in the region."""
    return [cluster for page in rds.get_paginator("describe_db_clusters").paginate() for cluster in page["DBClusters"]]


def find_cluster_by_resource_id(rds: RDSClient, resource_id: str) -> DBClusterTypeDef | None:
    """The cluster of this resource id under whatever name, or None: a rename changes the name alone."""
    clusters = rds.describe_db_clusters(Filters=[{"Name": "db-cluster-resource-id", "Values": [resource_id]}])
    return next((found for found in clusters["DBClusters"] if found["DbClusterResourceId"] == resource_id), None)


def find_snapshot(rds: RDSClient, identifier: str) -> DBClusterSnapshotTypeDef | None:
    """The cluster snapshot of this name or ARN, or None. A shared one is found by its ARN only."""
    try:
        if identifier.startswith("arn:"):
            answer = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=identifier, IncludeShared=True)
        elif identifier.startswith("rds:"):
            answer = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=identifier, SnapshotType="automated")
        else:
            answer = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=identifier)
    except ClientError as error:
        if error.response["Error"]["Code"] == "DBClusterSnapshotNotFoundFault":
            return None
        raise
    return next(iter(answer["DBClusterSnapshots"]), None)


def list_snapshots(rds: RDSClient, snapshot_type: str, cluster: str | None = None) -> list[DBClusterSnapshotTypeDef]:
    """All cluster snapshots of a type (automated, manual, shared, awsbackup), of one cluster or of all."""
    paginator = rds.get_paginator("describe_db_cluster_snapshots")
    pages = (
        paginator.paginate(SnapshotType=snapshot_type, DBClusterIdentifier=cluster)
        if cluster
        else paginator.paginate(SnapshotType=snapshot_type)
    )
    return [snapshot for page in pages for snapshot in page["DBClusterSnapshots"]]


def list_instances(rds: RDSClient, cluster: str) -> list[DBInstanceTypeDef]:
    """The instances of a cluster, as DescribeDBInstances sees them: with their own statuses."""
    return _filtered_instances(rds, "db-cluster-id", [cluster])


def find_instances(rds: RDSClient, identifiers: list[str]) -> list[DBInstanceTypeDef]:
    """Those that have one of these names, of whatever cluster; an instance keeps its name when its cluster is renamed."""
    return _filtered_instances(rds, "db-instance-id", identifiers) if identifiers else []


def _filtered_instances(rds: RDSClient, name: str, values: list[str]) -> list[DBInstanceTypeDef]:
    pages = rds.get_paginator("describe_db_instances").paginate(Filters=[{"Name": name, "Values": values}])
    return [instance for page in pages for instance in page["DBInstances"]]
