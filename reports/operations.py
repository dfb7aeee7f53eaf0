"""One operation as the report shows it, made from its rows of the trail."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from audit.numbers import OpenedOperation
from audit.operation_summary import OperationSummary, summarize_operation
from audit.rows import AuditRow, Phase
from audit.time_spent import Gap, list_gaps
from errors import Fault
from models.snapshots import SOURCE_FACT, STARTED_BY_FACT
from models.steps import AuditedStep, Outcome, Status, Step
from models.waits import DURATIONS_FACT

SHORTEST_WAIT = timedelta(minutes=1)
"""A shorter time between two steps is Temporal's, not that of a person."""


class StepRun(NamedTuple):
    """One run of a step: a step that was retried has several."""

    step: AuditedStep
    started_at: datetime
    ended_at: datetime | None
    """None while it is in progress, or if nothing recorded its end."""
    status: Status
    details: str
    fault: Fault | None
    failed_at: tuple[datetime, ...]
    """When an attempt of it failed that Temporal repeated."""
    changes: tuple[tuple[str, timedelta], ...]
    """How long AWS took for each change that it waited for."""

    @property
    def duration(self) -> timedelta | None:
        """How long it took."""
        return self.ended_at - self.started_at if self.ended_at else None


class ReportedDecision(NamedTuple):
    """What an operator decided."""

    step: AuditedStep
    at: datetime
    text: str


class ReportedOperation(NamedTuple):
    """One restore of a target."""

    opened: OpenedOperation
    summary: OperationSummary
    run_id: str
    """The newest run of the workflow."""
    snapshot_arn: str | None
    snapshot_created_at: datetime | None
    source_arn: str | None
    started_by: str | None
    runs: tuple[StepRun, ...]
    gaps: tuple[Gap, ...]
    """Between its steps, without the short ones, which are Temporal's."""
    decisions: tuple[ReportedDecision, ...]

    @property
    def operation_id(self) -> str:
        """Its number."""
        return self.opened.operation_id

    @property
    def target_arn(self) -> str:
        """The cluster that it restores."""
        return self.opened.target_arn

    @property
    def began_at(self) -> datetime:
        """When it got its number."""
        return self.opened.opened_at

    @property
    def outcome(self) -> Outcome:
        """How it ended, or that it runs."""
        return self.summary.outcome

    @property
    def is_drill(self) -> bool:
        """Whether it restored no target, but a cluster that it removed again."""
        return self.summary.drill is not None

    @property
    def ready_at(self) -> datetime | None:
        """When the users of the restored cluster could log in: at the handover of the target, or in a drill's cluster."""
        return self.summary.ready_at

    @property
    def restore_time(self) -> timedelta | None:
        """From its number until its users could log in, waits included: the measured RTO."""
        return self.ready_at - self.began_at if self.ready_at else None

    @property
    def data_age(self) -> timedelta | None:
        """How old the data was then: the measured RPO."""
        if self.ready_at is None or self.snapshot_created_at is None:
            return None
        return self.ready_at - self.snapshot_created_at


def report_operation(opened: OpenedOperation, rows: Sequence[AuditRow]) -> ReportedOperation | None:
    """The operation of these rows in chronological order; None for a cleanup, and if it has not begun a step."""
    summary = summarize_operation(rows)
    if summary is None:
        return None
    check = next((row for row in reversed(rows) if _is_success(row, Step.SNAPSHOT_CHECK)), None)
    return ReportedOperation(
        opened=opened,
        summary=summary,
        run_id=rows[-1].run_id,
        snapshot_arn=check.resource_arns[0] if check and check.resource_arns else None,
        snapshot_created_at=summary.snapshot_created_at,
        source_arn=check.facts.get(SOURCE_FACT) if check else None,
        started_by=check.facts.get(STARTED_BY_FACT) if check else None,
        runs=_runs(rows),
        gaps=tuple(gap for gap in list_gaps(rows) if gap.is_keeping_old or gap.duration >= SHORTEST_WAIT),
        decisions=tuple(
            ReportedDecision(row.step, row.timestamp, row.details) for row in rows if row.phase is Phase.DECISION
        ),
    )


def _is_success(row: AuditRow, step: Step) -> bool:
    return row.step is step and row.phase is Phase.OUTCOME and row.status is Status.SUCCESS


def group_by_run(rows: Iterable[AuditRow]) -> list[list[AuditRow]]:
    """The rows of each run of a step, in chronological order; without decisions."""
    by_run: dict[tuple[datetime, AuditedStep], list[AuditRow]] = {}
    for row in rows:
        if row.phase is not Phase.DECISION:
            by_run.setdefault((row.step_started_at, row.step), []).append(row)
    return [by_run[key] for key in sorted(by_run, key=lambda key: (key[0], key[1].number))]


def _runs(rows: Iterable[AuditRow]) -> tuple[StepRun, ...]:
    return tuple(map(_run, group_by_run(rows)))


def _run(rows: Sequence[AuditRow]) -> StepRun:
    """The rows of one run of a step; after a reset it can have two ends, of which the last one counts."""
    outcomes = [row for row in rows if row.phase is Phase.OUTCOME]
    last = max(outcomes, key=lambda row: row.timestamp) if outcomes else rows[-1]
    return StepRun(
        step=last.step,
        started_at=last.step_started_at,
        ended_at=last.timestamp if outcomes else None,
        status=last.status if outcomes else Status.IN_PROGRESS,
        details=last.details,
        fault=last.fault,
        failed_at=tuple(row.timestamp for row in rows if row.phase is Phase.ATTEMPT),
        changes=tuple(_changes(last.facts.get(DURATIONS_FACT, "{}"))),
    )


def _changes(fact: str) -> Iterable[tuple[str, timedelta]]:
    """None of what is not the durations of this pipeline."""
    try:
        values: Any = json.loads(fact)
    except ValueError:
        return
    if isinstance(values, dict):
        for name, seconds in values.items():
            if isinstance(seconds, int) and not isinstance(seconds, bool) and 0 <= seconds < timedelta.max.days:
                yield str(name), timedelta(seconds=seconds)
