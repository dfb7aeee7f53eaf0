"""What a question is, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from conformance.account import Account
from conformance.anonymiser import Json
from conformance.expectations import Expectation

API = "RDS API Reference"
GUIDE = "Aurora User Guide"
REPORTS = "field reports"
MODEL = "botocore's model"
RECORDINGS = "published recordings of AWS"
OWN_WORDS = "the emulator's own words"
"""The code is AWS's; of the text there was no report."""
ASSUMED = "an assumption of the emulator's"
"""AWS documents nothing of it."""


@dataclass(frozen=True)
class Question:
    """What is asked, what the emulator answers, and where that comes from."""

    name: str
    """Unique, in kebab case; the report and the emulator's tests use it."""
    about: str
    """What is asked, as the table says it."""
    expected: Expectation
    source: str


@dataclass(frozen=True)
class ReadQuestion(Question):
    """A question that changes nothing."""

    ask: Callable[[Account], Json]
    """Returns the answer. Raises `NothingToAsk` if the account has nothing of the kind, or an error of botocore."""


class NothingToAsk(Exception):
    """The account has nothing that the question is about, or it cannot be seen from here; the text says what."""


def existing(resources: list[dict[str, Any]], what: str) -> list[dict[str, Any]]:
    """The resources. Raises `NothingToAsk` if the account has none."""
    if not resources:
        raise NothingToAsk(f"The account has no {what} in the region.")
    return resources


class Verdict(StrEnum):
    """What a question came to."""

    SAME = "same"
    DIFFERENT = "different"
    NOTHING_TO_ASK = "nothing to ask"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """One question, its answer and the comparison."""

    question: Question
    verdict: Verdict
    notes: tuple[str, ...] = ()
    """What differs, or why there is no answer."""


def compare(question: Question, answer: Json) -> Outcome:
    """The outcome of an answered question; the answer is clean of identifiers."""
    differences = question.expected.differences(answer)
    return Outcome(question, Verdict.DIFFERENT if differences else Verdict.SAME, tuple(differences))
