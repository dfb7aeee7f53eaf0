"""What a poll may read together with the polls of other restores; see waiting/shared_reads.py.

Nothing here is for a guard or for a call that changes something: those read by name, through `TargetCluster`. In a poll
that may change something every method here returns None, and the caller reads by name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from activities.rds.aws_errors import action_for
from activities.rds.fault_table import Action
from clients import rds as reads
from clients.aws import AwsClients
from clients.complete_answers import IncompleteAnswer
from models.request import Target
from waiting.shared_reads import NotShared, SharedRead, find_shared

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef, DBClusterTypeDef, DBInstanceTypeDef


class SharedPolls:
    """Reads of one target that its polls share with those of other targets of the same account, region and role."""

    def __init__(self, aws: AwsClients, target: Target, operation_id: str) -> None:
        """`operation_id` names the session of an assumed role: CloudTrail shows one operation's session for the reads of all."""
        self._rds = aws.rds(target, operation_id)
        self._place = (target.account_id, target.region, target.role_arn, target.external_id)
        self._name = target.cluster

    def find_cluster(self) -> DBClusterTypeDef | None:
        """The cluster that has the target's name; None if it is to be read by name."""
        found: DBClusterTypeDef | None = self._find("clusters", self._name, _read_clusters)
        return found

    def find_instances(self) -> list[DBInstanceTypeDef] | None:
        """The instances of the cluster that has the target's name; None if they are to be read by name."""
        found: list[DBInstanceTypeDef] | None = self._find("instances", self._name, _read_instances)
        return found

    def find_copy(self, identifier: str) -> DBClusterSnapshotTypeDef | None:
        """The manual snapshot of this name in the target's region; None if it is to be read by name."""
        found: DBClusterSnapshotTypeDef | None = self._find("snapshots", identifier, _read_snapshots)
        return found

    def _find(self, kind: str, name: str, read: Callable[[RDSClient, Sequence[str]], Mapping[str, Any]]) -> Any | None:
        return find_shared(SharedRead((kind, *self._place), name, partial(_fetch, read, self._rds)))


def _fetch(
    read: Callable[[RDSClient, Sequence[str]], Mapping[str, Any]], rds: RDSClient, names: Sequence[str]
) -> Mapping[str, Any]:
    """Raises `NotShared` if AWS refuses to read several; what a poll would retry is the error of each poll."""
    try:
        return read(rds, names)
    except ClientError as error:
        if action_for(error) is Action.RETRY:
            raise
        raise NotShared from error
    except IncompleteAnswer:
        # Perhaps only one of the resources is incomplete.
        return {}


def _read_clusters(rds: RDSClient, names: Sequence[str]) -> Mapping[str, DBClusterTypeDef]:
    return {cluster["DBClusterIdentifier"]: cluster for cluster in reads.list_clusters_named(rds, names)}


def _read_instances(rds: RDSClient, names: Sequence[str]) -> Mapping[str, list[DBInstanceTypeDef]]:
    found: defaultdict[str, list[DBInstanceTypeDef]] = defaultdict(list)
    for instance in reads.list_instances_of(rds, names):
        found[instance.get("DBClusterIdentifier", "")].append(instance)
    return found


def _read_snapshots(rds: RDSClient, names: Sequence[str]) -> Mapping[str, DBClusterSnapshotTypeDef]:
    return {snapshot["DBClusterSnapshotIdentifier"]: snapshot for snapshot in reads.list_snapshots_named(rds, names)}
