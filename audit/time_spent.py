"""Where the time of an operation went, from its rows of the trail: in its steps, between them, or for a kept old cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from audit.operation_summary import StepsSoFar
from audit.rows import AuditRow, Phase
from models.steps import Step


class Gap(NamedTuple):
    """The time between two steps."""

    started_at: datetime
    ended_at: datetime
    is_keeping_old: bool
    """Whether the old cluster of a swap was kept, and nothing else was to do; otherwise an operator decided, or retried."""

    @property
    def duration(self) -> timedelta:
        """How long it was."""
        return self.ended_at - self.started_at


class TimeSpent(NamedTuple):
    """Where the time went; their sum is that from the first step to the last end."""

    worked: timedelta
    """In steps, failed runs included."""
    waited: timedelta
    """Between two steps: for an operator to decide, or until the operation was retried."""
    kept: timedelta
    """For the end of the time for which the old cluster was kept."""
    kept_from: datetime | None
    """When everything was done but the deletion of the old cluster; None without such a time."""
    kept_to: datetime | None
    """When the old cluster was no longer kept; None also while it is."""


def list_gaps(rows: Sequence[AuditRow]) -> Iterator[Gap]:
    """The gaps between the steps of an operation, whose rows are in chronological order."""
    steps = StepsSoFar(rows)
    ended: datetime | None = None
    is_keeping_old = False
    for row in rows:
        if row.phase is not Phase.DECISION:
            if ended is not None and row.step_started_at > ended:
                yield Gap(ended, row.step_started_at, is_keeping_old)
            ended = max(ended or row.step_started_at, row.step_started_at)
        if isinstance(row.step, Step):
            steps.add(row.step, row)
        if row.phase is Phase.OUTCOME and ended is not None:
            ended = max(ended, row.timestamp)
            is_keeping_old = steps.is_keeping_old


def sum_time(rows: Sequence[AuditRow]) -> TimeSpent:
    """Where the time of an operation went so far, whose rows are in chronological order."""
    gaps = list(list_gaps(rows))
    kept = [gap for gap in gaps if gap.is_keeping_old]
    kept_from, kept_to = (kept[-1].started_at, kept[-1].ended_at) if kept else (_kept_since(rows), None)
    return TimeSpent(
        worked=sum((row.timestamp - row.step_started_at for row in rows if row.phase is Phase.OUTCOME), timedelta()),
        waited=sum((gap.duration for gap in gaps if not gap.is_keeping_old), timedelta()),
        kept=sum((gap.duration for gap in kept), timedelta()),
        kept_from=kept_from,
        kept_to=kept_to,
    )


def _kept_since(rows: Sequence[AuditRow]) -> datetime | None:
    """Since when only the old cluster is kept; None if something else is to do, or nothing."""
    steps = StepsSoFar(rows)
    for row in rows:
        if isinstance(row.step, Step):
            steps.add(row.step, row)
    return steps.ended[Step.SNS_NOTIFICATION].timestamp if steps.is_keeping_old else None
