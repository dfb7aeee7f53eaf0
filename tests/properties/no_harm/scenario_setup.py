"""A scenario set up in the emulator: its clusters and snapshots, and the request for them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

from activities.rds import tags
from devstack.aws.rds import servers
from devstack.aws.rds.groups import add_default_groups
from devstack.aws.rds.resources import Backup, Cluster, Instance, Snapshot
from devstack.aws.rds.state import Region
from models.identifiers import copy_identifier
from models.request import RestoreRequest
from models.steps import Housekeeping, Step
from tests.properties.no_harm.in_process_aws import AwsAtHand
from tests.properties.no_harm.scenario import (
    ELSEWHERE,
    EMPTY,
    HERE,
    NOBODYS,
    SOURCE,
    SOURCE_REGION,
    TARGET,
    Bystander,
    ClusterState,
    Credentials,
    Naming,
    OptIn,
    OtherSnapshot,
    Place,
    Scenario,
    Tie,
)

EVENING = datetime.fromisoformat("2024-03-20T22:00:00+00:00")
ENGINE, VERSION = "aurora-postgresql", "16.6"
SECURITY_GROUP = "sg-0123456789abcdef0"
OTHER_SOURCE = f"arn:aws:rds:{SOURCE_REGION}:{HERE}:cluster:billing"
DELETING = (Step.DELETE_RDS, Housekeeping.REMOVE_LEFTOVERS, Housekeeping.REMOVE_ORPHANS)
"""The steps during which credentials may change."""
ROLE = f"arn:aws:iam::{ELSEWHERE}:role/aurora-restore"


class Stage:
    """The world of a scenario, by what the night and those who meddle need of it."""

    def __init__(self, aws: AwsAtHand, scenario: Scenario) -> None:
        """Set everything up."""
        aws.begin(EVENING, scenario.lag)
        self.aws, self.scenario = aws, scenario
        self._numbers = count(1)
        self.request = _request(scenario)
        self.source_resource_id = self._new_id()
        self._furnish()
        self._give_credentials()
        for each in scenario.weather:
            aws.faults.add("rds", each.operation, each.kind, skip=each.skip, count=each.count)  # type: ignore[arg-type]
        aws.deaths = scenario.deaths

    @property
    def now(self) -> datetime:
        """The instant on the world's clock."""
        return self.aws.clock.now()

    def later(self, by: timedelta) -> None:
        """Let time pass."""
        self.aws.clock.freeze(self.now + by)
        self.aws.state.apply_due_transitions()

    @property
    def home(self) -> Region:
        """Where the target is."""
        return self._region(self.request.target.account_id, self.request.target.region)

    @property
    def origin(self) -> Region:
        """Where the source is."""
        return self._region(HERE, SOURCE_REGION)

    @property
    def target(self) -> Cluster | None:
        """What has the target's name now."""
        return self.home.clusters.get(self.request.target.cluster)

    # What there is

    def put_cluster(self, region: Region, name: str, state: ClusterState, instance: str | None = None) -> Cluster:
        """A cluster with its instances."""
        cluster = Cluster(
            identifier=name,
            arn=region.arn("cluster", name),
            resource_id=self._new_id(),
            engine=ENGINE,
            engine_version=VERSION,
            created=EVENING - timedelta(days=30),
            visible_from=EVENING - timedelta(days=30),
            master_username="boss",
            subnet_group="default",
            parameter_group="default.aurora-postgresql16",
            security_groups=[SECURITY_GROUP],
            tags=self._opt_in(state.opt_in),
            port=5432,
            status=state.status,
            deletion_protection=state.protected,
            global_cluster="worldwide" if state.tie is Tie.GLOBAL else None,
            replication_source=OTHER_SOURCE if state.tie is Tie.REPLICA else None,
            read_replicas=[OTHER_SOURCE] if state.tie is Tie.REPLICATED else [],
        )
        region.clusters[name] = cluster
        for number in range(1, state.instances + 1):
            status = state.last_instance if number == state.instances else "available"
            self.put_instance(region, cluster, instance if instance and number == 1 else f"{name}-{number}", status)
        return cluster

    def put_instance(self, region: Region, cluster: Cluster, name: str, status: str = "available") -> None:
        """An instance of a cluster, unless its name is taken."""
        if name in region.instances:
            return
        region.instances[name] = Instance(
            identifier=name,
            arn=region.arn("db", name),
            resource_id=self._new_id(),
            cluster=cluster,
            instance_class="db.r6g.large",
            created=EVENING,
            visible_from=EVENING - timedelta(days=30),
            parameter_group="default.aurora-postgresql16",
            availability_zone=f"{region.name}a",
            tags={},
            status="stopped" if cluster.status == "stopped" else status,
        )
        cluster.members.append(name)
        if status == "deleting":
            self.aws.state.schedule(region.instances[name], 30, lambda _: self._forget_instance(region, cluster, name))

    @staticmethod
    def _forget_instance(region: Region, cluster: Cluster, name: str) -> None:
        region.instances.pop(name, None)
        if name in cluster.members:
            cluster.members.remove(name)

    def put_snapshot(self, region: Region, name: str, *, age: timedelta, encrypted: bool) -> Snapshot:
        """A snapshot of the source cluster, manual and available."""
        snapshot = Snapshot(
            identifier=name,
            arn=region.arn("cluster-snapshot", name),
            cluster_identifier=SOURCE,
            cluster_resource_id=self.source_resource_id,
            cluster_created=EVENING - timedelta(days=30),
            taken=EVENING - age,
            visible_from=EVENING - timedelta(days=30),
            engine=ENGINE,
            engine_version=VERSION,
            master_username="boss",
            port=5432,
            iam_authentication=False,
            backup_retention_days=1,
            backup=Backup(f"backup-{name}", ENGINE, servers.completed()),
            tags={},
            status="available",
            kms_key=f"arn:aws:kms:{region.name}:{region.account}:key/the-one" if encrypted else None,
        )
        region.snapshots[name] = snapshot
        return snapshot

    def _region(self, account: str, name: str) -> Region:
        region = self.aws.state.region(account, name)
        add_default_groups(region)
        return region

    def _new_id(self) -> str:
        return f"id-{next(self._numbers):03d}"

    def _opt_in(self, opt_in: OptIn) -> dict[str, str]:
        value = {OptIn.OURS: self.request.source.arn, OptIn.OTHER: OTHER_SOURCE}.get(opt_in)
        return {tags.REPLACED_BY: value} if value else {}

    def _furnish(self) -> None:
        scenario = self.scenario
        self.chosen = self._source_snapshot(self.origin)
        self.tonight = copy_identifier(self.request.target.arn, self.chosen.arn, self.chosen.taken)
        self._furnish_clusters()
        for bystander in scenario.bystanders:
            self._put_bystander(bystander)
        for other in scenario.snapshots:
            self._put_other_snapshot(self.home, other)
        if scenario.twin or scenario.credentials is not Credentials.RIGHT:
            self._put_twin()

    def _furnish_clusters(self) -> None:
        scenario = self.scenario
        renamed = scenario.target_is_source and scenario.place is Place.SAME
        if not scenario.source_gone and not renamed:
            self._put_source(self.origin, SOURCE)
        if renamed:
            self._put_source(self.home, TARGET).tags.update(self._opt_in(OptIn.OURS))
        elif scenario.target is not None:
            target = self.put_cluster(self.home, self.request.target.cluster, scenario.target)
            if target.status == "deleting":
                self.aws.state.schedule(target, 30, lambda _: self.forget_cluster(self.home, target))

    def forget_cluster(self, region: Region, cluster: Cluster) -> None:
        """A cluster and its instances are gone."""
        self.aws.state.cancel(cluster)
        region.clusters.pop(cluster.identifier, None)
        for name in list(cluster.members):
            self.aws.state.cancel(region.instances[name])
            self._forget_instance(region, cluster, name)

    def _put_source(self, region: Region, name: str) -> Cluster:
        source = self.put_cluster(region, name, ClusterState(opt_in=OptIn.NONE, instances=1))
        source.resource_id = self.source_resource_id
        return source

    def _source_snapshot(self, region: Region) -> Snapshot:
        names = {"named": "nightly", "prefix": "daily-2024-03-20", "newest": "rds:orders-2024-03-20-03-00"}
        name = names[selection(self.scenario)]
        snapshot = self.put_snapshot(region, name, age=timedelta(hours=19), encrypted=self.scenario.encrypted)
        snapshot.kind = "automated" if name.startswith("rds:") else "manual"
        snapshot.shared_with = [ELSEWHERE] if snapshot.kind == "manual" else []
        return snapshot

    def _put_bystander(self, bystander: Bystander) -> None:
        region = self._region(bystander.account, bystander.region)
        reserved = {self.request.source.arn, self.request.target.arn}
        if bystander.name not in region.clusters and region.arn("cluster", bystander.name) not in reserved:
            self.put_cluster(region, bystander.name, bystander.state, bystander.instance)

    def _put_other_snapshot(self, region: Region, other: OtherSnapshot) -> None:
        name = self._snapshot_name(other)
        if name in region.snapshots:
            return
        age = timedelta(days=other.age)
        snapshot = self.put_snapshot(region, name, age=age, encrypted=self.scenario.encrypted)
        snapshot.kind = "automated" if other.naming is Naming.AUTOMATED else "manual"
        snapshot.status = other.status
        snapshot.tags = self._copy_tags(other.copy_for, snapshot)
        snapshot.source_arn = self.chosen.arn if other.of_source else f"{self.chosen.arn}-of-another-day"
        if other.of_source:
            snapshot.taken = self.chosen.taken
        if snapshot.status == "copying":
            snapshot.started, snapshot.ends = self.now, self.now + timedelta(seconds=30)
            self.aws.state.schedule(snapshot, 30, lambda _: setattr(snapshot, "status", "available"))

    def _copy_tags(self, copy_for: str | None, snapshot: Snapshot) -> dict[str, str]:
        if copy_for is None:
            return {}
        arn = self.request.target.arn if copy_for == "target" else f"{self.request.target.arn}-2"
        return {tags.COPY_FOR: arn, tags.OPERATION: "op-000", tags.SOURCE_SNAPSHOT: snapshot.arn}

    def _snapshot_name(self, other: OtherSnapshot) -> str:
        target, number = self.request.target.cluster, other.number
        day = f"{EVENING - timedelta(days=other.age):%Y%m%d}"
        return {
            Naming.TONIGHT: self.tonight,
            Naming.PATTERN: f"aurora-restore-{target}-{day}-{number:010x}",
            Naming.ALIKE: (
                f"aurora-restore-{target}-for-audit",
                f"aurora-restore-{target}-{day}",
                f"aurora-restore-{target}-{day}-kept",
                f"aurora-restore-{target}-2-{day}-0123456789",
            )[number],
            Naming.OWN: f"keep-{number}",
            Naming.AUTOMATED: f"rds:{target}-2024-03-1{number}-03-00",
        }[other.naming]

    def _put_twin(self) -> None:
        """The same names in an account that the night has no business in."""
        for home in {id(region): region for region in (self.origin, self.home)}.values():
            region = self._region(NOBODYS, home.name)
            for name, cluster in list(home.clusters.items()):
                twin = self.put_cluster(region, name, ClusterState(instances=len(cluster.members)))
                twin.tags = dict(cluster.tags)
            for name, snapshot in list(home.snapshots.items()):
                arn = region.arn("cluster-snapshot", name)
                region.snapshots[name] = replace(snapshot, arn=arn, tags=dict(snapshot.tags), kms_key=None)
        # Its own pipeline restores the same snapshot to a target of the same name: its copy has the name of ours.
        copy = self.put_snapshot(
            self._region(NOBODYS, self.home.name), self.tonight, age=timedelta(hours=19), encrypted=False
        )
        copy.source_arn = self.chosen.arn

    def _give_credentials(self) -> None:
        impostor, credentials = self.aws.impostor, self.scenario.credentials
        if credentials is Credentials.ANOTHERS:
            impostor.account = NOBODYS
        # Without a target in either account there is nothing to tell them by, and nothing to delete.
        if credentials is Credentials.DISAGREE and self.target is not None:
            impostor.account, impostor.services = NOBODYS, frozenset({"rds"})

    def begin(self, step: str) -> None:
        """The moment at which credentials may change."""
        self.aws.step = step
        if self.scenario.credentials is Credentials.CHANGE and step in DELETING:
            self.aws.impostor.account, self.aws.impostor.waits_for_identity = NOBODYS, True
        late = step == Step.DELETE_RDS and step in self.aws.declared
        if self.scenario.credentials is Credentials.CHANGE_LATE and late:
            self.aws.impostor.account = EMPTY

    def end(self) -> None:
        """And the moment at which they are right again."""
        self.aws.step = ""
        if self.scenario.credentials in (Credentials.CHANGE, Credentials.CHANGE_LATE):
            self.aws.impostor.account = None


