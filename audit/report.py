"""The report of the trail: a table of date, operation, step, status, details and time.

By default it shows one row per step, its outcome; with attempts, every row that the trail holds. The newest operation
comes first, its steps in chronological order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, Field, TypeAdapter
from rich.table import Table
from rich.text import Text

from audit.rows import AuditRow, Phase
from errors import Fault
from models.model import Model
from models.steps import AuditedStep, Status

if TYPE_CHECKING:
    from audit.table import AuditTable

COLUMNS = ("Date", "Operation ID", "Step", "Status", "Details", "Timestamp")
ATTEMPT_COLUMNS = ("Attempt", "Fault")
IN_PROGRESS_PHASES = (Phase.STARTED, Phase.INTENT)
SUMMARY_PHASES = (Phase.OUTCOME, Phase.DECISION)
"""What the report without attempts shows. Decisions, because they explain why an operation continued after a failure."""
STYLES = {Status.SUCCESS: "green", Status.FAILED: "bold red", Status.IN_PROGRESS: "yellow"}

LONGEST_OPERATION = timedelta(days=2)
"""More than the time between any two rows of one operation: its longest wait is 24 hours."""


class ReportRow(Model):
    """One line of the report."""

    operation_id: str
    step: AuditedStep
    status: Status
    details: str
    timestamp: AwareDatetime
    attempt: int = Field(description="The attempt of the step's activity; 0 if Temporal does not report it.")
    fault: Fault | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """The texts under `COLUMNS`; times in UTC."""
        timestamp = self.timestamp.astimezone(UTC)
        return (
            f"{timestamp:%Y-%m-%d}",
            self.operation_id,
            self.step,
            self.status,
            self.details,
            f"{timestamp:%Y-%m-%d %H:%M:%S}",
        )

    @property
    def attempt_cells(self) -> tuple[str, ...]:
        """The texts under `ATTEMPT_COLUMNS`."""
        fault = f"{self.fault.code or self.fault.type}: {self.fault.message}" if self.fault else ""
        return (str(self.attempt or ""), fault)


def rows_of_days(table: AuditTable, first: date, last: date) -> list[AuditRow]:
    """All rows of the operations that began between two days (UTC), both included.

    An operation that began before `first` is left out completely: half an operation would read like a failed one.
    Raises `TrailUnavailable`.
    """
    rows = table.list_rows_by_day(first - LONGEST_OPERATION, last + LONGEST_OPERATION)
    operations = [each for each in _group_by_operation(rows) if first <= _started_at(each).date() <= last]
    return list(chain.from_iterable(operations))


def report_rows(rows: Iterable[AuditRow], attempts: bool = False) -> list[ReportRow]:
    """The lines of the report: the newest operation first, the steps of each in chronological order."""
    newest_first = sorted(_group_by_operation(rows), key=_started_at, reverse=True)
    shown = chain.from_iterable(operation if attempts else _summarize(operation) for operation in newest_first)
    return [_report_row(row) for row in shown]


def as_markdown(rows: Sequence[ReportRow], attempts: bool = False) -> str:
    """The report as a Markdown table, without a line break at the end."""
    # The reference trail has one dash more under Status than the name needs; the report reproduces it byte for byte.
    rules = ["-" * (len(name) + 2 + (name == "Status")) for name in _columns(attempts)]
    lines = [f"| {' | '.join(_columns(attempts))} |", f"|{'|'.join(rules)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(map(_escape, _cells(row, attempts)))} |" for row in rows)])


def as_json(rows: Sequence[ReportRow]) -> str:
    """The report as a list of JSON objects; times in ISO 8601."""
    return TypeAdapter(list[ReportRow]).dump_json(list(rows), indent=2, exclude_none=True).decode()


def as_table(rows: Sequence[ReportRow], attempts: bool = False) -> Table:
    """The report for a terminal; if the terminal is narrower than the table, texts are wrapped, never cut."""
    table = Table()
    for name in _columns(attempts):
        table.add_column(name, overflow="fold", no_wrap=name in ("Date", "Operation ID", "Step", "Status"))
    for row in rows:
        # Text, not str: rich would interpret "[...]" in a message of AWS as markup.
        date_, operation_id, step, status, *others = (Text(cell) for cell in _cells(row, attempts))
        status.stylize(STYLES[row.status])
        table.add_row(date_, operation_id, step, status, *others)
    return table


def _group_by_operation(rows: Iterable[AuditRow]) -> list[list[AuditRow]]:
    """The rows of each operation, in chronological order."""
    operations: dict[str, list[AuditRow]] = {}
    for row in sorted(rows, key=lambda row: row.event_key):
        operations.setdefault(row.operation_id, []).append(row)
    return list(operations.values())


def _started_at(operation: Sequence[AuditRow]) -> datetime:
    return operation[0].step_started_at.astimezone(UTC)


def _summarize(operation: Sequence[AuditRow]) -> list[AuditRow]:
    """The outcomes, the decisions, and the step in progress. A step that was retried can have several outcomes."""
    return [row for row in operation if row.phase in SUMMARY_PHASES or _is_in_progress(row, operation)]


def _is_in_progress(row: AuditRow, operation: Sequence[AuditRow]) -> bool:
    """Whether the row begins a run of a step that has no outcome, and that no later run of the step replaces."""
    same_step = [other for other in operation if other.step is row.step and other is not row]
    ended = any(other.phase is Phase.OUTCOME and other.step_started_at >= row.step_started_at for other in same_step)
    replaced = any(
        other.phase in IN_PROGRESS_PHASES and other.step_started_at > row.step_started_at for other in same_step
    )
    return row.phase in IN_PROGRESS_PHASES and not ended and not replaced


def _report_row(row: AuditRow) -> ReportRow:
    return ReportRow(
        operation_id=row.operation_id,
        step=row.step,
        status=row.status,
        details=row.details,
        timestamp=row.timestamp,
        attempt=row.attempt,
        fault=row.fault,
    )


def _columns(attempts: bool) -> tuple[str, ...]:
    return COLUMNS + ATTEMPT_COLUMNS if attempts else COLUMNS


def _cells(row: ReportRow, attempts: bool) -> tuple[str, ...]:
    return row.cells + row.attempt_cells if attempts else row.cells


def _escape(cell: str) -> str:
    """A text that stays in one cell of a Markdown table."""
    return " ".join(cell.replace("|", "\\|").split("\n"))
