"""Compares the trail with Temporal's history: which rows it must have, and each of their fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from audit.durations import durations_fact
from audit.rows import ADDED_AT, ADDED_BY, AuditRow, Phase, from_item, stamp, to_item
from audit.verify.findings import FIND_WRITER, NOTES, Finding, FindingKind
from audit.verify.history import OperationHistory, RunHistory, ScheduledActivity, StepEnd
from errors import Fault
from models.steps import Status
from runs.terminations import describe_termination, short_text

ROUNDING = timedelta(milliseconds=2)
"""A row's times are cut to whole milliseconds."""

ADD_ROW = "Add the row:\npython starter.py audit verify {operation_id} --repair"


@dataclass
class HistoryComparison:
    """The result of comparing the rows with the history."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    missing_rows: list[AuditRow] = field(default_factory=list)
    """The rows that repair has to add."""
    confirmed_keys: set[str] = field(default_factory=set)
    """The keys of the rows that the history confirms."""


@dataclass(frozen=True)
class ExpectedOutcome:
    """The end of a step in the history, and the rows that may record it.

    At least one of the rows must exist, and each that exists must be right: after a reset, several runs record an end.
    """

    rows: tuple[AuditRow, ...]
    recorded_between: tuple[datetime, datetime] | None
    """When a row may have been recorded; None if the rows state the exact time."""
    kind_if_missing: FindingKind = FindingKind.MISSING_ROW


def compare_with_history(
    rows: Mapping[str, AuditRow], history: OperationHistory, workflow_id: str
) -> HistoryComparison:
    """Compare the rows of an operation, by the keys that they have in the table, with the operation's history."""
    comparison = HistoryComparison()
    outcome_keys: set[str] = set()
    for outcome in [*_expected_outcomes(history, workflow_id), *_expected_ends_of_open_steps(history, workflow_id)]:
        outcome_keys |= {row.event_key for row in outcome.rows}
        existing = [row for row in outcome.rows if row.event_key in rows]
        for expected in existing:
            _compare_fields(comparison, expected, rows[expected.event_key], outcome.recorded_between)
        if not existing:
            _report_missing(comparison, outcome)
    for key, row in rows.items():
        if key in outcome_keys or row.run_id in history.expired_run_ids:
            continue
        if key == row.event_key and _is_in_history(row, history, workflow_id):
            comparison.confirmed_keys.add(key)
        else:
            finding = _finding(FindingKind.UNEXPECTED_ROW, row, actual=_summary(row), what_to_do=FIND_WRITER)
            comparison.findings.append(finding.model_copy(update={"event_key": key}))
    return comparison


def _expected_outcomes(history: OperationHistory, workflow_id: str) -> Iterator[ExpectedOutcome]:
    """The end of each step once, in however many runs' histories it is."""
    ends: dict[tuple[str, int], tuple[StepEnd, list[RunHistory]]] = {}
    for run in history.runs:
        for event_id, end in run.ends.items():
            origin = (history.find_origin(run, event_id), event_id)
            ends.setdefault(origin, (end, []))[1].append(run)
    for end, runs in ends.values():
        if any(run.close_status is None for run in runs):
            kind, last = FindingKind.PENDING_ROW, datetime.max.replace(tzinfo=end.ended_at.tzinfo)
        else:
            kind, last = FindingKind.MISSING_ROW, max(run.last_event_at for run in runs)
        outcome = end.outcome
        if outcome is not None and outcome.run_id is not None and outcome.ended_at is not None:
            yield ExpectedOutcome((_success_row(end, workflow_id, outcome.run_id, outcome.ended_at),), None, kind)
        else:
            to_row = _success_row if outcome is not None else _failure_row
            rows = tuple(to_row(end, workflow_id, run.run_id, end.ended_at) for run in runs)
            yield ExpectedOutcome(rows, (end.ended_at, last), kind)


def _expected_ends_of_open_steps(history: OperationHistory, workflow_id: str) -> Iterator[ExpectedOutcome]:
    """The steps that were in progress when their run was closed from outside."""
    for run in history.runs:
        if run.close_status is None or run.closed_at is None:
            continue
        fault = _fault_of_open_step(run)
        kind = FindingKind.WORKFLOW_RESET if history.was_reset(run) else FindingKind.STEP_WITHOUT_END
        for activity in run.list_open_steps():
            row = _failure_row(StepEnd(activity, run.closed_at, fault=fault), workflow_id, run.run_id, run.closed_at)
            yield ExpectedOutcome((row,), (run.closed_at, run.closed_at), kind)


def _fault_of_open_step(run: RunHistory) -> Fault:
    """Why a step has no end: its run was closed from outside."""
    if run.termination is not None:
        text = describe_termination(run.termination)
        how_far = "The step was in progress; the rows of its attempts show how far it was."
        return Fault(type="Terminated", short=short_text(run.termination), message=f"{text}. {how_far}")
    if run.close_status == "timed out":
        message = "The workflow's execution timeout ended it while the step was in progress."
        return Fault(type="Timeout", short="Timed out (WORKFLOW)", message=message)
    message = f"The workflow {run.close_status} while the step was in progress."
    return Fault(type="NotEnded", short="Not ended", message=message)


