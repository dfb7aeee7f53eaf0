"""A message that docs/troubleshooting.md or the runbook quotes is one that the code has."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.rigs.documents import PRODUCTION, ROOT_MODULES, literals, text

QUOTED = re.findall(r'^\*\*"([^"]+)"\*\*', text("docs", "troubleshooting.md"), re.MULTILINE)
SAID = [
    said.strip("` ")
    for table in re.findall(r"^\| it says \|.*\n\|---.*\n((?:\|.*\n)+)", text("docs", "runbook.md"), re.MULTILINE)
    for cell in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)
    for said in cell.split("`, `")
]


@cache
def texts() -> list[str]:
    """Every text of the code, in small letters."""
    return [literal.lower() for package in (*PRODUCTION, *ROOT_MODULES, "devstack") for literal in literals(package)]


@pytest.mark.parametrize("message", [*QUOTED, *SAID])
def test_a_quoted_message_is_one_of_the_code(message: str) -> None:
    """What is quoted is in the code word for word, titles in capitals; … and OP are for what differs each time."""
    pieces = [piece.strip().lower() for piece in re.split("…|\\b(?:OP|ARN|STEP)\\b", message) if piece.strip()]
    assert [text for text in texts() if all(piece in text for piece in pieces)], message
