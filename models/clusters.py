"""The inputs and outcomes of the cluster steps: delete-rds, restore-snapshot, check-restore-status, swap-clusters."""

from datetime import timedelta

from pydantic import AwareDatetime, Field

from models.closing import ClosedDatabase, Closing
from models.configuration import ClusterConfiguration, ClusterSettings, OnDifference
from models.model import Model
from models.quarantine import OwnNetwork
from models.request import Target
from models.snapshots import SnapshotCopy, SourceSnapshot
from models.source import Source
from models.step_call import StepInput, StepOutcome
from models.swap import NEW_RESOURCE_ID, OLD_RESOURCE_ID
from models.users import DatabaseUser


class Successor(Model):
    """The restored cluster that has the target's name since swap-clusters."""

    cluster: str
    cluster_resource_id: str


class DeleteClusterInput(StepInput):
    """The input of delete-rds: the target, and everything that its guards compare it with."""

    source: Source
    target: Target
    snapshot: SourceSnapshot
    snapshot_copy: SnapshotCopy
    source_resource_id: str | None
    target_resource_id: str | None = Field(
        description="The cluster that snapshot-check found; no other cluster may be deleted."
    )
    operation_started_at: AwareDatetime | None = Field(
        default=None,
        description="A cluster that any operation restored since then is never deleted.",
    )
    max_snapshot_age: timedelta | None = Field(
        default=None, description="The age that the snapshot may have when the deletion begins; None: any."
    )
    target_settings: ClusterSettings | None = Field(
        default=None, description="The target's settings; the trail keeps them before the target is deleted."
    )
    successor: Successor | None = Field(
        default=None,
        description="The cluster that has taken the target's name; None: none has, the deletion comes first.",
    )


class RestoreClusterInput(StepInput):
    """The input of restore-snapshot."""

    configuration: ClusterConfiguration
    source_arn: str = Field(description="The source cluster, which the opt-in tag of the restored target names.")
    target: Target
    snapshot: SourceSnapshot
    snapshot_copy: SnapshotCopy


class RestoreClusterOutcome(StepOutcome):
    """The outcome of restore-snapshot; when done, RDS has accepted the restore, or it was adopted."""

    cluster_arn: str | None = Field(default=None, description="Set when done, as is the resource id.")
    cluster_resource_id: str | None = None


class CheckRestoreInput(StepInput):
    """The input of check-restore-status."""

    target: Target
    configuration: ClusterConfiguration
    cluster_resource_id: str
    engine: str
    on_difference: OnDifference = OnDifference.WARN
    closing: Closing | None = Field(
        default=None, description="How to close the database once the writer is up; None: not, or it is closed already."
    )
    closed: ClosedDatabase | None = Field(default=None, description="What an earlier poll has closed; None: nothing.")
    in_quarantine: bool = Field(
        default=False,
        description="Whether only the worker reaches the cluster: then readers need not wait until it is closed.",
    )


class LastDeletion(Model):
    """The newest deletion of a target that the trail has, with the settings that the target had."""

    operation_id: str
    declared_at: AwareDatetime
    settings: ClusterSettings | None = Field(default=None, description="None if the intent has none.")
    restore_accepted_by: str | None = Field(
        default=None, description="The operation whose restore RDS has accepted since; None: none."
    )
    restore_completed: bool = Field(
        default=False,
        description="Whether such a restore has also been completed: instances, roles, endpoints and all.",
    )


class LastSwap(Model):
    """The newest swap in which a cluster lost the target's name, as the trail has it."""

    operation_id: str
    declared_at: AwareDatetime = Field(description="When the swap began.")
    new_resource_id: str = Field(description="The cluster that was to take its place.")
    succeeded: bool = Field(description="Whether it did: the users have logged in to it under the target's name.")


class Endpoint(Model):
    """The endpoint of the restored cluster and the secret with its master password."""

    host: str
    port: int
    engine: str
    master_username: str
    master_user_secret_id: str
    database_name: str | None = Field(
        description="The database that was created with the source cluster; None: the engine's default."
    )


class CheckRestoreOutcome(StepOutcome):
    """The outcome of check-restore-status; the endpoint is set when it is done."""

    endpoint: Endpoint | None = None
    closed: ClosedDatabase | None = Field(default=None, description="What was closed, by this poll or an earlier one.")
    differences: tuple[str, ...] = Field(
        default=(), description="How the restored cluster differs from its configuration."
    )

    @property
    def required_endpoint(self) -> Endpoint:
        """The endpoint of a step that is done."""
        if self.endpoint is None:
            raise RuntimeError("check-restore-status was done without an endpoint")
        return self.endpoint

    @property
    def next_input(self) -> dict[str, object]:
        """A database is closed once."""
        return {"closed": self.closed, "closing": None} if self.closed else {}


class SwapClustersInput(StepInput):
    """The input of swap-clusters and of swap-back: which cluster gets which name, and how that is proven."""

    source: Source
    target: Target
    old_resource_id: str | None = Field(description="The cluster that snapshot-check found; None: there was none.")
    new_resource_id: str = Field(description="The cluster that this operation restored beside it.")
    own_network: OwnNetwork | None = Field(
        default=None, description="What the new cluster gets before it gets the name."
    )
    endpoint: Endpoint = Field(description="Where the new cluster accepted logins before it got the name.")
    users: tuple[DatabaseUser, ...]
    logs_in: bool = Field(default=True, description="Whether a restore of this request logs in to the database at all.")
    restarted: bool = Field(default=False, description="Whether the new cluster was restarted for its certificate.")

    @property
    def facts(self) -> dict[str, str]:
        """The facts of each rename's intent, which prove later which cluster was the old one; none if there was none."""
        old = self.old_resource_id
        return {OLD_RESOURCE_ID: old, NEW_RESOURCE_ID: self.new_resource_id} if old else {}


class SwapClustersOutcome(StepOutcome):
    """The outcome of swap-clusters."""

    cluster_arn: str | None = Field(default=None, description="Set when done, as is the endpoint.")
    endpoint: Endpoint | None = None
    restarted: bool = False

    @property
    def next_input(self) -> dict[str, object]:
        """See base class."""
        return {"restarted": True} if self.restarted else {}

    @property
    def required_endpoint(self) -> Endpoint:
        """The endpoint of a step that is done."""
        if self.endpoint is None:
            raise RuntimeError("swap-clusters was done without an endpoint")
        return self.endpoint
