"""The page of `starter.py report`: what it says of a month, and that nothing in the trail becomes markup."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from audit.rows import Phase
from errors import Fault
from models.drill import DRILL_FACT
from models.snapshots import SNAPSHOT_CREATED_AT_FACT
from models.steps import STEPS, Outcome, Replacement, Status, Step
from reports import drawing
from reports import page as page_module
from reports.charts import MAX_SERIES
from reports.failures import group_failures
from reports.measure_charts import Days
from reports.measures import Objectives
from reports.operations import ReportedOperation, report_operation
from reports.page import ReportInput, make_page, write_page
from reports.tables import MAX_CELL, MAX_ROWS, make_table
from reports.times import format_span
from tests.rigs.audit_tables import START, later, row
from tests.rigs.report_trail import TARGETS, month, monthly_report, monthly_rows

MONTH = month()
ORDERS = TARGETS[4]
HOSTILE = '<script>alert("1")</script><img src=x onerror=y> $\\frac url(#a) #010101 id="z" \u202e'


def of_target(cluster: str) -> list[ReportedOperation]:
    return [each for each in MONTH if each.target_arn.endswith(f":{cluster}")]


def find(outcome: Outcome) -> ReportedOperation:
    return next(each for each in MONTH if each.outcome is outcome)


def retried() -> ReportedOperation:
    return next(each for each in of_target("orders-staging") if each.decisions)


def small_report(*operations: ReportedOperation) -> ReportInput:
    """Few charts, because each takes a tenth of a second."""
    return monthly_report()._replace(
        target_arns=list(dict.fromkeys(each.target_arn for each in operations)),
        operations=operations,
        detailed=operations,
    )


class Elements(HTMLParser):
    """Every element and attribute of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_rto_and_rpo_are_measured_from_the_number_and_from_the_snapshot() -> None:
    """Until the handover: the archive is done, the notification is not counted."""
    opened, _ = next(monthly_rows())
    taken = (opened.opened_at - timedelta(hours=3)).isoformat()
    steps = STEPS[Replacement.DELETE_FIRST]
    rows = [
        row(
            step=step,
            timestamp=opened.opened_at + timedelta(minutes=10 * number),
            facts={SNAPSHOT_CREATED_AT_FACT: taken} if number == 1 else {},
        )
        for number, step in enumerate(steps, 1)
    ]
    operation = report_operation(opened, rows)
    assert operation is not None
    assert operation.restore_time == timedelta(minutes=80)
    assert operation.data_age == timedelta(hours=3, minutes=80)


def test_a_drill_is_called_one_and_is_in_no_figure_of_its_target() -> None:
    """Its own section has its measured times, until its users could log in."""
    opened, _ = next(monthly_rows())
    rows = [
        row(
            step=step,
            timestamp=opened.opened_at + timedelta(minutes=10 * number),
            facts={DRILL_FACT: "orders-drill-op-001", SNAPSHOT_CREATED_AT_FACT: opened.opened_at.isoformat()},
        )
        for number, step in enumerate(STEPS[Replacement.DRILL], 1)
    ]
    operation = report_operation(opened, rows)
    assert operation is not None
    assert operation.restore_time == operation.data_age == timedelta(minutes=60)
    page = make_page(small_report(operation))
    assert [section.words for section in page.operations] == ["drill succeeded"]
    assert dict(page.operations[0].facts)["Restore time (RTO)"].endswith("met")
    assert [tile.value for tile in page.tiles[1:4]] == ["none ended", "0", "not known"]
    assert page.measures == []
    cells = [cell for calendar_row in page.calendar for cell in calendar_row.cells if cell.outcome == "drill"]
    assert [cell.text.partition(": ")[2] for cell in cells] == ["op-412 drill succeeded"]


@pytest.mark.parametrize("fact", ["", "yesterday", "2024-03-20T00:05:00"])
def test_a_time_that_is_none_is_no_age(fact: str) -> None:
    """Of an older row, or of one that somebody else wrote."""
    opened, rows = next(monthly_rows())
    spoiled = [each.model_copy(update={"facts": {SNAPSHOT_CREATED_AT_FACT: fact}}) for each in rows]
    operation = report_operation(opened, spoiled)
    assert operation is not None
    assert (operation.data_age, operation.restore_time is not None) == (None, True)


