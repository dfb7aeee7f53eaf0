"""A night's world, small and fast: two clusters under names of their own in an emulator that all tests share.

Every AWS call goes over HTTP to the emulator, whose clock stands still until a test lets time pass. Names are
numbered, so that tests share the server and nothing else.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar

import boto3
from botocore.session import Session
from temporalio.testing import ActivityEnvironment

from activities.clusters import ClusterActivities
from activities.restored_cluster import RestoredClusterActivities
from activities.snapshots import SnapshotActivities
from audit.intents import TrailIntents
from audit.table import AuditTable
from clients.aws import AwsClients
from devstack.aws import Emulator
from devstack.aws.journal import RecordedCall
from models.clusters import CheckRestoreInput, DeleteClusterInput, RestoreClusterInput
from models.configuration import merged
from models.identifiers import copy_identifier
from models.request import Archive, Notification, RequestedInstance, SnapshotSelector, Source, Target
from models.snapshots import (
    ArchiveSnapshotInput,
    CheckCopyInput,
    CopySnapshotInput,
    SnapshotCheckInput,
    SnapshotCopy,
    SourceSnapshot,
)

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
SOURCE_REGION, TARGET_REGION = "eu-west-1", "eu-central-1"
ENGINE, ENGINE_VERSION = "aurora-postgresql", "16.6"
SUBNET_GROUP, KEY_ALIAS = "staging", "alias/staging"
TRAIL = "aurora-restore-audit"
CLOCK_START = datetime(2024, 3, 20, 22, 0, tzinfo=UTC)
MOMENT = timedelta(minutes=3)
"""Longer than any one transition of the emulator takes here."""
CHANGING = ("Copy", "Create", "Delete", "Modify", "Restore", "AddTags", "RemoveTags", "Start", "Stop")
NUMBERS = itertools.count(1)

Answer = TypeVar("Answer")


def temporal_environment(now: datetime, attempt: int = 1) -> ActivityEnvironment:
    """What an activity sees of Temporal: its attempt, scheduled now."""
    environment = ActivityEnvironment()
    environment.info = replace(
        environment.info,
        attempt=attempt,
        current_attempt_scheduled_time=now,
        scheduled_time=now,
        started_time=now,
        workflow_id="aurora-restore:test",
        workflow_run_id="run-1",
    )
    return environment


def session_of(account: str) -> Session:
    """A session whose calls the emulator takes for this account's."""
    session = Session()
    session.set_credentials(account, "-")
    return session


@cache
def owner(emulator: Emulator, service: str, account: str, region: str) -> Any:
    """A client of an account's owner, who may delete without a look, as the pipeline's clients do not."""
    return boto3.client(  # type: ignore[call-overload]  # the service is a variable here
        service,
        region_name=region,
        endpoint_url=emulator.endpoint_url,
        aws_access_key_id=account,
        aws_secret_access_key="-",
    )


@dataclass
class Shared:
    """What all tests share: the emulator, its tables, a key, a security group, the pipeline's clients."""

    emulator: Emulator
    clients: AwsClients
    security_group: str
    key_arn: str

    @property
    def table(self) -> AuditTable:
        return AuditTable(self.clients.dynamodb(TARGET_REGION), TRAIL)

    def owner(self, service: str, region: str = TARGET_REGION) -> Any:
        """A client of the clusters' owner."""
        return owner(self.emulator, service, ACCOUNT, region)


