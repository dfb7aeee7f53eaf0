"""Removes what the check has made: at the end of a run, and what an earlier run left because it was killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from conformance.own_resources import CLUSTER, INSTANCE, NotOwn, OwnResource, OwnResources
from errors import StaleRead

BUSY = frozenset(
    {
        "InvalidDBClusterStateFault", "InvalidDBInstanceState", "InvalidDBClusterSnapshotStateFault",
        "DBClusterNotFoundFault", "DBInstanceNotFound", "DBClusterSnapshotNotFoundFault",
    }
)  # fmt: skip
"""Codes after which the next poll tries again: the resource is between two statuses, or has just gone."""
EMPTY_READS = 2
"""How often in a row nothing must be left: the last resource of a killed run may become visible late."""
MAX_WAIT_SECONDS = 3600.0


class Pace:
    """How long is waited between two polls, and for how long at all."""

    def __init__(self, seconds: float, sleep: Callable[[float], object] = time.sleep) -> None:
        """Seconds between two polls."""
        self._seconds, self._sleep = seconds, sleep
        self.max_polls = max(1, int(MAX_WAIT_SECONDS / seconds))

    def wait(self) -> None:
        """Until the next poll."""
        self._sleep(self._seconds)


Selection = Callable[[OwnResource], bool]


def is_of_run(run: str) -> Selection:
    """Selects what one run has made."""
    return lambda resource: resource.run == run


def is_expired(now: datetime) -> Selection:
    """Selects what runs have left whose time is over, so that none of them can still be going on."""
    return lambda resource: resource.expires <= now


def find_left(regions: Sequence[OwnResources], selected: Selection) -> list[OwnResource]:
    """The selected resources of all regions, instances first."""
    return [resource for own in regions for resource in own.list_all() if selected(resource)]


def remove(regions: Sequence[OwnResources], selected: Selection, pace: Pace) -> list[OwnResource]:
    """Delete the selected resources and wait until they are gone; returns what is left after an hour.

    A connection that is lost meanwhile, and a machine that stood still, are waited out.
    Raises `ClientError` if AWS refuses a deletion for another reason than a status, and the last error of the connection.
    """
    empty_reads = 0
    left: list[OwnResource] = []
    lost: Exception | None = None
    for _ in range(pace.max_polls):
        try:
            left, lost = find_left(regions, selected), None
            empty_reads = 0 if left else empty_reads + 1
            if empty_reads == EMPTY_READS:
                return []
            for resource in left:
                _try_to_delete(next(own for own in regions if own.region == resource.region), resource, left)
        except (BotoCoreError, StaleRead) as error:
            empty_reads, lost = 0, error
        pace.wait()
    if lost is not None:
        raise lost
    return left


def _try_to_delete(own: OwnResources, resource: OwnResource, left: Sequence[OwnResource]) -> None:
    """One step towards the deletion, if its status allows one."""
    if resource.status == "deleting":
        return
    try:
        _delete(own, resource, left)
    except NotOwn:
        return  # its tags are gone; the next poll lists what is provably ours
    except ClientError as error:
        if error.response["Error"].get("Code") not in BUSY:
            raise


def _delete(own: OwnResources, resource: OwnResource, left: Sequence[OwnResource]) -> None:
    if resource.kind is INSTANCE:
        own.delete_instance(resource.name)
    elif resource.kind is not CLUSTER:
        own.delete_snapshot(resource.name)
    elif resource.status == "stopped":
        # RDS deletes no instance of a stopped cluster.
        own.start_cluster(resource.name)
    elif resource.answer.get("DeletionProtection"):
        own.modify_cluster(resource.name, DeletionProtection=False)
    elif all(each.status == "deleting" for each in _instances_of(resource, left)):
        own.delete_cluster(resource.name, SkipFinalSnapshot=True)


def _instances_of(cluster: OwnResource, left: Sequence[OwnResource]) -> list[OwnResource]:
    """The instances of a cluster that are left. Those that are not ours are not deleted, and so neither is the cluster."""
    return [each for each in left if each.kind is INSTANCE and each.answer.get("DBClusterIdentifier") == cluster.name]
