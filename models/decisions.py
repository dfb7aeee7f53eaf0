"""What an operator may say to a failed night that waits for him: the input of the update ``decide``."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from models.model import Model
from models.steps import Step


class Decision(StrEnum):
    """How a waiting night goes on."""

    RETRY = "retry"
    """Take the failed step again."""
    SKIP = "skip"
    """Go on without it."""
    ABORT = "abort"
    """End as failed, now."""


SKIPPABLE = (Step.ARCHIVE_SNAPSHOT,)
"""Without any other step there is no restored cluster, or one that production's logins still open."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class OperatorDecision(Model):
    """One decision, and whose it is."""

    decision: Decision
    by: Text = Field(description="Who decided; it stands in the trail.")
    reason: Text | None = Field(default=None, description="Why; it stands in the trail.")
