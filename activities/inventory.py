"""take-inventory: the state of everything that a restore worked on, read just before the notification."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from activities.clusters.left_old import describe_left_old, find_proven
from activities.rds import tags
from activities.rds.aws_errors import pipeline_error_for
from activities.rds.copies import operation_of
from activities.rds.left_drills import describe_left_drills, left_drills
from activities.rds.orphans import find_orphans
from activities.rds.statuses import Meaning, snapshot_meaning
from activities.rds.target import TargetCluster
from activities.step import Intents, named_activity
from clients.aws import AwsClients
from errors import TrailUnavailable
from limits import MAX_INVENTORY
from models.drill import drill_operation
from models.identifiers import copy_name_prefix, is_copy_name, is_copy_name_for
from models.inventory import Inventory, InventoryInput, Orphan, Resource
from waiting.clock import now

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef, DBClusterTypeDef

T = TypeVar("T")

TAKE_INVENTORY = "take-inventory"
SNAPSHOT = ":cluster-snapshot:"


class InventoryActivities:
    """Reads what a restore leaves in RDS."""

    def __init__(self, aws: AwsClients, intents: Intents) -> None:
        """`aws` has the clients; `intents` is the trail, which is only read."""
        self._aws = aws
        self._intents = intents

    @named_activity(TAKE_INVENTORY)
    def take_inventory(self, inventory_input: InventoryInput) -> Inventory:
        """Read the copy, the target, its instances and the orphans; name as unknown what AWS does not answer.

        Run twice: only reads.
        """
        target = TargetCluster(self._aws, inventory_input.target, inventory_input.operation_id)
        return _InventoryReader(inventory_input, target, self._intents).read_all()


class _InventoryReader:
    """Reads one inventory; a read that fails makes its part unknown, not the whole."""

    def __init__(self, inventory_input: InventoryInput, target_cluster: TargetCluster, intents: Intents) -> None:
        self._input = inventory_input
        self._intents = intents
        self._target = inventory_input.target
        self._target_cluster = target_cluster
        self._failures: list[str] = []
        self._connection_failure: str | None = None

    def read_all(self) -> Inventory:
        """Read everything once."""
        search = self._target_cluster.search
        copies = self._read(self._list_own_copies)
        names = (self._target.cluster, *self._swap_names, *filter(None, (self._drill_name,)))
        clusters = self._read(lambda: search.find_clusters(names))
        operation_copies = [copy for copy in copies or () if self._is_of_this_operation(copy)]
        in_use = frozenset(copy["DBClusterSnapshotArn"] for copy in operation_copies)
        resources = (
            *self._copies(copies, operation_copies),
            self._target_resource(clusters),
            *self._instances(clusters),
            *self._swap_resources(clusters),
            *self._drill_resources(clusters),
        )
        orphans = find_orphans(copies or [], self._input.archive.copies_to_keep, in_use)
        orphans += [*self._left_drills(clusters), *self._left_old(clusters)]
        renamed_clusters = [
            _renamed_resource(self._input, self._target_cluster, cluster)
            for cluster in clusters or ()
            if _is_renamed_restore(self._input, self._target_cluster, cluster)
            and cluster["DBClusterIdentifier"] not in self._swap_names
            and drill_operation(self._target.cluster, cluster["DBClusterIdentifier"]) is None
        ]
        return Inventory(
            taken_at=now(),
            resources=resources[:MAX_INVENTORY],
            orphans=tuple(orphans[:MAX_INVENTORY]),
            renamed_clusters=tuple(renamed_clusters[:MAX_INVENTORY]),
            more_resources=sum(max(0, len(found) - MAX_INVENTORY) for found in (resources, renamed_clusters)),
            more_orphans=max(0, len(orphans) - MAX_INVENTORY),
            incomplete_reason="; ".join(dict.fromkeys(self._failures)) or None,
        )

    def _read(self, read: Callable[[], T]) -> T | None:
        """The answer, or None and a failure noted. After a connection failure AWS is not called again: each call is slow."""
        if self._connection_failure:
            return None
        try:
            return read()
        except ClientError as error:
            self._failures.append(pipeline_error_for(error).fault.short)
        except TrailUnavailable as error:
            self._failures.append(error.fault.short)
        except BotoCoreError as error:
            self._connection_failure = pipeline_error_for(error).fault.short
            self._failures.append(self._connection_failure)
        return None

    def _list_own_copies(self) -> list[DBClusterSnapshotTypeDef]:
        """All are listed where the operation does not know its copy: it may have begun one just before it failed."""
        if self._input.snapshot_copy_arn is None:
            return self._target_cluster.list_own_copies()
        return self._target_cluster.search.find_own_copies(self._input.snapshot_copy_arn.partition(SNAPSHOT)[2])

    def _is_of_this_operation(self, copy: DBClusterSnapshotTypeDef) -> bool:
        adopted = copy["DBClusterSnapshotArn"] == self._input.snapshot_copy_arn
        return adopted or operation_of(copy) == self._target_cluster.operation_tag

    def _copies(
        self, copies: list[DBClusterSnapshotTypeDef] | None, operation_copies: list[DBClusterSnapshotTypeDef]
    ) -> list[Resource]:
        if operation_copies:
            return [
                self._snapshot_resource(copy["DBClusterSnapshotIdentifier"], _snapshot_state(copy))
                for copy in operation_copies
            ]
        if self._input.snapshot_copy_arn is None:
            return []
        name = self._input.snapshot_copy_arn.partition(SNAPSHOT)[2]
        if copies is None:
            return [self._snapshot_resource(name, self._unknown_state())]
        return [self._snapshot_resource(name, self._state_of_snapshot(name))]

    def _state_of_snapshot(self, name: str) -> str:
        """The state of a snapshot that is no copy of ours: it is gone, or it is the source's own snapshot."""
        answer = self._read(lambda: [self._target_cluster.find_snapshot(name)])
        if answer is None:
            return self._unknown_state()
        [snapshot] = answer
        return _snapshot_state(snapshot) if snapshot else "gone"

    def _target_resource(self, clusters: list[DBClusterTypeDef] | None) -> Resource:
        if clusters is None:
            state = self._unknown_state()
        else:
            cluster = self._find_target(clusters)
            state = self._cluster_state(cluster) if cluster else "gone"
        return _cluster_resource(self._input, "target cluster", self._target.cluster, state)

    @property
    def _swap_names(self) -> tuple[str, ...]:
        """The names that clusters have only before and after a swap."""
        target = self._target
        return (target.beside.cluster, target.replaced.cluster) if target.swaps else ()

    def _swap_resources(self, clusters: list[DBClusterTypeDef] | None) -> list[Resource]:
        named = (each for each in clusters or () if each["DBClusterIdentifier"] in self._swap_names)
        return [
            _cluster_resource(self._input, "cluster", each["DBClusterIdentifier"], self._cluster_state(each))
            for each in named
        ]

    @property
    def _drill_name(self) -> str | None:
        """The name of the cluster that this operation restores, if it is a drill."""
        target = self._target
        return target.restored_as(self._input.operation_id).cluster if target.drills else None

    def _drill_resources(self, clusters: list[DBClusterTypeDef] | None) -> list[Resource]:
        """The drill's cluster, while it exists and once it was there."""
        name, resource_id = self._drill_name, self._input.drill_resource_id
        if name is None:
            return []
        states = [self._cluster_state(each) for each in clusters or () if each["DBClusterIdentifier"] == name]
        if not states and resource_id:
            states = [self._unknown_state() if clusters is None else self._state_under_any_name(name, resource_id)]
        return [_cluster_resource(self._input, "drill cluster", name, state) for state in states]

    def _state_under_any_name(self, name: str, resource_id: str) -> str:
        """The state of a cluster that is not listed under its name: gone only if it has no other one."""
        answer = self._read(lambda: [self._target_cluster.find_by_resource_id(resource_id)])
        if answer is None:
            return self._unknown_state()
        [cluster] = answer
        if cluster is None:
            return "gone"
        renamed = "" if cluster["DBClusterIdentifier"] == name else f"renamed to {cluster['DBClusterIdentifier']}, "
        return f"{renamed}{self._cluster_state(cluster)}"

    def _left_drills(self, clusters: list[DBClusterTypeDef] | None) -> list[Orphan]:
        """Those of earlier operations."""
        left = left_drills(self._target_cluster, self._target, clusters or [], self._input.operation_id)
        return describe_left_drills(left)

    def _left_old(self, clusters: list[DBClusterTypeDef] | None) -> list[Orphan]:
        """The old cluster of an earlier operation's swap, if the trail proves it: this one's own is among the resources."""
        name, operation_id = self._target.replaced.cluster, self._input.operation_id
        for cluster in clusters or ():
            if self._target.swaps and cluster["DBClusterIdentifier"] == name:
                left = self._read(partial(find_proven, self._intents, self._target, cluster, operation_id))
                return [describe_left_old(left)] if left and left.is_proven else []
        return []

    def _find_target(self, clusters: list[DBClusterTypeDef] | None) -> DBClusterTypeDef | None:
        named = (cluster for cluster in clusters or () if cluster["DBClusterIdentifier"] == self._target.cluster)
        return next(named, None)

    def _cluster_state(self, cluster: DBClusterTypeDef) -> str:
        operation = tags.tags_of(cluster.get("TagList", [])).get(tags.OPERATION)
        if operation is None:
            return f"{cluster['Status']}, not restored by this pipeline"
        if operation == self._target_cluster.operation_tag:
            return f"{cluster['Status']}, restored by this operation"
        return (
            f"{cluster['Status']}, restored by {tags.describe_operation(operation, self._target_cluster.environment)}"
        )

    def _instances(self, clusters: list[DBClusterTypeDef] | None) -> list[Resource]:
        if self._find_target(clusters) is None:
            return []
        name = self._target.cluster
        filters = f"--filters Name=db-cluster-id,Values={name}"
        command = f"aws rds describe-db-instances --region {self._target.region} {filters}"
        instances = self._read(self._target_cluster.list_instances)
        if not instances:
            state = self._unknown_state() if instances is None else "none"
            return [Resource(kind="instances of", name=name, state=state, command=command)]
        return [
            Resource(
                kind="instance",
                name=instance["DBInstanceIdentifier"],
                state=instance["DBInstanceStatus"],
                command=command,
            )
            for instance in instances
        ]

    def _snapshot_resource(self, name: str, state: str) -> Resource:
        kind = "copy" if is_copy_name(self._target_cluster.environment, name) else "snapshot"
        # Source: RDS API Reference, DescribeDBClusterSnapshots: an automated snapshot is found only with its type.
        automated = " --snapshot-type automated" if name.startswith("rds:") else ""
        command = f"aws rds describe-db-cluster-snapshots --region {self._target.region}{automated}"
        return Resource(kind=kind, name=name, state=state, command=f"{command} --db-cluster-snapshot-identifier {name}")

    def _unknown_state(self) -> str:
        return f"unknown: {self._failures[-1] if self._failures else 'not read'}"


