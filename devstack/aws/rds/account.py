"""The quotas of an account in a region, and how much of each is used.

Source: RDS API Reference, DescribeAccountAttributes and AccountQuota; Aurora User Guide, "Quotas and constraints".
"""

from __future__ import annotations

from typing import Any

from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.state import Call


@serves("DescribeAccountAttributes", models="")
def describe_account_attributes(call: Call) -> dict[str, Any]:
    """The quotas that the emulator enforces, in AWS's names."""
    quotas = call.state.quotas
    used = {
        "AllocatedStorage": (len(call.region.clusters), quotas.storage_gib),
        "DBClusters": (len(call.region.clusters), quotas.clusters),
        "DBInstances": (len(call.region.instances), quotas.instances),
        "ManualClusterSnapshots": (count_manual_snapshots(call), quotas.manual_snapshots),
    }
    return {
        "AccountQuotas": [
            {"AccountQuotaName": name, "Used": count, "Max": limit} for name, (count, limit) in used.items()
        ]
    }


def count_manual_snapshots(call: Call) -> int:
    """The manual cluster snapshots of the account in the region, in any status."""
    return sum(each.kind == "manual" for each in call.region.snapshots.values())


def check_cluster_quota(call: Call) -> None:
    """Raise RdsError if the region already has as many clusters, or as much storage, as the quotas allow."""
    if len(call.region.clusters) >= call.state.quotas.clusters:
        raise RdsError("DBClusterQuotaExceededFault", "The request would exceed the number of clusters allowed.")
    if len(call.region.clusters) >= call.state.quotas.storage_gib:
        raise RdsError("StorageQuotaExceeded", "The request would exceed the storage allowed.")


def check_instance_quota(call: Call) -> None:
    """Raise RdsError if the region already has as many instances as the quota allows."""
    if len(call.region.instances) >= call.state.quotas.instances:
        raise RdsError("InstanceQuotaExceeded", "The request would exceed the number of DB instances allowed.")
