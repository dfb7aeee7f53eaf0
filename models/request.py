"""The restore request: the one input of AuroraRestoreWorkflow, written by an operator."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from models.archive import Archive, Notification
from models.configuration import SERVERLESS, AfterRestore, ClusterSettings, Instance, OnDifference, WhenStopped
from models.drill import drill_cluster
from models.identifiers import (
    ClusterIdentifier,
    EngineVersion,
    InstanceClass,
    KmsKeyId,
    ResourceName,
    SecretId,
    SecurityGroupId,
    canonical_workflow_id,
    cluster_arn,
)
from models.masking import Masking
from models.model import Model
from models.quarantine import Quarantine
from models.request_rules import check_logins, check_names_beside, check_replacement
from models.setting_values import check_cluster_values, check_instance_values
from models.side_effects import KeptSideEffects
from models.source import Location, Source
from models.steps import BESIDE, Replacement
from models.swap import NEXT, OLD, Swap
from models.text_forms import BackupWindow, LogType, MaintenanceWindow, TagKey, TagValue
from models.users import DatabaseUser, DataCheck, LoginName, OtherLogins, SqlFile
from models.waits import OnFailure, Waits


class MissingTarget(StrEnum):
    """What happens if the target cluster does not exist when the restore starts."""

    FAIL = "fail"
    CREATE = "create"


class RequestedInstance(Instance):
    """One DB instance, as an operator may request it."""

    instance_class: InstanceClass
    db_parameter_group_name: ResourceName | None = None

    @model_validator(mode="after")
    def _rds_accepts_the_values(self) -> Self:
        check_instance_values(self)
        return self


class Target(Location, ClusterSettings):
    """The cluster that is deleted and restored. It must have the opt-in tag.

    A setting that is left out is carried over from the existing target, so that a restore loses none.
    """

    cluster: ClusterIdentifier
    instances: Annotated[tuple[RequestedInstance, ...], Field(min_length=1, max_length=16)] | None = Field(
        default=None, description="The first is the writer, the others are readers."
    )
    db_subnet_group_name: ResourceName | None = None
    vpc_security_group_ids: Annotated[tuple[SecurityGroupId, ...], Field(min_length=1, max_length=50)] | None = None
    quarantine: Quarantine | None = Field(
        default=None, description="The network in which the target is restored, until it is ready for its users."
    )
    db_cluster_parameter_group_name: ResourceName | None = None
    port: Annotated[int, Field(ge=1150, le=65535)] | None = None
    cloudwatch_logs_exports: Annotated[tuple[LogType, ...], Field(max_length=10)] | None = None
    backup_retention_days: Annotated[int, Field(ge=1, le=35)] | None = None
    preferred_backup_window: BackupWindow | None = Field(default=None, description="UTC, such as 03:00-03:30.")
    preferred_maintenance_window: MaintenanceWindow | None = Field(
        default=None, description="UTC, such as sun:04:00-sun:04:30."
    )
    tags: Annotated[dict[TagKey, TagValue], Field(max_length=40)] | None = Field(
        default=None, description="Tags besides those of the pipeline itself."
    )
    kms_key_id: KmsKeyId | None = Field(
        default=None,
        description="A key in the target's region; required if an encrypted snapshot is copied to another region.",
    )
    master_user_secret_id: SecretId | None = Field(
        default=None,
        description="The secret with the new master password; default: RDS manages one in Secrets Manager.",
    )
    missing: MissingTarget = Field(
        default=MissingTarget.FAIL,
        description="If the target does not exist: fail, since its name is most often misspelt, or create it, for a first restore.",
    )
    replacement: Replacement = Field(
        default=Replacement.DELETE_FIRST,
        description="delete_first: the target is deleted, then restored. swap: the snapshot is restored beside it, as "
        "CLUSTER-next, which takes the target's name once its users are set up; the target answers until then. drill: the "
        "snapshot is restored beside it, as CLUSTER-drill-OPERATION, through to its users and checks, measured and removed; "
        "no target is touched.",
    )
    swap: Swap | None = Field(default=None, description="The limits of a swap; default: 30 minutes, and no restart.")
    when_stopped: WhenStopped = Field(
        default=WhenStopped.REFUSE, description="If the target is stopped: refuse, or start it before it is deleted."
    )
    after: AfterRestore = Field(
        default=AfterRestore.LEAVE,
        description="leave the restored cluster running, or stop it: then it costs storage only. RDS starts it again "
        "after seven days.",
    )
    engine_version: EngineVersion | None = Field(
        default=None,
        description="The version to restore with, one that RDS upgrades the snapshot's to; default: the snapshot's.",
    )

    @model_validator(mode="after")
    def _scaling_has_an_instance(self) -> Self:
        classes = {instance.instance_class for instance in self.instances or ()}
        if self.serverless_v2_scaling and classes and SERVERLESS not in classes:
            raise ValueError(f"serverless_v2_scaling needs an instance of the class {SERVERLESS}")
        return self

    @model_validator(mode="after")
    def _rds_accepts_the_values(self) -> Self:
        check_cluster_values(self)
        return self

    @model_validator(mode="after")
    def _quarantine_is_apart(self) -> Self:
        own = set(self.vpc_security_group_ids or ())
        if self.quarantine and (both := sorted(own & set(self.quarantine.vpc_security_group_ids))):
            raise ValueError(
                f"quarantine: {', '.join(both)} is also in vpc_security_group_ids, so it would let the target's users in"
            )
        return self

    @model_validator(mode="after")
    def _tags_are_not_reserved(self) -> Self:
        reserved = sorted(key for key in self.tags or {} if key.lower().startswith(("aws:", "aurora-restore:")))
        if reserved:
            raise ValueError(f"tags: {', '.join(reserved)} is reserved for AWS or for the pipeline itself")
        return self

    @model_validator(mode="after")
    def _fits_the_replacement(self) -> Self:
        check_replacement(self)
        return self

    @property
    def swaps(self) -> bool:
        """Whether the restored cluster takes the target's name by a swap."""
        return self.replacement is Replacement.SWAP

    @property
    def drills(self) -> bool:
        """Whether nothing is replaced: the restored cluster is checked, measured and removed."""
        return self.replacement is Replacement.DRILL

    @property
    def restores_beside(self) -> bool:
        """Whether the snapshot is restored beside the target, under another name."""
        return self.replacement in BESIDE

    @property
    def arn(self) -> str:
        """The ARN of the target cluster."""
        return cluster_arn(self.region, self.account_id, self.cluster)

    @property
    def workflow_id(self) -> str:
        """The canonical id: the one workflow id under which every restore of this target runs."""
        return canonical_workflow_id(self.region, self.account_id, self.cluster)

    @property
    def beside(self) -> Self:
        """The same target under the name that it is restored with before a swap."""
        return self.model_copy(update={"cluster": self.cluster + NEXT})

    def restored_as(self, operation_id: str) -> Self:
        """The same target under the name that this operation restores the snapshot with.

        Call it on the request's target only: what it returns still swaps or drills, and would get a longer name.
        """
        if self.drills:
            return self.model_copy(update={"cluster": drill_cluster(self.cluster, operation_id)})
        return self.beside if self.swaps else self

    @property
    def replaced(self) -> Self:
        """The same target under the name that the old cluster has after a swap."""
        return self.model_copy(update={"cluster": self.cluster + OLD})

    @property
    def swap_limits(self) -> Swap:
        """The limits of a swap, those of the request or the default ones."""
        return self.swap or Swap()


