"""The findings of `audit verify`, as a person or a program reads them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.model import Model

FIND_WRITER = "Find out who wrote the item: search CloudTrail's data events of the DynamoDB table for its key."
"""What to do about an item that Temporal's history does not confirm."""


class FindingKind(StrEnum):
    """What a finding is about."""

    MISSING_ROW = "missing row"
    FIELD_MISMATCH = "field mismatch"
    UNEXPECTED_ROW = "unexpected row"
    STEP_WITHOUT_END = "step without end"
    UNREADABLE_ROW = "unreadable row"
    CHANGED_ROW = "changed row"
    DELETED_ROW = "deleted row"
    UNSEALED_ROW = "unsealed row"
    MISSING_SEAL = "missing seal"
    CHANGED_SEAL = "changed seal"
    DELETED_SEAL = "deleted seal"
    BROKEN_CHAIN = "broken chain"

    # Notes: see NOTES.
    WORKFLOW_RUNNING = "workflow running"
    WORKFLOW_RESET = "workflow reset"
    PENDING_ROW = "pending row"
    HISTORY_EXPIRED = "history expired"
    EXPIRED = "expired"
    LATE_ROW = "late row"
    ADDED_ROW = "added row"

    @property
    def message(self) -> str:
        """The finding in a sentence."""
        return _MESSAGES[self]


NOTES = frozenset(
    {
        FindingKind.WORKFLOW_RUNNING,
        FindingKind.WORKFLOW_RESET,
        FindingKind.PENDING_ROW,
        FindingKind.HISTORY_EXPIRED,
        FindingKind.EXPIRED,
        FindingKind.LATE_ROW,
        FindingKind.ADDED_ROW,
    }
)
"""No fault of the trail: `audit verify` prints them and still exits with 0."""

_MESSAGES = {
    FindingKind.MISSING_ROW: "The trail has no row for the end of a step in Temporal's history.",
    FindingKind.FIELD_MISMATCH: "A field of the row differs from Temporal's history.",
    FindingKind.UNEXPECTED_ROW: "Temporal's history does not contain what the row records.",
    FindingKind.STEP_WITHOUT_END: "The workflow closed while the step was in progress; the trail has no end of the step.",
    FindingKind.UNREADABLE_ROW: "The item is not a row of the trail.",
    FindingKind.CHANGED_ROW: "The row was changed after it was sealed.",
    FindingKind.DELETED_ROW: "The row was deleted after it was sealed.",
    FindingKind.UNSEALED_ROW: "The operation has ended, and no seal covers the row.",
    FindingKind.MISSING_SEAL: "The operation has ended, and it has no seal.",
    FindingKind.CHANGED_SEAL: "The seal was changed.",
    FindingKind.DELETED_SEAL: "The seal was deleted.",
    FindingKind.BROKEN_CHAIN: "The chain of the target's seals is broken at this seal.",
    FindingKind.WORKFLOW_RUNNING: "The workflow is running: rows may follow, and nothing is repaired.",
    FindingKind.WORKFLOW_RESET: "The workflow was reset during the step; the operation continued in another run.",
    FindingKind.PENDING_ROW: "The trail does not have the row yet; the running workflow may still write it.",
    FindingKind.HISTORY_EXPIRED: "Temporal no longer has this run: its rows can be compared with the seals only.",
    FindingKind.EXPIRED: "The time to live is over.",
    FindingKind.LATE_ROW: "A worker wrote the row after the operation was sealed. A worker that was cut off for a while does that.",
    FindingKind.ADDED_ROW: "The row was added later from Temporal's history; it says so in its facts.",
}


class State(StrEnum):
    """What an operation could be compared with."""

    ENDED = "ended"
    RUNNING = "running"
    HISTORY_EXPIRED = "history expired"


