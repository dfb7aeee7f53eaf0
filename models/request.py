"""What an operator asks for: the one input of AuroraRestoreWorkflow."""

import datetime as dt
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from models.configuration import SERVERLESS, ClusterSettings, Instance
from models.identifiers import (
    AccountId,
    ClusterIdentifier,
    InstanceClass,
    KmsKeyId,
    Region,
    ResourceName,
    RoleArn,
    SecretId,
    SecurityGroupId,
    SnapshotIdentifier,
    SnapshotPrefix,
    TopicArn,
    canonical_workflow_id,
    cluster_arn,
)
from models.model import Model
from models.users import DatabaseUser, DataCheck, LoginName, OtherLogins, SqlFile

NEWEST_SNAPSHOT_MAX_AGE = timedelta(hours=26)
"""A nightly automated snapshot is at most a day old; two hours are for a backup window that moved."""


class Location(Model):
    """Where a cluster is and as whom to speak to it."""

    account_id: AccountId = Field(description="The account that owns it; a session of another account is refused.")
    region: Region
    role_arn: RoleArn | None = Field(default=None, description="The role to assume; none means the worker's own.")
    external_id: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+=,.@:/-]+$", min_length=2, max_length=1224)] | None
    ) = Field(default=None, description="The external id that the role's trust policy asks for.")


class SnapshotSelector(Model):
    """Which snapshot of the source: by exact name, by prefix and date, or, with neither, the newest automated one."""

    identifier: SnapshotIdentifier | None = Field(default=None, description="The snapshot's exact name.")
    prefix: SnapshotPrefix | None = Field(
        default=None, description="The name before its date: daily-backup finds daily-backup-2024-03-20."
    )
    date: dt.date | None = Field(
        default=None, description="With prefix: the date in the name; default, the UTC day on which the night starts."
    )
    max_age: timedelta | None = Field(
        default=None,
        gt=timedelta(0),
        description="Refuse a snapshot older than this (ISO 8601, such as PT26H); default PT26H for the newest "
        "automated one, no limit for one that is named.",
    )

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> Self:
        if self.identifier and self.prefix:
            raise ValueError("give identifier or prefix, not both")
        if self.date and not self.prefix:
            raise ValueError("date goes with prefix")
        return self

    @property
    def age_limit(self) -> timedelta | None:
        """The oldest that the snapshot may be when the night starts."""
        named = self.identifier or self.prefix
        return self.max_age or (None if named else NEWEST_SNAPSHOT_MAX_AGE)


class Source(Location):
    """The cluster whose snapshot is restored, usually production. It is only ever read."""

    cluster: ClusterIdentifier
    snapshot: SnapshotSelector = SnapshotSelector()

    @property
    def arn(self) -> str:
        """The ARN of the source cluster."""
        return cluster_arn(self.region, self.account_id, self.cluster)


class MissingTarget(StrEnum):
    """What it means that the target cluster is not there when the night starts."""

    FAIL = "fail"
    CREATE = "create"


class RequestedInstance(Instance):
    """One DB instance, as an operator may ask for it."""

    instance_class: InstanceClass
    db_parameter_group_name: ResourceName | None = None


LogType = Annotated[str, StringConstraints(pattern=r"^[a-z-]{1,40}$")]
TagKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 _.:/=+@-]{1,128}$")]
TagValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 _.:/=+@-]{0,256}$")]
BackupWindow = Annotated[str, StringConstraints(pattern=r"^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$")]
MaintenanceWindow = Annotated[
    str, StringConstraints(pattern=r"^[a-z]{3}:[0-2][0-9]:[0-5][0-9]-[a-z]{3}:[0-2][0-9]:[0-5][0-9]$")
]


