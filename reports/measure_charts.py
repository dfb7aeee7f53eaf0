"""The charts of restore time, age of the data and durations of steps, with the tables behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from markupsafe import Markup

from models.steps import STEPS, Replacement, Status, Step
from reports.charts import MAX_SERIES, Point, Series, draw_measure, draw_steps
from reports.measures import Objectives, TargetMeasures
from reports.operations import ReportedOperation
from reports.tables import Column, Table, make_table
from reports.times import format_span, format_time

SHORTEST_STEP = timedelta(minutes=1)
"""A step that never took longer has no panel: it only makes calls."""
ORDER = STEPS[Replacement.SWAP]
"""The steps of both kinds of restore, each once."""


class Chart(NamedTuple):
    """A chart with its table."""

    anchor: str
    title: str
    svg: Markup
    caption: str
    table: Table


class Days(NamedTuple):
    """The days of a report (UTC), both included."""

    first: date
    last: date

    @property
    def limits(self) -> tuple[datetime, datetime]:
        """The beginning of the first day, and the end of the last one."""
        first, last = (datetime.combine(day, time(), UTC) for day in self)
        return first, last + timedelta(days=1)


def measure_charts(
    targets: Sequence[TargetMeasures], labels: Mapping[str, str], objectives: Objectives, days: Days
) -> list[Chart]:
    """Restore time and age of the data; none of what no operation has measured."""
    charts = (
        _measure_chart("rto", "Restore time (RTO)", targets, labels, objectives.rto, days, _restore_time),
        _measure_chart("rpo", "Age of the data (RPO)", targets, labels, objectives.rpo, days, _data_age),
    )
    return [chart for chart in charts if chart is not None]


def step_chart(number: int, target: TargetMeasures, label: str, days: Days) -> Chart | None:
    """The durations of a target's steps; None if none has ended."""
    by_step: dict[Step, list[Point]] = {}
    for operation in reversed(target.operations):
        for run in operation.runs:
            if isinstance(run.step, Step) and run.status is Status.SUCCESS and run.duration is not None:
                by_step.setdefault(run.step, []).append(Point(run.started_at, run.duration))
    long = [
        step
        for step in ORDER
        if max((point.value for point in by_step.get(step, ())), default=timedelta()) > SHORTEST_STEP
    ]
    if not long:
        return None
    title = f"Durations of the steps of {label}"
    svg = draw_steps(f"steps-{number}", title, [Series(step.value, by_step[step]) for step in long], days.limits)
    columns = [
        Column("Operation"),
        Column("Began", "time"),
        *(Column(step.value, "number") for step in ORDER if step in by_step),
    ]
    rows = [_durations_row(operation, [step for step in ORDER if step in by_step]) for operation in target.operations]
    left_out = [step.value for step in ORDER if step in by_step and step not in long]
    caption = f"Only in the table, because they take less than a minute: {', '.join(left_out)}." if left_out else ""
    return Chart(f"steps-{number}", label, svg, caption, make_table(title, columns, rows))


def _measure_chart(
    anchor: str,
    title: str,
    targets: Sequence[TargetMeasures],
    labels: Mapping[str, str],
    objective: timedelta | None,
    days: Days,
    value_of: Callable[[ReportedOperation], timedelta | None],
) -> Chart | None:
    series = [Series(labels[target.target_arn], _points(reversed(target.operations), value_of)) for target in targets]
    series = [each for each in series if each.points]
    if not series:
        return None
    svg = draw_measure(anchor, title, series, objective, days.limits)
    rows = [
        [
            operation.operation_id,
            labels[target.target_arn],
            format_time(operation.summary.restored_at),
            format_span(value),
        ]
        + ([_verdict(value, objective)] if objective is not None else [])
        for target in targets
        for operation in target.operations
        if not operation.is_drill and (value := value_of(operation)) is not None
    ]
    columns = [Column("Operation"), Column("Target"), Column("Handed over", "time"), Column("Measured", "number")]
    columns += [Column(f"Objective {format_span(objective)}")] if objective is not None else []
    more = len(series) - MAX_SERIES
    caption = f"and {more} more targets, in the table" if more > 0 else ""
    return Chart(
        anchor, title, svg, caption, make_table(title, columns, sorted(rows, key=lambda row: row[2], reverse=True))
    )


def _restore_time(operation: ReportedOperation) -> timedelta | None:
    return operation.restore_time


def _data_age(operation: ReportedOperation) -> timedelta | None:
    return operation.data_age


def _points(
    operations: Iterable[ReportedOperation], value_of: Callable[[ReportedOperation], timedelta | None]
) -> list[Point]:
    return [
        Point(operation.summary.restored_at, value)
        for operation in operations
        if operation.summary.restored_at is not None and (value := value_of(operation)) is not None
    ]


def _verdict(value: timedelta, objective: timedelta) -> str:
    return "met" if value <= objective else f"missed by {format_span(value - objective)}"


def _durations_row(operation: ReportedOperation, steps: Sequence[Step]) -> list[str]:
    """The last successful run of each step."""
    durations = {
        run.step: run.duration for run in operation.runs if run.status is Status.SUCCESS and run.duration is not None
    }
    cells = [format_span(durations[step]) if step in durations else "" for step in steps]
    return [operation.operation_id, format_time(operation.began_at), *cells]