def _snapshot_state(snapshot: DBClusterSnapshotTypeDef) -> str:
    status, percent = snapshot["Status"], snapshot.get("PercentProgress")
    return f"{status} {percent} %" if snapshot_meaning(status) is Meaning.WAIT and percent else status


def _cluster_resource(inventory_input: InventoryInput, kind: str, name: str, state: str) -> Resource:
    command = f"aws rds describe-db-clusters --region {inventory_input.target.region} --db-cluster-identifier {name}"
    return Resource(kind=kind, name=name, state=state, command=command)


def _is_renamed_restore(
    inventory_input: InventoryInput, target_cluster: TargetCluster, cluster: DBClusterTypeDef
) -> bool:
    """Whether the cluster was restored from a copy for this target and has another name now."""
    origin = tags.tags_of(cluster.get("TagList", [])).get(tags.RESTORED_FROM, "").partition(SNAPSHOT)[2]
    environment, target_arn = target_cluster.environment, inventory_input.target.arn
    # A cluster whose own name gives the same beginning is another target, whose name begins like this one's.
    other_beginning = copy_name_prefix(environment, target_arn) != copy_name_prefix(
        environment, cluster["DBClusterArn"]
    )
    return is_copy_name_for(environment, target_arn, origin) and other_beginning


def _renamed_resource(
    inventory_input: InventoryInput, target_cluster: TargetCluster, cluster: DBClusterTypeDef
) -> Resource:
    tag = tags.tags_of(cluster.get("TagList", [])).get(tags.OPERATION)
    operation = tags.describe_operation(tag, target_cluster.environment) if tag else "an unknown operation"
    name, status = cluster["DBClusterIdentifier"], cluster["Status"]
    return _cluster_resource(inventory_input, "cluster", name, f"{status}, restored by {operation} and renamed since")
