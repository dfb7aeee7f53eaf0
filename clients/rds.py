"""Reads from RDS: one resource or None, and whole lists through their paginators.

A name that RDS does not know is None, not an error. Every other error of AWS leaves as botocore's, and the fault table
in `activities/rds/fault_table.py` says what it means.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import (
        BlueGreenDeploymentTypeDef,
        DBClusterEndpointTypeDef,
        DBClusterSnapshotTypeDef,
        DBClusterTypeDef,
        DBInstanceTypeDef,
        DBProxyTargetTypeDef,
        DBProxyTypeDef,
        DBShardGroupTypeDef,
        DescribeDBShardGroupsMessageTypeDef,
        EventTypeDef,
        IntegrationTypeDef,
        TagTypeDef,
    )


def find_cluster(rds: RDSClient, identifier: str) -> DBClusterTypeDef | None:
    """The cluster of this name, or None.

    Compares the name in the response, because RDS may answer under the old name for a while after a rename.
    Source: RDS API Reference, DescribeDBClusters.
    """
    try:
        clusters = rds.describe_db_clusters(DBClusterIdentifier=identifier)["DBClusters"]
    except rds.exceptions.DBClusterNotFoundFault:
        return None
    return next((cluster for cluster in clusters if cluster["DBClusterIdentifier"] == identifier), None)


def list_clusters(rds: RDSClient) -> list[DBClusterTypeDef]:
    """Every cluster of the account in the client's region."""
    return [cluster for page in rds.get_paginator("describe_db_clusters").paginate() for cluster in page["DBClusters"]]


def find_cluster_by_resource_id(rds: RDSClient, resource_id: str) -> DBClusterTypeDef | None:
    """The cluster with this DbClusterResourceId, whatever its name is, or None. A rename does not change the id."""
    clusters = rds.describe_db_clusters(Filters=[{"Name": "db-cluster-resource-id", "Values": [resource_id]}])
    return next((cluster for cluster in clusters["DBClusters"] if cluster["DbClusterResourceId"] == resource_id), None)


def list_clusters_named(rds: RDSClient, names: Sequence[str]) -> list[DBClusterTypeDef]:
    """The clusters that have one of these names. Source: RDS API Reference, DescribeDBClusters, Filters."""
    pages = rds.get_paginator("describe_db_clusters").paginate(Filters=[{"Name": "db-cluster-id", "Values": names}])
    return [cluster for page in pages for cluster in page["DBClusters"]]


def find_snapshot(rds: RDSClient, identifier: str) -> DBClusterSnapshotTypeDef | None:
    """The cluster snapshot of this name or ARN, or None. RDS finds a shared snapshot by its ARN only.

    Source: RDS API Reference, DescribeDBClusterSnapshots.
    """
    try:
        if identifier.startswith("arn:"):
            response = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=identifier, IncludeShared=True)
        elif identifier.startswith("rds:"):
            response = rds.describe_db_cluster_snapshots(
                DBClusterSnapshotIdentifier=identifier, SnapshotType="automated"
            )
        else:
            response = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=identifier)
    except rds.exceptions.DBClusterSnapshotNotFoundFault:
        return None
    return next(iter(response["DBClusterSnapshots"]), None)


def list_snapshots(rds: RDSClient, snapshot_type: str, cluster: str | None = None) -> list[DBClusterSnapshotTypeDef]:
    """All cluster snapshots of a type (automated, manual, shared, awsbackup), of one cluster or of all."""
    paginator = rds.get_paginator("describe_db_cluster_snapshots")
    pages = (
        paginator.paginate(SnapshotType=snapshot_type, DBClusterIdentifier=cluster)
        if cluster
        else paginator.paginate(SnapshotType=snapshot_type)
    )
    return [snapshot for page in pages for snapshot in page["DBClusterSnapshots"]]


def list_snapshots_named(rds: RDSClient, names: Sequence[str]) -> list[DBClusterSnapshotTypeDef]:
    """The manual cluster snapshots that have one of these names.

    Source: RDS API Reference, DescribeDBClusterSnapshots, Filters.
    """
    pages = rds.get_paginator("describe_db_cluster_snapshots").paginate(
        SnapshotType="manual", Filters=[{"Name": "db-cluster-snapshot-id", "Values": names}]
    )
    return [snapshot for page in pages for snapshot in page["DBClusterSnapshots"]]


