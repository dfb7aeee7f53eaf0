"""What an operator decides about a failed step that waits, or about a swap: the input of the update ``decide``."""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

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
    ROLLBACK = "rollback"
    """While the old cluster is kept after a swap: give it its name back."""


SKIPPABLE = (Step.ARCHIVE_SNAPSHOT,)
"""Without any other step there is no restored cluster, or production's logins still work in it."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class OperatorDecision(Model):
    """A decision and who made it."""

    decision: Decision
    by: Text = Field(description="Who decided; kept in the trail.")
    reason: Text | None = Field(default=None, description="Why; kept in the trail.")


class RetryDecision(Model):
    """The decision to retry an operation that has ended: the input of record-decision.

    Its row is written by a worker, under the identity that writes the trail, before the operation is reset.
    """

    operation_id: str
    step: Step = Field(description="The step from which the operation continues.")
    decided: OperatorDecision
    ended_at: AwareDatetime = Field(description="When the run ended: the row's place in the trail.")
    decided_at: AwareDatetime | None = Field(default=None, description="Set by the workflow, by Temporal's clock.")
    workflow_id: str
    run_id: str = Field(description="The run that ended.")
