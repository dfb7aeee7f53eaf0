"""The settings of a cluster with what is around it: custom endpoints, proxies and scaling, which have calls of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities.rds import settings, tags
from activities.rds.surroundings import proxies, scaling
from clients import rds as reads
from models.configuration import ClusterSettings

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import DBClusterTypeDef, DBInstanceTypeDef


def read_live_settings(
    rds: RDSClient,
    autoscaling: ApplicationAutoScalingClient,
    name: str,
    cluster: DBClusterTypeDef,
    instances: list[DBInstanceTypeDef],
) -> ClusterSettings:
    """The settings of the cluster of this name and its instances as they were just read; the rest is read now."""
    endpoints = reads.list_custom_endpoints(rds, name)
    arns = [endpoint["DBClusterEndpointArn"] for endpoint in endpoints if "DBClusterEndpointArn" in endpoint]
    endpoint_tags = {arn: tags.tags_of(reads.list_tags(rds, arn)) for arn in arns}
    read = settings.read_settings(cluster, instances, endpoints, endpoint_tags)
    around = {
        "proxy_targets": proxies.read_proxy_targets(rds, name) or None,
        "scalable_target": scaling.read_scalable_target(autoscaling, name),
    }
    return read.model_copy(update=around)