@dataclass
class ActivityRig:
    """One source, one target, one operation."""

    shared: Shared
    number: int = field(default_factory=lambda: next(NUMBERS))
    aws: AwsClients = field(init=False)
    source: Source = field(init=False)
    target: Target = field(init=False)
    operation_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.aws = self.shared.clients
        self.operation_id = f"op-{self.number:03d}"
        self.source = Source(account_id=ACCOUNT, region=SOURCE_REGION, cluster=f"orders-{self.number}")
        self.target = Target(
            account_id=ACCOUNT,
            region=TARGET_REGION,
            cluster=f"staging-{self.number}",
            instances=(
                RequestedInstance(instance_class="db.r6g.large"),
                RequestedInstance(instance_class="db.r6g.large"),
            ),
            db_subnet_group_name=SUBNET_GROUP,
            vpc_security_group_ids=(self.shared.security_group,),
            kms_key_id=KEY_ALIAS,
        )
        self.started_at = self.now

    # Looking

    @property
    def emulator(self) -> Emulator:
        return self.shared.emulator

    @property
    def now(self) -> datetime:
        return self.emulator.clock.now()

    def rds(self, region: str = TARGET_REGION) -> Any:
        """The owner's own client, not the pipeline's under test."""
        return self.shared.owner("rds", region)

    def cluster(self) -> dict[str, Any] | None:
        """The target as it is now."""
        found = self.rds().describe_db_clusters(Filters=[{"Name": "db-cluster-id", "Values": [self.target.cluster]}])
        return next(iter(found["DBClusters"]), None)

    def instances(self) -> dict[str, str]:
        """The target's instances and their statuses."""
        found = self.rds().describe_db_instances(Filters=[{"Name": "db-cluster-id", "Values": [self.target.cluster]}])
        return {each["DBInstanceIdentifier"]: each["DBInstanceStatus"] for each in found["DBInstances"]}

    def copies(self) -> dict[str, dict[str, Any]]:
        """The manual snapshots in the target's region that come from this night's source cluster."""
        pages = (
            self.rds()
            .get_paginator("describe_db_cluster_snapshots")
            .paginate(SnapshotType="manual", DBClusterIdentifier=self.source.cluster)
        )
        return {each["DBClusterSnapshotIdentifier"]: each for page in pages for each in page["DBClusterSnapshots"]}

    def calls(self, *operations: str) -> list[RecordedCall]:
        """The calls of these operations since the last `forget_calls`, refused ones included."""
        return [call for call in self.emulator.calls if call.operation in operations]

    def changes(self) -> list[str]:
        """Every call to RDS that changed something, with the resource's name without the night's number."""
        return [
            f"{call.operation} {self.normalize(_name_in(call))}"
            for call in self.emulator.calls
            if call.service == "rds" and call.operation.startswith(CHANGING) and call.outcome in ("OK", "reset-after")
        ]

    def normalize(self, text: str) -> str:
        """A text without this night's number and times, to be compared with another night's."""
        for name in (self.target.cluster, self.source.cluster):
            text = text.replace(name, name.rpartition("-")[0])
        return re.sub(r"-[0-9]{8}-[0-9a-f]{10}", "", text.replace(self.operation_id, "op"))

    def rows(self) -> list[str]:
        """The trail of this operation."""
        return [f"{row.step} {row.phase}" for row in self.shared.table.list_rows(self.operation_id)]

    # Preparing

    def clear_calls(self) -> None:
        self.emulator.calls.clear()

    def advance_clock(self, by: timedelta = MOMENT) -> None:
        """Let time pass."""
        self.emulator.clock.freeze(self.now + by)

    def make_source(self, **options: Any) -> None:
        """Production: encrypted, with one instance."""
        self._make_cluster(SOURCE_REGION, self.source.cluster, StorageEncrypted=True, **options)

    def make_target(self, instances: int = 2, **options: Any) -> str:
        """Staging, which has opted in unless `Tags` says otherwise; returns its resource id."""
        opted_in = [{"Key": "aurora-restore:replaced-by", "Value": self.source.arn}]
        self._make_cluster(TARGET_REGION, self.target.cluster, **{"Tags": opted_in, **options})
        for number in range(1, instances + 1):
            self.rds().create_db_instance(
                DBInstanceIdentifier=f"{self.target.cluster}-{number}",
                DBClusterIdentifier=self.target.cluster,
                DBInstanceClass="db.r6g.large",
                Engine=ENGINE,
            )
        self.advance_clock()
        cluster = self.cluster()
        assert cluster is not None
        return str(cluster["DbClusterResourceId"])

    def _make_cluster(self, region: str, name: str, **options: Any) -> None:
        self.rds(region).create_db_cluster(
            DBClusterIdentifier=name,
            Engine=ENGINE,
            MasterUsername="boss",
            MasterUserPassword="long-enough",
            **{"EngineVersion": ENGINE_VERSION, **options},
        )
        self.advance_clock()

    def make_snapshot(self, name: str | None = None, cluster: str | None = None) -> SourceSnapshot:
        """A manual snapshot of the source, available."""
        name = name or f"nightly-{self.number}"
        self.rds(SOURCE_REGION).create_db_cluster_snapshot(
            DBClusterSnapshotIdentifier=name, DBClusterIdentifier=cluster or self.source.cluster
        )
        self.advance_clock()
        return self.snapshot_named(name)

    def snapshot_named(self, name: str) -> SourceSnapshot:
        """What snapshot-check would answer for this manual snapshot of the source."""
        answer = self.rds(SOURCE_REGION).describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=name)
        found = answer["DBClusterSnapshots"][0]
        return SourceSnapshot(
            arn=found["DBClusterSnapshotArn"],
            identifier=found["DBClusterSnapshotIdentifier"],
            created_at=found["SnapshotCreateTime"],
            engine=found["Engine"],
            engine_version=found["EngineVersion"],
            encrypted=found["StorageEncrypted"],
            cluster_resource_id=found["DbClusterResourceId"],
        )

    def copy_of(self, snapshot: SourceSnapshot) -> SnapshotCopy:
        """The copy that copy-snapshot makes of a snapshot."""
        identifier = copy_identifier(self.target.arn, snapshot.arn, snapshot.created_at)
        arn = f"arn:aws:rds:{TARGET_REGION}:{ACCOUNT}:cluster-snapshot:{identifier}"
        return SnapshotCopy(arn=arn, identifier=identifier, copied=True)

    def make_copy(self, snapshot: SourceSnapshot) -> SnapshotCopy:
        """The copy, made by copy-snapshot and available."""
        answer = self.run(self.snapshots.copy_snapshot, self.copy_input(snapshot))
        self.advance_clock()
        assert answer.snapshot_copy is not None
        return answer.snapshot_copy

    def make_secret(self, name: str, value: str) -> str:
        """A secret in the target's region; returns its id."""
        manager = self.shared.owner("secretsmanager")
        manager.create_secret(Name=f"{name}-{self.number}", SecretString=value)
        return f"{name}-{self.number}"

    def force_status(self, arn: str, status: str) -> None:
        """What only AWS can do."""
        self.control("rds/status", arn=arn, status=status)

    def control(self, path: str, **body: Any) -> Any:
        import urllib.request

        url = f"{self.emulator.endpoint_url}/_devstack/{path}"
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), method="POST")) as answer:
            return json.loads(answer.read())

    # The steps' inputs

    def _step(self) -> dict[str, Any]:
        return {"operation_id": self.operation_id, "step_started_at": self.started_at}

    def check_input(self, **more: Any) -> SnapshotCheckInput:
        topic = self.aws.sns(self.target, "owner", f"arn:aws:sns:{TARGET_REGION}:1:x").create_topic(Name="told")
        told = Notification(topic_arn=topic["TopicArn"])
        given = {"users": (), "notification": told, "copy_needed": True, "source": self.source, "target": self.target}
        return SnapshotCheckInput(**(self._step() | given | more))

    def copy_input(self, snapshot: SourceSnapshot, **more: Any) -> CopySnapshotInput:
        given = {"source": self.source, "target": self.target, "copy_needed": True, **more}
        return CopySnapshotInput(**self._step(), snapshot=snapshot, **given)

    def check_copy_input(self, snapshot: SourceSnapshot, **more: Any) -> CheckCopyInput:
        given = {"snapshot_copy": self.copy_of(snapshot), "target": self.target, **self._step(), **more}
        return CheckCopyInput(snapshot=snapshot, **given)

    def delete_input(self, snapshot: SourceSnapshot, resource_id: str | None, **more: Any) -> DeleteClusterInput:
        given = {
            "source": self.source,
            "target": self.target,
            "snapshot_copy": self.copy_of(snapshot),
            "source_resource_id": snapshot.cluster_resource_id,
            **more,
        }
        return DeleteClusterInput(**self._step(), snapshot=snapshot, target_resource_id=resource_id, **given)

    def restore_input(self, snapshot: SourceSnapshot, **more: Any) -> RestoreClusterInput:
        given = {"target": self.target, "snapshot_copy": self.copy_of(snapshot), **more}
        given["configuration"] = merged(given["target"], None)
        return RestoreClusterInput(**self._step(), source_arn=self.source.arn, snapshot=snapshot, **given)

    def check_restore_input(self, resource_id: str, **more: Any) -> CheckRestoreInput:
        given = {"target": self.target, "engine": ENGINE, **self._step(), **more}
        given["configuration"] = merged(given["target"], None)
        return CheckRestoreInput(cluster_resource_id=resource_id, **given)

    def archive_input(
        self, copy: SnapshotCopy, keep: int = 2, snapshot: SourceSnapshot | None = None
    ) -> ArchiveSnapshotInput:
        given = {"snapshot": snapshot or self.snapshot_of(copy), "target": self.target, "archive": Archive(keep=keep)}
        return ArchiveSnapshotInput(**(self._step() | given), snapshot_copy=copy)

    def snapshot_of(self, copy: SnapshotCopy) -> SourceSnapshot:
        """The source snapshot that a copy says it is of."""
        answer = self.rds().describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=copy.identifier)
        origin = answer["DBClusterSnapshots"][0]["SourceDBClusterSnapshotArn"]
        return self.snapshot_named(origin.rpartition(":")[2])

    # The steps

    @property
    def intents(self) -> TrailIntents:
        return TrailIntents(AuditTable(self.aws.dynamodb(TARGET_REGION), TRAIL))

    @property
    def snapshots(self) -> SnapshotActivities:
        return SnapshotActivities(self.aws, self.intents)

    @property
    def clusters(self) -> ClusterActivities:
        return ClusterActivities(self.aws, self.intents)

    @property
    def restored(self) -> RestoredClusterActivities:
        return RestoredClusterActivities(self.aws)

    def run(self, activity: Callable[[Any], Answer], of: Any, attempt: int = 1) -> Answer:
        """One attempt of one look."""
        return temporal_environment(self.now, attempt).run(activity, of)

    def poll_until_done(self, activity: Callable[[Any], Answer], of: Any) -> Answer:
        """Look as the workflow does, a minute between two looks."""
        for poll in range(1, 30):
            answer: Any = self.run(activity, of.model_copy(update={"poll": poll}))
            if answer.done:
                return answer  # type: ignore[no-any-return]  # every step's answer has `done`
            self.advance_clock(timedelta(minutes=1))
        raise AssertionError(f"not done after 29 looks: {answer.details}")

    def named_source(self, **selector: Any) -> Source:
        """The source with another way of choosing the snapshot."""
        return self.source.model_copy(update={"snapshot": SnapshotSelector(**selector)})


def _name_in(call: RecordedCall) -> str:
    names = (
        "TargetDBClusterSnapshotIdentifier",
        "DBClusterSnapshotIdentifier",
        "DBInstanceIdentifier",
        "DBClusterIdentifier",
        "ResourceName",
    )
    return next(str(call.parameters[name]) for name in names if name in call.parameters)
