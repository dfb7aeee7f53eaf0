"""take-inventory: in what state everything is that a night worked on, just before people are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from activities.rds import tags
from activities.rds.aws_errors import pipeline_error_for
from activities.rds.copies import operation_of
from activities.rds.orphans import find_orphans
from activities.rds.statuses import Meaning, snapshot_meaning
from activities.rds.target import TargetCluster
from activities.step import named_activity, now
from clients.aws import AwsClients
from models.identifiers import COPY_NAME, copy_name_beginning
from models.inventory import Inventory, InventoryInput, Resource

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef, DBClusterTypeDef

T = TypeVar("T")

TAKE_INVENTORY = "take-inventory"
SNAPSHOT = ":cluster-snapshot:"


class InventoryActivities:
    """Looks at what is there."""

    def __init__(self, aws: AwsClients) -> None:
        """`aws` gives the clients."""
        self._aws = aws

    @named_activity(TAKE_INVENTORY)
    def take_inventory(self, inventory_input: InventoryInput) -> Inventory:
        """Look at the copy, the target, its instances and what earlier nights left; what AWS does not tell is said so.

        Run twice: only looks.
        """
        return _InventoryReader(
            inventory_input, TargetCluster(self._aws, inventory_input.target, inventory_input.operation_id)
        ).taken()


class _InventoryReader:
    """One survey; each look may fail by itself."""

    def __init__(self, inventory_input: InventoryInput, target: TargetCluster) -> None:
        self._inventory_input = inventory_input
        self._target_cluster = target
        self._unknown: list[str] = []
        self._silent: str | None = None

    def taken(self) -> Inventory:
        of, target = self._inventory_input, self._target_cluster
        copies = self._look(target.list_own_copies)
        clusters = self._look(target.list_clusters)
        tonights = [copy for copy in copies or () if self._is_tonights(copy)]
        in_use = frozenset(copy["DBClusterSnapshotArn"] for copy in tonights)
        resources = [*self._copies(copies, tonights), self._target(clusters), *self._instances(clusters)]
        return Inventory(
            taken_at=now(),
            resources=tuple(resources),
            orphans=tuple(find_orphans(copies or [], of.archive.keep, in_use)),
            renamed_clusters=tuple(_stray(of, cluster) for cluster in clusters or () if _is_stray(of, cluster)),
            incomplete_reason="; ".join(dict.fromkeys(self._unknown)) or None,
        )

    def _look(self, look: Callable[[], T]) -> T | None:
        """The answer, or None and a reason. An AWS that does not answer at all is not asked again: each call takes long."""
        if self._silent:
            return None
        try:
            return look()
        except ClientError as error:
            self._unknown.append(pipeline_error_for(error).fault.short)
        except BotoCoreError as error:
            self._silent = pipeline_error_for(error).fault.short
            self._unknown.append(self._silent)
        return None

    def _is_tonights(self, copy: DBClusterSnapshotTypeDef) -> bool:
        return (
            copy["DBClusterSnapshotArn"] == self._inventory_input.snapshot_copy_arn
            or operation_of(copy) == self._inventory_input.operation_id
        )

    def _copies(
        self, copies: list[DBClusterSnapshotTypeDef] | None, tonights: list[DBClusterSnapshotTypeDef]
    ) -> list[Resource]:
        if tonights:
            return [self._snapshot(copy["DBClusterSnapshotIdentifier"], _snapshot_state(copy)) for copy in tonights]
        if self._inventory_input.snapshot_copy_arn is None:
            return []
        name = self._inventory_input.snapshot_copy_arn.partition(SNAPSHOT)[2]
        if copies is None:
            return [self._snapshot(name, self._not_known())]
        # Not among our copies: it is gone, or, where none is needed, the source's own snapshot.
        found = self._look(lambda: [self._target_cluster.find_snapshot(name)])
        state = self._not_known() if found is None else _snapshot_state(found[0]) if found[0] else "gone"
        return [self._snapshot(name, state)]

    def _target(self, clusters: list[DBClusterTypeDef] | None) -> Resource:
        cluster = self._cluster(clusters)
        state = self._not_known() if clusters is None else self._cluster_state(cluster) if cluster else "gone"
        return _cluster_resource(self._inventory_input, "target cluster", self._inventory_input.target.cluster, state)

    def _cluster(self, clusters: list[DBClusterTypeDef] | None) -> DBClusterTypeDef | None:
        return next(
            (each for each in clusters or () if each["DBClusterIdentifier"] == self._inventory_input.target.cluster),
            None,
        )

    def _cluster_state(self, cluster: DBClusterTypeDef) -> str:
        made_by = tags.tags_of(cluster.get("TagList", [])).get(tags.OPERATION)
        whose = "by this operation" if made_by == self._inventory_input.operation_id else f"by {made_by}"
        return (
            f"{cluster['Status']}, restored {whose}"
            if made_by
            else f"{cluster['Status']}, not restored by this pipeline"
        )

    def _instances(self, clusters: list[DBClusterTypeDef] | None) -> list[Resource]:
        if self._cluster(clusters) is None:
            return []
        target = self._inventory_input.target
        command = f"aws rds describe-db-instances --region {target.region} --filters Name=db-cluster-id,Values={target.cluster}"
        found = self._look(self._target_cluster.list_instances)
        if not found:
            state = self._not_known() if found is None else "none"
            return [Resource(kind="instances of", name=target.cluster, state=state, command=command)]
        states = [(each["DBInstanceIdentifier"], each["DBInstanceStatus"]) for each in found]
        return [Resource(kind="instance", name=name, state=state, command=command) for name, state in states]

    def _snapshot(self, name: str, state: str) -> Resource:
        what = "copy" if COPY_NAME.fullmatch(name) else "snapshot"
        # Source: RDS API Reference, DescribeDBClusterSnapshots: an automated one is found with its type only.
        automated = " --snapshot-type automated" if name.startswith("rds:") else ""
        look = f"aws rds describe-db-cluster-snapshots --region {self._inventory_input.target.region}{automated}"
        return Resource(kind=what, name=name, state=state, command=f"{look} --db-cluster-snapshot-identifier {name}")

    def _not_known(self) -> str:
        return f"not known: {self._unknown[-1] if self._unknown else 'not looked at'}"


def _snapshot_state(snapshot: DBClusterSnapshotTypeDef) -> str:
    status, percent = snapshot["Status"], snapshot.get("PercentProgress")
    return f"{status} {percent} %" if snapshot_meaning(status) is Meaning.WAIT and percent else status


def _cluster_resource(inventory_input: InventoryInput, what: str, name: str, state: str) -> Resource:
    command = f"aws rds describe-db-clusters --region {inventory_input.target.region} --db-cluster-identifier {name}"
    return Resource(kind=what, name=name, state=state, command=command)


def _is_stray(inventory_input: InventoryInput, cluster: DBClusterTypeDef) -> bool:
    """Whether it was restored from a copy for this target and has another name: somebody renamed it."""
    origin = tags.tags_of(cluster.get("TagList", [])).get(tags.RESTORED_FROM, "").partition(SNAPSHOT)[2]
    form = COPY_NAME.fullmatch(origin)
    beginning = copy_name_beginning(inventory_input.target.arn)
    # A cluster whose own name gives the same beginning is another target, whose name begins like this one's.
    return form is not None and form["target"] == beginning != copy_name_beginning(cluster["DBClusterArn"])


def _stray(inventory_input: InventoryInput, cluster: DBClusterTypeDef) -> Resource:
    made_by = tags.tags_of(cluster.get("TagList", [])).get(tags.OPERATION, "an unknown operation")
    name, status = cluster["DBClusterIdentifier"], cluster["Status"]
    return _cluster_resource(inventory_input, "cluster", name, f"{status}, restored by {made_by} and renamed since")
