"""What a campaign found: fault × step, for a terminal and for docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.table import Table

from devstack.pipeline import ROOT
from tests.chaos.campaign import Result
from tests.chaos.entry import STEPS
from tests.chaos.transient_faults import FAULTS

DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- campaign: written by make faults -->", "<!-- campaign: end -->"
SEVERAL, NOT_MET = "two or three at random", "not met"


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    fault: str
    step: str
    nights: int
    survived: int
    extra: float
    """Median seconds beyond a clean night, of the nights that came to their own end."""

    @property
    def cells(self) -> tuple[str, ...]:
        """As they are shown."""
        return self.fault, self.step, str(self.nights), str(self.survived), f"{self.extra:.0f} s"


def lines_of(results: Iterable[Result]) -> list[Line]:
    """The table, in the order of faults and steps."""
    results = list(results)
    clean = median([of.clean_seconds for of in results if of.clean_seconds is not None] or [0.0])
    grouped: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        grouped.setdefault(_place(result), []).append(result)
    return [
        Line(
            fault,
            step,
            len(nights),
            sum(night.survived for night in nights),
            max(median(night.seconds for night in nights) - clean, 0.0),
        )
        for (fault, step), nights in sorted(grouped.items(), key=lambda item: _order(item[0]))
    ]


def _place(result: Result) -> tuple[str, str]:
    if " + " in result.plan:
        return SEVERAL, "any"
    fault = result.plan.partition("@")[0]
    return fault, result.hits[0][1] if result.hits else NOT_MET


def _order(place: tuple[str, str]) -> tuple[int, int]:
    faults, steps = list(FAULTS), list(STEPS)
    fault, step = place
    return (
        faults.index(fault) if fault in faults else len(faults),
        steps.index(step) if step in steps else len(steps),
    )


def as_table(lines: Iterable[Line]) -> Table:
    """For a terminal."""
    table = Table("Fault", "Step", "Nights", "Survived", "Median extra")
    for line in lines:
        table.add_row(*line.cells)
    return table


def as_markdown(lines: list[Line], heading: str) -> str:
    """For the document."""
    rows = [f"| {' | '.join(line.cells)} |" for line in lines]
    return "\n".join(
        [heading, "", "| fault | step | nights | survived | median extra |", "|---|---|---|---|---|", *rows]
    )


def write(text: str, document: Path = DOCUMENT) -> None:
    """Between the markers of the document; ValueError if it has none."""
    written = document.read_text("utf-8")
    before, begin, rest = written.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document} has no {BEGIN} … {END}")
    document.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", "utf-8")
