"""What an operator decides about a failed step that waits: the input of the update ``decide``."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from models.model import Model
from models.steps import Step


class Decision(StrEnum):
    """How an operation goes on after a failed step."""

    RETRY = "retry"
    """Run the failed step again."""
    SKIP = "skip"
    """Continue without the failed step."""
    ABORT = "abort"
    """End the operation as failed, now."""


SKIPPABLE = (Step.ARCHIVE_SNAPSHOT,)
"""Without any other step there is no restored cluster, or production's logins still work in it."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class OperatorDecision(Model):
    """A decision and who made it."""

    decision: Decision
    by: Text = Field(description="Who decided; kept in the trail.")
    reason: Text | None = Field(default=None, description="Why; kept in the trail.")
