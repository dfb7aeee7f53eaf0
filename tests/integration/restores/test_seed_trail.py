"""The reference trail: six nights, four of which fail, come out row by row as the reference has them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

SEED = Path(__file__).parent / "seed.md"


def seed_nights() -> list[list[list[str]]]:
    """The reference's rows by night, oldest night first."""
    nights: dict[str, list[list[str]]] = defaultdict(list)
    for line in SEED.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and cells[1].startswith("op-"):
            nights[cells[0]].append(cells)
    return [nights[date] for date in sorted(nights)]
