"""The inputs of remove-leftovers and remove-orphans, and the state of a cleanup."""

from pydantic import AwareDatetime, Field

from errors import Fault
from models.archive import Archive
from models.inventory import Orphan
from models.model import Model
from models.request import RestoreRequest, Target
from models.source import Source
from models.step_call import StepInput
from models.steps import Outcome


class ListOrphansInput(Model):
    """The input of list-orphans: whose orphans, without the copies of an operation that runs now."""

    request: RestoreRequest
    operation_id: str | None = Field(
        default=None, description="The operation of the target that runs now, if one does."
    )
    snapshot_copy_arn: str | None = Field(default=None, description="The copy that it uses, made or adopted.")


class OrphanList(Model):
    """The outcome of list-orphans."""

    orphans: tuple[Orphan, ...]
    more: int = Field(default=0, description="How many follow that are not listed.")


class RemoveLeftoversInput(StepInput):
    """The input of remove-leftovers: which of this operation's own resources to remove."""

    source: Source
    target: Target
    snapshot_arn: str | None = Field(description="The source snapshot that snapshot-check chose.")
    unfinished_copy: bool
    cluster_resource_id: str | None = Field(
        description="The half-restored cluster, as restore-snapshot returned it; None keeps every cluster."
    )
    beside: bool = Field(
        default=False, description="Whether it was restored beside the target, which still is the old cluster."
    )

    @property
    def restored_target(self) -> Target:
        """The target under the name that the half-restored cluster was restored with."""
        return self.target.restored_as(self.operation_id) if self.beside else self.target


class RemoveDrillInput(StepInput):
    """The input of remove-drill: the cluster that this drill restored, and what it must not be."""

    source: Source
    target: Target = Field(description="The target of the request, which is not touched.")
    cluster_resource_id: str = Field(description="The cluster to remove, as restore-snapshot returned it.")
    target_resource_id: str | None = Field(description="The target as snapshot-check found it; None: there was none.")
    source_resource_id: str | None = Field(default=None, description="The source, as snapshot-check found it.")

    @property
    def drill(self) -> Target:
        """The target under the name that the drill restored the snapshot with."""
        return self.target.restored_as(self.operation_id)


class RemoveOrphansInput(StepInput):
    """The input of remove-orphans."""

    target: Target
    archive: Archive
    source: Source | None = Field(
        default=None, description="Whose restores the target's owner allowed; None: no cluster is removed."
    )


class CleanupState(Model):
    """The progress of a cleanup: the answer to its query `state`, and its result."""

    operation_id: str | None = None
    outcome: Outcome = Outcome.RUNNING
    target_arn: str
    started_at: AwareDatetime
    details: str = "Opening the operation"
    removed_arns: tuple[str, ...] = Field(default=(), description="The orphans that were removed.")
    fault: Fault | None = None
