"""How an answer of AWS is compared with a claim: by value, by order, by members, or as a refusal.

Each kind says what differs as sentences, none if nothing does. An answer is JSON whose identifiers are placeholders
already, so that a claim can name `<cluster>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from conformance.anonymiser import Json
from limits import first_and_more, shorten

MAX_NAMED = 30
"""Members, statuses or messages that a difference names."""
MAX_SHOWN = 600
"""Characters of an answer in a difference."""


class Expectation(Protocol):
    """What the emulator answers."""

    def differences(self, answer: Json) -> list[str]:
        """What is otherwise in the answer, a sentence each."""

    def claim(self) -> str:
        """What is expected, for the table and the report."""


def shown(value: Json) -> str:
    """An answer as a difference quotes it, bounded."""
    match value:
        case None:
            text = "null"
        case bool():
            text = str(value).lower()
        case list() | tuple():
            text = names(value)
        case _:
            text = str(value)
    return shorten(text, MAX_SHOWN)


def names(values: Sequence[object]) -> str:
    """Names with commas, bounded."""
    return ", ".join(first_and_more([str(value) for value in values], MAX_NAMED)) or "none"


def texts_of(answer: Json) -> list[str]:
    """A list of texts; empty for any other answer."""
    return [str(each) for each in answer] if isinstance(answer, Sequence) and not isinstance(answer, str) else []


@dataclass(frozen=True)
class Value:
    """The answer is this value."""

    expected: Json

    def differences(self, answer: Json) -> list[str]:
        """One, if it is another value; member by member for a mapping."""
        if isinstance(self.expected, dict) and isinstance(answer, dict):
            keys = sorted({*self.expected, *answer})
            return [
                f"{key}: AWS says {shown(answer.get(key))}, expected {shown(self.expected.get(key))}"
                for key in keys
                if answer.get(key) != self.expected.get(key)
            ]
        return [] if answer == self.expected else [f"AWS says {shown(answer)}, expected {shown(self.expected)}"]

    def claim(self) -> str:
        """The value."""
        if isinstance(self.expected, dict):
            return ", ".join(f"{key}: {shown(value)}" for key, value in self.expected.items())
        return shown(self.expected)


@dataclass(frozen=True)
class Refusal:
    """AWS refuses the call with a wire code, an HTTP status and a text."""

    code: str
    status: int
    text: str

    def differences(self, answer: Json) -> list[str]:
        """Of code, status and text, each by itself."""
        return Value({"code": self.code, "HTTP status": self.status, "text": self.text}).differences(answer)

    def claim(self) -> str:
        """Code, status and text."""
        return f"{self.code} ({self.status}): {self.text}"


@dataclass(frozen=True)
class Order:
    """The statuses that a resource has, one after the other; those in `brief` may be missed between two polls."""

    statuses: tuple[str, ...]
    brief: frozenset[str] = field(default_factory=frozenset)

    def differences(self, answer: Json) -> list[str]:
        """One sentence, unless the answer is the order without some of the brief ones."""
        actual = texts_of(answer)
        place, skipped = 0, False
        for status in self.statuses:
            if place < len(actual) and actual[place] == status:
                place, skipped = place + 1, False
            elif status in self.brief:
                skipped = True
            elif not (skipped and place and actual[place - 1] == status):
                return [self._difference(actual)]
        return [] if place == len(actual) else [self._difference(actual)]

    def _difference(self, actual: Sequence[str]) -> str:
        return f"AWS goes {' → '.join(first_and_more(actual, MAX_NAMED)) or 'nowhere'}, expected {self.claim()}"

    def claim(self) -> str:
        """The statuses, the brief ones in brackets."""
        return " → ".join(f"({status})" if status in self.brief else status for status in self.statuses)


@dataclass(frozen=True)
class Members:
    """The members of an answer: those that every resource has, and those that some have."""

    always: frozenset[str]
    sometimes: frozenset[str] = field(default_factory=frozenset)

    def differences(self, answer: Json) -> list[str]:
        """The answer is a list with the members of each resource: what one lacks, and what the claim does not know."""
        resources = [set(texts_of(each)) for each in answer] if isinstance(answer, list) else []
        lacking = sorted({name for each in resources for name in self.always - each})
        unknown = sorted({name for each in resources for name in each} - self.always - self.sometimes)
        return [
            *([f"AWS leaves out {names(lacking)}"] if lacking else []),
            *([f"AWS also has {names(unknown)}"] if unknown else []),
        ]

    def claim(self) -> str:
        """Both sets."""
        text = f"always {names(sorted(self.always))}"
        return f"{text}; sometimes {names(sorted(self.sometimes))}" if self.sometimes else text


@dataclass(frozen=True)
class Contains:
    """The answer is a list with at least these texts."""

    expected: frozenset[str]

    def differences(self, answer: Json) -> list[str]:
        """Those that it does not have."""
        lacking = sorted(self.expected - set(texts_of(answer)))
        return [f"AWS has no {names(lacking)}; it has {names(texts_of(answer))}"] if lacking else []

    def claim(self) -> str:
        """The texts."""
        return f"among others {names(sorted(self.expected))}"


@dataclass(frozen=True)
class Only:
    """Every text of the list is one of these."""

    expected: frozenset[str]

    def differences(self, answer: Json) -> list[str]:
        """Those that are others."""
        others = sorted(set(texts_of(answer)) - self.expected)
        return [f"AWS has {names(others)}, expected only {names(sorted(self.expected))}"] if others else []

    def claim(self) -> str:
        """The texts."""
        return f"only {names(sorted(self.expected))}"
