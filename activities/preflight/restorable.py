"""Whether a restore can bring back a cluster of the target's kind. If it cannot, nothing is deleted.

The members and their reasons: activities/rds/members.py, fate "refused".
Source: RDS API Reference, DBCluster; Aurora User Guide, "Restoring from a DB cluster snapshot".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from activities.preflight.guards import Violation

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef

RESTORABLE = "restorable-kind"
"""The rule of these violations."""
SHORT = "Target cannot be brought back"


def find_what_cannot_come_back(cluster: DBClusterTypeDef) -> Iterator[Violation]:
    """A violation for each property of the cluster that a restored one could not have."""
    arn = cluster["DBClusterArn"]
    for property_, advice in _properties(cluster):
        yield Violation(RESTORABLE, SHORT, f"{arn} {property_}, and a restore cannot bring that back. {advice}")


def _properties(cluster: DBClusterTypeDef) -> Iterator[tuple[str, str]]:
    """What the cluster has, and what its owner can do about it."""
    choose = "Choose another target."
    if cluster.get("ActivityStreamStatus", "stopped") != "stopped":
        yield "has a database activity stream, whose Kinesis stream AWS deletes with it", "Stop the stream first."
    if cluster.get("EngineMode", "provisioned") != "provisioned":
        yield f"has the engine mode {cluster['EngineMode']}", choose
    if cluster.get("DBClusterInstanceClass"):
        yield "is a Multi-AZ DB cluster, not an Aurora cluster", choose
    if cluster.get("ClusterScalabilityType", "standard") != "standard":
        yield f"has the scalability type {cluster['ClusterScalabilityType']}", choose
    if cluster.get("VPCNetworkingEnabled") is False or cluster.get("InternetAccessGatewayEnabled"):
        yield "was made with the express configuration, without a VPC", choose
