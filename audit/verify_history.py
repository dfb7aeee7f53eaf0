"""The trail against Temporal's history: what each row must be, row by row and field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from audit.findings import Finding, Kind
from audit.history import Called, End, OperationHistory, Run
from audit.rows import ADDED_AT, ADDED_BY, AuditRow, Phase, from_item, stamp, to_item
from errors import Fault
from models.steps import Status

ROUNDING = timedelta(milliseconds=2)
"""A row keeps its times cut to whole milliseconds."""

REPAIR = "Add it with: python starter.py audit verify {operation_id} --repair"
LOOK_INTO = "Somebody or something else wrote to the table: see CloudTrail's data events and point-in-time recovery."

_CLOSED = {
    "terminated": Fault(
        type="Terminated",
        short="Terminated",
        message="The workflow was terminated while the step was under way; what it did last stands in the attempts.",
    ),
    "timed out": Fault(
        type="Timeout",
        short="Timed out (WORKFLOW)",
        message="The workflow's own execution timeout ended it while the step was under way.",
    ),
}


@dataclass
class Compared:
    """What the comparison says."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    repairs: list[AuditRow] = field(default_factory=list)
    """Rows that are missing, as they must be."""
    confirmed: set[str] = field(default_factory=set)
    """The keys of the rows that the history confirms."""


@dataclass(frozen=True)
class Wanted:
    """One end, and the rows that may tell it: one is enough, and each that is there must be right."""

    rows: tuple[AuditRow, ...]
    reported_at: tuple[datetime, datetime] | None
    """Between which times; None if the rows have the very time."""
    may_be_absent: Kind | None = None
    """Why the trail need not have it, if it need not."""


def compare(rows: Mapping[str, AuditRow], history: OperationHistory, workflow_id: str) -> Compared:
    """Hold the rows of an operation, by the keys under which they stand, against its history."""
    compared = Compared()
    outcomes: set[str] = set()
    for wanted in [*_ends(history, workflow_id), *_unended(history, workflow_id)]:
        outcomes |= {row.event_key for row in wanted.rows}
        there = [row for row in wanted.rows if row.event_key in rows]
        for row in there:
            _same(compared, row, rows[row.event_key], wanted.reported_at)
        if not there:
            _absent(compared, wanted)
    for key, row in rows.items():
        if key in outcomes or row.run_id in history.gone:
            continue
        if key == row.event_key and _known(row, history, workflow_id):
            compared.confirmed.add(key)
        else:
            unknown = _finding(Kind.UNKNOWN, row, found=_summary(row), what_to_do=LOOK_INTO)
            compared.findings.append(unknown.model_copy(update={"event_key": key}))
    return compared


def _ends(history: OperationHistory, workflow_id: str) -> Iterator[Wanted]:
    """Each end once, however many runs have it in their histories."""
    told: dict[tuple[str, int], tuple[End, list[Run]]] = {}
    for run in history.runs:
        for event_id, end in run.ends.items():
            told.setdefault((history.origin(run, event_id), event_id), (end, []))[1].append(run)
    for end, runs in told.values():
        until = max(run.last_event_at if run.closed else datetime.max.replace(tzinfo=end.at.tzinfo) for run in runs)
        on_its_way = Kind.ON_ITS_WAY if any(run.closed is None for run in runs) else None
        if end.answer is not None and end.answer.run_id is not None and end.answer.ended_at is not None:
            yield Wanted((_success(end, workflow_id, end.answer.run_id, end.answer.ended_at),), None, on_its_way)
        else:
            row = _success if end.answer is not None else _failure
            yield Wanted(tuple(row(end, workflow_id, run.run_id, end.at) for run in runs), (end.at, until), on_its_way)


def _unended(history: OperationHistory, workflow_id: str) -> Iterator[Wanted]:
    """The steps that were under way when a run was closed from outside."""
    for run in history.runs:
        if run.closed is None or run.closed_at is None:
            continue
        fault = _CLOSED.get(run.closed) or Fault(
            type="Unended", short="Not ended", message=f"The workflow {run.closed} while the step was under way."
        )
        superseded = Kind.SUPERSEDED if history.went_on(run) else None
        for called in run.unended():
            row = _failure(End(called, run.closed_at, fault=fault), workflow_id, run.run_id, run.closed_at)
            yield Wanted((row,), (run.closed_at, run.closed_at), superseded or Kind.UNENDED)


def _success(end: End, workflow_id: str, run_id: str, at: datetime) -> AuditRow:
    if end.answer is None:
        raise RuntimeError("a success has an answer")
    return _as_stored(
        **_facts_of(end.called, workflow_id, run_id, at),
        status=Status.SUCCESS,
        details=end.answer.details,
        attempt=end.answer.attempt,
        request_ids=end.answer.request_ids,
        resource_arns=end.answer.resource_arns,
        facts=end.answer.facts,
    )


