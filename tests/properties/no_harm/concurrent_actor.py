"""Somebody else with access to the accounts, who does the likely wrong thing at the worst moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from activities.rds import tags
from devstack.aws.rds.resources import Cluster, Snapshot
from devstack.aws.rds.snapshots import remove_snapshot
from tests.properties.no_harm.scenario import SOURCE, UNHEARD_OF, ClusterState, Meddling, Place
from tests.properties.no_harm.scenario_setup import OTHER_SOURCE, Stage


class Meddler:
    """Does what a scenario says; where RDS would refuse it, nothing."""

    def __init__(self, stage: Stage) -> None:
        """On this stage."""
        self._stage = stage
        self.took_names = 0
        """How often the target's name was freed by somebody else."""
        self.took_copies = 0
        """How often tonight's copy was taken away by somebody else."""

    def do(self, meddling: Meddling) -> None:
        """One piece of meddling."""
        self._stage.aws.state.apply_due_transitions()
        stage = self._stage
        if meddling is Meddling.LATER:
            stage.later(timedelta(minutes=10))
        elif meddling in _TO_TARGET:
            if stage.target is not None and stage.target.status == "available":
                _TO_TARGET[meddling](self, stage.target)
        elif meddling in _TO_COPY:
            if (copy := stage.home.snapshots.get(stage.tonight)) is not None:
                _TO_COPY[meddling](self, copy)
        elif stage.chosen.identifier in stage.origin.snapshots:
            self._to_snapshot(meddling)

    # The target

    def _untag(self, target: Cluster) -> None:
        target.tags.pop(tags.REPLACED_BY, None)

    def _retag(self, target: Cluster) -> None:
        target.tags[tags.REPLACED_BY] = OTHER_SOURCE

    def _protect(self, target: Cluster) -> None:
        target.deletion_protection = True

    def _take_over(self, target: Cluster) -> None:
        for mark in (tags.OPERATION, tags.RESTORED_FROM):
            target.tags.pop(mark, None)

    def _join_global(self, target: Cluster) -> None:
        target.global_cluster = "worldwide"

    def _replicate(self, target: Cluster) -> None:
        target.read_replicas = [OTHER_SOURCE]

    def _stop(self, target: Cluster) -> None:
        target.status = "stopped"

    def _quarantine(self, target: Cluster) -> None:
        target.status = UNHEARD_OF

    def _rename(self, target: Cluster) -> None:
        region, name = self._stage.home, f"{target.identifier}-before"
        if name in region.clusters:
            return
        del region.clusters[target.identifier]
        region.clusters[name] = target
        target.identifier, target.arn = name, region.arn("cluster", name)
        self.took_names += 1

    def _replace(self, target: Cluster) -> None:
        self._rename(target)
        self._make_another()

    def _recreate(self, target: Cluster) -> None:
        self._delete(target)
        self._make_another()

    def _delete(self, target: Cluster) -> None:
        self._stage.forget_cluster(self._stage.home, target)
        self.took_names += 1

    def _make_another(self) -> None:
        stage = self._stage
        if stage.target is None:
            stage.put_cluster(stage.home, stage.request.target.cluster, ClusterState())

    def _source_takes_name(self, target: Cluster) -> None:
        stage = self._stage
        source = stage.home.clusters.get(SOURCE)
        if stage.scenario.place is not Place.SAME or source is None:
            return
        name = target.identifier
        self._delete(target)
        del stage.home.clusters[SOURCE]
        stage.home.clusters[name] = source
        source.identifier, source.arn = name, stage.home.arn("cluster", name)
        source.tags[tags.REPLACED_BY] = stage.request.source.arn

    def _add_instance(self, target: Cluster) -> None:
        self._stage.put_instance(self._stage.home, target, f"{target.identifier}-9")

    def _delete_instance(self, target: Cluster) -> None:
        region = self._stage.home
        for name in target.members[:1]:
            region.instances[name].status = "deleting"

    # The copy

    def _delete_copy(self, copy: Snapshot) -> None:
        remove_snapshot(self._stage.aws.state, self._stage.home, copy)
        self.took_copies += 1

    def _fail_copy(self, copy: Snapshot) -> None:
        self._stage.aws.state.cancel(copy)
        copy.status = "failed"

    def _swap_copy(self, copy: Snapshot) -> None:
        stage = self._stage
        strange = replace(copy, status="available", source_arn=OTHER_SOURCE, tags=dict(copy.tags))
        strange.tags[tags.SOURCE_SNAPSHOT] = OTHER_SOURCE
        self._delete_copy(copy)
        stage.home.snapshots[copy.identifier] = strange

    def _keep_a_copy(self, copy: Snapshot) -> None:
        name = f"aurora-restore-{self._stage.request.target.cluster}-keep-this"
        kept = replace(
            copy,
            identifier=name,
            arn=self._stage.home.arn("cluster-snapshot", name),
            source_arn=copy.arn,
            tags=dict(copy.tags),
            status="available",
        )
        self._stage.home.snapshots.setdefault(name, kept)

    # The snapshot

    def _to_snapshot(self, meddling: Meddling) -> None:
        stage = self._stage
        old = stage.origin.snapshots[stage.chosen.identifier]
        remove_snapshot(stage.aws.state, stage.origin, old)
        if meddling is Meddling.REMAKE_SNAPSHOT:
            stage.origin.snapshots[old.identifier] = replace(old, taken=stage.now, tags={})


_TO_TARGET: dict[Meddling, Callable[[Meddler, Cluster], None]] = {
    Meddling.UNTAG: Meddler._untag,
    Meddling.RETAG: Meddler._retag,
    Meddling.PROTECT: Meddler._protect,
    Meddling.TAKE_OVER: Meddler._take_over,
    Meddling.JOIN_GLOBAL: Meddler._join_global,
    Meddling.REPLICATE: Meddler._replicate,
    Meddling.STOP: Meddler._stop,
    Meddling.QUARANTINE: Meddler._quarantine,
    Meddling.RENAME: Meddler._rename,
    Meddling.REPLACE: Meddler._replace,
    Meddling.RECREATE: Meddler._recreate,
    Meddling.DELETE_TARGET: Meddler._delete,
    Meddling.SOURCE_TAKES_NAME: Meddler._source_takes_name,
    Meddling.ADD_INSTANCE: Meddler._add_instance,
    Meddling.DELETE_INSTANCE: Meddler._delete_instance,
}
_TO_COPY: dict[Meddling, Callable[[Meddler, Snapshot], None]] = {
    Meddling.DELETE_COPY: Meddler._delete_copy,
    Meddling.FAIL_COPY: Meddler._fail_copy,
    Meddling.SWAP_COPY: Meddler._swap_copy,
    Meddling.KEEP_A_COPY: Meddler._keep_a_copy,
}
