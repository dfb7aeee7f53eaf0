"""Writes a benchmark's table between its two marks in docs/performance.md."""

from __future__ import annotations

from pathlib import Path

DOCUMENT = Path("docs/performance.md")


def write(table: str, begin: str, end: str) -> None:
    """Replace the table in the document."""
    text = DOCUMENT.read_text("utf-8")
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    DOCUMENT.write_text(f"{before}{begin}\n{table}\n{end}{after}", "utf-8")
