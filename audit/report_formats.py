"""The formats of the report: a table, Markdown and JSON, each line by line as the rows come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, zip_longest

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from audit.report import ReportRow
from models.steps import Status

COLUMNS = ("Date", "Operation ID", "Step", "Status", "Details", "Timestamp")
ATTEMPT_COLUMNS = ("Attempt", "Fault")
CHECK_COLUMNS = ("Step", "Check", "Expected", "Actual", "Met")
ROWS_PER_LAYOUT = 1_000
"""How many rows decide how wide the columns of the table are; a text of a later row may be wider."""
WRAPPED_FIRST = ("Details", "Timestamp", "Fault")
"""The columns that are made narrower if the terminal is too narrow, before any other is."""
NARROWEST = 6
"""Characters of a column on a terminal that is too narrow for the table."""
BORDERS = 3
"""Characters of a column beside its text: a space on both sides, and a border."""
_STYLES = {Status.SUCCESS: "32", Status.FAILED: "1;31", Status.IN_PROGRESS: "33"}
"""Green, bold red and yellow, as a terminal takes them (ECMA-48, "Select graphic rendition")."""
_BOLD = "1"


def markdown_lines(rows: Iterable[ReportRow], attempts: bool = False) -> Iterator[str]:
    """The report as a Markdown table."""
    yield from markdown_table(_columns(attempts), (_cells(row, attempts) for row in rows))


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A Markdown table, line by line."""
    yield f"| {' | '.join(columns)} |"
    # The reference trail has one dash more under Status than the name needs; the report reproduces it byte for byte.
    yield f"|{'|'.join('-' * (len(name) + 2 + (name == 'Status')) for name in columns)}|"
    for cells in rows:
        yield f"| {' | '.join(map(_escape, cells))} |"


def check_cells(row: ReportRow) -> Iterator[tuple[str, ...]]:
    """A line for each check of a row, as texts: step, check, expected, actual, whether they agree."""
    for check in row.checks or ():
        yield (
            row.step.value,
            *(str(check[name]) for name in ("check", "expected", "actual")),
            "yes" if check["met"] else "no",
        )


def json_lines(rows: Iterable[ReportRow]) -> Iterator[str]:
    """The report as a JSON object with the list `rows`; times in ISO 8601."""
    previous = None
    yield '{"rows": ['
    for row in rows:
        if previous is not None:
            yield f"{previous},"
        previous = "\n".join(f"  {line}" for line in row.model_dump_json(indent=2, exclude_none=True).split("\n"))
    if previous is not None:
        yield previous
    yield "]}"


def table_lines(
    rows: Iterable[ReportRow], attempts: bool = False, *, width: int | None = None, is_coloured: bool = False
) -> Iterator[str]:
    """The report as a table with borders.

    `width` is the terminal's, in characters: if it is too narrow, the column Date is left out, then texts are wrapped,
    never cut; None wraps nothing.
    """
    remaining = iter(rows)
    first = list(islice(remaining, ROWS_PER_LAYOUT))
    natural = _widths(first, attempts)
    # The timestamp has the date too.
    skipped = int(width is not None and _table_width(natural) > width)
    widths = _fit(natural[skipped:], width, (*COLUMNS, *ATTEMPT_COLUMNS)[skipped:])
    columns = _columns(attempts)[skipped:]
    yield _border(("┏", "┳", "┓"), "━", widths)
    for cells in _wrap(columns, widths, width is not None):
        yield _line(cells, "┃", [_BOLD if is_coloured else ""] * len(columns))
    yield _border(("┡", "╇", "┩"), "━", widths)
    for row in chain(first, remaining):
        styles = [_STYLES[row.status] if is_coloured and name == "Status" else "" for name in columns]
        for cells in _wrap(_cells(row, attempts)[skipped:], widths, width is not None):
            yield _line(cells, "│", styles)
    yield _border(("└", "┴", "┘"), "─", widths)


def _columns(attempts: bool) -> tuple[str, ...]:
    return COLUMNS + ATTEMPT_COLUMNS if attempts else COLUMNS


def _cells(row: ReportRow, attempts: bool) -> tuple[str, ...]:
    return row.cells + row.attempt_cells if attempts else row.cells


def _escape(cell: str) -> str:
    """A text that stays in one cell of a Markdown table."""
    return " ".join(cell.replace("|", "\\|").split("\n"))


def _widths(rows: Sequence[ReportRow], attempts: bool) -> list[int]:
    """The widest text of each column."""
    table = [_columns(attempts), *(_cells(row, attempts) for row in rows)]
    return [max(cell_len(line) for cell in column for line in cell.split("\n")) for column in zip(*table, strict=True)]


def _table_width(widths: Sequence[int]) -> int:
    return sum(widths) + BORDERS * len(widths) + 1


def _fit(widths: Sequence[int], width: int | None, names: Sequence[str]) -> list[int]:
    """The widths with which the table fits on the terminal: the widest text gives way first."""
    fitted = list(widths)
    while width is not None and _table_width(fitted) > width and max(fitted) > NARROWEST:
        texts = [index for index, each in enumerate(fitted) if names[index] in WRAPPED_FIRST and each > NARROWEST]
        widest = max(texts or range(len(fitted)), key=fitted.__getitem__)
        fitted[widest] -= 1
    return fitted


def _wrap(cells: Sequence[str], widths: Sequence[int], is_limited: bool) -> Iterator[list[str]]:
    """The lines of a row: each cell's part, as wide as its column unless nothing limits it."""
    parts = [_parts(cell, width if is_limited else None) for cell, width in zip(cells, widths, strict=True)]
    for line in zip_longest(*parts, fillvalue=""):
        yield [part + " " * (width - cell_len(part)) for part, width in zip(line, widths, strict=True)]


def _parts(cell: str, width: int | None) -> list[str]:
    if width is None or cell_len(cell) <= width:
        return cell.split("\n")
    return [part.plain.rstrip() for part in Text(cell).wrap(Console(), width, overflow="fold")]


def _border(corners: tuple[str, str, str], line: str, widths: Sequence[int]) -> str:
    left, middle, right = corners
    return left + middle.join(line * (width + 2) for width in widths) + right


def _line(cells: Sequence[str], border: str, styles: Sequence[str]) -> str:
    painted = [f"\x1b[{style}m{cell}\x1b[0m" if style else cell for cell, style in zip(cells, styles, strict=True)]
    return f"{border} {f' {border} '.join(painted)} {border}"
