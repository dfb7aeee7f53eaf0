"""Results on stdout, progress on stderr."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SECONDS_BETWEEN_UPDATES = 0.2
SECONDS_BETWEEN_LINES = 60.0


class Counter:
    """How far a command is, on stderr: on a terminal a line that is updated in place, elsewhere a line per minute."""

    def __init__(self, text: str, total: int) -> None:
        """`text` has the fields `count` and `total`."""
        self._text = text
        self._total = total
        self._count = 0
        self._is_terminal = sys.stderr.isatty()
        self._printed_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def add(self) -> None:
        """Count one more."""
        self._count += 1
        interval = SECONDS_BETWEEN_UPDATES if self._is_terminal else SECONDS_BETWEEN_LINES
        if time.monotonic() - self._printed_at < interval:
            return
        self._printed_at = time.monotonic()
        line = self._text.format(count=self._count, total=self._total)
        if self._is_terminal:
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        else:
            print_progress(line)


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
