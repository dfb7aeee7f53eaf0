"""What the cluster steps are asked and answer: delete-rds, restore-snapshot, check-restore-status."""

from datetime import timedelta

from pydantic import AwareDatetime, Field

from models.configuration import ClusterConfiguration, ClusterSettings
from models.model import Model
from models.operation import StepInput, StepOutcome
from models.request import Source, Target
from models.snapshots import SnapshotCopy, SourceSnapshot


class DeleteClusterInput(StepInput):
    """For delete-rds: the target, and everything that proves it is not something else."""

    source: Source
    target: Target
    snapshot: SourceSnapshot
    snapshot_copy: SnapshotCopy
    source_resource_id: str | None
    target_resource_id: str | None = Field(
        description="Of the cluster that snapshot-check saw; only this very cluster may be deleted."
    )
    operation_started_at: AwareDatetime | None = Field(
        default=None,
        description="A cluster made since then under this operation's tag is its own and is never deleted.",
    )
    max_snapshot_age: timedelta | None = Field(
        default=None, description="The age that the snapshot may have when the deletion begins; none means any."
    )
    target_settings: ClusterSettings | None = Field(
        default=None, description="The target's settings; the trail keeps them before the target is deleted."
    )


class RestoreClusterInput(StepInput):
    """For restore-snapshot."""

    configuration: ClusterConfiguration
    source_arn: str = Field(
        description="The source cluster, named by the opt-in tag that the restored target carries again."
    )

    target: Target
    snapshot: SourceSnapshot
    snapshot_copy: SnapshotCopy


class RestoreClusterOutcome(StepOutcome):
    """Of restore-snapshot."""

    cluster_arn: str
    cluster_resource_id: str


class CheckRestoreInput(StepInput):
    """For check-restore-status."""

    target: Target
    configuration: ClusterConfiguration
    cluster_resource_id: str
    engine: str


class Endpoint(Model):
    """Where the restored cluster listens and where its master password is kept."""

    host: str
    port: int
    engine: str
    master_username: str
    master_user_secret_id: str
    database_name: str | None = Field(
        description="The database made with the source cluster; None means the engine's own."
    )


class CheckRestoreOutcome(StepOutcome):
    """Of check-restore-status."""

    endpoint: Endpoint | None = None
