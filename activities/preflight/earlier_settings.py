"""Settings that the live target no longer has, because an operation ended between its deletion and its restore.

The intent of a deletion holds them. They count until a restore has put everything back: from the first deleted instance
to the last custom endpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities.rds import tags
from activities.rds.quarantine import is_in_quarantine
from models.clusters import LastDeletion
from models.configuration import ClusterSettings, merge_settings

SET_BY_QUARANTINE = ("vpc_security_group_ids", "db_cluster_parameter_group_name")
"""The settings that a target has of its quarantine while it is in it."""

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef


def complete_settings(
    cluster: DBClusterTypeDef, live: ClusterSettings, last: LastDeletion | None, environment: str
) -> ClusterSettings:
    """The live settings, completed by those of the last deletion where an operation has left the target incomplete.

    `environment` is the one whose trail has that deletion. A target without any instance gets the instances that it had
    when it was last deleted, one that is still in quarantine its own security groups.
    """
    if is_in_quarantine(cluster):
        own = last.settings if last and last.settings else ClusterSettings()
        live = live.model_copy(update={name: getattr(own, name) for name in SET_BY_QUARANTINE})
    if last is None or last.settings is None:
        return live
    if not last.restore_completed and (
        _is_restored_since(cluster, last, environment) or _lacks_instances(live, last.settings)
    ):
        return merge_settings(last.settings, live)
    if not live.instances:
        return live.model_copy(update={"instances": last.settings.instances})
    return live


def restored_by(cluster: DBClusterTypeDef) -> str | None:
    """The operation that restored the cluster, from its tag; None for a cluster that its owner made."""
    return tags.tags_of(cluster.get("TagList", [])).get(tags.OPERATION)


def _is_restored_since(cluster: DBClusterTypeDef, last: LastDeletion, environment: str) -> bool:
    """Whether the cluster is a restored one whose instances, roles and endpoints may not be there yet."""
    operation, created_at = restored_by(cluster), cluster.get("ClusterCreateTime")
    if operation is None or tags.environment_of(operation) != environment:
        return False
    if tags.number_of(operation) < tags.number_of(last.operation_id):
        return False
    return created_at is None or created_at >= last.declared_at


def _lacks_instances(live: ClusterSettings, deleted: ClusterSettings) -> bool:
    """Whether a deletion has begun: some of the instances that it declared are gone."""
    existing = {instance.identifier for instance in live.instances or ()}
    return any(instance.identifier not in existing for instance in deleted.instances or ())
