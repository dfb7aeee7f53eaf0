"""The copies of one target, and which of them are orphans. What an orphan is: docs/decisions/0015-compensation-and-cleanup.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities.preflight import guards
from activities.rds import tags
from clients.aws import AwsClients
from clients.rds import list_snapshots
from models.identifiers import COPY_NAME, copy_name_beginning
from models.inventory import Orphan, OrphanReason
from models.request import RestoreRequest, Target

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef

CLEANUP = "cleanup"
"""Stands where the operation's number would for whoever only looks: in the names of the assumed roles' sessions."""
BEING_DELETED = ("deleting", "deleted")
"""The statuses of what needs no removing."""
ARN_LOCATION_PARTS = 5
"""How many parts of an ARN say where a resource is: partition, service, region and account."""


def own_copies(rds: RDSClient, target: Target) -> list[DBClusterSnapshotTypeDef]:
    """Every copy that this pipeline made for the target, in whatever status."""
    return [copy for copy in list_snapshots(rds, "manual") if is_own(copy, target)]


def existing_snapshot_arns(rds: RDSClient) -> set[str]:
    """The ARNs of all manual snapshots that are not on their way out, whosever they are.

    Before a copy is called removed: whoever takes our tags off it at the last moment keeps it.
    """
    return {
        copy["DBClusterSnapshotArn"] for copy in list_snapshots(rds, "manual") if copy["Status"] not in BEING_DELETED
    }


def operation_of(copy: DBClusterSnapshotTypeDef) -> str | None:
    """The operation that made a copy."""
    return tags.tags_of(copy.get("TagList", [])).get(tags.OPERATION)


def list_orphans(
    aws: AwsClients, request: RestoreRequest, operation_id: str | None, snapshot_copy: str | None
) -> list[Orphan]:
    """The orphans of the request's target, beside what the running operation made or works on, if one runs.

    Raises `Refused` if the credentials are another account's.
    """
    rds, caller = aws.rds(request.target, CLEANUP), aws.sts(request.target, CLEANUP).get_caller_identity()["Account"]
    if wrong := guards.wrong_target_account(request.target, caller):
        guards.refuse_if_any([wrong])
    copies = own_copies(rds, request.target)
    arns = {copy["DBClusterSnapshotArn"] for copy in copies if operation_id and operation_of(copy) == operation_id}
    in_use = frozenset(arns | {snapshot_copy} if snapshot_copy else arns)
    return find_orphans(copies, request.archive.keep, in_use)


def find_orphans(
    copies: list[DBClusterSnapshotTypeDef], keep: int, in_use: frozenset[str] = frozenset()
) -> list[Orphan]:
    """Those of a target's copies that no night will take up again.

    `in_use` are the ARNs that belong to a running operation; `keep` is how many good copies archive-snapshot keeps.
    """
    good = sorted((copy for copy in copies if copy["Status"] == "available"), key=_created, reverse=True)
    newest_first = [copy["DBClusterSnapshotArn"] for copy in good]
    # As archive-snapshot does it: tonight's copy is one of those that stay, however old its snapshot is. One that is not
    # available takes no good one's place.
    others = [arn for arn in newest_first if arn not in in_use]
    kept = in_use | set(others[: max(keep - (len(newest_first) - len(others)), 0)])
    found = ((copy, _why(copy)) for copy in copies if copy["DBClusterSnapshotArn"] not in kept)
    return [_orphan(copy, why) for copy, why in found if why]


def is_own(copy: DBClusterSnapshotTypeDef, target: Target) -> bool:
    """Whether this pipeline made it for the target: told by its account and region, its name and its tag."""
    at_home = copy["DBClusterSnapshotArn"].split(":")[:ARN_LOCATION_PARTS] == target.arn.split(":")[:ARN_LOCATION_PARTS]
    form = COPY_NAME.fullmatch(copy["DBClusterSnapshotIdentifier"])
    # The name too: whoever copies one of ours with CopyTags, to keep it, has our tags on theirs.
    named = form is not None and form["target"] == copy_name_beginning(target.arn)
    return at_home and named and tags.tags_of(copy.get("TagList", [])).get(tags.COPY_FOR) == target.arn


def _created(copy: DBClusterSnapshotTypeDef) -> str:
    created = copy.get("SnapshotCreateTime")
    return created.isoformat() if created else ""


def _why(copy: DBClusterSnapshotTypeDef) -> OrphanReason | None:
    status = copy["Status"]
    if status == "available":
        archived = tags.ARCHIVED_BY in tags.tags_of(copy.get("TagList", []))
        return None if archived else OrphanReason.UNARCHIVED
    if status in BEING_DELETED:
        return None
    return OrphanReason.FAILED if status == "failed" else OrphanReason.UNFINISHED


def _orphan(copy: DBClusterSnapshotTypeDef, why: OrphanReason) -> Orphan:
    return Orphan(
        arn=copy["DBClusterSnapshotArn"],
        identifier=copy["DBClusterSnapshotIdentifier"],
        reason=why,
        status=copy["Status"],
        operation_id=operation_of(copy),
    )
