"""What remove-leftovers and remove-orphans are asked, and what a cleanup answers."""

from pydantic import Field

from models.model import Model
from models.operation import StepInput
from models.request import Archive, Source, Target


class RemoveLeftoversInput(StepInput):
    """For remove-leftovers: what of this operation's own is to go."""

    source: Source
    target: Target
    unfinished_copy: bool
    cluster_resource_id: str | None = Field(
        description="Of the half-restored cluster, as restore-snapshot answered it; None leaves whatever is there."
    )


class RemoveOrphansInput(StepInput):
    """For remove-orphans."""

    target: Target
    archive: Archive


class CleanupState(Model):
    """The result of AuroraCleanupWorkflow."""

    operation_id: str
    target: str = Field(description="The target cluster's ARN.")
    details: str
    removed: tuple[str, ...] = Field(default=(), description="The ARNs of what was removed.")
