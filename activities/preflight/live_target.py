"""Whether a cluster that a command only reads is the target of the request: without a restore no other guard runs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from activities.preflight import guards
from activities.preflight.selection import select_snapshot
from clients.rds import find_cluster
from errors import StepFailed
from waiting.clock import now

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef

    from activities.rds.target import TargetCluster
    from clients.aws import AwsClients
    from models.request import RestoreRequest


def require_own_target(
    aws: AwsClients, request: RestoreRequest, target: TargetCluster, cluster: DBClusterTypeDef, session: str
) -> None:
    """Evaluate the guards that a drill evaluates on the target. `session` names the sessions of assumed roles.

    Raises `Refused` if the cluster is of another account, has another ARN, or is the source, also under a new name.
    """
    rds = aws.rds(request.source, session)
    source, of_snapshot = find_cluster(rds, request.source.cluster), None
    # A schema can be read before there is a snapshot to restore.
    with suppress(StepFailed):
        of_snapshot = select_snapshot(rds, request.source, now()).cluster_resource_id
    source_ids = guards.known_resource_ids(source["DbClusterResourceId"] if source else None, of_snapshot)
    observed = guards.ObservedTarget(
        request.source, request.target, cluster, source_ids, target.caller_account(), target.environment
    )
    guards.refuse_if_any(guards.find_violations(guards.guard_checks(observed, guards.IDENTITY)))
