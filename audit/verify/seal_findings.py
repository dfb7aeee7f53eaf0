"""Collects what the checks of an operation's seals find."""

from __future__ import annotations

from datetime import datetime

from audit.numbers import OpenedOperation
from audit.verify.findings import Finding, FindingKind

COMPARE_WITH_BACKUP = "Leave the table as it is, as evidence, and compare it with a copy from point-in-time recovery."


class SealFindings:
    """Findings and notes about the seals of one operation."""

    def __init__(self, operation: OpenedOperation, now: datetime) -> None:
        """`now` decides what has expired."""
        self._operation = operation
        self._now = now
        self.findings: list[Finding] = []
        self.notes: list[Finding] = []
        self.unsealed_keys: list[str] = []
        """The keys of the rows that a seal should cover, and none does."""

    @property
    def has_expired(self) -> bool:
        """Whether a row or a seal has expired."""
        return any(note.kind is FindingKind.EXPIRED for note in self.notes)

    def has(self, *kinds: FindingKind) -> bool:
        """Whether there is a finding of one of these kinds."""
        return any(finding.kind in kinds for finding in self.findings)

    def is_expired(self, expires_at: int | None) -> bool:
        """Whether a time to live is over; None never ends."""
        return expires_at is not None and expires_at <= self._now.timestamp()

    def describe_seal(self, number: int, digest: str) -> str:
        """A seal of the operation's target in a few words."""
        return f"seal {number} of {self._operation.target_arn} with digest {digest}"

    def add_deleted_seal(self, number: int, digest: str, event_key: str | None) -> None:
        """Add a finding about a seal, unless it is reported: two references may lead to it, one of them without a key."""
        expected = self.describe_seal(number, digest)
        deleted = [finding.expected for finding in self.findings if finding.kind is FindingKind.DELETED_SEAL]
        if expected not in deleted:
            self.add(FindingKind.DELETED_SEAL, event_key, actual="no seal", expected=expected)

    def add(
        self,
        kind: FindingKind,
        event_key: str | None,
        *,
        actual: str,
        expected: str,
        what_to_do: str = COMPARE_WITH_BACKUP,
        operation_id: str | None = None,
    ) -> None:
        """Add a finding, unless there is one of this kind about this row."""
        finding = Finding(
            kind=kind,
            operation_id=operation_id or self._operation.operation_id,
            event_key=event_key,
            step=_step(event_key),
            actual=actual,
            expected=expected,
            what_to_do=what_to_do,
        )
        _add_once(self.findings, finding)

    def add_note(self, kind: FindingKind, event_key: str) -> None:
        """Add a note, unless there is one of this kind about this row."""
        operation_id = self._operation.operation_id
        _add_once(self.notes, Finding(kind=kind, operation_id=operation_id, event_key=event_key, step=_step(event_key)))


def _add_once(findings: list[Finding], finding: Finding) -> None:
    reported = {(other.kind, other.event_key or other.expected) for other in findings}
    if (finding.kind, finding.event_key or finding.expected) not in reported:
        findings.append(finding)


def _step(event_key: str | None) -> str | None:
    """The step in a row's key; a seal's key has none."""
    parts = (event_key or "").split("#")
    return parts[1].partition("-")[2] if len(parts) == 5 else None  # noqa: PLR2004 - as AuditRow.event_key makes it
