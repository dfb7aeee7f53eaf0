"""The input and the result of take-inventory: every resource of a restore and its status."""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from models.archive import Archive
from models.model import Model
from models.request import Target


class InventoryInput(Model):
    """The input of take-inventory."""

    operation_id: str
    target: Target
    archive: Archive
    snapshot_copy_arn: str | None = Field(default=None, description="The snapshot to restore, once it is known.")
    drill_resource_id: str | None = Field(
        default=None,
        exclude_if=lambda resource_id: resource_id is None,
        description="The cluster that this drill restored, once it is known.",
    )


class Resource(Model):
    """One resource as AWS described it."""

    kind: str = Field(description="copy, snapshot, target cluster, drill cluster, instance, instances of or cluster.")
    name: str
    state: str = Field(
        description="Its status and which operation made it, after the name that it was renamed to; or gone; or unknown, and why."
    )
    command: str = Field(description="The aws command that describes it.")


class OrphanReason(StrEnum):
    """Why a copy or a cluster is an orphan; docs/decisions/0015-compensation-and-cleanup.md has the definition."""

    FAILED = "failed"
    UNFINISHED = "unfinished"
    UNARCHIVED = "never archived"
    DRILL = "left by a drill"
    OLD = "old cluster of a swap"
    UNPROVEN = "named like the old cluster of a swap"


class Orphan(Model):
    """A copy, the cluster of a drill or the old cluster of a swap that an earlier operation left behind."""

    arn: str
    identifier: str
    reason: OrphanReason
    status: str
    operation_id: str | None = Field(description="The operation that left it, by its tag or by the trail.")
    remark: str | None = Field(
        default=None,
        exclude_if=lambda remark: remark is None,
        description="What it costs to keep, or why a cleanup does not delete it and what does.",
    )

    @property
    def text(self) -> str:
        """One line for the operator."""
        left_by = self.operation_id or "an unknown operation"
        return (
            f"{self.identifier}: {self.reason} ({self.status}), of {left_by}{f'; {self.remark}' if self.remark else ''}"
        )


class Inventory(Model):
    """Every resource of a restore, as far as AWS answered."""

    taken_at: AwareDatetime
    resources: tuple[Resource, ...] = ()
    orphans: tuple[Orphan, ...] = ()
    renamed_clusters: tuple[Resource, ...] = Field(
        default=(), description="Clusters that were restored for the target and renamed since. They are kept."
    )
    more_resources: int = Field(default=0, description="Resources and renamed clusters that are not listed.")
    more_orphans: int = Field(default=0, description="Orphans that are not listed.")
    incomplete_reason: str | None = Field(default=None, description="Why AWS did not answer for some or all of it.")
