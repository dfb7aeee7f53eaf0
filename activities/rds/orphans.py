"""Which copies of a target are orphans. The definition: docs/decisions/0015-compensation-and-cleanup.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities.rds import tags
from activities.rds.copies import operation_of
from activities.rds.left_drills import describe_left_drills, left_drills
from activities.rds.statuses import BEING_DELETED
from activities.rds.target import TargetCluster
from clients.aws import AwsClients
from errors import PipelineError, ResourceBusy
from models.inventory import Orphan, OrphanReason
from models.leftovers import ListOrphansInput

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef

CLEANUP = "cleanup"
"""In place of an operation's number when a command only reads: it names the sessions of assumed roles."""


def list_orphans(aws: AwsClients, listed: ListOrphansInput) -> list[Orphan]:
    """The orphans of a request's target, without the copies and the cluster of a running operation.

    Raises `Refused` if the credentials belong to another account.
    """
    request, operation_id, snapshot_copy = listed.request, listed.operation_id, listed.snapshot_copy_arn
    target = TargetCluster(aws, request.target, CLEANUP)
    target.check_account()
    copies, operation = target.list_own_copies(), tags.operation_tag(aws.environment, operation_id or "")
    arns = {copy["DBClusterSnapshotArn"] for copy in copies if operation_id and operation_of(copy) == operation}
    in_use = frozenset(arns | {snapshot_copy} if snapshot_copy else arns)
    drills = left_drills(target, request.target, target.list_clusters(), operation_id)
    return [
        *find_orphans(copies, request.archive.copies_to_keep, in_use),
        *describe_left_drills(drills),
    ]


def find_orphans(
    copies: list[DBClusterSnapshotTypeDef], keep: int, in_use: frozenset[str] = frozenset()
) -> list[Orphan]:
    """The copies that no restore will use again.

    `in_use` are the ARNs that belong to a running operation; `keep` is how many good copies archive-snapshot keeps.
    """
    good = sorted((copy for copy in copies if copy["Status"] == "available"), key=_created_at, reverse=True)
    newest_first = [copy["DBClusterSnapshotArn"] for copy in good]
    # As in archive-snapshot: a copy in use counts among those that are kept, however old its snapshot is. One that is
    # not available takes no place of a good one.
    others = [arn for arn in newest_first if arn not in in_use]
    kept = in_use | set(others[: max(keep - (len(newest_first) - len(others)), 0)])
    candidates = ((copy, _orphan_reason(copy)) for copy in copies if copy["DBClusterSnapshotArn"] not in kept)
    return [_orphan(copy, reason) for copy, reason in candidates if reason]


def delete_copies(identifiers: list[str], target: TargetCluster) -> list[PipelineError]:
    """Delete all that RDS lets go of; returns why some stay."""
    busy: list[str] = []
    for identifier in identifiers:
        deleted = target.delete_copy_unless_busy(identifier)
        busy += [] if deleted else [identifier]
    text = f"RDS refuses to delete {', '.join(busy)} for now. Check their status in RDS, then clean up again."
    return [ResourceBusy("Snapshot is busy", text)] if busy else []


def _created_at(copy: DBClusterSnapshotTypeDef) -> str:
    created = copy.get("SnapshotCreateTime")
    return created.isoformat() if created else ""


def _orphan_reason(copy: DBClusterSnapshotTypeDef) -> OrphanReason | None:
    status = copy["Status"]
    if status == "available":
        archived = tags.ARCHIVED_BY in tags.tags_of(copy.get("TagList", []))
        return None if archived else OrphanReason.UNARCHIVED
    if status in BEING_DELETED:
        return None
    return OrphanReason.FAILED if status == "failed" else OrphanReason.UNFINISHED


def _orphan(copy: DBClusterSnapshotTypeDef, reason: OrphanReason) -> Orphan:
    return Orphan(
        arn=copy["DBClusterSnapshotArn"],
        identifier=copy["DBClusterSnapshotIdentifier"],
        reason=reason,
        status=copy["Status"],
        operation_id=operation.rpartition("/")[2] if (operation := operation_of(copy)) else None,
    )
