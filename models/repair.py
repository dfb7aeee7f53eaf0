"""What `audit verify --repair` asks of a worker, which may write the trail."""

from pydantic import Field

from models.model import Model


class RepairInput(Model):
    """The input of repair-trail."""

    operation_id: str


class Repaired(Model):
    """What repair-trail has added."""

    added: tuple[str, ...] = Field(
        default=(), description="The sort keys of the rows and of the seal, at most a thousand."
    )
