"""How an operation went, from its rows of the trail alone: what is true also when Temporal has forgotten it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from audit.decisions import is_rollback, is_skip
from audit.rows import AuditRow, Phase
from errors import Cancelled, Skipped
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


class _Steps:
    """What the rows so far say of each step's newest run."""

    def __init__(self, order: tuple[Step, ...]) -> None:
        self.order = order
        self.ended: dict[Step, AuditRow] = {}
        self.skipped: set[Step] = set()
        self.rollback: AuditRow | None = None

    @property
    def before_the_message(self) -> tuple[Step, ...]:
        """The steps that the restore consists of: a kept old cluster is deleted after the message."""
        return self.order[: self.order.index(Step.SNS_NOTIFICATION)]

    def add(self, step: Step, row: AuditRow) -> None:
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
        again = self.order[self.order.index(first) :]
        self.ended = {step: row for step, row in self.ended.items() if step not in again}
        self.skipped -= set(again)


def summarize_operation(rows: Iterable[AuditRow]) -> OperationSummary | None:
    """The summary of an operation's rows in chronological order; None for a cleanup, and without rows."""
    of_steps = [(row.step, row) for row in rows if isinstance(row.step, Step)]
    if not of_steps:
        return None
    swaps = any(step is Step.SWAP_CLUSTERS for step, _ in of_steps)
    keeps_old = any(step is Step.SWAP_CLUSTERS and OLD_KEPT in row.facts for step, row in of_steps)
    order = STEPS[Replacement.SWAP if swaps else Replacement.DELETE_FIRST]
    steps = _Steps(STEPS_THAT_KEEP_THE_OLD if keeps_old else order)
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
        restored_at=_restored_at(steps),
        # After a swap it is the old cluster that is deleted; the target is the restored one.
        declared_deletion=not swaps
        and any(step is Step.DELETE_RDS and row.phase is Phase.INTENT for step, row in of_steps),
    )


def time_in_steps(rows: Sequence[AuditRow]) -> tuple[timedelta, timedelta]:
    """How long the steps of an operation took together, failed runs included, and how long it was between two steps.

    Between two steps an operation waits for an operator to decide, or until it is retried.
    """
    ended = [row for row in rows if row.phase is Phase.OUTCOME]
    if not ended:
        return timedelta(0), timedelta(0)
    worked = sum((row.timestamp - row.step_started_at for row in ended), timedelta(0))
    whole = max(row.timestamp for row in ended) - min(row.step_started_at for row in ended)
    return worked, max(whole - worked, timedelta(0))


def _outcome(steps: _Steps, last_step: Step, last: AuditRow) -> tuple[Outcome, Step, AuditRow]:
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


def _restored_at(steps: _Steps) -> datetime | None:
    """When the last step before the notification ended, if all of them ended well or were skipped."""
    before = steps.before_the_message
    is_complete = steps.rollback is None and all(
        step in steps.ended and (steps.ended[step].status is Status.SUCCESS or step in steps.skipped) for step in before
    )
    return max(steps.ended[step].timestamp for step in before) if is_complete else None