class Target(Location, ClusterSettings):
    """The cluster that is deleted and restored. It must carry the opt-in tag.

    A setting that is left out is carried over from the live target, so that a nightly refresh loses none.
    """

    cluster: ClusterIdentifier
    instances: Annotated[tuple[RequestedInstance, ...], Field(min_length=1, max_length=16)] | None = Field(
        default=None, description="The first is the writer, the others are readers."
    )
    db_subnet_group_name: ResourceName | None = None
    vpc_security_group_ids: Annotated[tuple[SecurityGroupId, ...], Field(min_length=1, max_length=50)] | None = None
    db_cluster_parameter_group_name: ResourceName | None = None
    port: Annotated[int, Field(ge=1150, le=65535)] | None = None
    cloudwatch_logs_exports: Annotated[tuple[LogType, ...], Field(max_length=10)] | None = None
    backup_retention_days: Annotated[int, Field(ge=1, le=35)] | None = None
    preferred_backup_window: BackupWindow | None = Field(default=None, description="UTC, such as 03:00-03:30.")
    preferred_maintenance_window: MaintenanceWindow | None = Field(
        default=None, description="UTC, such as sun:04:00-sun:04:30."
    )
    tags: Annotated[dict[TagKey, TagValue], Field(max_length=40)] | None = Field(
        default=None, description="Besides those of the pipeline itself."
    )
    kms_key_id: KmsKeyId | None = Field(
        default=None, description="A key in the target's region; required where an encrypted snapshot changes region."
    )
    master_user_secret_id: SecretId | None = Field(
        default=None,
        description="The secret with the new master password; none lets RDS manage it in Secrets Manager.",
    )
    missing: MissingTarget = Field(
        default=MissingTarget.FAIL,
        description="fail: a target that is not there is most often misspelt. create: it is the first night.",
    )

    @model_validator(mode="after")
    def _serverless_scales(self) -> Self:
        classes = {instance.instance_class for instance in self.instances or ()}
        if self.serverless_v2_scaling and classes and SERVERLESS not in classes:
            raise ValueError(f"serverless_v2_scaling is given, but no instance has the class {SERVERLESS}")
        return self

    @model_validator(mode="after")
    def _tags_are_not_ours(self) -> Self:
        reserved = sorted(key for key in self.tags or {} if key.lower().startswith(("aws:", "aurora-restore:")))
        if reserved:
            raise ValueError(f"tags: {', '.join(reserved)} is reserved, to AWS or to the pipeline itself")
        return self

    @property
    def arn(self) -> str:
        """The ARN of the target cluster."""
        return cluster_arn(self.region, self.account_id, self.cluster)

    @property
    def workflow_id(self) -> str:
        """The one workflow id under which this target is ever restored."""
        return canonical_workflow_id(self.region, self.account_id, self.cluster)


class Archive(Model):
    """What becomes of the copies."""

    keep: int = Field(
        default=2,
        ge=1,
        le=90,
        description="How many copies of this pipeline stay in the target region, tonight's included.",
    )


class Notification(Model):
    """Who is told."""

    topic_arn: TopicArn
    success_topic_arn: TopicArn | None = Field(
        default=None, description="A quieter topic for nights that went well; errors always go to topic_arn."
    )

    @property
    def topic_arns(self) -> tuple[str, ...]:
        """Every topic that a night may publish to."""
        return tuple(dict.fromkeys(topic for topic in (self.topic_arn, self.success_topic_arn) if topic))


class Wait(Model):
    """How long to wait and how often to look; durations are ISO 8601 (PT30S, PT12H)."""

    deadline: timedelta = Field(gt=timedelta(0), le=timedelta(hours=24))
    first_interval: timedelta = Field(default=timedelta(seconds=30), ge=timedelta(milliseconds=100))
    maximum_interval: timedelta = Field(default=timedelta(minutes=5), le=timedelta(minutes=15))

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.first_interval > self.maximum_interval:
            raise ValueError("first_interval must not be longer than maximum_interval")
        if self.deadline > 1000 * self.maximum_interval:
            raise ValueError(
                "deadline must not be longer than 1000 times maximum_interval: each look is kept in history"
            )
        return self


class Waits(Model):
    """One wait for each of the three things that take long."""

    copy_snapshot: Wait = Wait(deadline=timedelta(hours=12))
    delete_rds: Wait = Wait(deadline=timedelta(hours=1))
    restore_snapshot: Wait = Wait(deadline=timedelta(hours=6))


