"""What a restore would do if it began now: the worker finds it out, `starter.py plan` prints it."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import AwareDatetime, Field

from models.model import Model
from models.request import RestoreRequest
from models.snapshots import SnapshotCopy, SourceSnapshot


class PlanInput(Model):
    """The input of plan-restore."""

    request: RestoreRequest
    at: AwareDatetime = Field(description="When the restore would begin.")


class CheckStatus(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class CheckResult(Model):
    """How the check of one rule ended."""

    rule: str
    status: CheckStatus = CheckStatus.PASSED
    message: str = Field(
        default="", description="Of a failed check what is wrong and what to do, of a skipped one why."
    )


class Setting(Model):
    """One setting of the restored cluster, as text."""

    name: str
    value: str
    origin: str = Field(description="Where the value comes from, in words.")


class Kept(Model):
    """A setting of the live target that the restored cluster gets."""

    setting: str
    value: str


class Changed(Model):
    """A setting that the request changes."""

    setting: str
    before: str
    after: str


class CarryOver(Model):
    """Everything that the target's owner signs for."""

    kept: tuple[Kept, ...]
    kept_instances: Mapping[str, Mapping[str, str]] = Field(
        description="By its name, the settings of each instance of the live target that the restored cluster has, too."
    )
    unset: tuple[str, ...] = Field(description="What neither the target nor the request sets: it stays RDS's default.")
    changed: tuple[Changed, ...]
    cannot_be_kept: tuple[str, ...] = Field(description="A sentence for each thing, with what that means.")


class InstanceToDelete(Model):
    """An instance of the live target."""

    identifier: str
    instance_class: str
    status: str


class ClusterToDelete(Model):
    """The live target."""

    arn: str
    resource_id: str
    status: str
    instances: tuple[InstanceToDelete, ...] = ()


class Plan(Model):
    """What one restore would do. None in an optional field means that AWS or an earlier check did not give it."""

    request: RestoreRequest
    at: AwareDatetime
    snapshot: SourceSnapshot | None = None
    snapshot_copy: SnapshotCopy | None = Field(
        default=None, description="The copy to restore from, whether it exists yet or not."
    )
    copy_status: str | None = Field(default=None, description="None if this snapshot has no copy yet.")
    target_described: bool = Field(default=False, description="Whether AWS answered what is under the target's name.")
    cluster_to_delete: ClusterToDelete | None = Field(
        default=None, description="None without a cluster, and if AWS did not answer."
    )
    carry_over: CarryOver | None = Field(default=None, description="What becomes of the live target; None without one.")
    settings: tuple[Setting, ...] = Field(
        default=(), description="Of a restore without a live target: each setting, and where it comes from."
    )
    masking: tuple[tuple[str, str], ...] = Field(
        default=(), description="What becomes of the tables, by database; empty if nothing is masked."
    )
    pruned: tuple[str, ...] | None = Field(
        default=None, description="The ARNs of the snapshots that archive-snapshot would delete."
    )
    results: tuple[CheckResult, ...] = ()

    @property
    def failed_checks(self) -> list[CheckResult]:
        """The checks that would stop the restore."""
        return [result for result in self.results if result.status is CheckStatus.FAILED]
