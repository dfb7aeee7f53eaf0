"""`starter.py audit`: which rows the report has, and its formats."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

from rich.console import Console

from audit.report import as_json, as_markdown, as_table, report_rows, rows_of_days
from audit.rows import AuditRow, Phase
from audit.table import AuditTable
from clients.aws import AwsClients
from commands.terminal import console
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
    assert as_markdown(rows) == (
        "| Date | Operation ID | Step | Status | Details | Timestamp |\n"
        "|------|--------------|------|---------|---------|-----------|\n"
        "| 2026-03-20 | op-001 | snapshot-check | SUCCESS | Found snapshot: daily-backup-2026-03-20 "
        "| 2026-03-20 00:05:00 |"
    )


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
    lines = as_markdown(report_rows(rows, attempts=True), attempts=True).splitlines()
    assert lines[0].endswith("| Timestamp | Attempt | Fault |")
    assert [line.split(" | ")[-2:] for line in lines[3:]] == [["1", "Throttling: Rate exceeded |"], ["2", " |"]]


def test_details_cannot_break_the_table() -> None:
    """A message of AWS may contain pipes, line breaks and square brackets."""
    rows = report_rows([row(details="a|b\nc [bold]d[/bold]")])
    assert as_markdown(rows).splitlines()[2].count(" | ") == 5
    printed = io.StringIO()
    Console(file=printed, width=200).print(as_table(rows))
    assert "[bold]d[/bold]" in printed.getvalue()


def test_a_piped_table_is_never_folded_or_cut() -> None:
    """Grep finds a whole row on one line."""
    printed = io.StringIO()
    console(printed).print(as_table(report_rows([row(details="long " * 100 + "end")])))
    assert any("long " * 100 + "end" in line for line in printed.getvalue().splitlines())


def test_json_has_exact_times_and_plain_names() -> None:
    """ISO 8601, and the values of the enums."""
    [line] = json.loads(as_json(report_rows([row()])))
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
        return [(each.operation_id, each.step.value) for each in rows_of_days(table, first, last)]

    first, second = date(2026, 3, 20), date(2026, 3, 21)
    past_midnight = [("op-902", "snapshot-check"), ("op-902", "copy-snapshot")]
    assert reported(first, first) == [("op-901", "snapshot-check"), *past_midnight]
    assert reported(second, second) == []
