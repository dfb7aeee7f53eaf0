"""The trail as a person reads it: a table of operation, step, status, details and time.

By default one row per step, how it ended; with attempts, every row that the trail holds. The newest operation stands
first, its steps in the order of time. Importing this module does nothing.
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
BEGINNINGS = (Phase.STARTED, Phase.INTENT)
TELLING = (Phase.OUTCOME, Phase.DECISION)
"""What stands in the report without attempts: whoever reads that a night went on after a failure sees on whose word."""
STYLES = {Status.SUCCESS: "green", Status.FAILED: "bold red", Status.IN_PROGRESS: "yellow"}

LONGEST_OPERATION = timedelta(days=2)
"""Longer than between any two rows of one operation, whose waits end after 24 hours at most."""


class ReportRow(Model):
    """One line of the report."""

    operation_id: str
    step: AuditedStep
    status: Status
    details: str
    timestamp: AwareDatetime
    attempt: int = Field(description="The attempt of the step's activity; 0 if Temporal does not tell.")
    fault: Fault | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """The texts under `COLUMNS`; times in UTC."""
        moment = self.timestamp.astimezone(UTC)
        at = f"{moment:%Y-%m-%d %H:%M:%S}"
        return (f"{moment:%Y-%m-%d}", self.operation_id, self.step, self.status, self.details, at)

    @property
    def attempt_cells(self) -> tuple[str, ...]:
        """The texts under `ATTEMPT_COLUMNS`."""
        fault = f"{self.fault.code or self.fault.type}: {self.fault.message}" if self.fault else ""
        return (str(self.attempt or ""), fault)


def rows_of_days(table: AuditTable, first: date, last: date) -> list[AuditRow]:
    """All rows of the operations that began between two days (UTC), both included.

    An operation that began before `first` is left out as a whole: half a night looks like one that went wrong.
    Raises `TrailUnavailable`.
    """
    operations = _by_operation(table.days(first - LONGEST_OPERATION, last + LONGEST_OPERATION))
    wanted = (rows for rows in operations if first <= _began(rows).date() <= last)
    return list(chain.from_iterable(wanted))


def report_rows(rows: Iterable[AuditRow], attempts: bool = False) -> list[ReportRow]:
    """The report's lines: the newest operation first, each one's steps in the order of time."""
    newest_first = sorted(_by_operation(rows), key=_began, reverse=True)
    shown = chain.from_iterable(operation if attempts else _one_per_step(operation) for operation in newest_first)
    return [_report_row(row) for row in shown]


def as_markdown(rows: Sequence[ReportRow], attempts: bool = False) -> str:
    """A pipe table, without a line break at its end."""
    # One dash more than the name needs under Status: the table's form is given, byte for byte.
    rules = ["-" * (len(name) + 2 + (name == "Status")) for name in _columns(attempts)]
    lines = [f"| {' | '.join(_columns(attempts))} |", f"|{'|'.join(rules)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(map(_in_pipes, _cells(row, attempts)))} |" for row in rows)])


def as_json(rows: Sequence[ReportRow]) -> str:
    """A list of objects, times in ISO 8601."""
    return TypeAdapter(list[ReportRow]).dump_json(list(rows), indent=2, exclude_none=True).decode()


def as_table(rows: Sequence[ReportRow], attempts: bool = False) -> Table:
    """A table for a terminal; on one that is narrower than the table, texts are folded, never cut."""
    table = Table()
    for name in _columns(attempts):
        table.add_column(name, overflow="fold", no_wrap=name in ("Date", "Operation ID", "Step", "Status"))
    for row in rows:
        # Text, not str: rich would take "[...]" in a message of AWS for markup.
        date_, operation_id, step, status, *others = (Text(cell) for cell in _cells(row, attempts))
        status.stylize(STYLES[row.status])
        table.add_row(date_, operation_id, step, status, *others)
    return table


def _by_operation(rows: Iterable[AuditRow]) -> list[list[AuditRow]]:
    """The rows of each operation, in the order of time."""
    operations: dict[str, list[AuditRow]] = {}
    for row in sorted(rows, key=lambda row: row.event_key):
        operations.setdefault(row.operation_id, []).append(row)
    return list(operations.values())


def _began(operation: Sequence[AuditRow]) -> datetime:
    return operation[0].step_started_at.astimezone(UTC)


def _one_per_step(operation: Sequence[AuditRow]) -> list[AuditRow]:
    """How each step ended, what was decided then, and the step that goes on; a retried step may have ended twice."""
    return [row for row in operation if row.phase in TELLING or _goes_on(row, operation)]


def _goes_on(row: AuditRow, operation: Sequence[AuditRow]) -> bool:
    """Whether this row says that a step began, and none how it ended or that a reset workflow began it again."""
    same_step = [other for other in operation if other.step is row.step and other is not row]
    ended = any(other.phase is Phase.OUTCOME and other.step_started_at >= row.step_started_at for other in same_step)
    begun_again = any(other.phase in BEGINNINGS and other.step_started_at > row.step_started_at for other in same_step)
    return row.phase in BEGINNINGS and not ended and not begun_again


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


def _in_pipes(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").split("\n"))
