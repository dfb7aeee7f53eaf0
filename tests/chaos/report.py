"""The results of a campaign by fault and step, as a table for a terminal and for docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.table import Table

from devstack.pipeline import ROOT
from tests.chaos.campaign import Result
from tests.chaos.campaign_fault import STEPS
from tests.chaos.plans import FAULTS

DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- campaign: written by make faults -->", "<!-- campaign: end -->"
SEVERAL_FAULTS, NOT_REACHED = "two or three at random", "not reached"
HEADINGS = ("fault", "step", "restores", "survived", "median extra time")


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    fault: str
    step: str
    restores: int
    survived: int
    extra: float
    """Median seconds beyond an undisturbed restore."""

    @property
    def cells(self) -> tuple[str, ...]:
        """The texts of the row."""
        return self.fault, self.step, str(self.restores), str(self.survived), f"{self.extra:.0f} s"


def rows_of(results: Iterable[Result]) -> list[Row]:
    """The rows of the table, in the order of faults and steps."""
    results = list(results)
    undisturbed = [each.undisturbed_seconds for each in results if each.undisturbed_seconds is not None]
    typical = median(undisturbed or [0.0])
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault(_fault_and_step(result), []).append(result)
    return [
        Row(
            fault,
            step,
            len(group),
            sum(result.survived for result in group),
            max(median(result.seconds for result in group) - typical, 0.0),
        )
        for (fault, step), group in sorted(groups.items(), key=lambda item: _order(item[0]))
    ]


def _fault_and_step(result: Result) -> tuple[str, str]:
    if " + " in result.plan:
        return SEVERAL_FAULTS, "any"
    fault = result.plan.partition("@")[0]
    return fault, result.injections[0][1] if result.injections else NOT_REACHED


def _order(fault_and_step: tuple[str, str]) -> tuple[int, int]:
    faults, steps = list(FAULTS), list(STEPS)
    fault, step = fault_and_step
    return (
        faults.index(fault) if fault in faults else len(faults),
        steps.index(step) if step in steps else len(steps),
    )


def summary(results: list[Result], minutes: float, environments: int) -> str:
    """The line above the table."""
    survived = sum(result.survived for result in results)
    return f"{len(results)} restores in {minutes:.0f} minutes, in {environments} parallel environments; {survived} survived."


def as_table(rows: Iterable[Row]) -> Table:
    """The table for a terminal."""
    table = Table(*(heading.capitalize() for heading in HEADINGS))
    for row in rows:
        table.add_row(*row.cells)
    return table


def as_markdown(rows: list[Row], heading: str) -> str:
    """The table for the document."""
    lines = [f"| {' | '.join(cells)} |" for cells in (HEADINGS, *(row.cells for row in rows))]
    return "\n".join([heading, "", lines[0], "|---" * len(HEADINGS) + "|", *lines[1:]])


def write(text: str, document: Path = DOCUMENT, markers: tuple[str, str] = (BEGIN, END)) -> None:
    """Replace the text between the markers of the document. Raises ValueError if it has none."""
    current = document.read_text("utf-8")
    before, begin, rest = current.partition(markers[0])
    _, end, after = rest.partition(markers[1])
    if not begin or not end:
        raise ValueError(f"{document} has no {markers[0]} … {markers[1]}")
    document.write_text(f"{before}{begin}\n{text}\n{end}{after}", "utf-8")
