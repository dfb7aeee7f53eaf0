"""The RDS Proxies that lead to the target: RDS removes a cluster from their target groups when it is deleted.

Source: RDS API Reference, DescribeDBProxies, DescribeDBProxyTargetGroups, DescribeDBProxyTargets, RegisterDBProxyTargets;
Aurora User Guide, event RDS-EVENT-0215.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from activities.rds.aws_errors import answer_if_exists
from clients.rds import list_proxies, list_proxy_target_groups, list_proxy_targets
from models.configuration import ProxyTarget

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import DBProxyTargetTypeDef

Listed = TypeVar("Listed")


def read_proxy_targets(rds: RDSClient, cluster: str) -> tuple[ProxyTarget, ...]:
    """The target groups of proxies that have the cluster as a target, by name."""
    proxies = answer_if_exists(partial(list_proxies, rds)) or []
    names = [proxy["DBProxyName"] for proxy in proxies if proxy.get("Status") != "deleting"]
    targets = [
        ProxyTarget(proxy_name=name, target_group_name=group)
        for name in names
        for group in (answer_if_exists(partial(list_proxy_target_groups, rds, name)) or [])
        if is_registered(rds, ProxyTarget(proxy_name=name, target_group_name=group), cluster)
    ]
    return tuple(sorted(targets, key=lambda target: (target.proxy_name, target.target_group_name)))


def is_registered(rds: RDSClient, target: ProxyTarget, cluster: str) -> bool:
    """Whether the target group has the cluster, whatever the proxy says of its health.

    A proxy connects as users whose passwords the next step sets, so that nothing waits for `AVAILABLE`.
    """
    return any(_names(found, cluster) for found in list_proxy_targets(rds, target.proxy_name, target.target_group_name))


def register_missing(rds: RDSClient, cluster: str, proxy: ProxyTarget) -> str | None:
    """Register the cluster with the proxy, unless it is registered; returns what is made, or None."""
    if is_registered(rds, proxy, cluster):
        return None
    rds.register_db_proxy_targets(
        DBProxyName=proxy.proxy_name, TargetGroupName=proxy.target_group_name, DBClusterIdentifiers=[cluster]
    )
    return f"registering with the proxy {proxy.proxy_name}"


def _names(target: DBProxyTargetTypeDef, cluster: str) -> bool:
    tracked = target.get("Type") == "TRACKED_CLUSTER" and target.get("RdsResourceId") == cluster
    return tracked or target.get("TrackedClusterId") == cluster
