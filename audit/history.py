"""A target's earlier operations from the trail: how each one ended, how long its steps took, and whether they get slower."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from pydantic import AwareDatetime, Field

from audit.numbers import OperationNumbersTable
from audit.operation_summary import outcome_words, summarize_operation
from audit.rows import AuditRow, Phase
from audit.table import AuditTable
from audit.time_spent import sum_time
from models.model import Model
from models.steps import BESIDE, Housekeeping, Outcome, Replacement, Status, Step

LEAST_OPERATIONS = 4
"""Of how many succeeded operations a trend is made, two for each half."""
LEAST_FOR_THE_END = 3
"""How many operations of a kind must have succeeded before the end of another one is expected."""
DELETING = (Step.DELETE_RDS, Step.REMOVE_DRILL, Housekeeping.REMOVE_LEFTOVERS)
"""What deletes one of the two clusters of a swap or a drill."""
SLOWER, FASTER = 1.25, 0.8
"""From which share of the first half's median on the last half's is news …"""
LEAST_SECONDS = 60
"""… if it is so many seconds away from it."""


class PastOperation(Model):
    """One operation of a target."""

    operation_id: str
    opened_at: AwareDatetime
    outcome: Outcome
    step: Step = Field(description="Where it is, or where it ended.")
    drill: str | None = Field(
        default=None, description="Of a drill, which restores no target: the cluster that it restored and removed."
    )
    replacement: Replacement = Field(
        default=Replacement.DELETE_FIRST,
        description="How the restored cluster takes the target's place, as its rows show it.",
    )
    restore_seconds: int | None = Field(
        default=None, description="From its number to the handover to the users, waits included: the measured RTO."
    )
    worked_seconds: int = Field(description="In its steps, failed runs included.")
    waited_seconds: int = Field(description="Between two steps: for an operator, or until it was retried.")
    kept_seconds: int = Field(default=0, description="While only the old cluster of a swap was kept.")
    data_age_seconds: int | None = Field(
        default=None, description="How old the snapshot was at that handover: the measured RPO."
    )
    second_cluster_seconds: int | None = Field(
        default=None,
        description="How long there was a cluster beside the target, with a swap or a drill: AWS bills both. None: there was none, "
        "or it has no end in the trail.",
    )
    step_seconds: dict[Step, int] = Field(description="Of each step that ended well, the run that did.")

    @property
    def words(self) -> str:
        """The outcome, and that it is a drill's."""
        return outcome_words(self.outcome, self.drill)


class Trend(Model):
    """The median of the first half of the succeeded operations against that of the last half, in seconds."""

    step: Step | None = Field(default=None, description="None: all steps together.")
    first_median_seconds: int
    last_median_seconds: int

    @property
    def word(self) -> str | None:
        """Whether it gets slower or faster; None if neither is news."""
        change = self.last_median_seconds - self.first_median_seconds
        if change >= LEAST_SECONDS and self.last_median_seconds >= SLOWER * self.first_median_seconds:
            return "slower"
        if -change >= LEAST_SECONDS and self.last_median_seconds <= FASTER * self.first_median_seconds:
            return "faster"
        return None


class TargetHistory:
    """Reads the operations of a target."""

    def __init__(self, table: AuditTable, numbers: OperationNumbersTable) -> None:
        """`table` is the trail, `numbers` links the operations of each target."""
        self._table = table
        self._numbers = numbers

    def list_since(self, target_arn: str, first: datetime) -> list[PastOperation]:
        """The restores that were opened at `first` (aware) or later, the newest first. Raises `TrailUnavailable`."""
        return list(self._iterate(target_arn, first))

    def _iterate(self, target_arn: str, first: datetime) -> Iterator[PastOperation]:
        for operation in self._numbers.iterate_target(target_arn):
            if operation.opened_at < first:
                return
            past = describe_operation(self._table.list_rows(operation.operation_id), operation.opened_at)
            if past is not None:
                yield past


def describe_operation(rows: Sequence[AuditRow], opened_at: datetime) -> PastOperation | None:
    """The operation of these rows, in chronological order; None for a cleanup, and without rows."""
    summary = summarize_operation(rows)
    if summary is None:
        return None
    spent = sum_time(rows)
    ready_at = summary.ready_at
    return PastOperation(
        operation_id=summary.operation_id,
        opened_at=opened_at,
        outcome=summary.outcome,
        step=summary.step,
        worked_seconds=_seconds(spent.worked),
        waited_seconds=_seconds(spent.waited),
        kept_seconds=_seconds(spent.kept),
        drill=summary.drill,
        replacement=summary.replacement,
        restore_seconds=_seconds(ready_at - opened_at) if ready_at else None,
        second_cluster_seconds=_second_cluster(rows) if summary.replacement in BESIDE else None,
        data_age_seconds=_data_age(summary.snapshot_created_at, ready_at),
        step_seconds={
            row.step: _seconds(row.timestamp - row.step_started_at)
            for row in rows
            if row.phase is Phase.OUTCOME and row.status is Status.SUCCESS and isinstance(row.step, Step)
        },
    )


def find_usual_seconds(operations: Iterable[PastOperation]) -> dict[Replacement, dict[Step, int]]:
    """By kind, the median of the seconds that each step took in the succeeded operations; none of a kind with too few."""
    by_kind: dict[Replacement, list[PastOperation]] = {}
    for each in operations:
        if each.outcome is Outcome.SUCCEEDED:
            by_kind.setdefault(each.replacement, []).append(each)
    return {kind: _medians(each) for kind, each in by_kind.items() if len(each) >= LEAST_FOR_THE_END}


def _medians(operations: Sequence[PastOperation]) -> dict[Step, int]:
    measured: dict[Step, list[int]] = {}
    for each in operations:
        for step, seconds in each.step_seconds.items():
            measured.setdefault(step, []).append(seconds)
    return {step: round(statistics.median(seconds)) for step, seconds in measured.items()}


def list_trends(operations: Sequence[PastOperation]) -> list[Trend]:
    """The trend of all steps together, then of each step, of the succeeded operations; empty if these are too few."""
    oldest_first = [each for each in reversed(operations) if each.outcome is Outcome.SUCCEEDED and not each.drill]
    if len(oldest_first) < LEAST_OPERATIONS:
        return []
    measured: dict[Step | None, list[int]] = {None: [each.worked_seconds for each in oldest_first]}
    for each in oldest_first:
        for step, seconds in each.step_seconds.items():
            measured.setdefault(step, []).append(seconds)
    return [_trend(step, seconds) for step, seconds in measured.items() if len(seconds) >= LEAST_OPERATIONS]


def _trend(step: Step | None, oldest_first: Sequence[int]) -> Trend:
    half = len(oldest_first) // 2
    first, last = (round(statistics.median(part)) for part in (oldest_first[:half], oldest_first[-half:]))
    return Trend(step=step, first_median_seconds=first, last_median_seconds=last)


def _second_cluster(rows: Sequence[AuditRow]) -> int | None:
    """From the restore beside the target until one of the two clusters was deleted."""
    ended = [row for row in rows if row.phase is Phase.OUTCOME and row.status is Status.SUCCESS]
    began = [row.step_started_at for row in ended if row.step is Step.RESTORE_SNAPSHOT]
    deleted = [row.timestamp for row in ended if row.step in DELETING]
    return _seconds(deleted[-1] - began[0]) if began and deleted and deleted[-1] > began[0] else None


def _data_age(created_at: datetime | None, ready_at: datetime | None) -> int | None:
    return _seconds(ready_at - created_at) if created_at and ready_at else None


def _seconds(length: timedelta) -> int:
    return round(length.total_seconds())
