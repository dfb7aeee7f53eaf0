"""The page of `starter.py report`: one file, without scripts and without anything from the network."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from models.steps import Outcome
from reports.calendar import DRILL, NO_OPERATION, SYMBOLS, CalendarDay, calendar_days
from reports.charts import MAX_SERIES
from reports.failures import failures_table
from reports.measure_charts import Chart, Days, measure_charts, step_chart
from reports.measures import Measure, Objectives, TargetMeasures, measure_targets
from reports.names import target_labels
from reports.operation_page import OperationSection, WebUi, anchor_of, operation_section
from reports.operations import ReportedOperation
from reports.rendering import render
from reports.tables import Column, Table, make_table
from reports.times import format_day, format_span, format_time

MAX_CELLS = 9_000
"""Of the calendar: 300 targets for 30 days, about a megabyte."""
NEWEST = 10
"""Operations with a section of their own."""
DEFINITIONS = (
    "Restore time (RTO): from the operation's number to the handover of the target to its users, waits for an operator "
    "included. Age of the data (RPO): from the time of the source snapshot to that handover. A drill has both of its own, until "
    "its users could log in, and counts in none of its target's figures."
)


class Tile(NamedTuple):
    """One figure at the top of the page."""

    name: str
    value: str
    note: str


class Section(NamedTuple):
    """A link to a part of the page."""

    anchor: str
    name: str


class Cell(NamedTuple):
    """A day of a target in the calendar."""

    number: int
    is_monday: bool
    symbol: str
    outcome: str
    text: str
    anchor: str | None


class CalendarRow(NamedTuple):
    """A target in the calendar."""

    label: str
    cells: Sequence[Cell]


class ReportInput(NamedTuple):
    """What a report is made from."""

    target_arns: Sequence[str]
    """In the order in which the page shows them."""
    operations: Sequence[ReportedOperation]
    """The newest first."""
    detailed: Sequence[ReportedOperation]
    """Those that get a section of their own, as far as there is room."""
    days: Days
    objectives: Objectives
    now: datetime
    trail: str
    """The trail's table and region."""
    web_ui: WebUi | None = None


class Page(NamedTuple):
    """Everything that the template shows."""

    title: str
    period: str
    made_at: str
    trail: str
    nothing: str | None
    sections: Sequence[Section]
    tiles: Sequence[Tile]
    symbols: Sequence[tuple[str, str]]
    calendar: Sequence[CalendarRow]
    more_targets: int
    calendar_table: Table
    definitions: str
    targets: Table | None
    measures: Sequence[Chart]
    steps: Sequence[Chart]
    more_steps: int
    failures: Table
    operations_title: str
    operations: Sequence[OperationSection]
    more_operations: int


def write_page(report: ReportInput) -> str:
    """The page in HTML."""
    return render("report.html", make_page(report))


