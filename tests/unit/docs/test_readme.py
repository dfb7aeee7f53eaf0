"""README.md is short: what this is, what it never does, two commands, and where to go next."""

from __future__ import annotations

import re

from tests.rigs.documents import headings, text

README = text("README.md")
TWO_SCREENS = 80
"""Lines."""


def test_it_fits_on_two_screens() -> None:
    """A reader sees all of it before deciding where to go; tables of reference have pages of their own."""
    assert len(README.splitlines()) <= TWO_SCREENS


def test_it_says_what_a_reader_asks_first() -> None:
    """Two commands to try it, and a page for each reader."""
    assert headings(README) == ["Try it", "Where to go next"]
    assert re.findall(r"^make ([a-z]+)$", README, re.MULTILINE) == ["demo", "test"]
