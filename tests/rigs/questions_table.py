"""The questions of aws-check as a table of Markdown, for docs/reference/aws-check.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from conformance.questions import Question


def questions_table(questions: Iterable[Question]) -> Callable[[str], str]:
    """A row for each question of aws-check: what it asks, what the emulator answers, and where that comes from."""

    def written(_: str) -> str:
        lines = ["| question | what is asked | the claim | source |", "|---|---|---|---|"]
        for question in questions:
            claim = question.expected.claim().replace("|", "\\|").replace("<", "\\<")
            about = question.about.replace("<", "\\<")
            lines.append(f"| `{question.name}` | {about} | {claim} | {question.source} |")
        return "\n".join(lines) + "\n"

    return written
