"""What `audit verify` found: faults, notes, and both as a person or a program reads them."""

from __future__ import annotations

import json
from enum import StrEnum

from pydantic import Field
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.model import Model


class Kind(StrEnum):
    """What is wrong, or worth knowing."""

    MISSING = "missing"
    """Temporal's history tells an end that the trail does not have."""
    DIFFERENT = "different"
    """The trail tells an end otherwise than the history."""
    UNKNOWN = "unknown"
    """The trail has a row of which the history knows nothing."""
    UNENDED = "unended"
    """A step was under way when its workflow was terminated."""
    UNREADABLE = "unreadable"
    """An item of the trail is no row."""
    CHANGED = "changed"
    """A row is not what it was when it was sealed."""
    REMOVED = "removed"
    """A row that was sealed is gone."""
    INSERTED = "inserted"
    """A row stands outside of every seal of an operation that has ended."""
    UNSEALED = "unsealed"
    """An operation has ended and no seal stands over it."""
    SEAL_CHANGED = "seal changed"
    """A seal is not what its own digest says."""
    SEAL_REMOVED = "seal removed"
    """A seal is gone that Temporal's history, the next seal or the head of the chain names."""
    CHAIN_BROKEN = "chain broken"
    """A seal does not lead to the one before it, or the chain does not lead to it."""

    RUNNING = "running"
    SUPERSEDED = "superseded"
    ON_ITS_WAY = "on its way"
    HISTORY_GONE = "history gone"
    EXPIRED = "expired"
    LATE = "late"
    ADDED = "added"


class State(StrEnum):
    """How far an operation could be verified."""

    ENDED = "ended"
    RUNNING = "running"
    HISTORY_GONE = "history gone"


class Finding(Model):
    """One thing that was found."""

    kind: Kind
    operation_id: str
    event_key: str | None = Field(default=None, description="The row, by its sort key.")
    step: str | None = None
    field: str | None = Field(default=None, description="The field of the row that differs.")
    found: str | None = None
    wanted: str | None = None
    what_to_do: str

    @property
    def text(self) -> str:
        """What was found and wanted, in a line."""
        field = f"{self.field}: " if self.field else ""
        found = f"found {self.found}" if self.found is not None else ""
        wanted = f"wanted {self.wanted}" if self.wanted is not None else ""
        return field + ", ".join(part for part in (found, wanted) if part)


class Verification(Model):
    """Everything that was found of one operation."""

    operation_id: str
    state: State
    runs: tuple[str, ...] = Field(default=(), description="The workflow's runs whose histories were compared.")
    rows: int = Field(description="How many rows the trail holds, seals not counted.")
    seals: int
    findings: tuple[Finding, ...] = Field(default=(), description="What is wrong.")
    notes: tuple[Finding, ...] = Field(default=(), description="What is worth knowing and not wrong.")
    added: tuple[str, ...] = Field(default=(), description="The sort keys of the rows and the seal that repair added.")

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    @property
    def headline(self) -> str:
        """The answer in a line."""
        compared = f"{self.rows} rows, {self.seals} seals, {len(self.runs)} runs in Temporal's history"
        answer = "the trail is what the history and the seals say" if self.ok else f"{len(self.findings)} findings"
        added = f", {len(self.added)} rows added" if self.added else ""
        return f"{self.operation_id} ({self.state}): {answer}; {compared}{added}"


def as_json(verification: Verification) -> str:
    """The verification as an object, with the answer under `ok`."""
    answer = {"ok": verification.ok, **verification.model_dump(mode="json", exclude_none=True)}
    return json.dumps(answer, indent=2, ensure_ascii=False)


def as_plain(verification: Verification) -> str:
    """Lines of text, for a pipe or a file."""
    lines = [verification.headline]
    for title, findings in _titled(verification):
        lines += ["", f"{title}:"]
        for finding in findings:
            lines += [f"- {finding.kind}: {finding.event_key or finding.step or finding.operation_id}"]
            lines += [f"  {line}" for line in (finding.text, finding.what_to_do) if line]
    lines += [f"added: {key}" for key in verification.added]
    return "\n".join(lines)


def as_table(verification: Verification) -> RenderableType:
    """For a terminal; texts are folded, never cut."""
    parts: list[RenderableType] = [Text(verification.headline, style="green" if verification.ok else "bold red")]
    for title, findings in _titled(verification):
        table = Table(title=title, title_justify="left")
        for name in ("Kind", "Row", "Found, wanted", "What to do"):
            table.add_column(name, overflow="fold", no_wrap=name == "Kind")
        for finding in findings:
            where = finding.event_key or finding.step or finding.operation_id
            # Text, not str: rich would take "[...]" in a message of AWS for markup.
            table.add_row(*(Text(cell) for cell in (finding.kind, where, finding.text, finding.what_to_do)))
        parts.append(table)
    parts += [Text(f"added: {key}") for key in verification.added]
    return Group(*parts)


def _titled(verification: Verification) -> list[tuple[str, tuple[Finding, ...]]]:
    titled = [("Findings", verification.findings), ("Notes", verification.notes)]
    return [(title, findings) for title, findings in titled if findings]
