"""The charts of the report. Behind each the page has a table with the same values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup
from matplotlib.dates import DateFormatter
from matplotlib.ticker import MaxNLocator

from models.steps import Status
from reports.drawing import BAD, GOOD, INK, LINES, MARKERS, MUTED, NARROW, NEUTRAL, SERIES, Margins, draw, lay_out
from reports.times import format_span

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reports.operations import ReportedOperation, StepRun

MAX_SERIES = len(SERIES)
"""Targets that a chart draws; the table has all of them."""
ROW, PANEL, PLOT = 30, 150, 280
"""Pixels: the height of a row of the Gantt, of a small panel, and of a whole plot."""
MAX_RUNS = 60
"""Runs of steps and waits that a Gantt draws; the table has all of them."""


STEPS_OF_TICKS = [1, 2, 5, 10]
MAX_LEGEND = 32
"""Characters of a name in a legend, which a phone is wide enough for."""


class Point(NamedTuple):
    """One measured value."""

    at: datetime
    value: timedelta


class Series(NamedTuple):
    """The values of one target, in chronological order."""

    label: str
    points: Sequence[Point]


def draw_measure(
    name: str, title: str, series: Sequence[Series], objective: timedelta | None, days: tuple[datetime, datetime]
) -> Markup:
    """Values over time, a line for each target, and the objective as a dashed line."""

    def fill(figure: Figure, width: int) -> int:
        axes = figure.subplots()
        unit = _unit([point.value for each in series for point in each.points] + [objective or timedelta()])
        for number, each in enumerate(series[:MAX_SERIES]):
            _draw_line(axes, each, number, unit)
        if objective is not None:
            axes.axhline(objective / unit[0], color=BAD, linestyle=(0, (6, 4)), linewidth=1.6, label="objective")
        _set_up(axes, days, unit[1], width)
        columns = 1 if width <= NARROW else 4
        entries = min(len(series), MAX_SERIES) + (objective is not None)
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False, labelcolor=INK, borderaxespad=0.2
        )
        legend = 22 * -(-entries // columns)
        return lay_out(figure, width, PLOT + legend, Margins(top=legend + 8))

    return draw(name, title, fill)


def draw_steps(name: str, title: str, series: Sequence[Series], days: tuple[datetime, datetime]) -> Markup:
    """The durations of a target's steps over time, a small panel for each step, each with a scale of its own."""

    def fill(figure: Figure, width: int) -> int:
        columns = 1 if width <= NARROW else 4
        rows = -(-len(series) // columns)
        panels = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axes, each in zip(panels, series, strict=False):
            unit = _unit([point.value for point in each.points])
            axes.set_title(f"{each.label} ({unit[1]})", fontsize=12, loc="left")
            _draw_line(axes, each, 0, unit)
            _set_up(axes, days, "", width // columns)
        for axes in panels[len(series) :]:
            axes.remove()
        return lay_out(figure, width, PANEL * rows, Margins(left=44, top=26), gap=52)

    return draw(name, title, fill)


def draw_gantt(name: str, title: str, operation: ReportedOperation, now: datetime) -> Markup:
    """The runs of an operation's steps, and the waits between them, from top to bottom as they happened."""

    def fill(figure: Figure, width: int) -> int:
        axes = figure.subplots()
        bars = _bars(operation, now)[:MAX_RUNS]
        zero = operation.runs[0].started_at
        unit = _unit([bar.ended_at - zero for bar in bars])
        whole = max((bar.ended_at - zero) / unit[0] for bar in bars) or 1.0
        for row, bar in enumerate(bars):
            _draw_bar(axes, row, bar, zero, unit[0], whole)
        axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
        axes.tick_params(axis="y", labelcolor=INK, length=0)
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xlim(0, whole * (1.25 if width <= NARROW else 1.12))
        axes.xaxis.set_major_locator(MaxNLocator(4 if width <= NARROW else 10, steps=STEPS_OF_TICKS))
        axes.set_xlabel(f"{unit[1]} since the beginning")
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        return lay_out(figure, width, ROW * len(bars) + 56, Margins(left=140, bottom=46))

    return draw(name, title, fill)


class _Bar(NamedTuple):
    label: str
    started_at: datetime
    ended_at: datetime
    text: str
    colour: str
    hatch: str
    failed_at: tuple[datetime, ...]


def _bars(operation: ReportedOperation, now: datetime) -> list[_Bar]:
    """In chronological order."""
    bars = [_bar_of(run, now) for run in operation.runs]
    bars += [
        _Bar(
            "keeping the old" if gap.is_keeping_old else "waiting",
            gap.started_at,
            gap.ended_at,
            format_span(gap.duration),
            MUTED,
            "..",
            (),
        )
        for gap in operation.gaps
    ]
    return sorted(bars, key=lambda bar: bar.started_at)


def _bar_of(run: StepRun, now: datetime) -> _Bar:
    ended_at = max(run.ended_at or now, run.started_at)
    colour, hatch = {Status.SUCCESS: (GOOD, ""), Status.FAILED: (BAD, "//")}.get(run.status, (NEUTRAL, "--"))
    text = {Status.FAILED: " failed", Status.IN_PROGRESS: " so far"}.get(run.status, "")
    text = f"{format_span(ended_at - run.started_at)}{text}"
    return _Bar(run.step.value, run.started_at, ended_at, text, colour, hatch, run.failed_at)


def _draw_bar(axes: Axes, row: int, bar: _Bar, zero: datetime, unit: timedelta, whole: float) -> None:
    left, length = (bar.started_at - zero) / unit, (bar.ended_at - bar.started_at) / unit
    shown = max(length, whole / 300)
    axes.barh(row, shown, left=left, height=0.6, color=bar.colour, hatch=bar.hatch, edgecolor=INK, linewidth=0.6)
    failed = [(at - zero) / unit for at in bar.failed_at]
    axes.plot(failed, [row] * len(failed), linestyle="", marker="x", color=INK, markersize=7)
    # Beside the bar where there is room; otherwise before it, so that it is never cut off.
    is_left = left + shown > whole * 0.75 and left > whole * 0.3
    at, side, alignment = (left, -5, "right") if is_left else (left + shown, 5, "left")
    axes.annotate(bar.text, (at, row), (side, 0), textcoords="offset points", va="center", ha=alignment, fontsize=11)


def _draw_line(axes: Axes, series: Series, number: int, unit: tuple[timedelta, str]) -> None:
    axes.plot(
        [point.at for point in series.points],  # type: ignore[arg-type]  # the stubs know no times
        [point.value / unit[0] for point in series.points],
        color=SERIES[number],
        marker=MARKERS[number],
        linestyle=LINES[number],
        linewidth=1.4,
        markersize=4.5,
        label=_abbreviate(series.label, MAX_LEGEND),
    )


def _set_up(axes: Axes, days: tuple[datetime, datetime], unit: str, width: int) -> None:
    """Both axes: the same days for all charts, values from zero."""
    axes.set_xticks(_tick_days(days, 3 if width <= NARROW else 6))  # type: ignore[arg-type]  # the stubs know no times
    axes.xaxis.set_major_formatter(DateFormatter("%d %b", tz=UTC))  # type: ignore[no-untyped-call]
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=STEPS_OF_TICKS))
    axes.set_xlim(days[0], days[1])  # type: ignore[arg-type]  # as above
    axes.set_ylim(bottom=0, top=None if axes.get_ylim()[1] > 0 else 1)
    axes.margins(y=0.1)
    axes.set_ylabel(unit)
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def _tick_days(days: tuple[datetime, datetime], count: int) -> list[datetime]:
    """At most so many beginnings of days, equally far from each other."""
    step = timedelta(days=max(1, -(-(days[1] - days[0]).days // count)))
    return [days[0] + step * index for index in range(count) if days[0] + step * index < days[1]]


def _unit(values: Sequence[timedelta]) -> tuple[timedelta, str]:
    """The unit in which the longest value is a number that one can read."""
    longest = max(values, default=timedelta())
    if longest > timedelta(hours=3):
        return timedelta(hours=1), "hours"
    return (timedelta(minutes=1), "minutes") if longest > timedelta(minutes=2) else (timedelta(seconds=1), "seconds")


def _abbreviate(label: str, max_characters: int) -> str:
    """Beginning and end, because the names of targets often begin alike."""
    if len(label) <= max_characters:
        return label
    half = (max_characters - 1) // 2
    return f"{label[:half]}…{label[-half:]}"
