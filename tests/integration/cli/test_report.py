"""`starter.py audit`: which rows the report has, and its formats."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.report import report_rows, rows_of_days
from audit.report_formats import ROWS_PER_LAYOUT, json_lines, markdown_lines, table_lines
from audit.rows import AuditRow, Phase
from audit.table import AuditTable
from clients.aws import AwsClients
from commands.audit import print_time_spent
from errors import Fault
from models.steps import Status, Step

BEGAN = datetime(2026, 3, 20, 0, 5, tzinfo=UTC)


def row(
    step: Step = Step.SNAPSHOT_CHECK,
    minutes: float = 0,
    phase: Phase = Phase.OUTCOME,
    status: Status = Status.SUCCESS,
    minutes_taken: float = 0,
    **facts: Any,
) -> AuditRow:
    began = BEGAN + timedelta(minutes=minutes)
    plain: dict[str, object] = {
        "operation_id": "op-007",
        "step": step,
        "phase": phase,
        "status": status,
        "details": "done",
        "step_started_at": began,
        "timestamp": began + timedelta(minutes=minutes_taken),
        "workflow_id": "workflow",
        "run_id": "run",
    }
    return AuditRow.model_validate(plain | facts)


def started(step: Step, minutes: float, **facts: Any) -> AuditRow:
    return row(step, minutes, Phase.STARTED, Status.IN_PROGRESS, details="Started", **facts)


def test_markdown_has_exactly_the_reference_table() -> None:
    """Columns, their order, the rule under them and the times are those of the reference, byte by byte."""
    rows = report_rows([row(operation_id="op-001", details="Found snapshot: daily-backup-2026-03-20")])
    assert "\n".join(markdown_lines(rows)) == (
        "| Date | Operation ID | Step | Status | Details | Timestamp |\n"
        "|------|--------------|------|---------|---------|-----------|\n"
        "| 2026-03-20 | op-001 | snapshot-check | SUCCESS | Found snapshot: daily-backup-2026-03-20 "
        "| 2026-03-20 00:05:00 |"
    )


def test_waiting_is_not_work(capsys: pytest.CaptureFixture[str]) -> None:
    """Of one operation, on stderr; the moments between two steps are not worth a line."""
    first = row(Step.COPY_SNAPSHOT, minutes_taken=60)
    print_time_spent("op-007", [first, row(Step.CHECK_COPY_STATUS, 180, minutes_taken=30)])
    print_time_spent("op-008", [first, row(Step.CHECK_COPY_STATUS, 61, minutes_taken=30)])
    printed = capsys.readouterr()
    assert printed.err == "op-007: 1:30:00 of work in its steps, 2:00:00 of waiting for an operator.\n"
    assert printed.out == ""


def test_the_newest_operation_comes_first_with_its_steps_in_order() -> None:
    """The last restore is at the top, and its steps are read downwards."""
    day = timedelta(days=1).total_seconds() / 60
    rows = [
        row(Step.COPY_SNAPSHOT, day + 1, operation_id="op-002"),
        row(Step.SNAPSHOT_CHECK, 0, operation_id="op-001"),
        row(Step.SNAPSHOT_CHECK, day, operation_id="op-002"),
        row(Step.COPY_SNAPSHOT, 1, operation_id="op-001"),
    ]
    assert [(line.operation_id, line.step.value) for line in report_rows(rows)] == [
        ("op-002", "snapshot-check"),
        ("op-002", "copy-snapshot"),
        ("op-001", "snapshot-check"),
        ("op-001", "copy-snapshot"),
    ]


def test_a_step_has_one_row() -> None:
    """Its outcome, without its start and its failed attempts; or IN_PROGRESS while it runs."""
    failed_once = row(phase=Phase.ATTEMPT, status=Status.FAILED)
    rows = [started(Step.SNAPSHOT_CHECK, 0), failed_once, row(minutes_taken=1), started(Step.COPY_SNAPSHOT, 1)]
    reported = [(line.step.value, line.status.value) for line in report_rows(rows)]
    assert reported == [("snapshot-check", "SUCCESS"), ("copy-snapshot", "IN_PROGRESS")]


def test_a_step_that_a_reset_repeats_is_in_progress_once() -> None:
    """The first start never ended; only the second one is the present state."""
    rows = [started(Step.COPY_SNAPSHOT, 1, run_id="a"), started(Step.COPY_SNAPSHOT, 9, run_id="b")]
    assert [line.timestamp for line in report_rows(rows)] == [BEGAN + timedelta(minutes=9)]


def test_a_failed_attempt_is_not_a_failed_step() -> None:
    """Temporal makes another attempt; the step is in progress until the trail has its outcome."""
    rows = [started(Step.COPY_SNAPSHOT, 0), row(Step.COPY_SNAPSHOT, phase=Phase.ATTEMPT, status=Status.FAILED)]
    assert [line.status for line in report_rows(rows)] == [Status.IN_PROGRESS]


def test_with_attempts_every_row_is_reported_with_its_fault() -> None:
    """Each attempt with its number, and the code and the message of its fault."""
    fault = Fault(type="AwsUnavailable", short="AWS unavailable", message="Rate exceeded", code="Throttling")
    rows = [
        started(Step.COPY_SNAPSHOT, 0),
        row(Step.COPY_SNAPSHOT, 0, Phase.ATTEMPT, Status.FAILED, 1, attempt=1, fault=fault),
        row(Step.COPY_SNAPSHOT, 0, minutes_taken=2, attempt=2),
    ]
    lines = list(markdown_lines(report_rows(rows, attempts=True), attempts=True))
    assert lines[0].endswith("| Timestamp | Attempt | Fault |")
    assert [line.split(" | ")[-2:] for line in lines[3:]] == [["1", "Throttling: Rate exceeded |"], ["2", " |"]]


def test_details_cannot_break_the_table() -> None:
    """A message of AWS may contain pipes, line breaks and square brackets."""
    rows = report_rows([row(details="a|b\nc [bold]d[/bold]")])
    assert list(markdown_lines(rows))[2].count(" | ") == 5
    assert any("[bold]d[/bold]" in line for line in table_lines(rows, width=200))


def test_a_piped_table_is_never_folded_or_cut() -> None:
    """Grep finds a whole row on one line, also one that is wider than those that decided the columns' widths."""
    rows = report_rows([row(details="long " * 100 + "end")])
    for shown in (rows, report_rows([row()]) * ROWS_PER_LAYOUT + rows):
        assert any("long " * 100 + "end" in line for line in table_lines(shown))


