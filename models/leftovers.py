"""The inputs of remove-leftovers and remove-orphans, and the state of a cleanup."""

from pydantic import AwareDatetime, Field

from errors import Fault
from models.archive import Archive
from models.model import Model
from models.operation import StepInput
from models.request import Target
from models.source import Source
from models.steps import Outcome


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
        return self.target.beside if self.beside else self.target


class RemoveOrphansInput(StepInput):
    """The input of remove-orphans."""

    target: Target
    archive: Archive


class CleanupState(Model):
    """The progress of a cleanup: the answer to its query `state`, and its result."""

    operation_id: str | None = None
    outcome: Outcome = Outcome.RUNNING
    target_arn: str
    started_at: AwareDatetime
    details: str = "Opening the operation"
    removed_arns: tuple[str, ...] = Field(default=(), description="The orphans that were removed.")
    fault: Fault | None = None
