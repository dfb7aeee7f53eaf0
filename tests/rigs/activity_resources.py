"""The resources of one restore in an emulator that all tests of the activities share.

Every AWS call goes over HTTP to the emulator, whose clock only a test advances. Cluster names are
numbered, so that tests share the server and nothing else.
"""

from __future__ import annotations

import itertools
import json
import re
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
from botocore.session import Session

from activities.rds.tags import operation_tag
from audit.table import AuditTable
from clients.aws import AwsClients
from devstack.aws import Emulator
from devstack.aws.journal import RecordedCall
from models.identifiers import copy_identifier
from models.request import RequestedInstance, Target
from models.snapshots import SnapshotCopy, SourceSnapshot
from models.source import SnapshotSelector, Source

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
SOURCE_REGION, TARGET_REGION = "eu-west-1", "eu-central-1"
ENGINE, ENGINE_VERSION = "aurora-postgresql", "16.6"
SUBNET_GROUP, KEY_ALIAS = "staging", "alias/staging"
TRAIL, OPERATIONS = "aurora-restore-audit", "aurora-restore-operations"
CLOCK_START = datetime(2024, 3, 20, 22, 0, tzinfo=UTC)
LONGER_THAN_ANY_CHANGE = timedelta(minutes=3)
"""Longer than any of `durations.ACTIVITIES`."""
UNUSABLE_SECRETS = [
    "no JSON",
    '{"password": 12345678}',
    '{"password": ""}',
    '{"pass": "word"}',
    '["password"]',
    '{"password": "nul\\u0000nul"}',
    '{"password": "\\ud800broken"}',
]
"""Secrets without a password that a database accepts."""
CHANGING = ("Copy", "Create", "Delete", "Modify", "Restore", "AddTags", "Reboot", "RemoveTags", "Start", "Stop")
NUMBERS = itertools.count(1)


def session_of(account: str) -> Session:
    """A botocore session whose calls the emulator attributes to this account."""
    session = Session()
    session.set_credentials(account, "-")
    return session


