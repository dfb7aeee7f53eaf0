"""The table "I want to know …" of docs/reference/commands.md: each question and the command that answers it."""

from __future__ import annotations

import re

from tests.rigs.documents import section, text

_ROW = re.compile(r"^\| ([^|]+) \| `python starter\.py ([^`|]+)` \|$", re.MULTILINE)


def answered_questions() -> dict[str, str]:
    """The command line of each question, without the program."""
    return dict(_ROW.findall(section(text("docs", "reference", "commands.md"), "I want to know …").partition("###")[0]))
