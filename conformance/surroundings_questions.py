"""The questions about what is around a cluster, where the account has it: RDS Proxy and Application Auto Scaling.

They change nothing, and ask only what a restore depends on when it puts these back.
"""

from __future__ import annotations

from typing import Any

from conformance.account import Account
from conformance.anonymiser import Json
from conformance.expectations import Only, Value
from conformance.questions import API, ASSUMED, GUIDE, ReadQuestion, existing

A_CLUSTER, NO_CLUSTER = "the name of a cluster", "no cluster has this name"
"""In place of a name."""


def _clusters(account: Account) -> set[str]:
    return {str(each.get("DBClusterIdentifier")) for each in account.resources("describe_db_clusters", "DBClusters")}


def _targets(account: Account) -> list[dict[str, Any]]:
    """The targets of the account's proxies; each has the name of its target group besides."""
    proxies = existing(account.resources("describe_db_proxies", "DBProxies"), "RDS Proxy")
    found = []
    for name in [str(each.get("DBProxyName")) for each in proxies]:
        for group in account.resources("describe_db_proxy_target_groups", "TargetGroups", DBProxyName=name):
            asked = {"DBProxyName": name, "TargetGroupName": str(group.get("TargetGroupName"))}
            targets = account.resources("describe_db_proxy_targets", "Targets", **asked)
            found += [target | {"TargetGroupName": group.get("TargetGroupName")} for target in targets]
    return existing(found, "target of an RDS Proxy")


def _target_groups(account: Account) -> Json:
    return sorted({str(target["TargetGroupName"]) for target in _targets(account)})


def _target_types(account: Account) -> Json:
    return sorted({str(target.get("Type")) for target in _targets(account)})


def _tracked_clusters(account: Account) -> Json:
    tracked = [each for each in _targets(account) if each.get("Type") == "TRACKED_CLUSTER"]
    names = {str(each.get("RdsResourceId")) for each in existing(tracked, "cluster behind an RDS Proxy")}
    return sorted(_kinds_of_names(names, account))


def _kinds_of_names(names: set[str], account: Account) -> set[str]:
    clusters = _clusters(account)
    return {A_CLUSTER if name in clusters else NO_CLUSTER for name in names}


def _scalable_targets(account: Account, **more: Any) -> list[dict[str, Any]]:
    pages = account.scaling().get_paginator("describe_scalable_targets").paginate(ServiceNamespace="rds", **more)
    return [dict(target) for page in pages for target in page["ScalableTargets"]]


def _targets_of_absent(account: Account) -> Json:
    return len(_scalable_targets(account, ResourceIds=[f"cluster:{account.absent}"]))


def _dimensions(account: Account) -> Json:
    found = existing(_scalable_targets(account), "scalable target of Application Auto Scaling")
    return sorted({str(target.get("ScalableDimension")) for target in found})


def _scaled_clusters(account: Account) -> Json:
    found = existing(_scalable_targets(account), "scalable target of Application Auto Scaling")
    return sorted(_kinds_of_names({str(each.get("ResourceId")).removeprefix("cluster:") for each in found}, account))


SURROUNDINGS_QUESTIONS: tuple[ReadQuestion, ...] = (
    ReadQuestion("target-groups-of-proxies", "the names of the target groups of the account's proxies",
                 Only(frozenset({"default"})), API, _target_groups),
    ReadQuestion("types-of-proxy-targets", "the Type of the targets of the account's proxies",
                 Only(frozenset({"TRACKED_CLUSTER", "RDS_INSTANCE"})), API, _target_types),
    ReadQuestion("clusters-behind-proxies", "what the RdsResourceId of a TRACKED_CLUSTER is",
                 Only(frozenset({A_CLUSTER})), API, _tracked_clusters),
    ReadQuestion("scalable-targets-of-a-missing-cluster",
                 "how many ScalableTargets DescribeScalableTargets lists for a cluster that does not exist", Value(0), API,
                 _targets_of_absent),
    ReadQuestion("dimensions-of-scalable-targets", "the ScalableDimension of the account's scalable targets of rds",
                 Only(frozenset({"rds:cluster:ReadReplicaCount"})), GUIDE, _dimensions),
    ReadQuestion("clusters-of-scalable-targets",
                 "what the ResourceId of a scalable target names, which shows whether one outlives its cluster",
                 Only(frozenset({A_CLUSTER})), ASSUMED, _scaled_clusters),
)  # fmt: skip
