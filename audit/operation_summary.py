"""How an operation went, from its rows of the trail alone: what is true also when Temporal has forgotten it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from audit.decisions import is_rollback, is_skip
from audit.rows import AuditRow, Phase
from errors import Cancelled, Skipped
from models.drill import DRILL_FACT
from models.snapshots import SNAPSHOT_CREATED_AT_FACT
from models.steps import STEPS, STEPS_THAT_KEEP_THE_OLD, Outcome, Replacement, Status, Step
from models.swap import OLD_KEPT

_OUTCOMES = {Skipped.__name__: Outcome.SKIPPED, Cancelled.__name__: Outcome.CANCELLED}


class OperationSummary(NamedTuple):
    """One restore."""

    operation_id: str
    outcome: Outcome
    """`RUNNING` also for a workflow that was terminated, which leaves no row."""
    step: Step
    """Where it is, or where it ended."""
    details: str
    """The short text of that step's last row."""
    at: datetime
    """When its last row was written."""
    restored_at: datetime | None
    """When the target was handed to its users; None if that did not happen."""
    declared_deletion: bool
    """Whether it declared that it deletes the target."""
    drill: str | None = None
    """Of a drill, which restores no target: the name of the cluster that it restored and removed."""
    drilled_at: datetime | None = None
    """When the users of a drill's cluster could log in; None if that did not happen."""
    snapshot_created_at: datetime | None = None
    """When the snapshot was taken that it restored; None if its rows do not have it."""
    replacement: Replacement = Replacement.DELETE_FIRST
    """How the restored cluster takes the target's place, as far as its rows show it."""

    @property
    def words(self) -> str:
        """The outcome, and that it is a drill's."""
        return outcome_words(self.outcome, self.drill)

    @property
    def ready_at(self) -> datetime | None:
        """When the users of the restored cluster could log in: at the handover of the target, or in a drill's cluster."""
        return self.restored_at or self.drilled_at


def outcome_words(outcome: Outcome, drill: str | None) -> str:
    """The outcome, and that it is a drill's; `drill` is the name of the cluster that a drill restored."""
    return f"drill {outcome}" if drill else str(outcome)


class StepsSoFar:
    """What the rows so far say of each step's newest run."""

    def __init__(self, rows: Sequence[AuditRow]) -> None:
        """`rows` are all of the operation, which say in which order the steps run; `add` takes them one by one."""
        swaps = [row for row in rows if row.step is Step.SWAP_CLUSTERS]
        self.swaps = bool(swaps)
        self.drill = next((row.facts[DRILL_FACT] for row in rows if DRILL_FACT in row.facts), None)
        self.replacement = Replacement.DRILL if self.drill else Replacement.SWAP if swaps else Replacement.DELETE_FIRST
        self.order = STEPS[self.replacement]
        self.keeps_old = any(OLD_KEPT in row.facts for row in swaps)
        if self.keeps_old:
            self.order = STEPS_THAT_KEEP_THE_OLD
        self.ended: dict[Step, AuditRow] = {}
        self.skipped: set[Step] = set()
        self.rollback: AuditRow | None = None

    @property
    def before_the_message(self) -> tuple[Step, ...]:
        """The steps that the restore consists of: a kept old cluster is deleted after the message."""
        return self.order[: self.order.index(Step.SNS_NOTIFICATION)]

    @property
    def is_restored(self) -> bool:
        """Whether all of them ended well or were skipped, and no operator has rolled the swap back."""
        return self.rollback is None and all(
            step in self.ended and (self.ended[step].status is Status.SUCCESS or step in self.skipped)
            for step in self.before_the_message
        )

    @property
    def is_keeping_old(self) -> bool:
        """Whether only the deletion of the old cluster, which is kept, has yet to begin."""
        notified = self.ended.get(Step.SNS_NOTIFICATION)
        is_notified = notified is not None and notified.status is Status.SUCCESS
        return self.keeps_old and is_notified and self.is_restored and Step.DELETE_RDS not in self.ended

    def add(self, step: Step, row: AuditRow) -> None:
        """Add the next row, which is one of `step`."""
        if row.phase is Phase.DECISION:
            if row.status is Status.IN_PROGRESS:  # to retry
                self._run_again_from(step)
            elif is_skip(row):
                self.skipped.add(step)
            elif is_rollback(row):
                self.rollback = row
            return
        before = self.ended.get(step)
        if before is not None and row.step_started_at > before.step_started_at:
            self._run_again_from(step)
        if row.phase is Phase.OUTCOME:
            self.ended[step] = row

    def _run_again_from(self, first: Step) -> None:
        # A row of a step that is none of this kind of restore, in a trail that somebody changed, hides no other.
        again = self.order[self.order.index(first) :] if first in self.order else (first,)
        self.ended = {step: row for step, row in self.ended.items() if step not in again}
        self.skipped -= set(again)


