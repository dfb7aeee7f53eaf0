"""The copies that this pipeline made for one target, and which of them are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities.rds import tags
from activities.rds.statuses import BEING_DELETED
from clients.rds import list_snapshots
from models.identifiers import is_copy_name_for
from models.request import Target

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef

ARN_LOCATION_PARTS = 5
"""How many parts of an ARN say where a resource is: arn, partition, service, region and account."""


def own_copies(rds: RDSClient, target: Target, environment: str) -> list[DBClusterSnapshotTypeDef]:
    """Every copy that this environment made for the target, in any status."""
    return [copy for copy in list_snapshots(rds, "manual") if is_own(copy, target, environment)]


def existing_snapshot_arns(rds: RDSClient) -> set[str]:
    """The ARNs of all manual snapshots that are not being deleted, of any owner.

    Read before a copy is reported as removed: an owner who takes our tags off it at the last moment keeps it.
    """
    return {
        copy["DBClusterSnapshotArn"] for copy in list_snapshots(rds, "manual") if copy["Status"] not in BEING_DELETED
    }


def operation_of(copy: DBClusterSnapshotTypeDef) -> str | None:
    """The operation that made a copy, as `tags.operation_tag` writes it."""
    return tags.tags_of(copy.get("TagList", [])).get(tags.OPERATION)


def is_own(copy: DBClusterSnapshotTypeDef, target: Target, environment: str) -> bool:
    """Whether this environment made the copy for the target: its account, region, name and tags must all say so."""
    # The name too: a user who copies one of our copies with CopyTags, to keep it, has our tags on theirs.
    own_name = is_copy_name_for(environment, target.arn, copy["DBClusterSnapshotIdentifier"])
    tagged = tags.tags_of(copy.get("TagList", []))
    return own_name and is_made_here(copy, target, environment) and tagged.get(tags.COPY_FOR) == target.arn


def is_made_here(snapshot: DBClusterSnapshotTypeDef, target: Target, environment: str) -> bool:
    """Whether the snapshot is in the target's account and region, with the tag of one of this environment's operations."""
    location = snapshot["DBClusterSnapshotArn"].split(":")[:ARN_LOCATION_PARTS]
    same_location = location == target.arn.split(":")[:ARN_LOCATION_PARTS]
    return same_location and tags.environment_of(operation_of(snapshot) or "") == environment


def split_by_retention(
    copies: list[DBClusterSnapshotTypeDef], copy_in_use: str, keep: int
) -> tuple[list[str], list[str]]:
    """The ARNs of the copies to keep and of those to prune.

    `copy_in_use` is the ARN of this operation's copy, which is kept however old its snapshot is; `keep` is how many
    are kept in all; with 0 this operation's goes too. A copy that is neither available nor failed is in neither list.
    """
    usable = [copy for copy in copies if copy["Status"] in ("available", "failed")]
    newest_first = sorted(usable, key=_age_key, reverse=True)
    others = [arn for copy in newest_first if (arn := copy["DBClusterSnapshotArn"]) != copy_in_use]
    if keep == 0:
        own = [copy_in_use] if len(others) < len(newest_first) else []
        return [], [*own, *others]
    return [copy_in_use, *others[: keep - 1]], others[keep - 1 :]


def copies_that_make_room(copies: list[DBClusterSnapshotTypeDef], copy_in_use: str, keep: int) -> list[str]:
    """The ARNs of the copies that copy-snapshot may prune if the snapshot quota is used up.

    Keeps the newest one, which is the last good copy until this operation's exists.
    """
    return split_by_retention(copies, copy_in_use, max(keep, 2))[1]


def _age_key(copy: DBClusterSnapshotTypeDef) -> tuple[bool, str]:
    """Sorts newest last; a failed copy sorts before any good one, so that it takes no place of a good one."""
    created = copy.get("SnapshotCreateTime")
    return copy["Status"] == "available", created.isoformat() if created else ""
