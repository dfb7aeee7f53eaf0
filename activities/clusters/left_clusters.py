"""The clusters that earlier operations of a target left, and their deletion: those of drills, and the old one of a swap."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from activities.clusters.left_old import LeftOld, delete_left_old, describe_left_old, find_left_old
from activities.clusters.own_drill import delete_left_drills
from activities.rds.left_drills import LeftDrill, describe_left_drills, left_drills, list_drill_arns
from activities.rds.statuses import BEING_DELETED
from activities.rds.target import TargetCluster
from activities.step import Intents
from errors import PipelineError
from models.inventory import Orphan
from models.request import Target
from models.source import Source

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef


@dataclass(frozen=True)
class LeftClusters:
    """The clusters that a cleanup may delete, as they were just read."""

    drills: tuple[LeftDrill, ...] = ()
    old: LeftOld | None = None
    unproven: LeftOld | None = None
    """One that has the name of the old cluster, and is kept."""

    @property
    def listed(self) -> list[Orphan]:
        """Those that a cleanup may delete, as orphans."""
        return [*describe_left_drills(list(self.drills)), *([describe_left_old(self.old)] if self.old else [])]

    @property
    def clusters(self) -> list[DBClusterTypeDef]:
        """Those that a cleanup may delete, as RDS described them."""
        return [*(left.cluster for left in self.drills), *([self.old.cluster] if self.old else [])]

    @property
    def kept(self) -> str:
        """What an outcome adds about the unproven one; empty if there is none."""
        name = self.unproven.cluster["DBClusterIdentifier"] if self.unproven else None
        return f"; {name} is kept, not proven to be an old cluster" if name else ""

    def only(self, arns: Collection[str]) -> LeftClusters:
        """Those that have one of these ARNs."""
        drills = tuple(left for left in self.drills if left.cluster["DBClusterArn"] in arns)
        return LeftClusters(drills, self.old if self.old and self.old.cluster["DBClusterArn"] in arns else None)


def find_left_clusters(intents: Intents, target: TargetCluster, requested: Target, source: Source) -> LeftClusters:
    """What is left of a target while no operation of it runs."""
    drills = tuple(left_drills(target, requested, target.list_clusters()))
    left = find_left_old(intents, target, requested, source)
    is_proven = left is not None and left.is_proven
    return LeftClusters(drills, left if is_proven else None, None if is_proven else left)


def list_left_old(
    intents: Intents, target: TargetCluster, requested: Target, source: Source, running: str | None
) -> list[Orphan]:
    """The old cluster that a swap left, proven or not, as an orphan; none that the running operation may own."""
    left = find_left_old(intents, target, requested, source, running)
    return [describe_left_old(left)] if left else []


def delete_left_clusters(
    target: TargetCluster, requested: Target, source: Source, left: LeftClusters
) -> list[PipelineError]:
    """Delete them, each whatever becomes of the others; returns why some of them stay."""
    failures = delete_left_drills(target, source, requested, list(left.drills))
    if left.old:
        try:
            delete_left_old(target, requested, source, left.old)
        except PipelineError as failure:
            failures.append(failure)
    return failures


def list_left_cluster_arns(target: TargetCluster, requested: Target, found: LeftClusters) -> set[str]:
    """The ARNs that exist of clusters with such a name, of any owner: read before one is reported as removed.

    Also that of each cluster which was found and has another name by now: it was kept.
    """
    old = target.renamed(requested.replaced).find()
    arns = {old["DBClusterArn"]} if old and old["Status"] not in BEING_DELETED else set()
    for cluster in found.clusters:
        kept = target.find_by_resource_id(cluster["DbClusterResourceId"])
        if kept and kept["Status"] not in BEING_DELETED:
            arns.add(cluster["DBClusterArn"])
    return arns | list_drill_arns(target, requested)
