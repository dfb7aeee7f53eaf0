"""Another user with access to the accounts, who does the likely wrong thing at the worst moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from activities.rds import tags
from devstack.aws.rds.resources import Cluster, Snapshot
from devstack.aws.rds.snapshots import remove_snapshot
from tests.properties.no_harm.emulated_resources import OTHER_SOURCE
from tests.properties.no_harm.scenario import SOURCE, UNKNOWN_STATUS, ClusterState, ConcurrentAction, Place
from tests.properties.no_harm.scenario_setup import ScenarioSetup


class ConcurrentActor:
    """Carries out a scenario's concurrent actions; an action that RDS would refuse does nothing."""

    def __init__(self, setup: ScenarioSetup) -> None:
        """`setup` has the resources to change."""
        self._setup = setup
        self.target_names_freed = 0
        """How often the actor freed the target's name."""
        self.copies_removed = 0
        """How often the actor removed this operation's copy."""

    def do(self, action: ConcurrentAction) -> None:
        """Carry out one action."""
        setup = self._setup
        setup.aws.state.apply_due_transitions()
        if action is ConcurrentAction.WAIT:
            setup.advance(timedelta(minutes=10))
        elif action in _ON_TARGET:
            if (cluster := setup.acted_on) is not None and cluster.status == "available":
                _ON_TARGET[action](self, cluster)
        elif action in _ON_COPY:
            if (copy := setup.target_region.snapshots.get(setup.copy_name)) is not None:
                _ON_COPY[action](self, copy)
        elif setup.source_snapshot.identifier in setup.source_region.snapshots:
            self._change_snapshot(action)

    # The target

    def _untag(self, target: Cluster) -> None:
        target.tags.pop(tags.REPLACED_BY, None)

    def _retag(self, target: Cluster) -> None:
        target.tags[tags.REPLACED_BY] = OTHER_SOURCE

    def _protect(self, target: Cluster) -> None:
        target.deletion_protection = True

    def _take_over(self, target: Cluster) -> None:
        for tag in (tags.OPERATION, tags.RESTORED_FROM):
            target.tags.pop(tag, None)

    def _join_global(self, target: Cluster) -> None:
        target.global_cluster = "worldwide"

    def _replicate(self, target: Cluster) -> None:
        target.read_replicas = [OTHER_SOURCE]

    def _stop(self, target: Cluster) -> None:
        target.status = "stopped"

    def _quarantine(self, target: Cluster) -> None:
        target.status = UNKNOWN_STATUS

    def _rename(self, target: Cluster) -> None:
        region, name = self._setup.target_region, f"{target.identifier}-before"
        if name in region.clusters:
            return
        del region.clusters[target.identifier]
        region.clusters[name] = target
        target.identifier, target.arn = name, region.arn("cluster", name)
        self.target_names_freed += 1

    def _replace(self, target: Cluster) -> None:
        name = target.identifier
        self._rename(target)
        self._create(name)

    def _recreate(self, target: Cluster) -> None:
        self._delete(target)
        self._create(target.identifier)

    def _delete(self, target: Cluster) -> None:
        self._setup.resources.remove_cluster(self._setup.target_region, target)
        self.target_names_freed += 1

    def _create(self, name: str) -> None:
        setup = self._setup
        if name not in setup.target_region.clusters:
            setup.resources.put_cluster(setup.target_region, name, ClusterState())

    def _rename_source_to_target(self, target: Cluster) -> None:
        setup = self._setup
        region, name = setup.target_region, target.identifier
        source = region.clusters.get(SOURCE)
        if setup.scenario.place is not Place.SAME or source is None:
            return
        self._delete(target)
        del region.clusters[SOURCE]
        region.clusters[name] = source
        source.identifier, source.arn = name, region.arn("cluster", name)
        source.tags[tags.REPLACED_BY] = setup.request.source.arn

    def _add_instance(self, target: Cluster) -> None:
        self._setup.resources.put_instance(self._setup.target_region, target, f"{target.identifier}-9")

    def _delete_instance(self, target: Cluster) -> None:
        region = self._setup.target_region
        for name in target.members[:1]:
            region.instances[name].status = "deleting"

    # The copy

    def _delete_copy(self, copy: Snapshot) -> None:
        remove_snapshot(self._setup.aws.state, self._setup.target_region, copy)
        self.copies_removed += 1

    def _fail_copy(self, copy: Snapshot) -> None:
        self._setup.aws.state.cancel(copy)
        copy.status = "failed"

    def _swap_copy(self, copy: Snapshot) -> None:
        other = replace(copy, status="available", source_arn=OTHER_SOURCE, tags=dict(copy.tags))
        other.tags[tags.SOURCE_SNAPSHOT] = OTHER_SOURCE
        self._delete_copy(copy)
        self._setup.target_region.snapshots[copy.identifier] = other

    def _keep_a_copy(self, copy: Snapshot) -> None:
        region, name = self._setup.target_region, f"aurora-restore-{self._setup.request.target.cluster}-keep-this"
        kept = replace(
            copy,
            identifier=name,
            arn=region.arn("cluster-snapshot", name),
            source_arn=copy.arn,
            tags=dict(copy.tags),
            status="available",
        )
        region.snapshots.setdefault(name, kept)

    # The source snapshot

    def _change_snapshot(self, action: ConcurrentAction) -> None:
        setup = self._setup
        deleted = setup.source_region.snapshots[setup.source_snapshot.identifier]
        remove_snapshot(setup.aws.state, setup.source_region, deleted)
        if action is ConcurrentAction.REMAKE_SNAPSHOT:
            remade = replace(deleted, taken=setup.now, tags={})
            setup.source_region.snapshots[deleted.identifier] = remade


_ON_TARGET: dict[ConcurrentAction, Callable[[ConcurrentActor, Cluster], None]] = {
    ConcurrentAction.UNTAG: ConcurrentActor._untag,
    ConcurrentAction.RETAG: ConcurrentActor._retag,
    ConcurrentAction.PROTECT: ConcurrentActor._protect,
    ConcurrentAction.TAKE_OVER: ConcurrentActor._take_over,
    ConcurrentAction.JOIN_GLOBAL: ConcurrentActor._join_global,
    ConcurrentAction.REPLICATE: ConcurrentActor._replicate,
    ConcurrentAction.STOP: ConcurrentActor._stop,
    ConcurrentAction.QUARANTINE: ConcurrentActor._quarantine,
    ConcurrentAction.RENAME: ConcurrentActor._rename,
    ConcurrentAction.REPLACE: ConcurrentActor._replace,
    ConcurrentAction.RECREATE: ConcurrentActor._recreate,
    ConcurrentAction.DELETE_TARGET: ConcurrentActor._delete,
    ConcurrentAction.SOURCE_TAKES_NAME: ConcurrentActor._rename_source_to_target,
    ConcurrentAction.ADD_INSTANCE: ConcurrentActor._add_instance,
    ConcurrentAction.DELETE_INSTANCE: ConcurrentActor._delete_instance,
}
_ON_COPY: dict[ConcurrentAction, Callable[[ConcurrentActor, Snapshot], None]] = {
    ConcurrentAction.DELETE_COPY: ConcurrentActor._delete_copy,
    ConcurrentAction.FAIL_COPY: ConcurrentActor._fail_copy,
    ConcurrentAction.SWAP_COPY: ConcurrentActor._swap_copy,
    ConcurrentAction.KEEP_A_COPY: ConcurrentActor._keep_a_copy,
}