def _success_row(end: StepEnd, workflow_id: str, run_id: str, at: datetime) -> AuditRow:
    if end.outcome is None:
        raise RuntimeError("a step that succeeded has an outcome")
    return _stored_row(
        **_outcome_fields(end.activity, workflow_id, run_id, at),
        status=Status.SUCCESS,
        details=end.outcome.details,
        attempt=end.outcome.attempt,
        request_ids=end.outcome.request_ids,
        resource_arns=end.outcome.resource_arns,
        facts=end.outcome.facts | durations_fact(end.outcome.durations),
    )


def _failure_row(end: StepEnd, workflow_id: str, run_id: str, at: datetime) -> AuditRow:
    if end.fault is None:
        raise RuntimeError("a step that failed has a fault")
    return _stored_row(
        **_outcome_fields(end.activity, workflow_id, run_id, at),
        status=Status.FAILED,
        details=end.fault.short,
        attempt=0,
        request_ids=(end.fault.request_id,) if end.fault.request_id else (),
        fault=end.fault,
    )


def _outcome_fields(activity: ScheduledActivity, workflow_id: str, run_id: str, at: datetime) -> dict[str, Any]:
    step_input = activity.step_input
    return {
        "operation_id": step_input.operation_id,
        "step": activity.step,
        "phase": Phase.OUTCOME,
        "step_started_at": step_input.step_started_at,
        "timestamp": at,
        "poll": step_input.poll,
        "workflow_id": workflow_id,
        "run_id": run_id,
        "duration_seconds": round((at - step_input.step_started_at).total_seconds(), 3),
    }


def _stored_row(**fields: Any) -> AuditRow:
    """A row as it would be read from the table: with times and texts cut."""
    return from_item(to_item(AuditRow(**fields)))


def _report_missing(comparison: HistoryComparison, outcome: ExpectedOutcome) -> None:
    """Note or report that no row records this end; unless it is only a note, repair has to add the row."""
    row, kind = outcome.rows[0], outcome.kind_if_missing
    if kind in NOTES:
        comparison.notes.append(_finding(kind, row, expected=_summary(row)))
    else:
        add_row = ADD_ROW.format(operation_id=row.operation_id)
        comparison.findings.append(_finding(kind, row, actual="no row", expected=_summary(row), what_to_do=add_row))
        comparison.missing_rows.append(row)


def _compare_fields(
    comparison: HistoryComparison,
    expected: AuditRow,
    actual: AuditRow,
    recorded_between: tuple[datetime, datetime] | None,
) -> None:
    """Compare a row field by field; a row that repair added must be right too, apart from its marks."""
    if ADDED_BY in actual.facts:
        added = f"added by {actual.facts[ADDED_BY]} at {actual.facts.get(ADDED_AT)}"
        comparison.notes.append(_finding(FindingKind.ADDED_ROW, actual, actual=added))
    facts = {name: value for name, value in actual.facts.items() if name not in (ADDED_BY, ADDED_AT)}
    unmarked = actual.model_copy(update={"facts": facts})
    different = [name for name in AuditRow.model_fields if not _equals(name, expected, unmarked, recorded_between)]
    for name in different:
        comparison.findings.append(
            _finding(
                FindingKind.FIELD_MISMATCH,
                expected,
                field=name,
                actual=str(getattr(unmarked, name)),
                expected=str(getattr(expected, name)),
                what_to_do=FIND_WRITER,
            )
        )
    if not different:
        comparison.confirmed_keys.add(expected.event_key)


def _equals(
    name: str, expected: AuditRow, actual: AuditRow, recorded_between: tuple[datetime, datetime] | None
) -> bool:
    """Whether a field has the expected value."""
    if recorded_between is not None and name == "timestamp":
        first, last = recorded_between
        return first - ROUNDING <= actual.timestamp <= last
    if name == "duration_seconds":
        duration = (actual.timestamp - actual.step_started_at).total_seconds()
        recorded = actual.duration_seconds
        return recorded is not None and abs(recorded - duration) <= ROUNDING.total_seconds()
    return bool(getattr(expected, name) == getattr(actual, name))


def _is_in_history(row: AuditRow, history: OperationHistory, workflow_id: str) -> bool:
    """Whether the history contains what a row records; an outcome is compared with the expected ones instead."""
    match row.phase:
        case Phase.OUTCOME:
            return False
        case Phase.DECISION:
            return _has_run(row, history, workflow_id)
        case _:
            return _has_activity(row, history, workflow_id)


def _has_activity(row: AuditRow, history: OperationHistory, workflow_id: str) -> bool:
    """Whether the history contains the activity, and the attempt of it, that a row records."""
    for run in history.runs:
        if (row.run_id, row.workflow_id) != (run.run_id, workflow_id):
            continue
        for activity in run.activities.values():
            step_input = activity.step_input
            same_step = (activity.step, stamp(step_input.step_started_at)) == (row.step, stamp(row.step_started_at))
            same_poll = step_input.poll == row.poll or row.phase is Phase.INTENT
            attempts = run.attempts.get(activity.scheduled_event_id, row.attempt)
            if same_step and same_poll and row.attempt <= attempts:
                return True
    return False


def _has_run(row: AuditRow, history: OperationHistory, workflow_id: str) -> bool:
    """Whether the history has the run of a decision. The decision to retry an ended run is in no history."""
    return row.workflow_id == workflow_id and any(run.run_id == row.run_id for run in history.runs)


def _finding(kind: FindingKind, row: AuditRow, **fields: str) -> Finding:
    return Finding(kind=kind, operation_id=row.operation_id, event_key=row.event_key, step=row.step, **fields)


def _summary(row: AuditRow) -> str:
    return f"{row.step} {row.phase} {row.status}: {row.details}"