def selection(scenario: Scenario) -> str:
    """How the snapshot is chosen; an automated one can be shared with no other account."""
    crosses = scenario.place in (Place.ACCOUNT, Place.BOTH)
    return "named" if crosses and scenario.select == "newest" else scenario.select


def _request(scenario: Scenario) -> RestoreRequest:
    place = scenario.place
    crosses_account = place in (Place.ACCOUNT, Place.BOTH)
    selector = {"named": {"identifier": "nightly"}, "prefix": {"prefix": "daily"}, "newest": {}}[selection(scenario)]
    named_as_source = scenario.target_named_as_source and place is not Place.SAME
    wait = {"deadline": "PT9M", "first_interval": "PT1M", "maximum_interval": "PT1M"}
    wanted = {
        "source": {"account_id": HERE, "region": SOURCE_REGION, "cluster": SOURCE, "snapshot": selector},
        "target": {
            "account_id": place.account,
            "region": place.region,
            "role_arn": ROLE if crosses_account else None,
            "cluster": SOURCE if named_as_source else TARGET,
            "instances": [{"instance_class": "db.r6g.large"}, {"instance_class": "db.r6g.large"}],
            "db_subnet_group_name": "default",
            "vpc_security_group_ids": [SECURITY_GROUP],
            "kms_key_id": "the-one" if scenario.encrypted and place is not Place.SAME else None,
            "missing": "create" if scenario.create_missing else "fail",
        },
        "archive": {"keep": scenario.keep},
        "on_failure": {
            "unfinished_copy": "remove" if scenario.remove_copy else "keep",
            "half_restored_target": "remove" if scenario.remove_target else "keep",
        },
        "notification": {"topic_arn": f"arn:aws:sns:{SOURCE_REGION}:{HERE}:nights"},
        "waits": {"copy_snapshot": wait, "delete_rds": wait, "restore_snapshot": wait},
    }
    return RestoreRequest.model_validate_json(json.dumps(wanted))
