"""The progress of a restore and of its steps."""

from datetime import datetime, timedelta

from pydantic import AwareDatetime, Field

from errors import Fault
from models.inventory import Inventory
from models.model import Model, SparseModel
from models.steps import STEPS, STEPS_THAT_KEEP_THE_OLD, Outcome, Replacement, Status, Step

STEPS_THAT_NEED_THE_COPY = (Step.CHECK_COPY_STATUS, Step.DELETE_RDS, Step.RESTORE_SNAPSHOT)
STEPS_THAT_NEED_NO_DRILL = (Step.REMOVE_DRILL, Step.SNS_NOTIFICATION)
"""The steps of a drill that do not need its cluster: it is to be gone."""


class StepState(SparseModel):
    """The progress of one step; the facts of its wait for AWS only while it waits."""

    step: Step
    status: Status
    details: str
    percent: int | None = None
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    skipped_by: str | None = Field(default=None, description="The operator who decided to continue without it.")
    deadline: AwareDatetime | None = Field(default=None, description="Until when it waits for AWS at most.")
    last_poll_at: AwareDatetime | None = Field(default=None, description="When AWS was last asked how far it is.")
    next_poll_at: AwareDatetime | None = Field(default=None, description="When AWS is asked next.")
    unchanged_since: AwareDatetime | None = Field(
        default=None, description="When the poll was that first saw what the last one saw."
    )
    expected_end_at: AwareDatetime | None = Field(
        default=None, description="When AWS is done if it takes as long as in most of this target's earlier restores."
    )


