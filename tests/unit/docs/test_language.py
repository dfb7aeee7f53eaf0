"""No file uses a word of the project's old dialect: each has a plain word, or the field's, in its place."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rigs.documents import ROOT

INSTEAD = {
    "night": "restore (one run) or operation (op-005)",
    "nights": "restores or operations",
    "tonight": "this operation's",
    "look": "poll, read or check",
    "looks": "polls, reads or checks",
    "looked": "polled, read or checked",
    "looking": "polling, reading or checking",
    "told": "reported, notified, printed or logged",
    "stranger": "provenance mismatch",
    "strangers": "provenance mismatches",
    "meddler": "concurrent actor",
    "meddlers": "concurrent actors",
    "scythe": "crash injector",
    "weather": "transient faults",
    "evening": "the state from which a restore starts",
    "evenings": "operations",
    "studio": "the rig's own name",
    "benches": "rigs",
    "wish": "request",
    "mended": "fixed",
    "stands": "is",
    "whoever": "the operator, the owner or a user",
}
"""Each banned word, and what to say instead."""
PHRASES = {
    "not to be seen": "not visible",
    "not to be reached": "cannot reach",
    "not to be had": "could not get",
}
EXEMPT = ("tests/histories/", "docs/images/", "tests/unit/docs/test_language.py")
"""Recorded histories keep what was said in them, pictures are no text; this file has to name the words."""
MAX_PICTURE_BYTES = 200_000
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
"""A word in prose, in snake_case and in CamelCase."""


def tracked_texts() -> list[Path]:
    """Every tracked file, but for those that are exempt; none outside of a Git repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    names = [name for name in listed.split("\0") if name and not name.startswith(EXEMPT)]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def test_every_file_is_text() -> None:
    """What somebody has downloaded or built beside the code is no part of the project."""
    assert not [path.name for path in tracked_texts() if b"\0" in path.read_bytes()]


def test_every_picture_is_small_and_shown() -> None:
    """A picture is a PNG, and a document has it."""
    documents = "".join(path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.md"))
    for path in (ROOT / "docs" / "images").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG"), path
        assert path.stat().st_size <= MAX_PICTURE_BYTES, path
        assert f"images/{path.name})" in documents, path


def banned_words(text: str) -> Iterator[str]:
    """Each use of a banned word, with its line, and each banned phrase; and what to say instead."""
    for number, line in enumerate(text.splitlines(), start=1):
        for word in WORD.findall(line):
            if word.lower() in INSTEAD:
                yield f"{number}: {word!r}: say {INSTEAD[word.lower()]}"
    on_one_line = " ".join(text.split()).lower()
    for phrase, instead in PHRASES.items():
        if phrase in on_one_line:
            yield f"{phrase!r}: say {instead}"


@pytest.mark.parametrize("path", tracked_texts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_uses_a_banned_word(path: Path) -> None:
    """Code, tests and documents use plain words and the field's terms."""
    assert not list(banned_words(path.read_text("utf-8", errors="replace")))


def test_no_file_name_uses_a_banned_word() -> None:
    """Nor does the name of a file."""
    names = [str(path.relative_to(ROOT)) for path in tracked_texts()]
    assert not [name for name in names if list(banned_words(name))]


@pytest.mark.parametrize(
    "text", ["def first_look(self):", "class NightState:", "The night.", "LOOKS = 3", "not to\nbe seen"]
)
def test_the_check_sees_names_too(text: str) -> None:
    """A banned word is found in snake_case, in CamelCase and in capitals, a phrase also across lines."""
    assert list(banned_words(text))


@pytest.mark.parametrize("text", ["lookup", "overlook", "nightly", "benchmark", "outlook = Outlook()"])
def test_the_check_leaves_other_words_alone(text: str) -> None:
    """A word that only contains a banned one is allowed."""
    assert not list(banned_words(text))