class Leftover(StrEnum):
    """What becomes of something half-done when the night has ended without success."""

    KEEP = "keep"
    REMOVE = "remove"


class OnFailure(Model):
    """What becomes of a night whose step failed."""

    wait_for_operator: timedelta | None = Field(
        default=None,
        gt=timedelta(0),
        le=timedelta(hours=24),
        description="Stay open this long (ISO 8601, such as PT4H) for starter.py retry, skip or abort, and tell so; "
        "default, the night ends at once, and starter.py retry resets it.",
    )
    unfinished_copy: Leftover = Field(
        default=Leftover.KEEP,
        description="A copy of this night's own that is not available: keep, so that the next night adopts it when it "
        "is, or remove.",
    )
    half_restored_target: Leftover = Field(
        default=Leftover.KEEP,
        description="A cluster that this night restored and whose users it did not set: keep, so that starter.py retry "
        "goes on with it and the next night replaces it, or remove.",
    )


class RestoreRequest(Model):
    """One night: what is restored, where to, for whom, and who is told."""

    source: Source
    target: Target
    users: tuple[DatabaseUser, ...] = Field(default=(), max_length=200)
    other_logins: OtherLogins = Field(
        default=OtherLogins.LOCK,
        description="lock: who came with the snapshot and is neither in users nor in keep_logins cannot log in.",
    )
    keep_logins: tuple[LoginName, ...] = Field(
        default=(), max_length=200, description="Logins of the snapshot that stay as they are, password included."
    )
    sql_files: tuple[SqlFile, ...] = Field(
        default=(), max_length=100, description="Run once a night, in this order, after the users."
    )
    checks: tuple[DataCheck, ...] = Field(
        default=(), max_length=100, description="What must be true of the data before anything is archived."
    )
    archive: Archive = Archive()
    notification: Notification
    waits: Waits = Waits()
    on_failure: OnFailure = OnFailure()

    @model_validator(mode="after")
    def _source_is_not_target(self) -> Self:
        if self.source.arn == self.target.arn:
            raise ValueError(
                f"source and target are the same cluster, {self.source.arn}; the target is deleted every night"
            )
        return self

    @model_validator(mode="after")
    def _another_account_shares_by_name(self) -> Self:
        selector = self.source.snapshot
        named = selector.prefix or (selector.identifier and ":" not in selector.identifier)
        if self.source.account_id != self.target.account_id and not named:
            raise ValueError(
                "source.snapshot: another account can only share a manual snapshot, never an automated one; "
                "name a manual one by identifier or prefix"
            )
        return self

    @model_validator(mode="after")
    def _each_user_once(self) -> Self:
        names = [user.name for user in self.users]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"users: {', '.join(twice)} stands there more than once")
        return self

    @model_validator(mode="after")
    def _logins_and_files_do_not_contradict(self) -> Self:
        if self.keep_logins and self.other_logins is OtherLogins.KEEP:
            raise ValueError('keep_logins goes with other_logins "lock"; with "keep" all of them stay as they are')
        if both := sorted({user.name for user in self.users} & set(self.keep_logins)):
            raise ValueError(f"keep_logins: {', '.join(both)} stands in users too, where its password is set")
        runs = [(of.file, of.database) for of in self.sql_files]
        if twice := sorted({f"{file} in {database}" for file, database in runs if runs.count((file, database)) > 1}):
            raise ValueError(
                f"sql_files: {', '.join(twice)} stands there more than once, and a file is run once a night"
            )
        return self

    @property
    def max_snapshot_age(self) -> timedelta | None:
        """The age that the snapshot may have when the deletion begins: at the night's start, and what a copy may take."""
        limit = self.source.snapshot.age_limit
        return limit + self.waits.copy_snapshot.deadline if limit else None

    @property
    def copy_needed(self) -> bool:
        """Whether the snapshot must be copied; in one region of one account it is restored where it lies."""
        return (self.source.account_id, self.source.region) != (self.target.account_id, self.target.region)