def summarize_operation(rows: Iterable[AuditRow]) -> OperationSummary | None:
    """The summary of an operation's rows in chronological order; None for a cleanup, and without rows."""
    rows = tuple(rows)
    of_steps = [(row.step, row) for row in rows if isinstance(row.step, Step)]
    if not of_steps:
        return None
    steps = StepsSoFar(rows)
    for step, row in of_steps:
        steps.add(step, row)
    last_step, last = of_steps[-1]
    outcome, step, decisive = _outcome(steps, last_step, last)
    return OperationSummary(
        operation_id=last.operation_id,
        outcome=outcome,
        step=step,
        details=decisive.details,
        at=last.timestamp,
        restored_at=None if steps.drill else _restored_at(steps),
        # After a swap it is the old cluster that is deleted; the target is the restored one.
        declared_deletion=not steps.swaps
        and any(step is Step.DELETE_RDS and row.phase is Phase.INTENT for step, row in of_steps),
        drill=steps.drill,
        drilled_at=_drilled_at(steps) if steps.drill else None,
        snapshot_created_at=_snapshot_created_at(rows),
        replacement=steps.replacement,
    )


def _snapshot_created_at(rows: Iterable[AuditRow]) -> datetime | None:
    texts = [row.facts[SNAPSHOT_CREATED_AT_FACT] for row in rows if SNAPSHOT_CREATED_AT_FACT in row.facts]
    try:
        created_at = datetime.fromisoformat(texts[-1]) if texts else None
    except ValueError:  # not the pipeline's own text
        return None
    return created_at if created_at is not None and created_at.tzinfo else None


def _outcome(steps: StepsSoFar, last_step: Step, last: AuditRow) -> tuple[Outcome, Step, AuditRow]:
    """The outcome, and the step and the row that decide it."""
    if steps.rollback is not None:
        return Outcome.FAILED, Step.SWAP_CLUSTERS, steps.rollback
    for step, row in steps.ended.items():
        if step is not Step.SNS_NOTIFICATION and row.status is Status.FAILED and step not in steps.skipped:
            return _OUTCOMES.get(row.fault.type if row.fault else "", Outcome.FAILED), step, row
    notified = steps.ended.get(Step.SNS_NOTIFICATION)
    if notified is None or (last_step is not Step.SNS_NOTIFICATION and last_step in steps.before_the_message):
        return Outcome.RUNNING, last_step, last
    if notified.status is Status.FAILED:
        return Outcome.FAILED, Step.SNS_NOTIFICATION, notified
    # A cancellation between two steps fails none of them.
    return (Outcome.SUCCEEDED if _restored_at(steps) else Outcome.CANCELLED), Step.SNS_NOTIFICATION, notified


def _drilled_at(steps: StepsSoFar) -> datetime | None:
    """When setup-db-users, which also runs the checks, ended well."""
    ended = steps.ended.get(Step.SETUP_DB_USERS)
    return ended.timestamp if ended and ended.status is Status.SUCCESS else None


def _restored_at(steps: StepsSoFar) -> datetime | None:
    """When the target was handed over, if the restore is done but for the notification: a swap hands it over by itself."""
    if not steps.is_restored:
        return None
    if steps.swaps:
        return steps.ended[Step.SWAP_CLUSTERS].timestamp
    return max(steps.ended[step].timestamp for step in steps.before_the_message)
