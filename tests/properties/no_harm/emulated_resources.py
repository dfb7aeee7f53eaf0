"""Clusters, instances and snapshots, put straight into the emulator's state."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count

from activities.rds import tags
from devstack.aws.rds import servers
from devstack.aws.rds.groups import add_default_groups
from devstack.aws.rds.resources import Backup, Cluster, Instance, Snapshot
from devstack.aws.rds.state import Region
from tests.properties.no_harm.in_process_aws import InProcessAws
from tests.properties.no_harm.scenario import (
    SOURCE,
    SOURCE_ACCOUNT,
    SOURCE_REGION,
    ClusterState,
    OptIn,
    Replication,
)

STARTED_AT = datetime.fromisoformat("2024-03-20T22:00:00+00:00")
"""When the restore of every scenario starts."""
CREATED_AT = STARTED_AT - timedelta(days=30)
ENGINE, VERSION = "aurora-postgresql", "16.6"
SECURITY_GROUP = "sg-0123456789abcdef0"
SOURCE_ARN = f"arn:aws:rds:{SOURCE_REGION}:{SOURCE_ACCOUNT}:cluster:{SOURCE}"
OTHER_SOURCE = f"arn:aws:rds:{SOURCE_REGION}:{SOURCE_ACCOUNT}:cluster:billing"
SECONDS_TO_DELETE = 30


def opt_in_tags(opt_in: OptIn) -> dict[str, str]:
    """The tags of a cluster that has opted in like this."""
    value = {OptIn.THIS_SOURCE: SOURCE_ARN, OptIn.OTHER_SOURCE: OTHER_SOURCE}.get(opt_in)
    return {tags.REPLACED_BY: value} if value else {}


class EmulatedResources:
    """Puts resources into the emulator's state and removes them, without any RDS call."""

    def __init__(self, aws: InProcessAws) -> None:
        """`aws` has the state."""
        self._aws = aws
        self._numbers = count(1)
        self.source_resource_id = self._new_id()

    def region(self, account: str, name: str) -> Region:
        """An account's region, with its default groups."""
        region = self._aws.state.region(account, name)
        add_default_groups(region)
        return region

    def put_cluster(self, region: Region, name: str, state: ClusterState, instance: str | None = None) -> Cluster:
        """Add a cluster with its instances; `instance` is the name of the first one."""
        cluster = Cluster(
            identifier=name,
            arn=region.arn("cluster", name),
            resource_id=self._new_id(),
            engine=ENGINE,
            engine_version=VERSION,
            created=CREATED_AT,
            visible_from=CREATED_AT,
            master_username="boss",
            subnet_group="default",
            parameter_group="default.aurora-postgresql16",
            security_groups=[SECURITY_GROUP],
            tags=opt_in_tags(state.opt_in) | ({tags.OPERATION: state.restored_by} if state.restored_by else {}),
            port=5432,
            status=state.status,
            deletion_protection=state.protected,
            global_cluster="worldwide" if state.replication is Replication.GLOBAL else None,
            replication_source=OTHER_SOURCE if state.replication is Replication.REPLICA else None,
            read_replicas=[OTHER_SOURCE] if state.replication is Replication.REPLICATED else [],
        )
        region.clusters[name] = cluster
        for number in range(1, state.instances + 1):
            status = state.last_instance_status if number == state.instances else "available"
            self.put_instance(region, cluster, instance if instance and number == 1 else f"{name}-{number}", status)
        return cluster

    def put_source(self, region: Region, name: str) -> Cluster:
        """Add the source cluster, under any name."""
        source = self.put_cluster(region, name, ClusterState(opt_in=OptIn.NONE, instances=1))
        source.resource_id = self.source_resource_id
        return source

    def put_instance(self, region: Region, cluster: Cluster, name: str, status: str = "available") -> None:
        """Add an instance to a cluster, unless its name is taken."""
        if name in region.instances:
            return
        region.instances[name] = Instance(
            identifier=name,
            arn=region.arn("db", name),
            resource_id=self._new_id(),
            cluster=cluster,
            instance_class="db.r6g.large",
            created=STARTED_AT,
            visible_from=CREATED_AT,
            parameter_group="default.aurora-postgresql16",
            availability_zone=f"{region.name}a",
            tags={},
            status="stopped" if cluster.status == "stopped" else status,
        )
        cluster.members.append(name)
        if status == "deleting":
            self._aws.state.schedule(
                region.instances[name], SECONDS_TO_DELETE, lambda _: self._remove_instance(region, cluster, name)
            )

    def put_snapshot(self, region: Region, name: str, *, age: timedelta, encrypted: bool) -> Snapshot:
        """Add a snapshot of the source cluster, manual and available."""
        snapshot = Snapshot(
            identifier=name,
            arn=region.arn("cluster-snapshot", name),
            cluster_identifier=SOURCE,
            cluster_resource_id=self.source_resource_id,
            cluster_created=CREATED_AT,
            taken=STARTED_AT - age,
            visible_from=CREATED_AT,
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

    def remove_cluster(self, region: Region, cluster: Cluster) -> None:
        """Remove a cluster and its instances."""
        self._aws.state.cancel(cluster)
        region.clusters.pop(cluster.identifier, None)
        for name in list(cluster.members):
            self._aws.state.cancel(region.instances[name])
            self._remove_instance(region, cluster, name)

    @staticmethod
    def _remove_instance(region: Region, cluster: Cluster, name: str) -> None:
        region.instances.pop(name, None)
        if name in cluster.members:
            cluster.members.remove(name)

    def _new_id(self) -> str:
        return f"id-{next(self._numbers):03d}"