class Finding(Model):
    """One finding, or one note."""

    kind: FindingKind
    operation_id: str
    event_key: str | None = Field(default=None, description="The sort key of the row or the seal.")
    step: str | None = None
    field: str | None = Field(default=None, description="The field of the row that differs.")
    actual: str | None = None
    expected: str | None = None
    what_to_do: str | None = Field(default=None, description="None if there is nothing to do.")

    @property
    def place(self) -> str:
        """The row, the step or the operation that the finding is about."""
        return self.event_key or self.step or self.operation_id

    @property
    def lines(self) -> list[str]:
        """The message, the actual and the expected value, and what to do; a command is on a line of its own."""
        values = {"field": self.field, "actual": self.actual, "expected": self.expected}
        stated = [f"{name}: {value}" for name, value in values.items() if value is not None]
        return [self.kind.message, *stated, *(self.what_to_do or "").splitlines()]


class Verification(Model):
    """The result of verifying one operation."""

    operation_id: str
    state: State
    runs: tuple[str, ...] = Field(default=(), description="The workflow runs whose histories were compared.")
    rows: int = Field(description="How many rows the trail has, without seals.")
    seals: int
    findings: tuple[Finding, ...] = Field(default=(), description="What is wrong.")
    notes: tuple[Finding, ...] = Field(default=(), description="What is worth knowing, but not wrong.")
    added: tuple[str, ...] = Field(default=(), description="The sort keys of the rows and the seal that repair added.")

    not_repaired: str | None = Field(
        default=None, description="Why the worker could not repair the trail of the operation."
    )

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    @property
    def headline(self) -> str:
        """The result in one line."""
        compared = "its seals" if self.state is State.HISTORY_EXPIRED else "Temporal's history and its seals"
        result = f"the trail agrees with {compared}" if self.ok else _count(len(self.findings), "finding")
        counts = [_count(self.rows, "row"), _count(self.seals, "seal"), _count(len(self.runs), "run")]
        added = f"; {len(self.added)} added" if self.added else ""
        return f"{self.operation_id} ({self.state}): {result} ({', '.join(counts)}{added})"


def as_fields(verification: Verification) -> dict[str, Any]:
    """The verification as an object of JSON; `ok` is the result, `message` is a finding in a sentence."""
    fields = verification.model_dump(mode="json", exclude_none=True)
    for name in ("findings", "notes"):
        fields[name] = [{**each, "message": FindingKind(each["kind"]).message} for each in fields[name]]
    return {"ok": verification.ok, **fields}


def as_plain(verification: Verification) -> str:
    """The verification as lines of text, for a pipe or a file."""
    lines = [verification.headline]
    for title, findings in _sections(verification):
        lines += ["", f"{title}:"]
        for finding in findings:
            lines += [f"- {finding.kind}: {finding.place}", *(f"  {line}" for line in finding.lines)]
    return "\n".join([*lines, *_repair_lines(verification)])


def as_table(verification: Verification) -> RenderableType:
    """The verification for a terminal; texts are wrapped, never cut."""
    parts: list[RenderableType] = [Text(verification.headline, style="green" if verification.ok else "bold red")]
    for title, findings in _sections(verification):
        table = Table(title=title, title_justify="left", show_lines=True)
        for name in ("Kind", "Row", "What is wrong and what to do" if title == "Findings" else "What it means"):
            table.add_column(name, overflow="fold", no_wrap=name == "Kind")
        for finding in findings:
            # Text, not str: rich would interpret "[...]" in a message of AWS as markup.
            table.add_row(*(Text(cell) for cell in (finding.kind, finding.place, "\n".join(finding.lines))))
        parts.append(table)
    parts += map(Text, _repair_lines(verification))
    return Group(*parts)


def _repair_lines(verification: Verification) -> list[str]:
    refused = [f"not repaired: {verification.not_repaired}"] if verification.not_repaired else []
    return [*(f"added: {key}" for key in verification.added), *refused]


def _sections(verification: Verification) -> list[tuple[str, tuple[Finding, ...]]]:
    sections = [("Findings", verification.findings), ("Notes", verification.notes)]
    return [(title, findings) for title, findings in sections if findings]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
