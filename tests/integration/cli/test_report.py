"""The trail as a table: what each reader gets to see of it."""

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

NIGHT = datetime(2026, 3, 20, 0, 5, tzinfo=UTC)


def row(
    step: Step = Step.SNAPSHOT_CHECK,
    minutes: float = 0,
    phase: Phase = Phase.OUTCOME,
    status: Status = Status.SUCCESS,
    lasted: float = 0,
    **facts: Any,
) -> AuditRow:
    began = NIGHT + timedelta(minutes=minutes)
    plain: dict[str, object] = {
        "operation_id": "op-007",
        "step": step,
        "phase": phase,
        "status": status,
        "details": "as it was",
        "step_started_at": began,
        "timestamp": began + timedelta(minutes=lasted),
        "workflow_id": "night",
        "run_id": "run",
    }
    return AuditRow.model_validate(plain | facts)


def begun(step: Step, minutes: float, **facts: Any) -> AuditRow:
    return row(step, minutes, Phase.STARTED, Status.IN_PROGRESS, details="Started", **facts)


def test_markdown_is_the_given_table_to_the_byte() -> None:
    """Columns, their order, the rule under them and the times are as the reference has them."""
    rows = report_rows([row(operation_id="op-001", details="Found snapshot: daily-backup-2026-03-20")])
    assert as_markdown(rows) == (
        "| Date | Operation ID | Step | Status | Details | Timestamp |\n"
        "|------|--------------|------|---------|---------|-----------|\n"
        "| 2026-03-20 | op-001 | snapshot-check | SUCCESS | Found snapshot: daily-backup-2026-03-20 "
        "| 2026-03-20 00:05:00 |"
    )


def test_the_newest_operation_comes_first_and_its_steps_in_order() -> None:
    """What happened last night is at the top, and is read downwards."""
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


def test_a_step_that_ended_has_one_row_and_one_that_goes_on_is_in_progress() -> None:
    """Beginnings and failed attempts are left out once the step has ended; a step under way is not hidden."""
    failed_once = row(phase=Phase.ATTEMPT, status=Status.FAILED)
    rows = [begun(Step.SNAPSHOT_CHECK, 0), failed_once, row(lasted=1), begun(Step.COPY_SNAPSHOT, 1)]
    shown = [(line.step.value, line.status.value) for line in report_rows(rows)]
    assert shown == [("snapshot-check", "SUCCESS"), ("copy-snapshot", "IN_PROGRESS")]


def test_a_step_that_a_reset_workflow_began_again_is_in_progress_once() -> None:
    """The first beginning, which nothing ended, is history; the second is how it stands."""
    rows = [begun(Step.COPY_SNAPSHOT, 1, run_id="a"), begun(Step.COPY_SNAPSHOT, 9, run_id="b")]
    assert [line.timestamp for line in report_rows(rows)] == [NIGHT + timedelta(minutes=9)]


def test_a_failed_attempt_alone_is_not_a_failed_step() -> None:
    """Temporal makes another attempt: the step is under way until its outcome stands in the trail."""
    rows = [begun(Step.COPY_SNAPSHOT, 0), row(Step.COPY_SNAPSHOT, phase=Phase.ATTEMPT, status=Status.FAILED)]
    assert [line.status for line in report_rows(rows)] == [Status.IN_PROGRESS]


def test_with_attempts_every_row_is_shown_with_its_fault() -> None:
    """Whoever asks why sees each attempt, its number, the wire code and the message."""
    fault = Fault(type="AwsUnavailable", short="AWS unavailable", message="Rate exceeded", code="Throttling")
    rows = [
        begun(Step.COPY_SNAPSHOT, 0),
        row(Step.COPY_SNAPSHOT, 0, Phase.ATTEMPT, Status.FAILED, 1, attempt=1, fault=fault),
        row(Step.COPY_SNAPSHOT, 0, lasted=2, attempt=2),
    ]
    lines = as_markdown(report_rows(rows, attempts=True), attempts=True).splitlines()
    assert lines[0].endswith("| Timestamp | Attempt | Fault |")
    assert [line.split(" | ")[-2:] for line in lines[3:]] == [["1", "Throttling: Rate exceeded |"], ["2", " |"]]


def test_details_cannot_break_the_table() -> None:
    """A message of AWS may hold pipes, line breaks and square brackets."""
    rows = report_rows([row(details="a|b\nc [bold]d[/bold]")])
    assert as_markdown(rows).splitlines()[2].count(" | ") == 5
    printed = io.StringIO()
    Console(file=printed, width=200).print(as_table(rows))
    assert "[bold]d[/bold]" in printed.getvalue()


def test_a_piped_table_is_never_folded_or_cut() -> None:
    """What is searched with grep stands in one line, whole."""
    printed = io.StringIO()
    console(printed).print(as_table(report_rows([row(details="long " * 100 + "end")])))
    assert any("long " * 100 + "end" in line for line in printed.getvalue().splitlines())


def test_json_has_exact_times_and_plain_names() -> None:
    """A program gets ISO 8601, not a table's text."""
    [line] = json.loads(as_json(report_rows([row()])))
    assert (line["timestamp"], line["step"], line["status"]) == ("2026-03-20T00:05:00Z", "snapshot-check", "SUCCESS")


def test_days_count_by_the_day_on_which_an_operation_began(operator: object) -> None:
    """A night over midnight is shown whole or not at all: half of it would look like one that went wrong."""
    table = AuditTable(AwsClients().dynamodb("eu-central-1"), "aurora-restore-audit")
    over_midnight = 23 * 60
    for written in (
        row(Step.SNAPSHOT_CHECK, 0, operation_id="op-901"),
        row(Step.SNAPSHOT_CHECK, over_midnight, operation_id="op-902"),
        row(Step.COPY_SNAPSHOT, over_midnight + 120, operation_id="op-902"),
    ):
        table.put(written)

    def shown(first: date, last: date) -> list[tuple[str, str]]:
        return [(found.operation_id, found.step.value) for found in rows_of_days(table, first, last)]

    first, second = date(2026, 3, 20), date(2026, 3, 21)
    night = [("op-902", "snapshot-check"), ("op-902", "copy-snapshot")]
    assert shown(first, first) == [("op-901", "snapshot-check"), *night]
    assert shown(second, second) == []
