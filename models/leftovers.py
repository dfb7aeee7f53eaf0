"""What remove-leftovers and remove-orphans are asked, and what a cleanup answers."""

from pydantic import AwareDatetime, Field

from errors import Fault
from models.model import Model
from models.operation import StepInput
from models.request import Archive, Source, Target
from models.steps import Outcome


class RemoveLeftoversInput(StepInput):
    """For remove-leftovers: what of this operation's own is to go."""

    source: Source
    target: Target
    snapshot_arn: str | None = Field(description="The source snapshot that snapshot-check chose.")
    unfinished_copy: bool
    cluster_resource_id: str | None = Field(
        description="Of the half-restored cluster, as restore-snapshot answered it; None leaves whatever is there."
    )


class RemoveOrphansInput(StepInput):
    """For remove-orphans."""

    target: Target
    archive: Archive


class CleanupState(Model):
    """How a cleanup stands: the answer to its query `state` and its result."""

    operation_id: str | None = None
    outcome: Outcome = Outcome.RUNNING
    target_arn: str
    started_at: AwareDatetime
    details: str = "Opening the operation"
    removed_arns: tuple[str, ...] = Field(default=(), description="The orphans that were removed.")
    fault: Fault | None = None
