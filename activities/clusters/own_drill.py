"""The proof that a cluster was restored for a drill, and may be deleted: remove-drill, remove-leftovers and remove-orphans need it.

Three things must prove it, read again directly before each deletion: the resource id, which no other cluster ever has; the
tags that the drill's operation set in the restoring call; and the name that only this operation gives, because RDS deletes
by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from activities.preflight import guards
from activities.preflight.blockers import refuse_unless_deletable
from activities.preflight.guards import ObservedTarget
from activities.rds import tags
from activities.rds.left_drills import LeftDrill
from activities.rds.renames import NamedCluster
from activities.rds.statuses import BEING_DELETED
from activities.rds.stops import start_if_stopped
from activities.rds.target import TargetCluster
from activities.rds.target_deletion import delete_target
from errors import PipelineError, Refused, ResourceBusy
from models.checks import Comparison
from models.configuration import WhenStopped
from models.request import Target
from models.source import Source

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef

NOT_OWN = "Drill cluster is not this operation's"


@dataclass(frozen=True)
class OwnDrill:
    """A cluster that an operation restored for its drill, and what must be true of it."""

    source: Source
    drill: Target
    """The target under the name that the drill restored the snapshot with."""
    operation: str
    """As `tags.operation_tag` writes it."""
    resource_id: str
    source_resource_id: str | None = None
    target_resource_id: str | None = None
    """Of the cluster that snapshot-check found under the target's own name; None if there was none."""


def check_guards(own: OwnDrill, target: TargetCluster, cluster: DBClusterTypeDef) -> list[Comparison]:
    """What was compared. Raises `Refused` with every reason not to delete the cluster: those of delete-rds hold for it, too.

    It is the pipeline's own, so that it may be started whatever the request says of a stopped target.
    """
    _require_own(own, cluster)
    observed = ObservedTarget(
        own.source,
        own.drill.model_copy(update={"when_stopped": WhenStopped.START}),
        cluster,
        guards.known_resource_ids(own.source_resource_id),
        target.caller_account(),
        target.environment,
    )
    refuse_unless_deletable(observed, target.reader)
    return [
        Comparison("resource-id", own.resource_id, cluster["DbClusterResourceId"]),
        Comparison("name", own.drill.cluster, cluster["DBClusterIdentifier"]),
        Comparison(
            "operation-tag", own.operation, tags.tags_of(cluster.get("TagList", [])).get(tags.OPERATION, "no tag")
        ),
        *guards.guard_comparisons(observed),
    ]


def prove(own: OwnDrill, target: TargetCluster) -> DBClusterTypeDef:
    """Read the cluster again; raises unless it still is the one to delete."""
    cluster = target.find_by_resource_id(own.resource_id)
    if cluster is None:
        raise ResourceBusy(
            "Drill cluster not visible", f"RDS no longer lists {own.drill.arn}. The next attempt reads again."
        )
    _require_own(own, cluster)
    return cluster


def _require_own(own: OwnDrill, cluster: DBClusterTypeDef) -> None:
    """Raise `Refused` unless resource id, tags and name all say that the operation restored it for its drill."""
    resource_id, name = cluster["DbClusterResourceId"], cluster["DBClusterIdentifier"]
    tagged = tags.tags_of(cluster.get("TagList", []))
    wrong: list[str] = []
    if resource_id != own.resource_id:
        wrong.append(f"its resource id is {resource_id}, expected {own.resource_id}")
    if resource_id == own.target_resource_id:
        wrong.append("it is the target itself")
    if name != own.drill.cluster:
        wrong.append(f"its name is {name}, expected {own.drill.cluster}")
    if NamedCluster(cluster, name).is_renaming:
        wrong.append("it is being renamed")
    if not tags.is_restored_by(tagged, own.operation):
        found = tagged.get(tags.OPERATION, "none")
        wrong.append(f"its tag {tags.OPERATION} is {found}, expected {own.operation} with {tags.RESTORED_FROM}")
    if wrong:
        raise Refused(
            NOT_OWN,
            f"{cluster['DBClusterArn']} ({cluster['Status']}) is not deleted: {'; '.join(wrong)}. A user who renames it or "
            "takes its tags off wants to keep it. To have it removed, give them back, then retry.",
        )


def delete_left_drills(
    target: TargetCluster, source: Source, requested: Target, drills: list[LeftDrill]
) -> list[PipelineError]:
    """Delete the clusters that drills left, each whatever becomes of the others; returns why some of them stay."""
    failures: list[PipelineError] = []
    busy: list[str] = []
    for left in drills:
        try:
            deleted = _delete(target, source, requested, left)
        except PipelineError as failure:
            failures.append(failure)
        else:
            busy += [] if deleted else [left.cluster["DBClusterIdentifier"]]
    if busy:
        text = f"RDS refuses to delete {', '.join(busy)} for now. Check their status in RDS, then clean up again."
        failures.append(ResourceBusy("Cluster is busy", text))
    return failures


def _delete(target: TargetCluster, source: Source, requested: Target, left: LeftDrill) -> bool:
    """Delete one, read again before its guards; False if RDS does not for now."""
    drill = requested.model_copy(update={"cluster": left.cluster["DBClusterIdentifier"]})
    named = target.renamed(drill)
    operation = tags.operation_tag(target.environment, left.operation_id)
    own = OwnDrill(source, drill, operation, left.cluster["DbClusterResourceId"])
    cluster = prove(own, named)
    if cluster["Status"] in BEING_DELETED:
        return True
    check_guards(own, named, cluster)
    if start_if_stopped(named, cluster):
        return False
    delete_target(named, cluster, partial(prove, own, named))
    after = named.find_by_resource_id(own.resource_id)
    return after is None or after["Status"] in BEING_DELETED