def test_a_retried_operation_has_both_runs_and_the_wait() -> None:
    """The wait is the time between the failed run's end and the next run's beginning."""
    operation = retried()
    runs = [run for run in operation.runs if run.step is Step.SETUP_DB_USERS]
    assert [run.status for run in runs] == [Status.FAILED, Status.SUCCESS]
    assert len(runs[0].failed_at) == 2
    assert [round(gap.duration / timedelta(minutes=1)) for gap in operation.gaps] == [42]
    assert "decided by ada@jumphost" in operation.decisions[0].text


def test_failures_are_grouped_by_step_and_fault_with_their_cure() -> None:
    """What a retry completed needs none; what is skipped or cancelled is no failure."""
    groups = {(group.step, group.short): group for group in group_failures(MONTH)}
    assert {(step, short, group.times) for (step, short), group in groups.items()} == {
        (Step.SETUP_DB_USERS, "Connection timeout", 2),
        (Step.RESTORE_SNAPSHOT, "Invalid VPC configuration", 2),
        (Step.DELETE_RDS, "Cluster not found", 1),
        (Step.COPY_SNAPSHOT, "Invalid snapshot ID", 1),
        (Step.CHECK_COPY_STATUS, "Deadline passed", 1),
    }
    vpc = groups[Step.RESTORE_SNAPSHOT, "Invalid VPC configuration"]
    assert vpc.cure == f"python starter.py retry {vpc.last_operation}"
    assert groups[Step.COPY_SNAPSHOT, "Invalid snapshot ID"].cure == "python starter.py start REQUEST_FILE"
    assert groups[Step.SETUP_DB_USERS, "Connection timeout"].is_over


def test_the_page_answers_the_questions_of_the_month() -> None:
    """Good for all? How old is the data? Getting slower? Failed why, and what to do?"""
    operations = [find(Outcome.RUNNING), retried(), find(Outcome.SKIPPED), find(Outcome.FAILED)]
    shown = Elements(write_page(small_report(*operations)))
    for text in (
        "Thu 29 Oct 2026 to Fri 27 Nov 2026. Every day and time is in UTC.",
        "Restore time (RTO)",
        "objective 2 h missed",
        "Durations of the steps of orders-staging",
        "Invalid VPC configuration (InvalidVPCNetworkStateFault)",
        f"python starter.py retry {find(Outcome.FAILED).operation_id}",
        "Waited for an operator",
        "Retry, decided by ada@jumphost",
    ):
        assert text in shown.text, text
    link = f"http://localhost:8233/namespaces/default/workflows/aurora-restore%3A111122223333%3Aeu-central-1%3Aorders-staging/{retried().run_id}/history"
    assert ("href", link) in shown.attributes


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    """No script, no address of a resource, no import in the style sheet; the policy in the page says so too."""
    page = write_page(small_report(retried()))
    elements = Elements(page)
    assert not elements.tags & {"script", "link", "iframe", "img", "object", "embed", "base", "form"}
    addresses = [value for name, value in elements.attributes if name in ("src", "srcset", "data", "action")]
    links = [value or "" for name, value in elements.attributes if name in ("href", "xlink:href")]
    assert addresses == []
    assert all(link.startswith(("#", "http://localhost:8233/")) for link in links)
    assert not re.search(r"@import|url\((?!#)", page)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in elements.attributes