@cache
def owner(emulator: Emulator, service: str, account: str, region: str) -> Any:
    """A client of an account's owner, who may delete without a read, unlike the pipeline's clients."""
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
class RestoreResources:
    """One source, one target and one operation: makes and reads their resources as their owner."""

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
            instances=(RequestedInstance(instance_class="db.r6g.large"),) * 2,
            db_subnet_group_name=SUBNET_GROUP,
            vpc_security_group_ids=(self.shared.security_group,),
            kms_key_id=KEY_ALIAS,
        )
        self.started_at = self.now

    # Reads

    @property
    def operation_tag(self) -> str:
        """What marks as made by this operation."""
        return operation_tag(self.aws.environment, self.operation_id)

    @property
    def emulator(self) -> Emulator:
        return self.shared.emulator

    @property
    def now(self) -> datetime:
        return self.emulator.clock.now()

    def rds(self, region: str = TARGET_REGION) -> Any:
        """The owner's client, not the pipeline's."""
        return self.shared.owner("rds", region)

    def cluster(self) -> dict[str, Any] | None:
        """The target as it is now."""
        filters = [{"Name": "db-cluster-id", "Values": [self.target.cluster]}]
        return next(iter(self.rds().describe_db_clusters(Filters=filters)["DBClusters"]), None)

    def instances(self) -> dict[str, str]:
        """The target's instances and their statuses."""
        filters = [{"Name": "db-cluster-id", "Values": [self.target.cluster]}]
        instances = self.rds().describe_db_instances(Filters=filters)["DBInstances"]
        return {instance["DBInstanceIdentifier"]: instance["DBInstanceStatus"] for instance in instances}

    def copies(self) -> dict[str, dict[str, Any]]:
        """The manual snapshots in the target's region that come from the source cluster."""
        paginator = self.rds().get_paginator("describe_db_cluster_snapshots")
        pages = paginator.paginate(SnapshotType="manual", DBClusterIdentifier=self.source.cluster)
        return {copy["DBClusterSnapshotIdentifier"]: copy for page in pages for copy in page["DBClusterSnapshots"]}

    def calls(self, *operations: str) -> list[RecordedCall]:
        """The calls of these operations since the last `clear_calls`, refused ones included."""
        return [call for call in self.emulator.calls if call.operation in operations]

    def changes(self) -> list[str]:
        """Every call to RDS that changed something, with the resource's name in its normalized form."""
        return [
            f"{call.operation} {self.normalize(_name_in(call))}"
            for call in self.emulator.calls
            if call.service == "rds" and call.operation.startswith(CHANGING) and call.carried_out
        ]

    def normalize(self, text: str) -> str:
        """A text without the rig's number and times, so that the texts of two rigs can be compared."""
        for name in (self.target.cluster, self.source.cluster):
            text = text.replace(name, name.rpartition("-")[0])
        return re.sub(r"-[0-9]{8}-[0-9a-f]{10}", "", text.replace(self.operation_id, "op"))

    def rows(self) -> list[str]:
        """The operation's rows in the trail."""
        return [f"{row.step} {row.phase}" for row in self.shared.table.list_rows(self.operation_id)]

    def snapshot_named(self, name: str) -> SourceSnapshot:
        """This manual snapshot of the source, as snapshot-check returns it."""
        answer = self.rds(SOURCE_REGION).describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=name)
        [snapshot] = answer["DBClusterSnapshots"]
        return SourceSnapshot(
            arn=snapshot["DBClusterSnapshotArn"],
            identifier=snapshot["DBClusterSnapshotIdentifier"],
            created_at=snapshot["SnapshotCreateTime"],
            engine=snapshot["Engine"],
            engine_version=snapshot["EngineVersion"],
            encrypted=snapshot["StorageEncrypted"],
            cluster_resource_id=snapshot["DbClusterResourceId"],
        )

    def snapshot_of(self, copy: SnapshotCopy) -> SourceSnapshot:
        """The source snapshot from which a copy was made."""
        answer = self.rds().describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=copy.identifier)
        origin = answer["DBClusterSnapshots"][0]["SourceDBClusterSnapshotArn"]
        return self.snapshot_named(origin.rpartition(":")[2])

    def copy_of(self, snapshot: SourceSnapshot) -> SnapshotCopy:
        """The copy that copy-snapshot makes of a snapshot, whether it exists or not."""
        identifier = copy_identifier(self.aws.environment, self.target.arn, snapshot.arn, snapshot.created_at)
        arn = f"arn:aws:rds:{TARGET_REGION}:{ACCOUNT}:cluster-snapshot:{identifier}"
        return SnapshotCopy(arn=arn, identifier=identifier, copied=True)

    # Changes

    def clear_calls(self) -> None:
        self.emulator.calls.clear()

    def advance_clock(self, by: timedelta = LONGER_THAN_ANY_CHANGE) -> None:
        """Let time pass in the emulator."""
        self.emulator.clock.freeze(self.now + by)

    def begin_next_operation(self) -> None:
        """Go on with the same target under another operation, as the next restore does."""
        self.operation_id = f"op-{self.number * 1000 + next(NUMBERS):03d}"
        self.started_at = self.now

    def make_source(self, **options: Any) -> None:
        """Make an encrypted source cluster."""
        self.make_cluster(SOURCE_REGION, self.source.cluster, **{"StorageEncrypted": True, **options})

    def make_target(self, instances: int = 2, **options: Any) -> str:
        """Make a target, which has the opt-in tag unless `Tags` says otherwise; returns its resource id."""
        opt_in = [{"Key": "aurora-restore:replaced-by", "Value": self.source.arn}]
        self.make_cluster(TARGET_REGION, self.target.cluster, **{"Tags": opt_in, **options})
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

    def make_cluster(self, region: str, name: str, **options: Any) -> None:
        """Make a cluster without instances, available."""
        self.rds(region).create_db_cluster(
            DBClusterIdentifier=name,
            Engine=ENGINE,
            MasterUsername="boss",
            MasterUserPassword="long-enough",
            **{"EngineVersion": ENGINE_VERSION, **options},
        )
        self.advance_clock()

    def rename_target(self, new_name: str) -> None:
        """Give the target's cluster another name."""
        self.rds().modify_db_cluster(
            DBClusterIdentifier=self.target.cluster, NewDBClusterIdentifier=new_name, ApplyImmediately=True
        )
        self.advance_clock()

    def make_renamed_target(self) -> str:
        """Make a target that its owner renamed to keep it; its instance keeps its name. Returns the new name."""
        self.make_target(instances=1)
        new_name = f"{self.target.cluster}-kept"
        self.rename_target(new_name)
        return new_name

    def make_snapshot(self, name: str | None = None, cluster: str | None = None) -> SourceSnapshot:
        """Make a manual snapshot of the source, available."""
        name = name or f"nightly-{self.number}"
        self.rds(SOURCE_REGION).create_db_cluster_snapshot(
            DBClusterSnapshotIdentifier=name, DBClusterIdentifier=cluster or self.source.cluster
        )
        self.advance_clock()
        return self.snapshot_named(name)

    def make_secret(self, name: str, value: str) -> str:
        """Make a secret in the target's region; returns its id."""
        manager = self.shared.owner("secretsmanager")
        manager.create_secret(Name=f"{name}-{self.number}", SecretString=value)
        return f"{name}-{self.number}"

    def force_status(self, arn: str, status: str, event: str | None = None) -> None:
        """Set a resource's status, which only AWS can do; `event` is the message that RDS reports with it."""
        reported = {"event": event} if event else {}
        self.control("rds/status", arn=arn, status=status, **reported)

    def control(self, path: str, **body: Any) -> Any:
        """Call the emulator's own interface."""
        url = f"{self.emulator.endpoint_url}/_devstack/{path}"
        request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())

    def named_source(self, **selector: Any) -> Source:
        """The source with another way of choosing the snapshot."""
        return self.source.model_copy(update={"snapshot": SnapshotSelector(**selector)})


def _name_in(call: RecordedCall) -> str:
    resources = ("TargetDBClusterSnapshot", "DBClusterSnapshot", "DBInstance", "DBCluster")
    names = (*(f"{resource}Identifier" for resource in resources), "ResourceName")
    return next(str(call.parameters[name]) for name in names if name in call.parameters)
