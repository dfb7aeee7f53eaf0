"""Whether a snapshot is still the one that snapshot-check chose, or a copy of it.

Asked whenever a name is all that leads to it: a name can be taken by another snapshot between two steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities.rds import tags
from models.snapshots import SourceSnapshot

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef


def provenance_mismatch(found: DBClusterSnapshotTypeDef, chosen: SourceSnapshot) -> str | None:
    """Says what `found` is, if it is neither the chosen snapshot nor a copy of it; None if all is well."""
    arn = found["DBClusterSnapshotArn"]
    if arn == chosen.arn:
        return _made_anew(found, chosen)
    origin = found.get("SourceDBClusterSnapshotArn") or tags.tags_of(found.get("TagList", [])).get(tags.SOURCE_SNAPSHOT)
    if origin == chosen.arn:
        return None
    return f"{arn} is a copy of {origin or 'nothing known'}, wanted one of {chosen.arn}. Rename or delete it, then start again."


def _made_anew(found: DBClusterSnapshotTypeDef, chosen: SourceSnapshot) -> str | None:
    created = found.get("SnapshotCreateTime")
    of_cluster = found.get("DbClusterResourceId")
    if created == chosen.created_at and of_cluster == chosen.cluster_resource_id:
        return None
    return (
        f"{chosen.arn} is of {of_cluster} and {created}, wanted the one of {chosen.cluster_resource_id} and "
        f"{chosen.created_at} that snapshot-check saw. Somebody made it anew since; start again."
    )
