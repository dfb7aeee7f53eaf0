"""What the snapshot steps are asked and answer: snapshot-check, copy-snapshot, check-copy-status, archive-snapshot."""

from pydantic import AwareDatetime, Field

from models.configuration import ClusterConfiguration, ClusterSettings
from models.model import Model
from models.operation import StepInput, StepOutcome
from models.request import Archive, Notification, Source, Target
from models.users import DatabaseUser, SqlFile


class SourceSnapshot(Model):
    """The snapshot that the night restores, as it was when the night began."""

    arn: str
    identifier: str
    created_at: AwareDatetime
    engine: str
    engine_version: str
    type: str = Field(default="manual", description="manual, automated, shared or awsbackup.")
    encrypted: bool
    kms_key_id: str | None = None
    cluster_resource_id: str | None = Field(
        default=None, description="The resource id of the cluster it was taken of, which no other cluster ever gets."
    )


class SnapshotCopy(Model):
    """The snapshot in the target region from which the cluster is restored."""

    arn: str
    identifier: str
    copied: bool = Field(description="False if source and target share a region: then this is the source snapshot.")


class SnapshotCheckInput(StepInput):
    """For snapshot-check: everything that can be known to be wrong before hours of copying."""

    source: Source
    target: Target
    users: tuple[DatabaseUser, ...]
    sql_files: tuple[SqlFile, ...] = ()
    notification: Notification
    copy_needed: bool

    @property
    def crosses_accounts(self) -> bool:
        """Whether the source belongs to another account than the target."""
        return self.source.account_id != self.target.account_id


class SnapshotCheckOutcome(StepOutcome):
    """Of snapshot-check."""

    snapshot: SourceSnapshot
    source_resource_id: str | None = Field(
        description="None if the source cluster itself is gone; its snapshot is not."
    )
    target_resource_id: str | None = Field(description="Of the cluster that will be deleted; None if there is none.")
    target_settings: ClusterSettings | None = Field(
        description="The target's settings before it is deleted; None if it never existed."
    )
    configuration: ClusterConfiguration = Field(description="What the restored cluster is given.")


class CopySnapshotInput(StepInput):
    """For copy-snapshot."""

    archive: Archive = Field(default=Archive(), description="How many copies stay if room must be made for this one.")
    snapshot: SourceSnapshot
    source: Source
    target: Target
    copy_needed: bool


class CopySnapshotOutcome(StepOutcome):
    """Of copy-snapshot; not done while RDS has no room for another copy between regions."""

    snapshot_copy: SnapshotCopy | None = None


class CheckCopyInput(StepInput):
    """For check-copy-status."""

    snapshot: SourceSnapshot
    snapshot_copy: SnapshotCopy
    target: Target


class ArchiveSnapshotInput(StepInput):
    """For archive-snapshot."""

    snapshot: SourceSnapshot
    snapshot_copy: SnapshotCopy
    target: Target
    archive: Archive


class ArchiveSnapshotOutcome(StepOutcome):
    """Of archive-snapshot."""

    kept: tuple[str, ...]
    pruned: tuple[str, ...]