def test_on_a_narrow_terminal_the_column_of_the_date_is_left_out_first() -> None:
    """The timestamp has it too; what is left is as wide as the terminal at most."""
    rows = list(report_rows([row(details="Found snapshot: rds:orders-2026-11-27-06-58")]))
    assert "Date" in next(line for line in table_lines(rows, width=200) if "Step" in line)
    narrow = list(table_lines(rows, width=90))
    assert "Date" not in narrow[1]
    assert {len(line) for line in narrow} == {90}


@pytest.mark.parametrize("details", ["done", "long " * 30 + "end", "漢字" * 30, "x" * 100])
@pytest.mark.parametrize("width", [100, 80])
def test_a_table_on_a_terminal_is_as_wide_as_rich_draws_it(details: str, width: int) -> None:
    """Borders of one length, no line wider than the terminal, and every character of the text."""
    lines = list(table_lines(report_rows([row(details=details)] * 2), width=width))
    assert {cell_len(line) for line in lines} == {cell_len(lines[0])}
    assert cell_len(lines[0]) <= width
    shown = "".join(line.split("│")[-3].strip() for line in lines if line.startswith("│"))
    assert shown == details.replace(" ", "") * 2 if " " not in details else details.rsplit(maxsplit=1)[-1] in shown


def test_the_table_has_the_borders_and_colours_of_rich() -> None:
    """As the tables of `status` have them."""
    rows = report_rows([row(), row(Step.COPY_SNAPSHOT, 1, status=Status.FAILED)])
    expected = Table("Date", "Operation ID", "Step", "Status", "Details", "Timestamp")
    for each, at in zip(rows, ("05", "06"), strict=True):
        style = "green" if each.status is Status.SUCCESS else "bold red"
        cells = (
            "2026-03-20",
            "op-007",
            each.step.value,
            Text(each.status.value, style),
            "done",
            f"2026-03-20 00:{at}:00",
        )
        expected.add_row(*cells)
    drawn = io.StringIO()
    Console(file=drawn, width=200, highlight=False).print(expected)
    assert list(table_lines(rows)) == drawn.getvalue().splitlines()
    assert "\x1b[1;31mFAILED\x1b[0m" in "\n".join(table_lines(rows, is_coloured=True)).replace("FAILED ", "FAILED")


def test_json_has_exact_times_and_plain_names() -> None:
    """ISO 8601, and the values of the enums."""
    [line] = json.loads("\n".join(json_lines(report_rows([row()]))))["rows"]
    assert (line["timestamp"], line["step"], line["status"]) == ("2026-03-20T00:05:00Z", "snapshot-check", "SUCCESS")


def test_an_operation_belongs_to_the_day_on_which_it_started(operator: object) -> None:
    """One that runs past midnight is reported whole or not at all; half of it would read like a failure."""
    table = AuditTable(AwsClients().dynamodb("eu-central-1"), "aurora-restore-audit")
    over_midnight = 23 * 60
    for written in (
        row(Step.SNAPSHOT_CHECK, 0, operation_id="op-901"),
        row(Step.SNAPSHOT_CHECK, over_midnight, operation_id="op-902"),
        row(Step.COPY_SNAPSHOT, over_midnight + 120, operation_id="op-902"),
    ):
        table.put(written)

    def reported(first: date, last: date) -> list[tuple[str, str]]:
        return [(each.operation_id, each.step.value) for part in rows_of_days(table, first, last) for each in part]

    first, second = date(2026, 3, 20), date(2026, 3, 21)
    past_midnight = [("op-902", "snapshot-check"), ("op-902", "copy-snapshot")]
    assert reported(first, first) == [("op-901", "snapshot-check"), *past_midnight]
    assert reported(second, second) == []
