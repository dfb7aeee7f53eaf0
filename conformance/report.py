"""The report: what differs, what could not be asked, and with which versions; fit to be attached to an issue.

It holds no account number, name, ARN, endpoint or resource id: answers are cleaned when they are recorded
(`conformance.anonymiser`), and everything else in it is written here or in the questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import botocore

from conformance.anonymiser import Json
from conformance.check import count_verdicts
from conformance.questions import Outcome, Verdict
from limits import first_and_more, shorten
from version import NAME, VERSION

MAX_NOTES, MAX_NOTE = 20, 1_000
"""Differences that one question lists, and characters of each."""
WITHOUT_ANSWER = {
    Verdict.FAILED: "Could not be asked",
    Verdict.NOTHING_TO_ASK: "Nothing to ask about",
}


@dataclass(frozen=True)
class Report:
    """The outcomes of one check."""

    outcomes: Sequence[Outcome]
    region: str
    second_region: str | None
    writes: bool
    """Whether it made a cluster."""
    day: str

    def as_json(self) -> dict[str, Json]:
        """As one document."""
        return {
            "version": VERSION,
            "botocore": botocore.__version__,
            "day": self.day,
            "region": self.region,
            "second_region": self.second_region,
            "write": self.writes,
            "counts": {str(verdict): count for verdict, count in count_verdicts(self.outcomes).items()},
            "questions": [
                {
                    "question": outcome.question.name,
                    "about": outcome.question.about,
                    "verdict": str(outcome.verdict),
                    "notes": list(_notes(outcome)),
                    "expected": shorten(outcome.question.expected.claim(), MAX_NOTE),
                    "source": outcome.question.source,
                }
                for outcome in self.outcomes
            ],
        }

    def as_markdown(self) -> str:
        """As a page; a placeholder such as `<cluster>` would be an element of HTML to a renderer."""
        return "\n".join(self._lines()).replace("<", "\\<") + "\n"

    def _lines(self) -> Iterator[str]:
        counts = count_verdicts(self.outcomes)
        regions = f"{self.region} and {self.second_region}" if self.second_region else self.region
        yield f"# aws-check: {counts[Verdict.DIFFERENT]} of {len(self.outcomes)} answers differ from the emulator's"
        yield ""
        yield f"{NAME} {VERSION}, botocore {botocore.__version__}, {regions}, {self.day}, " + (
            "with a cluster of its own." if self.writes else "reads only."
        )
        different = [outcome for outcome in self.outcomes if outcome.verdict is Verdict.DIFFERENT]
        if different:
            yield from ("", "## AWS answers otherwise")
            for outcome in different:
                yield from _difference(outcome)
        for verdict, heading in WITHOUT_ANSWER.items():
            reasons = _by_reason([outcome for outcome in self.outcomes if outcome.verdict is verdict])
            if reasons:
                yield from ("", f"## {heading}", "")
                yield from (f"- {', '.join(names)}: {reason}" for reason, names in reasons.items())
        same = [outcome.question.name for outcome in self.outcomes if outcome.verdict is Verdict.SAME]
        yield from ("", "## As the emulator says", "", ", ".join(same) or "none")


def _difference(outcome: Outcome) -> Iterator[str]:
    question = outcome.question
    yield from (
        "",
        f"### {question.name}",
        "",
        f"Asked: {question.about}.",
        f"Source of the claim: {question.source}.",
        "",
    )
    yield from (f"- {note}" for note in _notes(outcome))


def _by_reason(outcomes: Sequence[Outcome]) -> dict[str, list[str]]:
    """The names of the questions without an answer, by the reason, which many of them may share."""
    reasons: dict[str, list[str]] = {}
    for outcome in outcomes:
        reasons.setdefault("; ".join(_notes(outcome)), []).append(outcome.question.name)
    return reasons


def _notes(outcome: Outcome) -> tuple[str, ...]:
    notes = [shorten(" ".join(note.split()), MAX_NOTE) for note in outcome.notes]
    return first_and_more(notes, MAX_NOTES)