def _failure(end: End, workflow_id: str, run_id: str, at: datetime) -> AuditRow:
    if end.fault is None:
        raise RuntimeError("a failure has a fault")
    return _as_stored(
        **_facts_of(end.called, workflow_id, run_id, at),
        status=Status.FAILED,
        details=end.fault.short,
        attempt=0,
        request_ids=(end.fault.request_id,) if end.fault.request_id else (),
        fault=end.fault,
    )


def _facts_of(called: Called, workflow_id: str, run_id: str, at: datetime) -> dict[str, Any]:
    return {
        "operation_id": called.told.operation_id,
        "step": called.step,
        "phase": Phase.OUTCOME,
        "step_started_at": called.told.step_started_at,
        "timestamp": at,
        "poll": called.told.poll,
        "workflow_id": workflow_id,
        "run_id": run_id,
        "duration_seconds": round((at - called.told.step_started_at).total_seconds(), 3),
    }


def _as_stored(**values: Any) -> AuditRow:
    """A row as it comes back from the table, with its times and texts cut as there."""
    return from_item(to_item(AuditRow(**values)))


def _absent(compared: Compared, wanted: Wanted) -> None:
    """No row tells this end."""
    row = wanted.rows[0]
    if wanted.may_be_absent is Kind.ON_ITS_WAY:
        later = "Nothing: the workflow is running, and the row may still come. Verify again when it has ended."
        compared.notes.append(_finding(Kind.ON_ITS_WAY, row, wanted=_summary(row), what_to_do=later))
    elif wanted.may_be_absent is Kind.SUPERSEDED:
        reset = "Nothing: the workflow was reset, and the operation went on in another run."
        compared.notes.append(_finding(Kind.SUPERSEDED, row, found="a step without an end", what_to_do=reset))
    else:
        kind = wanted.may_be_absent or Kind.MISSING
        compared.findings.append(
            _finding(kind, row, wanted=_summary(row), what_to_do=REPAIR.format(operation_id=row.operation_id))
        )
        compared.repairs.append(row)


def _same(compared: Compared, wanted: AuditRow, found: AuditRow, reported_at: tuple[datetime, datetime] | None) -> None:
    """Compare field by field; what `audit verify` added must be right too."""
    facts = {name: value for name, value in found.facts.items() if name not in (ADDED_BY, ADDED_AT)}
    if ADDED_BY in found.facts:
        by = f"by {found.facts[ADDED_BY]}, {found.facts.get(ADDED_AT)}"
        nothing = "Nothing: it was not written when it happened, and says so itself."
        compared.notes.append(_finding(Kind.ADDED, found, found=by, what_to_do=nothing))
    plain = found.model_copy(update={"facts": facts})
    different = [name for name in AuditRow.model_fields if not _equal(name, wanted, plain, reported_at)]
    for name in different:
        compared.findings.append(
            _finding(
                Kind.DIFFERENT,
                wanted,
                field=name,
                found=str(getattr(plain, name)),
                wanted=str(getattr(wanted, name)),
                what_to_do=LOOK_INTO,
            )
        )
    if not different:
        compared.confirmed.add(wanted.event_key)


def _equal(name: str, wanted: AuditRow, found: AuditRow, reported_at: tuple[datetime, datetime] | None) -> bool:
    if reported_at is not None and name == "timestamp":
        first, last = reported_at
        return first - ROUNDING <= found.timestamp <= last
    if name == "duration_seconds":
        length = (found.timestamp - found.step_started_at).total_seconds()
        return found.duration_seconds is not None and abs(found.duration_seconds - length) <= ROUNDING.total_seconds()
    return bool(getattr(wanted, name) == getattr(found, name))


def _known(row: AuditRow, history: OperationHistory, workflow_id: str) -> bool:
    """Whether the history has what a row that is no outcome tells of."""
    match row.phase:
        case Phase.OUTCOME:
            return False
        case Phase.DECISION:
            return _was_decided(row, history, workflow_id)
        case _:
            return _was_called(row, history, workflow_id)


def _was_called(row: AuditRow, history: OperationHistory, workflow_id: str) -> bool:
    """Whether the history has the call of which a beginning, an intent or an attempt tells."""
    for run in history.runs:
        for called in run.calls.values():
            told = called.told
            same = (called.step, stamp(told.step_started_at)) == (row.step, stamp(row.step_started_at))
            look = told.poll == row.poll or row.phase is Phase.INTENT
            attempts = run.attempts.get(called.scheduled_id, row.attempt)
            if same and look and row.attempt <= attempts and (row.run_id, row.workflow_id) == (run.run_id, workflow_id):
                return True
    return False


def _was_decided(row: AuditRow, history: OperationHistory, workflow_id: str) -> bool:
    """Whether there was such a run; who decided what on a run that had ended stands in the trail alone."""
    return row.workflow_id == workflow_id and any(run.run_id == row.run_id for run in history.runs)


def _finding(kind: Kind, row: AuditRow, **told: str) -> Finding:
    return Finding(kind=kind, operation_id=row.operation_id, event_key=row.event_key, step=row.step, **told)


def _summary(row: AuditRow) -> str:
    return f"{row.step} {row.phase} {row.status}: {row.details}"
