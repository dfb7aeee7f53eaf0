"""The RDS resources as the emulator stores them; `responses` shows them as AWS does."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from devstack.aws.databases import Address
from devstack.aws.gates import Gate
from devstack.aws.sockets import SilentPort

Tags = dict[str, str]


@dataclass
class Backup:
    """The data of a cluster at one moment. Snapshots, their copies and unfinished restores share it."""

    key: str
    engine: str
    task: Future[None]
    """Done when the data is backed up."""
    references: int = 1
    """How many snapshots and restores use it; with the last one the backup is deleted."""


@dataclass
class ManagedSecret:
    """The master user's secret that RDS manages in Secrets Manager."""

    arn: str
    status: str
    kms_key_id: str


@dataclass
class AssociatedRole:
    """An IAM role that a cluster may use."""

    arn: str
    feature: str | None
    status: str = "PENDING"


@dataclass
class CustomEndpoint:
    """A custom endpoint of a cluster."""

    identifier: str
    arn: str
    resource_id: str
    endpoint_type: str
    static_members: list[str]
    excluded_members: list[str]
    tags: Tags
    status: str = "creating"


@dataclass(frozen=True)
class DomainMembership:
    """The directory that a cluster's Kerberos authentication uses."""

    directory: str
    role: str


@dataclass
class Cluster:
    """An Aurora DB cluster."""

    identifier: str
    arn: str
    resource_id: str
    engine: str
    engine_version: str
    created: datetime
    visible_from: datetime
    master_username: str
    subnet_group: str
    parameter_group: str
    security_groups: list[str]
    tags: Tags
    port: int
    """The requested port; responses show that of the gate."""
    availability_zones: list[str] = field(default_factory=list)
    """Where its instances are created, in turn."""
    status: str = "creating"
    database_name: str | None = None
    kms_key: str | None = None
    """ARN of the key; None if unencrypted."""
    deletion_protection: bool = False
    copy_tags_to_snapshot: bool = False
    iam_authentication: bool = False
    backup_retention_days: int = 1
    log_exports: list[str] = field(default_factory=list)
    scaling: dict[str, Any] | None = None
    """ServerlessV2ScalingConfiguration."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Parameters that are stored and shown without other effect, by their AWS name."""
    pending: dict[str, Any] = field(default_factory=dict)
    """PendingModifiedValues."""
    renaming_to: str | None = None
    """Its new identifier, from the call until it has it."""
    members: list[str] = field(default_factory=list)
    """Instance identifiers; the first is the writer."""
    secret: ManagedSecret | None = None
    roles: list[AssociatedRole] = field(default_factory=list)
    endpoints: dict[str, CustomEndpoint] = field(default_factory=dict)
    """The custom endpoints by identifier."""
    http_endpoint: bool = False
    """Whether the RDS Data API is on."""
    domain: DomainMembership | None = None
    global_cluster: str | None = None
    replication_source: str | None = None
    read_replicas: list[str] = field(default_factory=list)
    restorable_from: datetime | None = None
    master_password: str | None = None
    """None once the server is started with it."""
    origin: Backup | None = None
    """The backup to start the server from; None for an empty cluster."""
    server: Future[Address] | None = None
    """The server's address, once its start was submitted."""
    reachable: bool = False
    """Whether an instance is available and the cluster is not being renamed."""
    gate: Gate | None = None
    """The port of its endpoints, open while the cluster can be reached."""
    opened: bool = False
    """Whether its endpoints were ever open; from then on its port is that of its name."""
    certified_names: list[str] = field(default_factory=list)
    """The host names in the certificate that the server shows; none without a server."""
    silent_port: SilentPort | None = None
    """The port on which connections hang, set by the control endpoint."""

    @property
    def account(self) -> str:
        """The account that owns it."""
        return self.arn.split(":")[4]

    @property
    def region(self) -> str:
        """The region that it is in."""
        return self.arn.split(":")[3]


@dataclass
class Instance:
    """A DB instance in a cluster."""

    identifier: str
    arn: str
    resource_id: str
    cluster: Cluster
    instance_class: str
    created: datetime
    visible_from: datetime
    parameter_group: str
    availability_zone: str
    tags: Tags
    status: str = "creating"
    publicly_accessible: bool = False
    promotion_tier: int = 1
    needs_restart: bool = False
    """Whether the cluster has got another parameter group since the instance started."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Parameters that are stored and shown without other effect, by their AWS name."""
    pending: dict[str, Any] = field(default_factory=dict)
    """PendingModifiedValues."""
    renaming_to: str | None = None
    """Its new identifier, from the call until it has it."""


@dataclass
class Snapshot:
    """A DB cluster snapshot, taken or copied."""

    identifier: str
    arn: str
    cluster_identifier: str
    cluster_resource_id: str
    cluster_created: datetime
    taken: datetime
    """SnapshotCreateTime: when the data was captured; a copy keeps its source's."""
    visible_from: datetime
    engine: str
    engine_version: str
    master_username: str
    port: int
    iam_authentication: bool
    backup_retention_days: int
    backup: Backup
    tags: Tags
    kind: str = "manual"
    """SnapshotType: manual or automated."""
    status: str = "creating"
    kms_key: str | None = None
    source_arn: str | None = None
    started: datetime | None = None
    ends: datetime | None = None
    """PercentProgress is the share of the time between the two that has passed."""
    shared_with: list[str] = field(default_factory=list)
    """Account numbers, or `all`."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Parameters of the cluster that a snapshot stores and shows, by their AWS name."""

    @property
    def account(self) -> str:
        """The account that owns it."""
        return self.arn.split(":")[4]

    @property
    def region(self) -> str:
        """The region that it is in."""
        return self.arn.split(":")[3]


@dataclass
class SubnetGroup:
    """A DB subnet group."""

    name: str
    arn: str
    description: str
    subnets: list[str]
    vpc: str
    tags: Tags
    zones: list[str]
    """The zone of each subnet."""


@dataclass
class ParameterGroup:
    """A DB cluster parameter group or DB parameter group."""

    name: str
    arn: str
    family: str
    description: str
    tags: Tags


@dataclass
class GlobalCluster:
    """An Aurora global database."""

    identifier: str
    arn: str
    resource_id: str
    engine: str
    engine_version: str
    encrypted: bool
    deletion_protection: bool
    database_name: str | None
    tags: Tags
    members: list[Cluster] = field(default_factory=list)
    """The first is the primary cluster."""


@dataclass(frozen=True)
class Event:
    """One entry of DescribeEvents."""

    date: datetime
    source_type: str
    source_identifier: str
    source_arn: str
    message: str
    categories: tuple[str, ...]


@dataclass(frozen=True)
class EventSubscription:
    """A topic that gets the events of a source type, those of some categories or all."""

    topic_arn: str
    source_type: str
    categories: tuple[str, ...]
    enabled: bool

    def wants(self, event: Event) -> bool:
        """Whether the topic gets this event."""
        is_chosen = not self.categories or bool(set(self.categories) & set(event.categories))
        return self.enabled and event.source_type == self.source_type and is_chosen
