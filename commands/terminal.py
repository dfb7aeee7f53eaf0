"""Results on stdout, progress on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def console(stream: TextIO) -> Console:
    """As wide as the terminal; in a pipe so wide that no line is folded, because a folded line cannot be searched."""
    from rich.console import Console

    return Console(file=stream, width=None if stream.isatty() else 10_000, highlight=False)


def print_result(renderable: RenderableType) -> None:
    """Print a table or a page on stdout.

    It is drawn into a text first: if the reader of a pipe closes it, as `| head` does, rich itself would end the program
    with exit code 1.
    """
    drawing = console(sys.stdout)
    with drawing.capture() as drawn:
        drawing.print(renderable)
    print(drawn.get(), end="")


def print_progress(line: str) -> None:
    """Print a sentence on stderr."""
    print(line, file=sys.stderr, flush=True)
