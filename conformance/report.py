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
HEADINGS = {
    Verdict.DIFFERENT: "AWS answers otherwise",
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
        """As a page."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        counts = count_verdicts(self.outcomes)
        regions = f"{self.region} and {self.second_region}" if self.second_region else self.region
        yield f"# aws-check: {counts[Verdict.DIFFERENT]} of {len(self.outcomes)} answers differ from the emulator's"
        yield ""
        yield f"{NAME} {VERSION}, botocore {botocore.__version__}, {regions}, {self.day}, " + (
            "with a cluster of its own." if self.writes else "reads only."
        )
        for verdict, heading in HEADINGS.items():
            matching = [outcome for outcome in self.outcomes if outcome.verdict is verdict]
            if matching:
                yield from ("", f"## {heading}")
                for outcome in matching:
                    yield from self._question(outcome)
        same = [outcome.question.name for outcome in self.outcomes if outcome.verdict is Verdict.SAME]
        yield from ("", "## As the emulator says", "", ", ".join(same) or "none")

    def _question(self, outcome: Outcome) -> Iterator[str]:
        question = outcome.question
        yield from ("", f"### {question.name}", "", f"Asked: {question.about}.")
        if outcome.verdict is Verdict.DIFFERENT:
            yield f"Source of the claim: {question.source}."
        yield ""
        yield from (f"- {note}" for note in _notes(outcome))


def _notes(outcome: Outcome) -> tuple[str, ...]:
    notes = [shorten(" ".join(note.split()), MAX_NOTE) for note in outcome.notes]
    return first_and_more(notes, MAX_NOTES)
