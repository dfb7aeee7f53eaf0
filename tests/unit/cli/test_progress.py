"""How far a long command is: in place on a terminal, and rarely in a file or a pipe."""

from __future__ import annotations

import io
import sys
import time

import pytest

from commands.terminal import Counter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        (Terminal, "\r\x1b[K1 of 3\r\x1b[K2 of 3\r\x1b[K3 of 3\r\x1b[K"),
        (io.StringIO, "2 of 3\n"),
    ],
)
def test_progress_is_a_line_in_place_or_a_line_per_minute(
    monkeypatch: pytest.MonkeyPatch, stderr: type[io.StringIO], expected: str
) -> None:
    """Each of three operations takes 40 seconds; the line on the terminal is gone at the end."""
    printed = stderr()
    monkeypatch.setattr(sys, "stderr", printed)
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Counter("{count} of {total}", 3) as counter:
        for _ in range(3):
            now[0] += 40.0
            counter.add()
    assert printed.getvalue() == expected
