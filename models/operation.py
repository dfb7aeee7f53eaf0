"""One operation: what every step is told of it, and what every step answers."""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from errors import Fault
from models.inventory import Inventory
from models.model import Model
from models.steps import Outcome, Status, Step

NEED_THE_COPY = (Step.CHECK_COPY_STATUS, Step.DELETE_RDS, Step.RESTORE_SNAPSHOT)
"""The steps that cannot go on without the copy."""


class OpenOperationInput(Model):
    """Asks for the operation's number. One workflow, with all its runs and resets, gets one number."""

    workflow_id: str
    first_run_id: str = Field(description="The first run's id, which a reset or a retry of the workflow keeps.")
    target_arn: str
    opened_at: AwareDatetime


class Operation(Model):
    """An operation that has its number."""

    operation_id: str = Field(description="op-001, op-002 …, in the order of time.")
    opened_at: AwareDatetime


class FinalPoll(StrEnum):
    """Why a wait looks once more and then ends, whatever it sees."""

    DEADLINE = "deadline"
    CANCELLED = "cancelled"


class StepInput(Model):
    """What every step is told besides its own arguments."""

    operation_id: str
    step_started_at: AwareDatetime = Field(description="On Temporal's clock: when the workflow came to this step.")
    poll: int = Field(default=1, ge=1, description="The number of this look; 1 is the step's first.")
    resource_seen: bool = Field(
        default=False, description="Whether an earlier poll found the resource: then a NotFound is final."
    )
    final_poll: FinalPoll | None = Field(default=None, description="Set when nothing will look again after this.")


class StepOutcome(Model):
    """What a step answers when nothing failed."""

    done: bool = Field(default=True, description="Whether the step is over; if not, the workflow looks again later.")
    details: str = Field(description="When done, the trail's Details; until then, how far it is.")
    percent: int | None = Field(default=None, ge=0, le=100)
    resource_arns: tuple[str, ...] = ()
    request_ids: tuple[str, ...] = Field(default=(), description="AWS request ids of the calls that changed something.")
    attempt: int = Field(default=1, ge=1, description="The attempt of the activity that answered.")
    run_id: str | None = Field(
        default=None, description="The workflow run that asked; a reset workflow keeps its answer."
    )
    ended_at: AwareDatetime | None = Field(default=None, description="On Temporal's clock: when the activity answered.")
    warnings: tuple[str, ...] = ()
    facts: dict[str, str] = Field(default={}, description="What else an auditor will ask for, by name.")


class StepState(Model):
    """How one step stands."""

    step: Step
    status: Status
    details: str
    percent: int | None = None
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    skipped_by: str | None = Field(default=None, description="The operator who let the night go on without it.")


class RestoreState(Model):
    """How the night stands: the answer to the query `state` and the workflow's result."""

    operation_id: str | None = None
    outcome: Outcome = Outcome.RUNNING
    source_arn: str
    target_arn: str
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    steps: tuple[StepState, ...] = ()
    snapshot_arn: str | None = Field(default=None, description="The source snapshot.")
    snapshot_copy_arn: str | None = Field(
        default=None, description="The snapshot that is restored: the copy, or the source snapshot if none is needed."
    )
    cluster_arn: str | None = Field(default=None, description="The restored cluster.")
    cluster_resource_id: str | None = Field(
        default=None, description="The restored cluster's resource id, which no other cluster ever gets."
    )
    endpoint: str | None = None
    port: int | None = None
    warnings: tuple[str, ...] = ()
    fault: Fault | None = None
    removed_arns: tuple[str, ...] = Field(default=(), description="The leftovers that a failed restore removed.")
    inventory: Inventory | None = Field(default=None, description="What was there just before people were told.")
    seal_digest: str | None = Field(default=None, description="The digest of the operation's last seal in the trail.")
    waiting_until: AwareDatetime | None = Field(
        default=None, description="While the outcome is waiting: how long an operator may decide."
    )

    @property
    def failed_step(self) -> Step | None:
        """Where the night came to a halt; sns-notification only if nothing did before it."""
        unfinished = [of.step for of in self.steps if of.status is not Status.SUCCESS and of.skipped_by is None]
        before = [step for step in unfinished if step is not Step.SNS_NOTIFICATION]
        return next(reversed(before or unfinished), None)

    @property
    def retry_from(self) -> Step | None:
        """The earlier step that makes what the failed one goes on with, if that was removed or is of no use any more."""
        if self.failed_step in NEED_THE_COPY and self._is_lost("copy", self.snapshot_copy_arn):
            return Step.COPY_SNAPSHOT
        return Step.RESTORE_SNAPSHOT if self._is_lost("target cluster", self.cluster_arn) else None

    def _is_lost(self, what: str, arn: str | None) -> bool:
        if arn is None:
            return False
        named = (what, arn.rpartition(":")[2])
        seen = [of.state for of in (self.inventory.resources if self.inventory else ()) if (of.kind, of.name) == named]
        return arn in self.removed_arns or any(each.startswith(("gone", "deleting", "failed")) for each in seen)
