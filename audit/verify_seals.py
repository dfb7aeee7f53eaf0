"""The trail against its seals: which row was changed, removed or inserted, and whether the chain of seals holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from audit.findings import Finding, Kind
from audit.numbers import OpenedOperation
from audit.rows import ADDED_AT, Phase
from audit.seal import Covered, Link, SealRow, Seals, digest_of, from_seal_item, is_seal
from models.seal import Seal

EVIDENCE = (
    "Keep the table as it is: this is evidence. Compare with point-in-time recovery and CloudTrail's data events."
)
SEAL_AGAIN = "If the history confirms it, seal it with: python starter.py audit verify {operation_id} --repair"


@dataclass
class Checked:
    """What the seals say."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    unsealed: list[str] = field(default_factory=list)
    """The keys of the rows that are in no seal and ought to be."""

    def add(self, finding: Finding, *, note: bool = False) -> None:
        """Once for each place and kind, however many ways lead to it."""
        told = self.notes if note else self.findings
        if (finding.kind, finding.event_key) not in {(other.kind, other.event_key) for other in told}:
            told.append(finding)


class SealCheck:
    """Checks the seals of one operation."""

    def __init__(
        self, seals: Seals, operation: OpenedOperation, items: Sequence[dict[str, Any]], now: datetime
    ) -> None:
        """`items` are everything that the trail holds of the operation; `now` decides what has expired."""
        self._seals = seals
        self._operation = operation
        self._items = {item["event_key"]["S"]: item for item in items}
        self._now = now
        self.checked = Checked()
        self.sealed = [self._read(item) for item in items if is_seal(item)]

    def check(self, ended: bool, told: Sequence[Seal]) -> Checked:
        """`told` are the seals of which Temporal's history knows."""
        sound = [seal for seal in self.sealed if seal is not None]
        reached = self._walk(sound)
        for seal in sound:
            if seal.digest not in reached:
                self._previous(seal)
                self._not_reached(seal)
        for row in told:
            if row.digest not in {seal.digest for seal in sound}:
                self._removed_seal(row.digest, f"seal {row.number} of its target, sealed at {row.sealed_at:%F %T}")
        self._covered(sound)
        if ended:
            self._uncovered(sound)
        return self.checked

    def _read(self, item: dict[str, Any]) -> SealRow | None:
        row = from_seal_item(item)
        if row is None or (row.operation_id, row.target) != (self._operation.operation_id, self._operation.target):
            self._find(
                Kind.SEAL_CHANGED, item["event_key"]["S"], found="another content", wanted="what its digest says"
            )
            return None
        return row

    # The rows

    def _covered(self, sound: Sequence[SealRow]) -> None:
        """Each row that a seal covers is there, as it was."""
        for seal in sound:
            for row in seal.covered:
                item = self._items.get(row.event_key)
                if item is None:
                    self._gone(seal, row)
                elif digest_of(item) != row.digest:
                    self._find(Kind.CHANGED, row.event_key, found=_content(item), wanted=f"as in seal {seal.number}")

    def _gone(self, seal: SealRow, row: Covered) -> None:
        if self._expired(row.expires_at):
            self._note(Kind.EXPIRED, row.event_key, "Nothing: the row's time to live is over.")
        else:
            self._find(Kind.REMOVED, row.event_key, found="no row", wanted=f"as in seal {seal.number}")

    def _uncovered(self, sound: Sequence[SealRow]) -> None:
        """What stands outside of every seal."""
        covered = {row.event_key for seal in sound for row in seal.covered}
        outside = [item for key, item in self._items.items() if key not in covered and not is_seal(item)]
        if not self.sealed and not self._seal_expired():
            self._find(
                Kind.UNSEALED, None, found="no seal", wanted="a seal over all rows at the end", what_to_do=SEAL_AGAIN
            )
        for item in outside:
            key, phase = item["event_key"]["S"], item.get("phase", {}).get("S")
            if phase in (Phase.STARTED, Phase.ATTEMPT):
                self._note(Kind.LATE, key, "Nothing: it came in after the seal, as a worker does that was cut off.")
                continue
            self.checked.unsealed.append(key)
            if sound:
                self._find(Kind.INSERTED, key, found=_content(item), wanted="a seal over it", what_to_do=SEAL_AGAIN)

    def _seal_expired(self) -> bool:
        return any(note.kind is Kind.EXPIRED for note in self.checked.notes)

    # The chain

    def _walk(self, sound: Sequence[SealRow]) -> set[str]:
        """From the head back to before the operation's first seal; the digests of the seals on the way."""
        reached: set[str] = set()
        left = {seal.digest for seal in sound}
        link = self._seals.head(self._operation.target)
        while link is not None and link.digest not in reached:
            row = self._follow(link)
            if row is None:
                break
            # One further than the operation's first, to which that one must lead.
            if not left and row.sealed_at < self._operation.opened_at:
                break
            reached.add(row.digest)
            left.discard(row.digest)
            link = row.previous
        return reached

    def _follow(self, link: Link) -> SealRow | None:
        """The seal that a link means; None if it is not there or is another, which is a finding."""
        item = self._seals.at(link)
        row = from_seal_item(item) if item else None
        if row is not None and row.digest == link.digest:
            return row
        where = f"seal {link.number} of {self._operation.target}"
        if item is None and self._expired(link.expires_at):
            nothing = f"Nothing: the time to live of {where} is over; what is older cannot be checked."
            self._note(Kind.EXPIRED, link.event_key, nothing)
        elif item is not None:
            self._find(Kind.CHAIN_BROKEN, link.event_key, found=f"another {where}", wanted=link.digest, of=link)
        elif link.operation_id == self._operation.operation_id:
            self._removed_seal(link.digest, where, link.event_key)
        else:
            self._find(Kind.CHAIN_BROKEN, link.event_key, found=f"no {where}", wanted=link.digest, of=link)
        return None

    def _previous(self, seal: SealRow) -> None:
        """A seal that the walk did not come to still leads to the one before it."""
        if seal.previous is not None:
            self._follow(seal.previous)

    def _not_reached(self, seal: SealRow) -> None:
        if any(finding.kind in (Kind.CHAIN_BROKEN, Kind.SEAL_REMOVED) for finding in self.checked.findings):
            return  # the chain ends where that was found
        if any(note.kind is Kind.EXPIRED for note in self.checked.notes):
            return  # a later seal that has expired leads here
        self._find(
            Kind.CHAIN_BROKEN,
            seal.event_key,
            found=f"seal {seal.number}, to which the chain of its target does not lead",
            wanted="the head in the operations table, or a seal that names it",
        )

    def _removed_seal(self, digest: str, what: str, event_key: str | None = None) -> None:
        if not any(f.kind is Kind.SEAL_REMOVED and f.wanted == digest for f in self.checked.findings):
            self._find(Kind.SEAL_REMOVED, event_key or digest, found=f"no {what}", wanted=digest)

    def _expired(self, expires_at: int | None) -> bool:
        return expires_at is not None and expires_at <= self._now.timestamp()

    def _find(
        self,
        kind: Kind,
        event_key: str | None,
        *,
        found: str,
        wanted: str,
        what_to_do: str = EVIDENCE,
        of: Link | None = None,
    ) -> None:
        self.checked.add(
            Finding(
                kind=kind,
                operation_id=of.operation_id if of else self._operation.operation_id,
                event_key=event_key,
                step=_step(event_key),
                found=found,
                wanted=wanted,
                what_to_do=what_to_do.format(operation_id=self._operation.operation_id),
            )
        )

    def _note(self, kind: Kind, event_key: str, what_to_do: str) -> None:
        self.checked.add(
            Finding(
                kind=kind,
                operation_id=self._operation.operation_id,
                event_key=event_key,
                step=_step(event_key),
                what_to_do=what_to_do,
            ),
            note=True,
        )


def _step(event_key: str | None) -> str | None:
    """The step in a row's key; a seal's has none."""
    parts = (event_key or "").split("#")
    return parts[1].partition("-")[2] if len(parts) == 5 else None  # noqa: PLR2004 - as AuditRow.event_key makes it


def _content(item: dict[str, Any]) -> str:
    """An item in a few words, whatever it holds."""
    words = [
        str(item[name].get("S", "")) for name in ("phase", "status", "details") if isinstance(item.get(name), dict)
    ]
    added = item.get("facts", {}).get("M", {}).get(ADDED_AT, {}).get("S")
    return " ".join(words) + (f" (added by audit verify at {added})" if added else "")
