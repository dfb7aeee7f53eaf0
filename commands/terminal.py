"""The answer on stdout, the talk on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def console(stream: TextIO) -> Console:
    """As wide as the terminal; in a pipe as wide as it takes, because a folded line cannot be searched."""
    from rich.console import Console

    return Console(file=stream, width=None if stream.isatty() else 10_000, highlight=False)


def show(shown: RenderableType) -> None:
    """By way of a text: rich itself would end the program with exit code 1 when nobody reads on, as `| head`."""
    on = console(sys.stdout)
    with on.capture() as drawn:
        on.print(shown)
    print(drawn.get(), end="")


def say(line: str) -> None:
    """A sentence for whoever watches."""
    print(line, file=sys.stderr, flush=True)