def make_page(report: ReportInput) -> Page:
    """What the template shows."""
    labels = target_labels(report.target_arns)
    targets = measure_targets(report.target_arns, report.operations, report.objectives)
    shown = targets[: max(1, MAX_CELLS // ((report.days.last - report.days.first).days + 1))]
    sections = [
        operation_section(number, each, labels[each.target_arn], report.objectives, report.now, report.web_ui)
        for number, each in enumerate(report.detailed[:NEWEST], 1)
    ]
    charts = measure_charts(targets, labels, report.objectives, report.days)
    with_operations = [target for target in targets if target.operations]
    steps = [
        chart
        for number, each in enumerate(with_operations[:MAX_SERIES], 1)
        if (chart := step_chart(number, each, labels[each.target_arn], report.days)) is not None
    ]
    anchors = {section.anchor for section in sections}
    period = f"{format_day(report.days.first)} to {format_day(report.days.last)}"
    return Page(
        title="Aurora restores",
        period=period,
        made_at=format_time(report.now),
        trail=report.trail,
        nothing=_nothing(report, period),
        sections=_sections(charts, steps, sections),
        tiles=_tiles(targets, report) if report.operations else (),
        symbols=[
            *((outcome.value, symbol) for outcome, symbol in SYMBOLS.items()),
            *((("drill", DRILL),) if any(each.is_drill for each in report.operations) else ()),
            ("none", NO_OPERATION),
        ],
        calendar=[
            CalendarRow(
                labels[each.target_arn],
                [_cell(day, anchors) for day in calendar_days(each, report.days.first, report.days.last)],
            )
            for each in shown
        ],
        more_targets=len(targets) - len(shown),
        calendar_table=_calendar_table(report.operations, labels),
        definitions=DEFINITIONS,
        targets=_targets_table(targets, labels, report) if targets else None,
        measures=charts,
        steps=steps,
        more_steps=max(0, len(with_operations) - MAX_SERIES),
        failures=failures_table(report.operations, labels),
        operations_title="Operations" if len(report.detailed) > 1 else "Operation",
        operations=sections,
        more_operations=max(0, len(report.detailed) - NEWEST),
    )


def _nothing(report: ReportInput, period: str) -> str | None:
    """Why the page is empty."""
    if not report.target_arns:
        return (
            "The trail has no operation yet: no restore has begun. To start one: python starter.py start REQUEST_FILE"
        )
    if not report.operations:
        return f"No operation of these targets began from {period}. What is due: python starter.py list"
    return None


def _sections(charts: Sequence[Chart], steps: Sequence[Chart], operations: Sequence[OperationSection]) -> list[Section]:
    return [
        Section("calendar", "Calendar"),
        Section("targets", "Targets"),
        *(Section(chart.anchor, chart.title) for chart in charts),
        *([Section("steps", "Durations of the steps")] if steps else []),
        Section("failures", "Failures"),
        *([Section("operations", "Operations")] if operations else []),
    ]


def _tiles(targets: Sequence[TargetMeasures], report: ReportInput) -> list[Tile]:
    ended = sum(target.count(Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELLED) for target in targets)
    succeeded, failed = (
        sum(each.count(outcome) for each in targets) for outcome in (Outcome.SUCCEEDED, Outcome.FAILED)
    )
    skipped, running = (sum(each.count(outcome) for each in targets) for outcome in (Outcome.SKIPPED, Outcome.RUNNING))
    restore_time = Measure(
        tuple(value for each in targets for value in each.restore_time.values), report.objectives.rto
    )
    data_age = Measure(tuple(value for each in targets for value in each.data_age.values), report.objectives.rpo)
    share = f"{100 * succeeded / ended:.0f} %" if ended else "none ended"
    return [
        Tile("Targets", str(len(targets)), f"{len(report.operations)} operations"),
        Tile("Succeeded", share, f"{succeeded} of {ended} that ran to an end"),
        Tile("Failed", str(failed), f"{skipped} skipped, {running} without an end"),
        Tile("Restore time (RTO)", format_span(restore_time.median), _note(restore_time)),
        Tile("Age of the data (RPO)", format_span(data_age.median), _note(data_age)),
    ]


def _note(measure: Measure) -> str:
    longest = f"median; longest {format_span(measure.longest)}"
    if measure.objective is None:
        return longest
    return f"{longest}; {measure.met} of {len(measure.values)} within {format_span(measure.objective)}"


def _cell(day: CalendarDay, anchors: set[str]) -> Cell:
    anchor = next((anchor_of(each) for each in day.operations if anchor_of(each) in anchors), None)
    return Cell(day.day.day, day.day.weekday() == 0, day.symbol, day.outcome, day.text, anchor)


def _calendar_table(operations: Sequence[ReportedOperation], labels: dict[str, str]) -> Table:
    columns = [
        Column("Operation"),
        Column("Target"),
        Column("Began", "time"),
        Column("Outcome"),
        Column("At"),
        Column("Details"),
    ]
    rows = [
        [
            each.operation_id,
            labels[each.target_arn],
            format_time(each.began_at),
            each.summary.words,
            each.summary.step.value,
            each.summary.details,
        ]
        for each in operations
    ]
    return make_table("Every operation of these days", columns, rows)


def _targets_table(targets: Sequence[TargetMeasures], labels: dict[str, str], report: ReportInput) -> Table:
    columns = [
        Column("Target"),
        Column("Operations", "number"),
        Column("Succeeded", "number"),
        Column("Failed", "number"),
        Column("Last good restore"),
        Column("RTO median", "number"),
        Column("RTO longest", "number"),
        Column("RPO median", "number"),
        Column("RPO longest", "number"),
    ]
    objectives = report.objectives
    columns += [Column("Within RTO", "number")] if objectives.rto is not None else []
    columns += [Column("Within RPO", "number")] if objectives.rpo is not None else []
    rows = [
        [
            labels[target.target_arn],
            str(len(target.operations)),
            str(target.count(Outcome.SUCCEEDED)),
            str(target.count(Outcome.FAILED)),
            f"{format_span(report.now - target.restored_at)} ago" if target.restored_at else "none in these days",
            *_spans(target.restore_time),
            *_spans(target.data_age),
            *(_met(measure) for measure in (target.restore_time, target.data_age) if measure.objective is not None),
        ]
        for target in targets
    ]
    return make_table("Every target", columns, rows)


def _spans(measure: Measure) -> tuple[str, str]:
    if not measure.values:
        return "", ""
    return format_span(measure.median), format_span(measure.longest)


def _met(measure: Measure) -> str:
    return f"{measure.met} of {len(measure.values)}"
