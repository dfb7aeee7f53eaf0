"""What makes RDS refuse DeleteDBCluster although it lets every instance go: found before anything is deleted.

The same three hold before a swap renames the target, whose old cluster is deleted last: RDS refuses to rename a cluster with a
zero-ETL integration, and the switchover of a blue/green deployment renames clusters itself. For renames AWS documents nothing
else of this kind: deletion protection and pending maintenance prevent none, the status is waited for, and a global database
is a guard's.

A target with one of these would lose its instances, and then stay as a cluster that nobody can use and RDS does not
delete. So a role that may not read them is a failure, not a warning: an unknown blocker can strand the target too.
Sources: RDS API Reference, DescribeIntegrations, DescribeBlueGreenDeployments, DescribeDBShardGroups; Aurora User Guide,
"Deleting Aurora zero-ETL integrations", "Deleting a blue/green deployment", "Deleting a DB shard group"; of renames, "Aurora
zero-ETL integrations", General limitations, and the errors of RDS API Reference, ModifyDBCluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from activities.preflight import guards
from activities.preflight.guards import ObservedTarget, PreflightCheck, Violation
from activities.rds.aws_errors import answer_if_exists
from clients.rds import list_blue_green_deployments, list_integrations, list_shard_groups

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import BlueGreenDeploymentTypeDef, DBClusterTypeDef

Listed = TypeVar("Listed")

MAX_LISTED = 5
"""How many resources a message names at most."""
ZERO_ETL, BLUE_GREEN, SHARD_GROUP = "zero-etl-integration", "blue-green-deployment", "shard-group"


def blocker_checks(rds: RDSClient, cluster: DBClusterTypeDef) -> list[PreflightCheck]:
    """One check for each kind of resource that keeps RDS from deleting the cluster."""
    return [
        PreflightCheck((ZERO_ETL,), lambda: _find_integrations(rds, cluster)),
        PreflightCheck((BLUE_GREEN,), lambda: _find_blue_green_deployments(rds, cluster)),
        PreflightCheck((SHARD_GROUP,), lambda: _find_shard_groups(rds, cluster)),
    ]


def refuse_unless_deletable(observed: ObservedTarget, rds: RDSClient) -> None:
    """Raise `Refused` with every guard that refuses the cluster and everything that keeps RDS from deleting it."""
    blockers = guards.find_violations(blocker_checks(rds, observed.cluster))
    guards.refuse_if_any([*guards.guard_violations(observed), *blockers])


def _find_integrations(rds: RDSClient, cluster: DBClusterTypeDef) -> Iterator[Violation]:
    arn = cluster["DBClusterArn"]
    integrations = answer_if_exists(lambda: list_integrations(rds)) or []
    own = [each for each in integrations if each.get("SourceArn") == arn]
    if own:
        listed = _listed(f"{each.get('IntegrationName')} ({each.get('Status')})" for each in own)
        yield Violation(
            ZERO_ETL,
            "Target has a zero-ETL integration",
            f"{arn} is the source of the zero-ETL integration {listed}. RDS does not delete such a cluster, and a restored "
            "one would not have the integration. Delete the integration, or choose another target.",
        )


def _find_blue_green_deployments(rds: RDSClient, cluster: DBClusterTypeDef) -> Iterator[Violation]:
    arn = cluster["DBClusterArn"]
    deployments = answer_if_exists(lambda: list_blue_green_deployments(rds)) or []
    own = [each for each in deployments if arn in _databases_of(each)]
    if own:
        listed = _listed(f"{each.get('BlueGreenDeploymentName')} ({each.get('Status')})" for each in own)
        yield Violation(
            BLUE_GREEN,
            "Target is in a blue/green deployment",
            f"{arn} belongs to the blue/green deployment {listed}. RDS does not delete a cluster of one. "
            "Delete the deployment, or choose another target.",
        )


def _find_shard_groups(rds: RDSClient, cluster: DBClusterTypeDef) -> Iterator[Violation]:
    groups = answer_if_exists(lambda: list_shard_groups(rds)) or []
    own = [each for each in groups if each.get("DBClusterIdentifier") == cluster["DBClusterIdentifier"]]
    if own:
        listed = _listed(f"{each.get('DBShardGroupIdentifier')} ({each.get('Status')})" for each in own)
        yield Violation(
            SHARD_GROUP,
            "Target has a DB shard group",
            f"{cluster['DBClusterArn']} has the DB shard group {listed}. RDS does not delete such a cluster, and a restored "
            "one would not have the group. Choose another target.",
        )


def _databases_of(deployment: BlueGreenDeploymentTypeDef) -> set[str | None]:
    """The ARNs of the deployment's blue and green clusters and of their instances."""
    details = deployment.get("SwitchoverDetails", [])
    blue = {deployment.get("Source"), *(detail.get("SourceMember") for detail in details)}
    return blue | {deployment.get("Target"), *(detail.get("TargetMember") for detail in details)}


def _listed(resources: Iterable[str]) -> str:
    names = list(resources)
    more = len(names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {more} more" if more > 0 else "")
