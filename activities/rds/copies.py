"""The copies that this pipeline made for one target, and which of them are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities.rds import tags
from activities.rds.statuses import BEING_DELETED
from clients.rds import list_snapshots
from models.identifiers import COPY_NAME, copy_name_prefix
from models.request import Target

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef

ARN_LOCATION_PARTS = 5
"""How many parts of an ARN say where a resource is: arn, partition, service, region and account."""


def own_copies(rds: RDSClient, target: Target) -> list[DBClusterSnapshotTypeDef]:
    """Every copy that this pipeline made for the target, in any status."""
    return [copy for copy in list_snapshots(rds, "manual") if is_own(copy, target)]


def existing_snapshot_arns(rds: RDSClient) -> set[str]:
    """The ARNs of all manual snapshots that are not being deleted, of any owner.

    Read before a copy is reported as removed: an owner who takes our tags off it at the last moment keeps it.
    """
    return {
        copy["DBClusterSnapshotArn"] for copy in list_snapshots(rds, "manual") if copy["Status"] not in BEING_DELETED
    }


def operation_of(copy: DBClusterSnapshotTypeDef) -> str | None:
    """The id of the operation that made a copy, from its tag."""
    return tags.tags_of(copy.get("TagList", [])).get(tags.OPERATION)


def is_own(copy: DBClusterSnapshotTypeDef, target: Target) -> bool:
    """Whether this pipeline made the copy for the target: its account, region, name and tag must all say so."""
    location = copy["DBClusterSnapshotArn"].split(":")[:ARN_LOCATION_PARTS]
    same_location = location == target.arn.split(":")[:ARN_LOCATION_PARTS]
    form = COPY_NAME.fullmatch(copy["DBClusterSnapshotIdentifier"])
    # The name too: a user who copies one of our copies with CopyTags, to keep it, has our tags on theirs.
    own_name = form is not None and form["target"] == copy_name_prefix(target.arn)
    return same_location and own_name and tags.tags_of(copy.get("TagList", [])).get(tags.COPY_FOR) == target.arn


def split_by_retention(
    copies: list[DBClusterSnapshotTypeDef], copy_in_use: str, keep: int
) -> tuple[list[str], list[str]]:
    """The ARNs of the copies to keep and of those to prune.

    `copy_in_use` is the ARN of this operation's copy, which is kept however old its snapshot is; `keep` is how many
    are kept in all. A copy that is neither available nor failed is in neither list.
    """
    usable = [copy for copy in copies if copy["Status"] in ("available", "failed")]
    newest_first = sorted(usable, key=_age_key, reverse=True)
    others = [arn for copy in newest_first if (arn := copy["DBClusterSnapshotArn"]) != copy_in_use]
    return [copy_in_use, *others[: keep - 1]], others[keep - 1 :]


def _age_key(copy: DBClusterSnapshotTypeDef) -> tuple[bool, str]:
    """Sorts newest last; a failed copy sorts before any good one, so that it takes no place of a good one."""
    created = copy.get("SnapshotCreateTime")
    return copy["Status"] == "available", created.isoformat() if created else ""
