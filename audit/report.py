"""The report of the trail: date, operation, step, status, details and time of each step.

By default it shows one row per step, its outcome; with attempts, every row that the trail holds. The newest operation
comes first, its steps in chronological order. `audit.report_formats` draws it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from pydantic import AwareDatetime, Field

from audit.rows import AuditRow, Phase
from errors import Fault
from models.checks import read_checks
from models.identifiers import arn_of_workflow_id
from models.model import Model
from models.steps import AuditedStep, Housekeeping, Status
from models.workflow_names import CANONICAL_ID_PREFIX

if TYPE_CHECKING:
    from audit.table import AuditTable

IN_PROGRESS_PHASES = (Phase.STARTED, Phase.INTENT)
SUMMARY_PHASES = (Phase.OUTCOME, Phase.DECISION)
"""What the report without attempts shows. Decisions, because they explain why an operation continued after a failure."""

RESTORE = "restore"
LONGEST_OPERATION = timedelta(days=2)
"""More than the time between any two rows of one operation that nobody retries later: its longest wait is 24 hours."""
_NUMBERED = "op-"


class TrailRow(Protocol):
    """What the report needs of a row: an `AuditRow`, or a `StoredRow`, which has no more than this."""

    @property
    def operation_id(self) -> str: ...  # noqa: D102 - as AuditRow says
    @property
    def event_key(self) -> str: ...  # noqa: D102
    @property
    def run_id(self) -> str: ...  # noqa: D102
    @property
    def step(self) -> AuditedStep: ...  # noqa: D102
    @property
    def phase(self) -> Phase: ...  # noqa: D102
    @property
    def status(self) -> Status: ...  # noqa: D102
    @property
    def details(self) -> str: ...  # noqa: D102
    @property
    def step_started_at(self) -> datetime: ...  # noqa: D102
    @property
    def timestamp(self) -> datetime: ...  # noqa: D102
    @property
    def attempt(self) -> int: ...  # noqa: D102
    @property
    def fault(self) -> Fault | None: ...  # noqa: D102
    @property
    def workflow_id(self) -> str: ...  # noqa: D102
    @property
    def drill(self) -> str | None: ...  # noqa: D102


class ReportRow(Model):
    """One line of the report."""

    operation_id: str
    kind: str = Field(default=RESTORE, description="Of the operation: restore, drill or cleanup.")
    target: str | None = Field(default=None, description="The ARN of its target.")
    step: AuditedStep
    status: Status
    details: str
    timestamp: AwareDatetime
    attempt: int = Field(description="The attempt of the step's activity; 0 if Temporal does not report it.")
    fault: Fault | None = None
    checks: list[dict[str, str | bool]] | None = Field(
        default=None, description="In the report of one operation what the step compared; None if it compared nothing."
    )

    @property
    def cells(self) -> tuple[str, ...]:
        """Date, operation, step, status, details and time, as texts; times in UTC."""
        timestamp = self.timestamp.astimezone(UTC).isoformat(" ", "seconds")
        day, seconds = timestamp[: len("2026-03-20")], timestamp[: len("2026-03-20 00:05:00")]
        operation = self.operation_id if self.kind == RESTORE else f"{self.operation_id} ({self.kind})"
        return (day, operation, self.step.value, self.status.value, self.details, seconds)

    @property
    def attempt_cells(self) -> tuple[str, ...]:
        """Attempt and fault, as texts."""
        fault = f"{self.fault.code or self.fault.type}: {self.fault.message}" if self.fault else ""
        return (str(self.attempt or ""), fault)


def rows_of_days(table: AuditTable, first: date, last: date) -> Iterator[list[TrailRow]]:
    """All rows of the operations that began between two days (UTC), both included.

    In parts: each has all rows of its operations, which are newer than those of the next part. Only a few days are in
    memory. An operation that began before `first` is left out completely: half an operation would read like a failed one.
    Raises `TrailUnavailable`.
    """
    unfinished = _UnfinishedOperations(table)
    for day, rows in table.iterate_days(last + LONGEST_OPERATION, first - LONGEST_OPERATION):
        unfinished.add(rows)
        yield unfinished.pop(day + LONGEST_OPERATION, first, last)
    yield unfinished.pop(first, first, last)


def report_rows(rows: Iterable[TrailRow], attempts: bool = False) -> list[ReportRow]:
    """The lines of the report: the newest operation first, the steps of each in chronological order."""
    newest_first = sorted(_group_by_operation(rows), key=_started_at, reverse=True)
    return [
        _report_row(row, _kind_of(operation))
        for operation in newest_first
        for row in (operation if attempts else _summarize(operation))
    ]


def _kind_of(operation: Sequence[TrailRow]) -> str:
    """Some rows of a drill say that it is one; a cleanup removes orphans, and does nothing else."""
    if any(row.drill for row in operation):
        return "drill"
    return "cleanup" if all(row.step is Housekeeping.REMOVE_ORPHANS for row in operation) else RESTORE


class _UnfinishedOperations:
    """The operations of which older rows may follow, because the days are read backwards."""

    def __init__(self, table: AuditTable) -> None:
        self._table = table
        self._rows: dict[str, list[TrailRow]] = {}
        self._first_keys: dict[str, str] = {}
        self._complete: set[str] = set()
        """The operations whose rows were read all at once, also those that are no longer here."""

    def add(self, rows: Iterable[TrailRow]) -> None:
        for row in rows:
            if row.operation_id in self._complete:
                continue
            self._rows.setdefault(row.operation_id, []).append(row)
            known = self._first_keys.setdefault(row.operation_id, row.event_key)
            self._first_keys[row.operation_id] = min(known, row.event_key)

    def pop(self, since: date, first: date, last: date) -> list[TrailRow]:
        """Remove the operations that began on the day `since` or later; return the rows of those that the days include."""
        for operation_id in self._list_begun(since):
            self._complete_rows(operation_id)
        begun = self._list_begun(since)
        shown = [each for each in begun if first.isoformat() <= self._first_day(each) <= last.isoformat()]
        rows = sorted((row for operation_id in shown for row in self._rows[operation_id]), key=_key)
        for operation_id in begun:
            del self._rows[operation_id], self._first_keys[operation_id]
        return rows

    def _complete_rows(self, operation_id: str) -> None:
        """Read all rows of an operation that may have begun earlier than the rows that were read.

        One that was retried or reset days later has rows in two places of the trail.
        """
        if operation_id in self._complete or not operation_id.startswith(_NUMBERED):
            return
        rows = self._rows[operation_id]
        is_whole = min(rows, key=_key).step.number <= 1 and not any(row.phase is Phase.DECISION for row in rows)
        if is_whole and len({row.run_id for row in rows}) == 1:
            return
        self._complete.add(operation_id)
        self._rows[operation_id] = list(self._table.list_rows(operation_id))
        self._first_keys[operation_id] = min(map(_key, self._rows[operation_id]))

    def _list_begun(self, since: date) -> list[str]:
        return [operation_id for operation_id in self._rows if self._first_day(operation_id) >= since.isoformat()]

    def _first_day(self, operation_id: str) -> str:
        return self._first_keys[operation_id][: len("2026-03-20")]


def _key(row: TrailRow) -> str:
    return row.event_key


def _group_by_operation(rows: Iterable[TrailRow]) -> list[list[TrailRow]]:
    """The rows of each operation, in chronological order."""
    operations: dict[str, list[TrailRow]] = {}
    for row in sorted(rows, key=_key):
        operations.setdefault(row.operation_id, []).append(row)
    return list(operations.values())


def _started_at(operation: Sequence[TrailRow]) -> datetime:
    return operation[0].step_started_at.astimezone(UTC)


def _summarize(operation: Sequence[TrailRow]) -> list[TrailRow]:
    """The outcomes, the decisions, and the step in progress. A step that was retried can have several outcomes."""
    return [row for row in operation if row.phase in SUMMARY_PHASES or _is_in_progress(row, operation)]


def _is_in_progress(row: TrailRow, operation: Sequence[TrailRow]) -> bool:
    """Whether the row begins a run of a step that has no outcome, and that no later run of the step replaces."""
    if row.phase not in IN_PROGRESS_PHASES:
        return False
    same_step = [other for other in operation if other.step is row.step and other is not row]
    ended = any(other.phase is Phase.OUTCOME and other.step_started_at >= row.step_started_at for other in same_step)
    replaced = any(
        other.phase in IN_PROGRESS_PHASES and other.step_started_at > row.step_started_at for other in same_step
    )
    return not ended and not replaced


def _report_row(row: TrailRow, kind: str) -> ReportRow:
    # Without validation: the row was validated when it was read.
    return ReportRow.model_construct(
        operation_id=row.operation_id,
        kind=kind,
        target=arn_of_workflow_id(row.workflow_id) if row.workflow_id.startswith(CANONICAL_ID_PREFIX) else None,
        step=row.step,
        status=row.status,
        details=row.details,
        timestamp=row.timestamp,
        attempt=row.attempt,
        fault=row.fault,
        checks=([check.fields for check in read_checks(row.facts)] or None) if isinstance(row, AuditRow) else None,
    )
