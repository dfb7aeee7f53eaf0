"""A picture of deploy/monitoring/dashboard.json over series that Prometheus has, for docs/monitoring.md.

    python -m tests.benchmarks.fleet --series FOLDER
    python -m tests.rigs.dashboard_picture FOLDER

This is no Grafana: it asks Prometheus each panel's query and draws the answer by the panel's type, place, title, unit,
legend, thresholds and colours, which it reads in the dashboard's JSON. It needs Prometheus and Chromium, and writes into
docs/images. Source: Grafana docs, "Dashboard JSON model"; Prometheus docs, "HTTP API".
"""

from __future__ import annotations

import argparse
import html
import io
import json
import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

from devstack.processes import Scratch
from tests.rigs.chromium import chromium, open_page
from tests.rigs.dashboard import FILE
from tests.rigs.documents import IMAGES
from tests.rigs.prometheus import Measured, Prometheus

WIDTH, COLUMNS, ROW, GAP = 1400, 24, 30, 8
"""Pixels of the page, columns of its grid, pixels of a row of the grid and between two panels."""
POINTS = 240
"""Values of a line."""
TITLE, LEGEND, PADDING = 30, 22, 8
"""Pixels of a panel's title, of a line of its legend, and around what is drawn."""
GROUND, PANEL, INK, MUTED, GRID = "#111217", "#181b1f", "#d8d9da", "#9a9da3", "#2c3035"
NAMED = {"green": "#73bf69", "red": "#f2495c", "orange": "#ff9830", "yellow": "#fade2a"}
PALETTE = (
    "#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#a352cc", "#37872d", "#fa6400", "#ffb357",
)  # fmt: skip
STYLE = {"svg.fonttype": "none", "font.size": 11, "text.parse_math": False, "text.color": INK, "axes.edgecolor": GRID,
         "axes.labelcolor": MUTED, "xtick.color": MUTED, "ytick.color": MUTED, "grid.color": GRID}  # fmt: skip
PAGE = f"""<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: {GROUND}; color: {INK}; font: 13px sans-serif; position: relative }}
section {{ position: absolute; background: {PANEL}; border: 1px solid {GRID}; box-sizing: border-box; overflow: hidden }}
h2 {{ position: absolute; margin: 0; font-size: 16px; font-weight: 500 }}
h3 {{ margin: 0; padding: 0 {PADDING}px; height: {TITLE}px; line-height: {TITLE}px; font-size: 13px; font-weight: 500 }}
ul {{ margin: 0; padding: 0 {PADDING}px; list-style: none }}
li {{ display: inline-block; line-height: {LEGEND}px; margin-right: 14px; font-size: 12px; white-space: nowrap }}
i {{ display: inline-block; width: 14px; height: 3px; margin-right: 5px; vertical-align: middle }}
p {{ text-align: center; color: {MUTED}; margin-top: 90px; font-size: 15px }}
svg {{ display: block }}
</style>"""
NO_DATA = "No data"
DURATIONS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def format_value(value: float, unit: str) -> str:
    """A value as an axis shows it. Raises `KeyError` for a unit that no panel has."""
    if unit == "s":
        size, name = next((each for each in DURATIONS if abs(value) >= each[0]), (0.001, "ms") if value else (1.0, "s"))
        return f"{value / size:.3g} {name}"
    return f"{value:.3g}{ {'short': '', 'reqps': ' req/s'}[unit] }"


def name_of(series: Measured, legend: str) -> str:
    """The name of a series in the legend, which has labels in double braces."""
    return re.sub(r"{{(\w+)}}", lambda found: series.labels.get(found[1], ""), legend)


