"""What failed, by step and fault, with the command that continues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from errors import Cancelled, Skipped
from models.cures import cure_known_from_trail
from models.steps import Outcome, Status, Step
from reports.operations import ReportedOperation, StepRun
from reports.tables import Column, Table, make_table
from reports.times import format_time

MAX_NAMED = 5
"""Targets that a row of the failures names."""
NO_FAILURES = (Skipped.__name__, Cancelled.__name__)


class FailureGroup(NamedTuple):
    """Every failure of one step with one short text."""

    step: Step
    short: str
    code: str | None
    """AWS's or the database's code of the last one."""
    times: int
    targets: tuple[tuple[str, int], ...]
    """ARNs and how often each, the most frequent first."""
    last_operation: str
    last_at: datetime
    cure: str
    is_over: bool
    """Whether every operation that failed so has succeeded since."""


def group_failures(operations: Iterable[ReportedOperation]) -> list[FailureGroup]:
    """The groups, the most frequent first. A failed run counts also if a retry succeeded."""
    groups: dict[tuple[Step, str], list[tuple[ReportedOperation, StepRun]]] = {}
    for operation in operations:
        for run in operation.runs:
            if isinstance(run.step, Step) and run.status is Status.FAILED and run.ended_at and not _is_no_failure(run):
                groups.setdefault((run.step, run.details), []).append((operation, run))
    found = [_group(step, short, failures) for (step, short), failures in groups.items()]
    return sorted(found, key=lambda group: (-group.times, -group.last_at.timestamp()))


def _is_no_failure(run: StepRun) -> bool:
    return run.fault is not None and run.fault.type in NO_FAILURES


def _group(step: Step, short: str, failures: Sequence[tuple[ReportedOperation, StepRun]]) -> FailureGroup:
    operation, last = max(failures, key=lambda failure: failure[1].started_at)
    targets = Counter(each.target_arn for each, _ in failures)
    return FailureGroup(
        step=step,
        short=short,
        code=last.fault.code if last.fault else None,
        times=len(failures),
        targets=tuple(targets.most_common()),
        last_operation=operation.operation_id,
        last_at=last.ended_at or last.started_at,
        cure=cure_known_from_trail(operation.operation_id, step, short),
        is_over=all(each.outcome is Outcome.SUCCEEDED for each, _ in failures),
    )


def failures_table(operations: Sequence[ReportedOperation], labels: dict[str, str]) -> Table:
    """A row for each fault at a step, the most frequent first, with its cure."""
    columns = [
        Column("Fault"),
        Column("Step"),
        Column("Times", "number"),
        Column("Targets"),
        Column("Last"),
        Column("Cure", code=True),
    ]
    rows = []
    for group in group_failures(operations):
        names = [f"{labels[arn]} ({count})" if count > 1 else labels[arn] for arn, count in group.targets[:MAX_NAMED]]
        more = [f"and {len(group.targets) - MAX_NAMED} more"] if len(group.targets) > MAX_NAMED else []
        fault = f"{group.short} ({group.code})" if group.code else group.short
        cure = "none needed: a retry succeeded" if group.is_over else group.cure
        last = f"{group.last_operation}, {format_time(group.last_at)}"
        rows.append([fault, group.step.value, str(group.times), ", ".join((*names, *more)), last, cure])
    return make_table("Failures by step and fault", columns, rows)