class RestoreState(Model):
    """The progress of a restore: the answer to the query `state`, and the workflow's result."""

    operation_id: str | None = None
    outcome: Outcome = Outcome.RUNNING
    replacement: Replacement = Replacement.DELETE_FIRST
    keeps_old: bool = Field(default=False, description="Whether the old cluster is kept for a time after the swap.")
    old_kept_until: AwareDatetime | None = Field(
        default=None, description="While the old cluster is kept: until when an operator may roll the swap back."
    )
    source_arn: str
    target_arn: str
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    steps: tuple[StepState, ...] = ()
    snapshot_arn: str | None = Field(default=None, description="The source snapshot.")
    snapshot_created_at: AwareDatetime | None = Field(
        default=None, description="When the source snapshot was taken, which is the time of the data."
    )
    snapshot_copy_arn: str | None = Field(
        default=None, description="The snapshot that is restored: the copy, or the source snapshot if none is needed."
    )
    cluster_arn: str | None = Field(default=None, description="The restored cluster.")
    cluster_resource_id: str | None = Field(
        default=None, description="The restored cluster's resource id, which no other cluster ever gets."
    )
    master_user_secret_id: str | None = Field(
        default=None,
        description="The secret of the restored cluster's master password: RDS's new one, or the request's.",
    )
    endpoint: str | None = None
    port: int | None = None
    differences: tuple[str, ...] = Field(
        default=(), description="Settings of the restored cluster that are not the configured ones."
    )
    warnings: tuple[str, ...] = ()
    fault: Fault | None = None
    removed_arns: tuple[str, ...] = Field(default=(), description="The leftovers that a failed restore removed.")
    inventory: Inventory | None = Field(default=None, description="The resources just before the last notification.")
    usual_seconds: dict[Step, int] = Field(
        default={},
        exclude_if=lambda usual: not usual,
        description="How long each step usually takes in an operation of this kind; empty if too few are known.",
    )
    seal_digest: str | None = Field(default=None, description="The digest of the operation's last seal in the trail.")
    waiting_until: AwareDatetime | None = Field(
        default=None, description="While a failed step waits: until when an operator may decide."
    )

    waited_seconds: int = Field(
        default=0,
        description="How long it has waited for an operator so far, without the wait that goes on now: until a failed step "
        "was decided upon, or until the operation was retried.",
    )

    old_kept_from: AwareDatetime | None = Field(
        default=None, description="When everything was done but the deletion of the old cluster, which is kept."
    )
    old_kept_to: AwareDatetime | None = Field(
        default=None, description="When the old cluster's time was over, or an operator rolled the swap back."
    )

    @property
    def drills(self) -> bool:
        """Whether it is a drill, which replaces nothing."""
        return self.replacement is Replacement.DRILL

    @property
    def kind(self) -> str:
        """What it is for a reader: restore or drill."""
        return "drill" if self.drills else "restore"

    @property
    def is_keeping_old(self) -> bool:
        """Whether the restore is done, and only the old cluster is kept."""
        return self.old_kept_until is not None and self.outcome is Outcome.SUCCEEDED

    @property
    def handed_over_at(self) -> datetime | None:
        """When the users got the target, as the trail has it; None until only the message is left to do, and of a drill."""
        if self.outcome is not Outcome.SUCCEEDED or self.drills:
            return None
        ends = [step.ended_at for step in self.steps if step.step in self._handover_steps and step.ended_at]
        return max(ends, default=None)

    @property
    def _handover_steps(self) -> tuple[Step, ...]:
        """The steps at whose end the users have the target: a swap hands it over by itself."""
        if self.replacement is Replacement.SWAP:
            return (Step.SWAP_CLUSTERS,)
        return self.planned_steps[: self.planned_steps.index(Step.SNS_NOTIFICATION)]

    def time_waited(self, now: datetime) -> timedelta:
        """How long the restore has waited for an operator until `now` (aware)."""
        waited = timedelta(seconds=self.waited_seconds)
        failed = next((each for each in self.steps if each.step is self.failed_step), None)
        if self.waiting_until is None or failed is None or failed.ended_at is None:
            return waited
        return waited + max(now - failed.ended_at, timedelta(0))

    def time_kept(self, now: datetime) -> timedelta:
        """How long the restore has only kept the old cluster until `now` (aware)."""
        if self.old_kept_from is None:
            return timedelta(0)
        return max((self.old_kept_to or self.ended_at or now) - self.old_kept_from, timedelta(0))

    def time_worked(self, now: datetime) -> timedelta:
        """How long the restore has worked until `now` (aware), or until its end: neither waited nor kept the old cluster."""
        until = self.ended_at or now
        return max(until - self.started_at - self.time_waited(until) - self.time_kept(until), timedelta(0))

    def describe_work(self, now: datetime) -> str:
        """How long the restore has worked until `now` (aware), such as 0:47:10."""
        return str(self.time_worked(now)).split(".")[0]

    def describe_time(self, now: datetime) -> str:
        """How long the restore has worked, and how long it waited for an operator and kept the old cluster, if it did."""
        until = self.ended_at or now
        others = {"waiting for an operator": self.time_waited(until), "keeping the old cluster": self.time_kept(until)}
        parts = [f"{str(length).split('.')[0]} of {what}" for what, length in others.items() if length]
        return " and ".join([self.describe_work(now), *parts])

    @property
    def planned_steps(self) -> tuple[Step, ...]:
        """Every step of this restore, in the order in which they run."""
        return STEPS_THAT_KEEP_THE_OLD if self.keeps_old else STEPS[self.replacement]

    def position_of(self, step: Step) -> str:
        """The step's place among all, such as 3 of 9."""
        return f"{self.planned_steps.index(step) + 1} of {len(self.planned_steps)}"

    @property
    def failed_step(self) -> Step | None:
        """The step at which the restore stopped; sns-notification only if no other step failed."""
        unfinished = [state.step for state in self.steps if state.status is not Status.SUCCESS and not state.skipped_by]
        before = [step for step in unfinished if step is not Step.SNS_NOTIFICATION]
        return next(reversed(before or unfinished), None)

    @property
    def retry_from(self) -> Step | None:
        """The earlier step from which a retry must run, because what it made is gone or of no use; None: the failed one."""
        if self.failed_step in STEPS_THAT_NEED_THE_COPY and self._is_lost("copy", self.snapshot_copy_arn):
            return Step.COPY_SNAPSHOT
        if self.drills and self.failed_step in STEPS_THAT_NEED_NO_DRILL:
            return None
        return Step.RESTORE_SNAPSHOT if self._is_lost("target cluster", self.cluster_arn) else None

    def _is_lost(self, kind: str, arn: str | None) -> bool:
        if arn is None:
            return False
        name = arn.rpartition(":")[2]
        resources = self.inventory.resources if self.inventory else ()
        kinds = (kind, "drill cluster")
        states = [resource.state for resource in resources if resource.kind in kinds and resource.name == name]
        return arn in self.removed_arns or any(state.startswith(("gone", "deleting", "failed")) for state in states)
