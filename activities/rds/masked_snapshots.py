"""The snapshots that this pipeline takes of a masked target. They are no copies: nothing is ever restored from them here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities.rds import tags
from activities.rds.copies import is_made_here, split_by_retention
from clients.rds import list_snapshots
from models.archive import Archive
from models.identifiers import is_masked_name_for
from models.request import Target

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef


def own_masked_snapshots(rds: RDSClient, target: Target, environment: str) -> list[DBClusterSnapshotTypeDef]:
    """Every masked snapshot that this environment took of the target, in any status."""
    return [each for each in list_snapshots(rds, "manual") if is_own_masked(each, target, environment)]


def is_own_masked(snapshot: DBClusterSnapshotTypeDef, target: Target, environment: str) -> bool:
    """Whether this environment took the snapshot of the masked target: account, region, name and tags must all say so."""
    # The name too: with CopyTags a copy of it has the same tags.
    own_name = is_masked_name_for(environment, target.arn, snapshot["DBClusterSnapshotIdentifier"])
    tagged = tags.tags_of(snapshot.get("TagList", []))
    return own_name and is_made_here(snapshot, target, environment) and tagged.get(tags.MASKED_OF) == target.arn


def masked_ones_that_make_room(snapshots: list[DBClusterSnapshotTypeDef], archive: Archive) -> list[str]:
    """The ARNs of the older masked snapshots that may be pruned if the snapshot quota is used up.

    Keeps the newest one, which is the last good one until this operation's exists.
    """
    return split_by_retention(snapshots, "", max(archive.keep, 2))[1] if archive.masked else []
