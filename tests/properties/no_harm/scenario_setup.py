"""Sets a scenario up in the emulator: its clusters and snapshots, its faults, its credentials."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from activities.rds import tags
from devstack.aws.rds.resources import Cluster, Snapshot
from devstack.aws.rds.state import Region
from models.identifiers import DEFAULT_ENVIRONMENT, copy_identifier
from models.steps import Housekeeping, Step
from tests.properties.no_harm.emulated_resources import STARTED_AT, EmulatedResources, opt_in_tags
from tests.properties.no_harm.in_process_aws import InProcessAws
from tests.properties.no_harm.scenario import (
    EMPTY_ACCOUNT,
    SOURCE,
    SOURCE_ACCOUNT,
    SOURCE_REGION,
    TARGET,
    TARGET_ACCOUNT,
    UNRELATED_ACCOUNT,
    ClusterState,
    Credentials,
    OptIn,
    OtherCluster,
    OtherSnapshot,
    Place,
    Scenario,
    SnapshotNaming,
)
from tests.properties.no_harm.scenario_request import SNAPSHOT_NAMES, effective_selector, request_of

DELETING = (Step.DELETE_RDS, Step.REMOVE_DRILL, Housekeeping.REMOVE_LEFTOVERS, Housekeeping.REMOVE_ORPHANS)
"""The steps during which the credentials of `Credentials.CHANGE_IN_DELETION` change."""
SNAPSHOT_AGE = timedelta(hours=19)
SECONDS_TO_COPY = 30


class ScenarioSetup:
    """A scenario in the emulator, as the run and the concurrent actor need it."""

    def __init__(self, aws: InProcessAws, scenario: Scenario) -> None:
        """Set everything up."""
        aws.begin(STARTED_AT, scenario.visibility_lag)
        self.aws, self.scenario = aws, scenario
        self.request = request_of(scenario)
        self.resources = EmulatedResources(aws)
        self.source_snapshot = self._put_source_snapshot()
        """The snapshot that the restore selects."""
        self.copy_name = copy_identifier(
            DEFAULT_ENVIRONMENT, self.request.target.arn, self.source_snapshot.arn, self.source_snapshot.taken
        )
        """The name of this operation's copy."""
        self._put_resources()
        self._set_credentials()
        for fault in scenario.faults:
            aws.faults.add("rds", fault.operation, fault.kind, skip=fault.skip, count=fault.count)  # type: ignore[arg-type]
        aws.crashes = scenario.crashes

    @property
    def now(self) -> datetime:
        """The time of the emulator's clock."""
        return self.aws.clock.now()

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self.aws.clock.freeze(self.now + by)
        self.aws.state.apply_due_transitions()

    @property
    def target_region(self) -> Region:
        """The target's account and region."""
        return self.resources.region(self.request.target.account_id, self.request.target.region)

    @property
    def source_region(self) -> Region:
        """The source's account and region."""
        return self.resources.region(SOURCE_ACCOUNT, SOURCE_REGION)

    @property
    def target(self) -> Cluster | None:
        """The cluster that has the target's name now."""
        return self.target_region.clusters.get(self.request.target.cluster)

    @property
    def acted_on(self) -> Cluster | None:
        """The cluster that a concurrent actor changes: that of the drill, once there is one, else the target."""
        drill = self.request.target.restored_as("op-001").cluster
        return self.target_region.clusters.get(drill) or self.target

    # The resources

    def _put_resources(self) -> None:
        scenario = self.scenario
        self._put_source_and_target()
        for other_cluster in scenario.other_clusters:
            self._put_other_cluster(other_cluster)
        for other_snapshot in scenario.snapshots:
            self._put_other_snapshot(other_snapshot)
        if scenario.twin or scenario.credentials is not Credentials.CORRECT:
            self._put_twin()

    def _put_source_and_target(self) -> None:
        scenario, resources = self.scenario, self.resources
        source_is_target = scenario.target_is_source and scenario.place is Place.SAME
        if source_is_target:
            resources.put_source(self.target_region, TARGET).tags.update(opt_in_tags(OptIn.THIS_SOURCE))
            return
        if not scenario.source_is_gone:
            resources.put_source(self.source_region, SOURCE)
        if scenario.target is not None:
            region = self.target_region
            target = resources.put_cluster(region, self.request.target.cluster, scenario.target)
            if target.status == "deleting":
                self.aws.state.schedule(target, 30, lambda _: resources.remove_cluster(region, target))

    def _put_source_snapshot(self) -> Snapshot:
        name = SNAPSHOT_NAMES[effective_selector(self.scenario)]
        encrypted = self.scenario.encrypted
        snapshot = self.resources.put_snapshot(self.source_region, name, age=SNAPSHOT_AGE, encrypted=encrypted)
        snapshot.kind = "automated" if name.startswith("rds:") else "manual"
        snapshot.shared_with = [TARGET_ACCOUNT] if snapshot.kind == "manual" else []
        return snapshot

    def _put_other_cluster(self, other: OtherCluster) -> None:
        region = self.resources.region(other.account, other.region)
        reserved = {self.request.source.arn, self.request.target.arn}
        if other.name not in region.clusters and region.arn("cluster", other.name) not in reserved:
            self.resources.put_cluster(region, other.name, other.state, other.instance)

    def _put_other_snapshot(self, other: OtherSnapshot) -> None:
        region, name = self.target_region, self._snapshot_name(other)
        if name in region.snapshots:
            return
        age = timedelta(days=other.age)
        snapshot = self.resources.put_snapshot(region, name, age=age, encrypted=self.scenario.encrypted)
        snapshot.kind = "automated" if other.naming is SnapshotNaming.AUTOMATED else "manual"
        snapshot.status = other.status
        snapshot.tags = self._copy_tags(other.copy_for, snapshot)
        arn = self.source_snapshot.arn
        snapshot.source_arn = arn if other.of_source else f"{arn}-of-another-day"
        if other.of_source:
            snapshot.taken = self.source_snapshot.taken
        if snapshot.status == "copying":
            snapshot.started, snapshot.ends = self.now, self.now + timedelta(seconds=SECONDS_TO_COPY)
            self.aws.state.schedule(snapshot, SECONDS_TO_COPY, lambda _: setattr(snapshot, "status", "available"))

    def _copy_tags(self, copy_for: str | None, snapshot: Snapshot) -> dict[str, str]:
        if copy_for is None:
            return {}
        arn = self.request.target.arn if copy_for == "target" else f"{self.request.target.arn}-2"
        return {tags.COPY_FOR: arn, tags.OPERATION: "aurora-restore/op-000", tags.SOURCE_SNAPSHOT: snapshot.arn}

    def _snapshot_name(self, other: OtherSnapshot) -> str:
        target, number = self.request.target.cluster, other.number
        day = f"{STARTED_AT - timedelta(days=other.age):%Y%m%d}"
        return {
            SnapshotNaming.THIS_COPY: self.copy_name,
            SnapshotNaming.OLDER_COPY: f"aurora-restore-{target}-{day}-{number:010x}",
            SnapshotNaming.SIMILAR: (
                f"aurora-restore-{target}-for-audit",
                f"aurora-restore-{target}-{day}",
                f"aurora-restore-{target}-{day}-kept",
                f"aurora-restore-{target}-2-{day}-0123456789",
            )[number],
            SnapshotNaming.CUSTOM: f"keep-{number}",
            SnapshotNaming.AUTOMATED: f"rds:{target}-2024-03-1{number}-03-00",
        }[other.naming]

    def _put_twin(self) -> None:
        """Resources of the same names in an account that has nothing to do with the restore."""
        for original in {id(region): region for region in (self.source_region, self.target_region)}.values():
            region = self.resources.region(UNRELATED_ACCOUNT, original.name)
            for name, cluster in list(original.clusters.items()):
                twin = self.resources.put_cluster(region, name, ClusterState(instances=len(cluster.members)))
                twin.tags = dict(cluster.tags)
            for name, snapshot in list(original.snapshots.items()):
                arn = region.arn("cluster-snapshot", name)
                region.snapshots[name] = replace(snapshot, arn=arn, tags=dict(snapshot.tags), kms_key=None)
        # That account's own pipeline restores the same snapshot to a target of the same name: its copy is named like ours.
        region = self.resources.region(UNRELATED_ACCOUNT, self.target_region.name)
        copy = self.resources.put_snapshot(region, self.copy_name, age=SNAPSHOT_AGE, encrypted=False)
        copy.source_arn = self.source_snapshot.arn

    # The credentials

    def _set_credentials(self) -> None:
        wrong, credentials = self.aws.wrong_credentials, self.scenario.credentials
        if credentials is Credentials.OTHER:
            wrong.account = UNRELATED_ACCOUNT
        # Without a target in either account nothing tells the accounts apart, and there is nothing to delete.
        if credentials is Credentials.DISAGREE and self.target is not None:
            wrong.account, wrong.services = UNRELATED_ACCOUNT, frozenset({"rds"})

    def begin_attempt(self, step: str) -> None:
        """Record which step runs; the scenario's credentials may change now."""
        self.aws.step = step
        if self.scenario.credentials is Credentials.CHANGE_IN_DELETION and step in DELETING:
            self.aws.wrong_credentials.account = UNRELATED_ACCOUNT
            self.aws.wrong_credentials.waits_for_identity = True
        is_declared = step == Step.DELETE_RDS and step in self.aws.declared
        if self.scenario.credentials is Credentials.CHANGE_AFTER_INTENT and is_declared:
            self.aws.wrong_credentials.account = EMPTY_ACCOUNT

    def end_attempt(self) -> None:
        """No step runs; credentials that changed are correct again."""
        self.aws.step = ""
        if self.scenario.credentials in (Credentials.CHANGE_IN_DELETION, Credentials.CHANGE_AFTER_INTENT):
            self.aws.wrong_credentials.account = None