def list_instances(rds: RDSClient, cluster: str) -> list[DBInstanceTypeDef]:
    """The instances of a cluster as DescribeDBInstances returns them, with each instance's own status."""
    return _filtered_instances(rds, "db-cluster-id", [cluster])


def list_instances_of(rds: RDSClient, clusters: Sequence[str]) -> list[DBInstanceTypeDef]:
    """The instances of these clusters."""
    return _filtered_instances(rds, "db-cluster-id", clusters)


def list_custom_endpoints(rds: RDSClient, cluster: str) -> list[DBClusterEndpointTypeDef]:
    """The custom endpoints of a cluster. Source: RDS API Reference, DescribeDBClusterEndpoints."""
    pages = rds.get_paginator("describe_db_cluster_endpoints").paginate(
        DBClusterIdentifier=cluster, Filters=[{"Name": "db-cluster-endpoint-type", "Values": ["custom"]}]
    )
    return [endpoint for page in pages for endpoint in page["DBClusterEndpoints"]]


def list_integrations(rds: RDSClient) -> list[IntegrationTypeDef]:
    """Every zero-ETL integration of the account in the client's region."""
    pages = rds.get_paginator("describe_integrations").paginate()
    return [integration for page in pages for integration in page.get("Integrations", [])]


def list_blue_green_deployments(rds: RDSClient) -> list[BlueGreenDeploymentTypeDef]:
    """Every blue/green deployment of the account in the client's region, of clusters and of instances."""
    pages = rds.get_paginator("describe_blue_green_deployments").paginate()
    return [deployment for page in pages for deployment in page.get("BlueGreenDeployments", [])]


def list_shard_groups(rds: RDSClient) -> list[DBShardGroupTypeDef]:
    """Every DB shard group of the account in the client's region. botocore has no paginator for them."""
    groups: list[DBShardGroupTypeDef] = []
    page_of: DescribeDBShardGroupsMessageTypeDef = {}
    while True:
        page = rds.describe_db_shard_groups(**page_of)
        groups += page.get("DBShardGroups", [])
        if not page.get("Marker"):
            return groups
        page_of = {"Marker": page["Marker"]}


def list_proxies(rds: RDSClient) -> list[DBProxyTypeDef]:
    """Every RDS Proxy of the account in the client's region."""
    return [
        proxy for page in rds.get_paginator("describe_db_proxies").paginate() for proxy in page.get("DBProxies", [])
    ]


def list_proxy_target_groups(rds: RDSClient, proxy: str) -> list[str]:
    """The names of a proxy's target groups."""
    pages = rds.get_paginator("describe_db_proxy_target_groups").paginate(DBProxyName=proxy)
    return [group["TargetGroupName"] for page in pages for group in page.get("TargetGroups", [])]


def list_proxy_targets(rds: RDSClient, proxy: str, target_group: str) -> list[DBProxyTargetTypeDef]:
    """The targets of a proxy's target group."""
    pages = rds.get_paginator("describe_db_proxy_targets").paginate(DBProxyName=proxy, TargetGroupName=target_group)
    return [target for page in pages for target in page.get("Targets", [])]


def list_tags(rds: RDSClient, arn: str) -> list[TagTypeDef]:
    """The tags of a resource whose Describe call does not return them."""
    return rds.list_tags_for_resource(ResourceName=arn)["TagList"]


def list_events(rds: RDSClient, source_type: str, identifier: str, within: timedelta) -> list[EventTypeDef]:
    """The events of a resource in the time before now: RDS's first page, at most 100. Source: DescribeEvents."""
    minutes = max(1, int(within / timedelta(minutes=1)))
    answer = rds.describe_events(SourceType=source_type, SourceIdentifier=identifier, Duration=minutes)  # type: ignore[arg-type]  # a variable
    return answer.get("Events", [])


def find_instances(rds: RDSClient, identifiers: list[str]) -> list[DBInstanceTypeDef]:
    """The instances that have one of these names, whichever cluster they belong to.

    An instance keeps its name when its cluster is renamed.
    """
    return _filtered_instances(rds, "db-instance-id", identifiers) if identifiers else []


def _filtered_instances(rds: RDSClient, name: str, values: Sequence[str]) -> list[DBInstanceTypeDef]:
    pages = rds.get_paginator("describe_db_instances").paginate(Filters=[{"Name": name, "Values": values}])
    return [instance for page in pages for instance in page["DBInstances"]]
