"""Stopping and starting a cluster: stopped, it cannot be reached; started, it shows a certificate of its present names.

The database server behind it keeps running.

Source: RDS API Reference, StopDBCluster, StartDBCluster.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from devstack.aws.rds import entrances, events, lookup, responses
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Cluster
from devstack.aws.rds.state import Call


@serves("StopDBCluster", models="DBClusterIdentifier")
def stop_db_cluster(call: Call) -> dict[str, Any]:
    """Stop a cluster and its instances. The database server behind it keeps running."""
    cluster = lookup.find_cluster(call.region, call.parameters["DBClusterIdentifier"])
    lookup.require_cluster_available(cluster)
    return _change_status(call, cluster, "stopping", "stopped", "DB cluster stopped")


@serves("StartDBCluster", models="DBClusterIdentifier")
def start_db_cluster(call: Call) -> dict[str, Any]:
    """Start a stopped cluster."""
    cluster = lookup.find_cluster(call.region, call.parameters["DBClusterIdentifier"])
    if cluster.status != "stopped":
        raise RdsError(
            "InvalidDBClusterStateFault",
            f"DbCluster {cluster.identifier} is in {cluster.status} state but expected stopped",
        )
    return _change_status(call, cluster, "starting", "available", "DB cluster started")


def _change_status(call: Call, cluster: Cluster, during: str, after: str, message: str) -> dict[str, Any]:
    instances = [call.region.instances[name] for name in cluster.members]

    def set_status(status: str) -> None:
        cluster.status = status
        for each in instances:
            each.status = status
        entrances.update_reachability(call.state, cluster)

    def finish(at: datetime) -> None:
        set_status(after)
        events.record(call.state, cluster, at, message, "notification")

    # The response still has the previous status, as recordings of AWS show.
    response = {"DBCluster": responses.cluster(call.state, cluster)}
    set_status(during)
    renewed = entrances.renew_certificate(call.state, cluster) if after == "available" else None
    call.state.schedule(
        cluster, call.state.durations.cluster_modify, finish, ready=lambda: renewed is None or renewed.done()
    )
    return response
