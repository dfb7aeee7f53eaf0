"""What belongs to a target in its region, found without listing everything for each restore.

The names come from a list that the restores of a worker share (clients/region_lists.py), and what has these names is read
then: nothing is decided on what the list said. What was made within the last minute may be missed, so that a copy too many
is kept; after a failure, where that matters, everything is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

from activities.rds import tags
from activities.rds.aws_errors import action_for
from activities.rds.copies import is_own
from activities.rds.fault_table import Action
from activities.rds.masked_snapshots import is_own_masked
from clients import rds as reads
from clients.region_lists import RegionLists
from models.drill import drill_operation
from models.identifiers import is_copy_name_for, is_masked_name_for
from models.request import Target

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef, DBClusterTypeDef

T = TypeVar("T")
MOST_NAMES = 100
"""How many names one call has: RDS's largest page."""


class RegionSearch:
    """Searches the account and region of one target."""

    def __init__(self, lists: RegionLists, rds: RDSClient, target: Target, environment: str) -> None:
        """`lists` belongs to the worker; `rds` is the target's client."""
        self._lists = lists
        self._rds = rds
        self._target = target
        self._environment = environment
        self._place = (target.account_id, target.region, target.role_arn, target.external_id)

    def find_own_copies(self, known: str) -> list[DBClusterSnapshotTypeDef]:
        """Every copy that this environment made for the target, in any status; `known` is this operation's, however new."""
        found = self._read_snapshots({*self._snapshot_names(is_copy_name_for), known})
        return [each for each in found if is_own(each, self._target, self._environment)]

    def find_own_snapshots(
        self, copy: str, masked: str
    ) -> tuple[list[DBClusterSnapshotTypeDef], list[DBClusterSnapshotTypeDef]]:
        """The copies as `find_own_copies` does, and every masked snapshot that this environment took of the target.

        `copy` and `masked` are this operation's, however new. Both are of one read: the read guard dates the last read, so
        an older one may be of any age.
        """
        names = {*self._snapshot_names(is_copy_name_for), *self._snapshot_names(is_masked_name_for)}
        found = self._read_snapshots({*names, copy, masked})
        copies = [each for each in found if is_own(each, self._target, self._environment)]
        return copies, [each for each in found if is_own_masked(each, self._target, self._environment)]

    def find_clusters(self, known: Sequence[str]) -> list[DBClusterTypeDef]:
        """The clusters of these names, and those that were restored for the target and have another name.

        Lists all if one of them is not found: it may have been renamed just now.
        """
        restored = self._lists.read(("restored clusters", *self._place), self._list_restored)
        names = {name for name, origin in restored if self._is_of_target(name, origin)}
        found = _read_named({*names, *known}, lambda chunk: reads.list_clusters_named(self._rds, chunk))
        required = {*names, self._target.cluster}
        if found is None or not required <= {cluster["DBClusterIdentifier"] for cluster in found}:
            return reads.list_clusters(self._rds)
        return found

    def _is_of_target(self, name: str, origin: str) -> bool:
        """Whether a restored cluster may be the target's: by what it was restored from, or by the name of a drill."""
        is_drill = drill_operation(self._target.cluster, name) is not None
        return is_drill or is_copy_name_for(self._environment, self._target.arn, origin)

    def _read_snapshots(self, names: Collection[str]) -> list[DBClusterSnapshotTypeDef]:
        found = _read_named(names, lambda chunk: reads.list_snapshots_named(self._rds, chunk))
        return reads.list_snapshots(self._rds, "manual") if found is None else found

    def _snapshot_names(self, is_name_for: Callable[[str, str, str], bool]) -> list[str]:
        """The names in the list that the pipeline may have given for the target."""
        names: tuple[str, ...] = self._lists.read(("snapshots", *self._place), self._list_snapshot_names)
        return [name for name in names if is_name_for(self._environment, self._target.arn, name)]

    def _list_snapshot_names(self) -> tuple[str, ...]:
        return tuple(each["DBClusterSnapshotIdentifier"] for each in reads.list_snapshots(self._rds, "manual"))

    def _list_restored(self) -> tuple[tuple[str, str], ...]:
        """Each restored cluster's name, and that of the snapshot that it was restored from."""
        tagged = ((each["DBClusterIdentifier"], _origin(each)) for each in reads.list_clusters(self._rds))
        return tuple((name, origin) for name, origin in tagged if origin)


def _origin(cluster: DBClusterTypeDef) -> str:
    return tags.tags_of(cluster.get("TagList", [])).get(tags.RESTORED_FROM, "").rpartition(":")[2]


def _read_named(names: Iterable[str], read: Callable[[Sequence[str]], list[T]]) -> list[T] | None:
    """What has these names now; None if AWS refuses to filter by them, so that everything is to be listed."""
    ordered = sorted(names)
    chunks = [ordered[first : first + MOST_NAMES] for first in range(0, len(ordered), MOST_NAMES)]
    try:
        return [each for chunk in chunks for each in read(chunk)]
    except ClientError as error:
        if action_for(error) is Action.RETRY:
            raise
        return None