def test_every_id_of_the_page_is_its_own() -> None:
    """A chart's reference leads into that chart, and a link to one section."""
    operations = [retried(), find(Outcome.RUNNING)]
    elements = Elements(write_page(small_report(*operations)))
    ids = [value for name, value in elements.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    references = {
        value[1:] for name, value in elements.attributes if name == "href" and value and value.startswith("#")
    }
    assert references <= set(ids)
    assert elements.attributes.count(("role", "img")) > 0


def test_a_hostile_text_of_the_trail_stays_a_text() -> None:
    """In every field that somebody else may have written: names, details, faults, ids, facts."""
    opened, _ = next(monthly_rows())
    hostile = opened.model_copy(
        update={"operation_id": HOSTILE, "target_arn": f"arn:x:{HOSTILE}", "workflow_id": HOSTILE}
    )
    fault = Fault(type=HOSTILE, short=HOSTILE, message=HOSTILE, code=HOSTILE)
    fields = {"operation_id": HOSTILE, "run_id": HOSTILE, "details": HOSTILE}
    rows = [
        row(
            **fields,
            step=Step.SNAPSHOT_CHECK,
            resource_arns=(HOSTILE,),
            facts={"durations": '{"<b>": 3}', "source": HOSTILE},
        ),
        row(**fields, step=Step.COPY_SNAPSHOT, status=Status.FAILED, fault=fault, timestamp=later(minutes=3)),
        row(**fields, step=Step.COPY_SNAPSHOT, phase=Phase.DECISION, status=Status.FAILED, timestamp=later(minutes=4)),
    ]
    operation = report_operation(hostile, rows)
    assert operation is not None
    page = write_page(small_report(operation)._replace(trail=HOSTILE))
    elements = Elements(page)
    assert "script" not in elements.tags
    assert "img" not in elements.tags
    assert not [name for name, _ in elements.attributes if name.startswith("on")]
    assert "<script" not in page
    assert elements.text.count('alert("1")') > 5


def test_a_page_without_rows_says_so() -> None:
    """Without an operation at all, and without one in these days."""
    empty = small_report()
    assert "no restore has begun" in Elements(write_page(empty)).text
    idle = Elements(write_page(empty._replace(target_arns=[ORDERS.arn]))).text
    assert "No operation of these targets began from Thu 29 Oct 2026" in idle
    assert "orders-staging" in idle


def test_a_fleet_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Targets in the calendar and in the charts, operations with a section, rows and cells of a table."""
    monkeypatch.setattr(drawing, "WIDTHS", drawing.WIDTHS[:1])  # half the charts
    monkeypatch.setattr(page_module, "MAX_CELLS", 60)
    monkeypatch.setattr(page_module, "NEWEST", 1)
    arns = [f"{ORDERS.arn}-{number}" for number in range(MAX_SERIES + 3)]
    operations = [retried()._replace(opened=retried().opened.model_copy(update={"target_arn": arn})) for arn in arns]
    page = make_page(small_report(*operations))
    assert (len(page.calendar), page.more_targets) == (2, len(arns) - 2)
    assert (len(page.operations), page.more_operations) == (1, len(arns) - 1)
    assert (len(page.steps), page.more_steps) == (MAX_SERIES, 3)
    assert page.measures[0].caption == "and 3 more targets, in the table"
    table = make_table("-", [], [["x" * 5_000]] * (MAX_ROWS + 7))
    assert (len(table.rows), table.more, len(table.rows[0][0])) == (MAX_ROWS, 7, MAX_CELL)


def test_two_targets_of_one_name_have_different_labels() -> None:
    """By region and account."""
    other = ORDERS.arn.replace("eu-central-1", "us-east-1")
    page = make_page(small_report()._replace(target_arns=[ORDERS.arn, other]))
    assert [each.label for each in page.calendar] == [
        "orders-staging (eu-central-1, 111122223333)",
        "orders-staging (us-east-1, 111122223333)",
    ]


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=90), "90 s"),
        (timedelta(seconds=91), "2 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=26, minutes=5), "26 h 05 min"),
        (timedelta(days=3, hours=4), "3 d 4 h"),
        (None, "not known"),
    ],
)
def test_a_duration_reads_well(span: timedelta | None, text: str) -> None:
    """From seconds to days."""
    assert format_span(span) == text


def test_a_missed_objective_is_on_the_page() -> None:
    """With how many operations met it."""
    strict = small_report(retried())._replace(objectives=Objectives(timedelta(minutes=30), None))
    page = make_page(strict)
    assert "0 of 1 within 30 min" in page.tiles[3].note
    assert "missed by" in page.measures[0].table.rows[0][-1]


def test_the_day_of_an_operation_is_that_of_utc() -> None:
    """An operation that began a second before midnight is in the cell of that day."""
    opened, rows = next(monthly_rows())
    late = opened.model_copy(update={"opened_at": START.replace(hour=23, minute=59)})
    operation = report_operation(late, rows)
    assert operation is not None
    day = START.date()
    page = make_page(small_report(operation)._replace(days=Days(day, day + timedelta(days=1))))
    assert [cell.outcome for cell in page.calendar[0].cells] == ["succeeded", "none"]