class RestoreRequest(Model):
    """One restore: from which source, to which target, for which users, and who is notified."""

    source: Source
    target: Target
    users: tuple[DatabaseUser, ...] = Field(default=(), max_length=200)
    other_logins: OtherLogins = Field(
        default=OtherLogins.LOCK,
        description="The snapshot's logins that are neither in users nor in keep_logins: lock them, or keep them.",
    )
    keep_logins: tuple[LoginName, ...] = Field(
        default=(), max_length=200, description="Logins of the snapshot that are not changed, not even their passwords."
    )
    keep_side_effects: KeptSideEffects = Field(
        default=KeptSideEffects(), description="What acts by itself as in production, and is not to be disabled."
    )
    masking: Masking | None = Field(
        default=None,
        description="What becomes of each column before the first SQL file runs and any user is let in; a column without "
        "a rule ends the restore.",
    )
    sql_files: tuple[SqlFile, ...] = Field(
        default=(),
        max_length=100,
        description="Files that run once in each restore, in this order, before any user is let in.",
    )
    checks: tuple[DataCheck, ...] = Field(
        default=(),
        max_length=100,
        description="Queries and the rows that they must return before the snapshot is archived.",
    )
    archive: Archive = Archive()
    notification: Notification
    start_before: timedelta = Field(
        default=timedelta(hours=1),
        gt=timedelta(0),
        le=timedelta(hours=24),
        description="How long after the time at which it was due a restore may begin. A later one is skipped: it changes "
        "nothing, and the notification says so.",
    )
    waits: Waits = Waits()
    on_difference: OnDifference = Field(
        default=OnDifference.WARN,
        description="If a setting of the restored cluster is not the configured one. warn: report it. "
        "fail: fail check-restore-status.",
    )
    on_failure: OnFailure = OnFailure()

    @model_validator(mode="after")
    def _source_is_not_target(self) -> Self:
        if self.source.arn == self.target.arn:
            raise ValueError(
                f"source and target are the same cluster, {self.source.arn}; every restore deletes the target"
            )
        return self

    @model_validator(mode="after")
    def _has_room_for_names(self) -> Self:
        check_names_beside(self.target, self.archive)
        return self

    @model_validator(mode="after")
    def _is_shared_by_name(self) -> Self:
        selector = self.source.snapshot
        named = selector.prefix or (selector.identifier and ":" not in selector.identifier)
        if self.source.account_id != self.target.account_id and not named:
            raise ValueError(
                "source.snapshot: only a manual snapshot can be shared with another account; "
                "select one by identifier or prefix"
            )
        return self

    @model_validator(mode="after")
    def _masked_archive_is_masked(self) -> Self:
        if self.archive.masked and not (self.masking or self.sql_files):
            raise ValueError(
                "archive.masked needs masking or sql_files: without them the snapshot would have production's data"
            )
        if self.target.account_id in self.archive.share_with:
            raise ValueError(f"archive.share_with: {self.target.account_id} is the target's own account")
        return self

    @model_validator(mode="after")
    def _logins_and_files_are_consistent(self) -> Self:
        check_logins(self.users, self.keep_logins, self.other_logins)
        runs = [(sql_file.file, sql_file.database) for sql_file in self.sql_files]
        if twice := sorted({f"{file} in {database}" for file, database in runs if runs.count((file, database)) > 1}):
            raise ValueError(
                f"sql_files: {', '.join(twice)} is listed more than once; a file runs once in each restore"
            )
        return self

    @property
    def max_snapshot_age(self) -> timedelta | None:
        """The age that the snapshot may have when the deletion begins: its limit at the start, and the time for a copy."""
        limit = self.source.snapshot.age_limit
        return limit + self.waits.copy_snapshot.deadline if limit else None

    @property
    def copy_needed(self) -> bool:
        """Whether the snapshot must be copied: to another region or another account."""
        return (self.source.account_id, self.source.region) != (self.target.account_id, self.target.region)
