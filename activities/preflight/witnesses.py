"""What is known of a target that does not exist, besides the trail: the trail is one witness, RDS's events and tags are others.

An operator who reads it knows whether the name is misspelt or an operation was stranded. Nothing here decides.
"""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError

from activities.rds import tags
from activities.rds.copies import operation_of
from activities.rds.events import newest_events
from activities.rds.target import TargetCluster
from clients.rds import find_cluster
from models.clusters import LastDeletion
from models.swap import OLD

MOST_COPIES = 3


def describe_witnesses(target: TargetCluster, last: LastDeletion | None, *, swaps: bool) -> str:
    """What speaks for a target that existed, bounded; empty if nothing does. `swaps`: the request swaps names."""
    swap = _of_a_swap(target) if swaps else ()
    return "; ".join((*swap, *_of_the_trail(last), *_of_the_copies(target), *_of_the_events(target)))


def _of_a_swap(target: TargetCluster) -> Iterator[str]:
    """A workflow that someone terminated between the two renames."""
    if (old := find_cluster(target.reader, target.name + OLD)) is not None:
        yield (
            f"{target.name}{OLD} exists ({old['Status']}), as a swap that was cut off leaves it; to give it its name back, "
            f"run aws rds modify-db-cluster --db-cluster-identifier {target.name}{OLD} "
            f"--new-db-cluster-identifier {target.name} --apply-immediately"
        )


def _of_the_trail(last: LastDeletion | None) -> Iterator[str]:
    if last is None:
        return
    if last.restore_accepted_by:
        yield f"{last.restore_accepted_by} restored it, and no operation has deleted it since"
    else:
        yield f"{last.operation_id} declared its deletion, without its settings"


def _of_the_copies(target: TargetCluster) -> Iterator[str]:
    try:
        copies = target.list_own_copies()
    except (ClientError, BotoCoreError):
        return
    unarchived = [copy for copy in copies if tags.ARCHIVED_BY not in tags.tags_of(copy.get("TagList", []))]
    for copy in unarchived[:MOST_COPIES]:
        operation = tags.describe_operation(operation_of(copy) or "", target.environment)
        yield f"{operation} made the copy {copy['DBClusterSnapshotIdentifier']} for it and did not archive it"
    if len(unarchived) > MOST_COPIES:
        yield f"and {len(unarchived) - MOST_COPIES} more copies"


def _of_the_events(target: TargetCluster) -> Iterator[str]:
    deletions = [event for event in newest_events(target, "db-cluster", target.name) if "deleted" in event]
    yield from (f"RDS reported {event}" for event in deletions[-1:])
