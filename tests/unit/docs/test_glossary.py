"""The glossary stays short: a word of our own must name something that the field has no word for."""

from __future__ import annotations

import re

from tests.rigs.documents import ROOT, text

ENTRIES = re.findall(
    r"^\| (?!word |---)([^|]+) \| ([^|]+) \| `([^|`]+)` \|$", text("docs", "glossary.md"), re.MULTILINE
)
MOST = 20


def test_it_has_at_most_twenty_words() -> None:
    """A reader who knows AWS and Temporal has at most twenty words to learn."""
    assert 10 < len(ENTRIES) <= MOST


def test_the_words_are_in_order_and_defined_once() -> None:
    """A reader finds a word by its letter."""
    words = [word.lower() for word, _, _ in ENTRIES]
    assert words == sorted(set(words))


def test_each_word_has_a_sentence_and_a_place() -> None:
    """The place is a module or a room of the code, the definition a sentence."""
    for word, meaning, place in ENTRIES:
        assert meaning.endswith("."), word
        assert (ROOT / place).exists(), f"{word}: {place}"