class Panel:
    """One panel of the dashboard, of the two types that it has."""

    def __init__(self, panel: dict[str, Any]) -> None:
        """`panel` is the panel's JSON."""
        place, self._field = panel["gridPos"], panel["fieldConfig"]["defaults"]
        across = (WIDTH - GAP) / COLUMNS
        self._left, self._top = GAP + place["x"] * across, place["y"] * (ROW + GAP) + GAP
        self._width, self._height = place["w"] * across - GAP, place["h"] * (ROW + GAP) - GAP
        self._title, self._type, [self._target] = panel["title"], panel["type"], panel["targets"]
        self._colours = [
            (override["matcher"]["options"].strip("/"), NAMED[change["value"]["fixedColor"]])
            for override in panel["fieldConfig"]["overrides"]
            for change in override["properties"]
        ]

    def draw(self, prometheus: Prometheus, start: float, end: float) -> str:
        """The panel as a part of the page, with the series that Prometheus has in this period."""
        draw = {"timeseries": self._draw_lines, "bargauge": self._draw_bars}[self._type]
        place = f"left:{self._left:.0f}px;top:{self._top:.0f}px;width:{self._width:.0f}px;height:{self._height:.0f}px"
        return f'<section style="{place}"><h3>{html.escape(self._title)}</h3>{draw(prometheus, start, end)}</section>'

    def _draw_lines(self, prometheus: Prometheus, start: float, end: float) -> str:
        found = prometheus.ask_range(self._target["expr"], start, end, (end - start) / POINTS)
        lines = {name_of(each, self._target["legendFormat"]): each for each in found if _is_drawn(each)}
        if not lines:
            return f"<p>{html.escape(self._field.get('noValue', NO_DATA))}</p>"
        colours = [self._colour_of(name, PALETTE[number % len(PALETTE)]) for number, name in enumerate(lines)]
        entries = "".join(
            f'<li><i style="background:{colour}"></i>{html.escape(name)}</li>'
            for name, colour in zip(lines, colours, strict=True)
        )
        legend = LEGEND * min(3, _lines_of_legend(lines, self._width))

        def fill(axes: Axes) -> None:
            for each, colour in zip(lines.values(), colours, strict=True):
                times = [_time(at) for at, _ in each.values]
                values = [value for _, value in each.values]
                axes.plot(times, values, color=colour, linewidth=1.2)
                axes.fill_between(times, values, color=colour, alpha=self._field["custom"]["fillOpacity"] / 100)
            axes.set_xlim(_time(start), _time(end))
            axes.xaxis.set_major_locator(AutoDateLocator(maxticks=7))  # type: ignore[no-untyped-call]
            axes.xaxis.set_major_formatter(DateFormatter("%H:%M" if end - start > 600 else "%H:%M:%S", tz=UTC))  # type: ignore[no-untyped-call]
            axes.set_ylim(bottom=self._field["min"], top=None if axes.get_ylim()[1] > 0 and _is_over_zero(lines) else 1)
            axes.yaxis.set_major_locator(MaxNLocator(5, integer=self._field["unit"] == "short"))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_value(value, self._field["unit"])))
            axes.grid()

        drawn = _figure(fill, self._width, self._height - TITLE - legend, left=78, bottom=26)
        return f'{drawn}<ul style="height:{legend}px;overflow:hidden">{entries}</ul>'

    def _draw_bars(self, prometheus: Prometheus, _: float, end: float) -> str:
        found = prometheus.ask(self._target["expr"], end)
        if not found:
            return f"<p>{NO_DATA}</p>"
        names = [name_of(each, self._target["legendFormat"]) for each in found]
        values = [each.values[0][1] for each in found]
        longest = max(*values, 1.0)

        def fill(axes: Axes) -> None:
            colours = [self._colour_at(value) for value in values]
            axes.barh(range(len(values)), [longest] * len(values), color=GRID, height=0.8)
            axes.barh(range(len(values)), values, color=colours, height=0.8)
            for row, (value, colour) in enumerate(zip(values, colours, strict=True)):
                axes.annotate(
                    format_value(value, self._field["unit"]), (longest, row), (8, 0), textcoords="offset points", va="center",
                    color=colour, fontsize=10,
                )  # fmt: skip
            axes.set_yticks(range(len(names)), names, fontsize=min(10, 160 / len(names)))
            axes.set_ylim(len(names) - 0.4, -0.6)
            axes.set_xlim(self._field["min"], longest)
            axes.set_xticks([])
            axes.tick_params(length=0)
            axes.set_frame_on(False)

        return _figure(fill, self._width, self._height - TITLE, left=110, right=90, bottom=6)

    def _colour_of(self, name: str, default: str) -> str:
        return next((colour for pattern, colour in self._colours if re.fullmatch(pattern, name)), default)

    def _colour_at(self, value: float) -> str:
        steps = self._field["thresholds"]["steps"]
        return NAMED[[step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1]]


def _lines_of_legend(names: Iterable[str], width: float) -> int:
    count, used = 1, 0.0
    for name in names:
        entry = len(name) * 7 + 33
        count, used = (count + 1, entry) if used + entry > width else (count, used + entry)
    return count


def _time(at: float) -> float:
    """Seconds since 1970 as matplotlib counts them: in days."""
    return at / 86400


def _is_drawn(series: Measured) -> bool:
    return any(math.isfinite(value) for _, value in series.values)


def _is_over_zero(lines: dict[str, Measured]) -> bool:
    return any(value > 0 for each in lines.values() for _, value in each.values)


def _figure(fill: Any, width: float, height: float, *, left: int, bottom: int, right: int = 14) -> str:
    """The axes that `fill` draws, as SVG of this size in pixels, with these margins."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]  # the stubs list the keys of their own version
        figure = Figure(figsize=(width / 72, height / 72))
        figure.patch.set_alpha(0)
        figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - PADDING / height)
        axes = figure.subplots()
        axes.patch.set_alpha(0)
        fill(axes)
        file = io.StringIO()
        figure.savefig(file, format="svg")
    drawn = file.getvalue()
    return drawn[drawn.index("<svg") :].replace('pt"', 'px"', 2)


def page(prometheus: Prometheus, start: float, end: float) -> str:
    """The dashboard as a page."""
    parts, bottom = [PAGE], 0
    for panel in json.loads(FILE.read_text("utf-8"))["panels"]:
        place = panel["gridPos"]
        bottom = max(bottom, (place["y"] + place["h"]) * (ROW + GAP) + GAP)
        if panel["type"] == "row":
            top = place["y"] * (ROW + GAP) + GAP + 5
            parts.append(f'<h2 style="left:{GAP}px;top:{top}px">{html.escape(panel["title"])}</h2>')
        else:
            parts.append(Panel(panel).draw(prometheus, start, end))
    return "".join([*parts, f'<div style="height:{bottom}px"></div>'])


def draw(prometheus: Prometheus, start: float, end: float, picture: Path) -> None:
    """Write the dashboard of this period, in seconds since 1970, as a PNG."""
    with chromium() as browser:
        opened = open_page(browser, page(prometheus, start, end), WIDTH)
        taken = opened.screenshot(full_page=True)
    # A palette takes half of the bytes.
    Image.open(io.BytesIO(taken)).convert("RGB").quantize(
        256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
    ).save(picture, optimize=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the series of a folder, which is a Prometheus's data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="series that a measurement has kept")
    parser.add_argument("--file", type=Path, default=IMAGES / "dashboard.png", help="the picture")
    options = parser.parse_args(arguments)
    with Scratch("picture") as scratch:
        prometheus = Prometheus(scratch, None, options.folder)
        draw(prometheus, *prometheus.period(), options.file)


if __name__ == "__main__":
    main()
