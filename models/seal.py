"""The seal over an operation's rows: what `seal-trail` is told, and what it answers."""

from pydantic import AwareDatetime, Field

from models.model import Model


class SealInput(Model):
    """Asks for a seal over everything that the trail holds of an operation."""

    operation_id: str
    target_arn: str = Field(description="Each target has a chain of seals of its own.")
    workflow_id: str
    sealed_at: AwareDatetime = Field(description="On Temporal's clock: when the workflow came to this seal.")


class Seal(Model):
    """A seal that stands in the trail. Whoever keeps its digest elsewhere can tell whether the trail was rewritten."""

    digest: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 over the seal's row, as hexadecimal.")
    number: int = Field(ge=1, description="1, 2, 3 … in the chain of its target.")
    row_count: int = Field(ge=0, description="How many rows of the operation it covers, earlier seals among them.")
    sealed_at: AwareDatetime
    previous_digest: str | None = Field(default=None, description="The digest of the target's previous seal.")
