"""RDS Proxies and what they lead to. A proxy has one target group, `default`; nothing listens at its endpoint.

A cluster that is deleted is removed from its target group (RDS-EVENT-0215). One that is renamed stays in it under its old
name, until it is deregistered: AWS does not document that the target follows.
Source: RDS API Reference, CreateDBProxy, RegisterDBProxyTargets, DescribeDBProxyTargets; RDS User Guide, "RDS Proxy".
"""

from __future__ import annotations

from typing import Any

from devstack.aws.rds import hosts, lookup, requests
from devstack.aws.rds.dependents import Proxy, ProxyTarget
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.state import Call

TARGET_GROUP = "default"
SHOWN = (
    "Auth", "DebugLogging", "DefaultAuthScheme", "EndpointNetworkType", "EngineFamily", "IdleClientTimeout", "RequireTLS",
    "RoleArn", "TargetConnectionNetworkType", "VpcSecurityGroupIds", "VpcSubnetIds",
)  # fmt: skip
"""Parameters that are stored and shown under the same name, without other effect."""


@serves(
    "CreateDBProxy",
    "Auth DBProxyName DebugLogging DefaultAuthScheme EndpointNetworkType EngineFamily IdleClientTimeout RequireTLS RoleArn "
    "Tags TargetConnectionNetworkType VpcSecurityGroupIds VpcSubnetIds",
)
def create_db_proxy(call: Call) -> dict[str, Any]:
    """A proxy without targets, available at once."""
    name = requests.identifier(call.parameters, "DBProxyName")
    if name in call.region.proxies:
        raise RdsError("DBProxyAlreadyExistsFault", f"DB proxy already exists: {name}")
    shown = requests.select(call.parameters, SHOWN) | {"CreatedDate": call.now, "UpdatedDate": call.now}
    proxy = Proxy(name, call.region.arn("db-proxy", f"prx-{name}"), requests.tags(call.parameters), shown)
    call.region.proxies[name] = proxy
    return {"DBProxy": _shown(proxy)}


@serves("DeleteDBProxy", "DBProxyName")
def delete_db_proxy(call: Call) -> dict[str, Any]:
    """Delete a proxy; it is gone at once."""
    proxy = _find(call)
    del call.region.proxies[proxy.name]
    return {"DBProxy": {**_shown(proxy), "Status": "deleting"}}


@serves("DescribeDBProxies", "DBProxyName Marker MaxRecords")
def describe_db_proxies(call: Call) -> dict[str, Any]:
    """All of the account in the region, or one."""
    found = [_find(call)] if "DBProxyName" in call.parameters else list(call.region.proxies.values())
    page, marker = requests.page(call.parameters, found, key=lambda each: each.name)
    return {"DBProxies": [_shown(each) for each in page], "Marker": marker}


@serves("DescribeDBProxyTargetGroups", "DBProxyName TargetGroupName")
def describe_db_proxy_target_groups(call: Call) -> dict[str, Any]:
    """The one target group of a proxy."""
    proxy = _find(call)
    _check_group(call)
    group = {
        "DBProxyName": proxy.name,
        "TargetGroupName": TARGET_GROUP,
        "TargetGroupArn": call.region.arn("target-group", f"prx-tg-{proxy.name}"),
        "IsDefault": True,
        "Status": "available",
        "ConnectionPoolConfig": {
            "MaxConnectionsPercent": 100,
            "MaxIdleConnectionsPercent": 50,
            "ConnectionBorrowTimeout": 120,
            "SessionPinningFilters": [],
        },
        "CreatedDate": proxy.shown["CreatedDate"],
        "UpdatedDate": proxy.shown["UpdatedDate"],
    }
    return {"TargetGroups": [group]}


@serves("DescribeDBProxyTargets", "DBProxyName TargetGroupName")
def describe_db_proxy_targets(call: Call) -> dict[str, Any]:
    """The cluster that is registered, and its instances."""
    proxy = _find(call)
    _check_group(call)
    return {"Targets": [shown for target in proxy.targets for shown in _targets(target)]}


@serves("RegisterDBProxyTargets", "DBClusterIdentifiers DBProxyName TargetGroupName")
def register_db_proxy_targets(call: Call) -> dict[str, Any]:
    """Register available clusters; instances of other engines are not modelled."""
    proxy = _find(call)
    _check_group(call)
    clusters = [lookup.find_cluster(call.region, name) for name in call.parameters.get("DBClusterIdentifiers", [])]
    for cluster in clusters:
        lookup.require_cluster_available(cluster)
        if any(each.identifier == cluster.identifier for each in proxy.targets):
            raise RdsError("DBProxyTargetAlreadyRegisteredFault", f"{cluster.identifier} is already registered.")
    registered = [ProxyTarget(cluster, cluster.identifier, cluster.arn, hosts.writer(cluster)) for cluster in clusters]
    proxy.targets += registered
    return {"DBProxyTargets": [shown for target in registered for shown in _targets(target)]}


@serves("DeregisterDBProxyTargets", "DBClusterIdentifiers DBProxyName TargetGroupName")
def deregister_db_proxy_targets(call: Call) -> dict[str, Any]:
    """Remove clusters from the target group."""
    proxy = _find(call)
    _check_group(call)
    for name in call.parameters.get("DBClusterIdentifiers", []):
        found = next((each for each in proxy.targets if each.identifier == name.lower()), None)
        if found is None:
            raise RdsError("DBProxyTargetNotFoundFault", f"{name} is not a target of {proxy.name}.")
        proxy.targets.remove(found)
    return {}


def _find(call: Call) -> Proxy:
    name = call.parameters["DBProxyName"].lower()
    proxy = call.region.proxies.get(name)
    if proxy is None:
        raise RdsError("DBProxyNotFoundFault", f"DBProxy {name} not found.")
    return proxy


def _check_group(call: Call) -> None:
    name = call.parameters.get("TargetGroupName", TARGET_GROUP)
    if name != TARGET_GROUP:
        raise RdsError("DBProxyTargetGroupNotFoundFault", f"DBProxyTargetGroup {name} not found.")


def _shown(proxy: Proxy) -> dict[str, Any]:
    return {**proxy.shown, "DBProxyName": proxy.name, "DBProxyArn": proxy.arn, "Status": "available"}


def _targets(target: ProxyTarget) -> list[dict[str, Any]]:
    """The cluster and its instances; no proxy ever connects, so that none becomes AVAILABLE.

    A cluster that was renamed since is shown as it was registered, and is unreachable under that name.
    """
    cluster = target.cluster
    tracked = {
        "RdsResourceId": target.identifier,
        "TargetArn": target.arn,
        "Endpoint": target.endpoint,
        "Port": cluster.port,
        "TargetHealth": {"State": "REGISTERING"},
        "Type": "TRACKED_CLUSTER",
    }
    if cluster.identifier != target.identifier:
        return [tracked | {"TargetHealth": {"State": "UNAVAILABLE", "Reason": "UNREACHABLE"}}]
    waiting = {
        "State": "UNAVAILABLE",
        "Reason": "PENDING_PROXY_CAPACITY",
        "Description": "DBProxy Target is waiting for proxy to scale to desired capacity",
    }
    members = [
        {
            "RdsResourceId": name,
            "TrackedClusterId": target.identifier,
            "Endpoint": hosts.member(cluster, name),
            "Port": cluster.port,
            "Role": "READ_ONLY" if number else "READ_WRITE",
            "TargetHealth": waiting,
            "Type": "RDS_INSTANCE",
        }
        for number, name in enumerate(cluster.members)
    ]
    return [tracked, *members]
