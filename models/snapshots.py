"""The inputs and outcomes of snapshot-check, copy-snapshot, check-copy-status and archive-snapshot."""

from datetime import UTC

from pydantic import AwareDatetime, Field

from models.archive import Archive, Notification
from models.configuration import ClusterConfiguration, ClusterSettings
from models.drill import DRILL_FACT
from models.masking import Masking
from models.model import Model
from models.quarantine import OwnNetwork
from models.request import Target
from models.source import Source
from models.step_call import StepInput, StepOutcome
from models.users import DatabaseUser, SqlFile

SNAPSHOT_CREATED_AT_FACT, SOURCE_FACT, STARTED_BY_FACT = "snapshot_created_at", "source", "started_by"
"""The facts of snapshot-check in the trail: when the source snapshot was taken (ISO 8601), and the ARN of its cluster."""


class SourceSnapshot(Model):
    """The source snapshot, as snapshot-check found it."""

    arn: str
    identifier: str
    created_at: AwareDatetime
    engine: str
    engine_version: str
    type: str = Field(default="manual", description="manual, automated, shared or awsbackup.")
    encrypted: bool
    kms_key_id: str | None = None
    cluster_resource_id: str | None = Field(
        default=None, description="The resource id of the cluster it was taken from, which no other cluster ever gets."
    )


class SnapshotCopy(Model):
    """The snapshot in the target region from which the cluster is restored."""

    arn: str
    identifier: str
    copied: bool = Field(description="False if source and target share a region: then this is the source snapshot.")


class SnapshotCheckInput(StepInput):
    """The input of snapshot-check: everything that it can check before hours of copying."""

    source: Source
    target: Target
    users: tuple[DatabaseUser, ...]
    sql_files: tuple[SqlFile, ...] = ()
    masking: Masking | None = None
    notification: Notification
    archive: Archive = Field(
        default=Archive(), description="How many copies stay: copies that may be removed make room in a quota."
    )
    copy_needed: bool
    operation_started_at: AwareDatetime | None = Field(
        default=None,
        description="A cluster that any operation restored since then is not replaced; None: a plan, or an old history.",
    )
    begin_before: AwareDatetime | None = Field(
        default=None, description="After this time nothing may be begun any more; None: at any time."
    )
    due_at: AwareDatetime | None = Field(default=None, description="When the restore was due.")
    running_workflow_id: str | None = Field(
        default=None,
        description="The workflow that restores or cleans up the target already; then this one is skipped.",
    )

    started_by: str | None = Field(
        default=None, description="Who started the restore, as the starter said; None: nobody said it."
    )

    @property
    def first_facts(self) -> dict[str, str]:
        """That it is a drill, if it is one."""
        return drill_fact(self.target, self.operation_id)

    def facts(self, snapshot: SourceSnapshot) -> dict[str, str]:
        """What the trail has of the restore once its snapshot is chosen."""
        return {
            SNAPSHOT_CREATED_AT_FACT: snapshot.created_at.astimezone(UTC).isoformat(),
            SOURCE_FACT: self.source.arn,
            **({STARTED_BY_FACT: self.started_by} if self.started_by else {}),
            **drill_fact(self.target, self.operation_id),
        }

    @property
    def crosses_accounts(self) -> bool:
        """Whether the source belongs to another account than the target."""
        return self.source.account_id != self.target.account_id


class SnapshotCheckOutcome(StepOutcome):
    """The outcome of snapshot-check."""

    snapshot: SourceSnapshot
    source_resource_id: str | None = Field(
        description="None if the source cluster no longer exists; its snapshot does."
    )
    target_resource_id: str | None = Field(description="The cluster that will be deleted; None if there is none.")
    target_settings: ClusterSettings | None = Field(
        description="The target's settings before it is deleted; None if it never existed."
    )
    configuration: ClusterConfiguration = Field(description="The settings of the restored cluster.")


class CopySnapshotInput(StepInput):
    """The input of copy-snapshot."""

    archive: Archive = Field(
        default=Archive(), description="How many copies stay if older ones must be removed to make room."
    )
    snapshot: SourceSnapshot
    source: Source
    target: Target
    copy_needed: bool
    kms_key_id: str | None = Field(
        default=None, description="The key of the restored cluster; an encrypted copy is made with it at once."
    )
    priority: int | None = Field(
        default=None,
        exclude_if=lambda priority: priority is None,
        description="Temporal's priority of the restore, from 1, the most urgent, to 5; an activity is not given it.",
    )


class CopySnapshotOutcome(StepOutcome):
    """The outcome of copy-snapshot; not done while RDS allows no further copy between regions."""

    snapshot_copy: SnapshotCopy | None = None


class CheckCopyInput(StepInput):
    """The input of check-copy-status."""

    snapshot: SourceSnapshot
    snapshot_copy: SnapshotCopy
    target: Target


class ArchiveSnapshotInput(StepInput):
    """The input of archive-snapshot."""

    snapshot: SourceSnapshot
    snapshot_copy: SnapshotCopy
    target: Target
    archive: Archive
    own_network: OwnNetwork | None = Field(
        default=None, description="What the target gets when it leaves its quarantine; None: it was in none."
    )
    masked_cluster_resource_id: str | None = Field(
        default=None,
        description="The restored and masked cluster of which a snapshot is kept; None: copies are kept.",
    )
    cluster_resource_id: str | None = Field(
        default=None, description="The restored cluster, which must still have its name; None: not known."
    )

    @property
    def restored_target(self) -> Target:
        """The target under the name that the restored cluster has by now: its own, unless this is a drill."""
        return self.target.restored_as(self.operation_id) if self.target.drills else self.target


class ArchiveSnapshotOutcome(StepOutcome):
    """The outcome of archive-snapshot: the ARNs of the snapshots that stay and of those that it removed.

    Not done while the masked snapshot is taken, nor while the target leaves its quarantine.
    """

    kept: tuple[str, ...] = ()
    pruned: tuple[str, ...] = ()


def drill_fact(target: Target, operation_id: str) -> dict[str, str]:
    """The fact that marks a drill; empty for a restore. The first row has it, so a drill that fails at once is known as one."""
    return {DRILL_FACT: target.restored_as(operation_id).cluster} if target.drills else {}
