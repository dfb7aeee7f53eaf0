"""The report of the past days: read backwards day by day, shown as it comes, each operation whole."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from audit.report import report_rows, rows_of_days
from audit.rows import Phase
from audit.table import DAYS_AT_ONCE, AuditTable
from models.steps import Status, Step
from tests.rigs.audit_tables import START, later, row

TODAY = START.date() + timedelta(days=9)


def write(table: AuditTable, *days: int) -> None:
    """An operation of two steps on each of these days, numbered by the day."""
    for day in days:
        fields: dict[str, Any] = {"operation_id": f"op-{day + 1:03d}", "run_id": f"run-{day}"}
        table.put(row(**fields, step=Step.SNAPSHOT_CHECK, timestamp=later(days=day)))
        table.put(row(**fields, timestamp=later(days=day, minutes=1)))


def reported(table: AuditTable, days: int) -> list[str]:
    """The operations of the report, one for each row."""
    parts = rows_of_days(table, TODAY - timedelta(days=days), TODAY)
    return [line.operation_id for part in parts for line in report_rows(part)]


def test_the_newest_operations_are_shown_while_older_ones_are_read(table: AuditTable) -> None:
    """One query for each day however many operations it has; and what was shown is not kept."""
    write(table, *range(10))
    queries: list[str] = []
    table._dynamodb.meta.events.register(
        "provide-client-params.dynamodb", lambda params, **_: queries.append(params["IndexName"])
    )
    parts = filter(None, rows_of_days(table, START.date(), TODAY))
    assert {each.operation_id for each in next(parts)} == {"op-010"}
    assert len(queries) <= 2 + 1 + 2 + DAYS_AT_ONCE  # until nothing older can be of the newest operation
    assert [len(part) for part in parts] == [2] * 9
    assert len(queries) == 10 + 4


@pytest.mark.parametrize("phase", [Phase.DECISION, Phase.OUTCOME])
def test_an_operation_that_continues_days_later_is_shown_once(table: AuditTable, phase: Phase) -> None:
    """A retry writes more rows of an old operation: they belong to the day on which it began."""
    write(table, 1, 2, 3, 8)
    fields: dict[str, Any] = {"operation_id": "op-003", "run_id": "run-b", "timestamp": later(days=8)}
    table.put(row(**fields, step=Step.CHECK_COPY_STATUS, phase=phase, status=Status.FAILED))
    assert reported(table, days=9) == ["op-009"] * 2 + ["op-004"] * 2 + ["op-003"] * 3 + ["op-002"] * 2
    assert reported(table, days=4) == ["op-009"] * 2
