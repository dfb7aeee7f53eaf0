"""The seal over the rows of an operation: the input and the result of `seal-trail`."""

from pydantic import AwareDatetime, Field

from models.model import Model


class SealInput(Model):
    """Which operation to seal."""

    operation_id: str
    target_arn: str = Field(description="The target cluster's ARN: each target has its own chain of seals.")
    workflow_id: str
    sealed_at: AwareDatetime = Field(
        description="When the workflow asked for the seal, on the Temporal server's clock."
    )


class Seal(Model):
    """A seal in the trail. A copy of its digest elsewhere shows later whether the trail was rewritten."""

    digest: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 over the seal's row, in hexadecimal.")
    number: int = Field(ge=1, description="1, 2, 3 … in the chain of the target.")
    row_count: int = Field(ge=0, description="How many rows of the operation it covers, earlier seals included.")
    sealed_at: AwareDatetime
    previous_digest: str | None = Field(default=None, description="The digest of the target's previous seal.")
