"""What take-inventory is asked and answers: in what state everything is that a night worked on."""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from models.model import Model
from models.request import Archive, Target


class InventoryInput(Model):
    """For take-inventory: what the night knows of its resources."""

    operation_id: str
    target: Target
    archive: Archive
    snapshot_copy_arn: str | None = Field(default=None, description="The snapshot to restore, once it is known.")


class Resource(Model):
    """One resource as it was just seen."""

    kind: str = Field(description="copy, snapshot, target cluster, instance, instances of or cluster.")
    name: str
    state: str = Field(description="Its status and whose it is; gone; or not known, and why.")
    command: str = Field(description="The aws command that looks at it.")


class OrphanReason(StrEnum):
    """Why a copy is an orphan; docs/decisions/0015-compensation-and-cleanup.md has the definition."""

    FAILED = "failed"
    UNFINISHED = "unfinished"
    UNARCHIVED = "never archived"


class Orphan(Model):
    """A copy that an earlier night left behind."""

    arn: str
    identifier: str
    reason: OrphanReason
    status: str
    operation_id: str | None = Field(description="Of the night that made it, as its tag says.")

    @property
    def text(self) -> str:
        """On one line."""
        return f"{self.identifier}: {self.reason} ({self.status}), of {self.operation_id or 'an unknown operation'}"


class Inventory(Model):
    """Everything that was seen, as far as AWS answered."""

    taken_at: AwareDatetime
    resources: tuple[Resource, ...] = ()
    orphans: tuple[Orphan, ...] = ()
    renamed_clusters: tuple[Resource, ...] = Field(
        default=(), description="Clusters that were restored for the target and have another name now. They are kept."
    )
    incomplete_reason: str | None = Field(default=None, description="Why AWS did not answer for some or all of it.")
