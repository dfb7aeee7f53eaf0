"""Compares the trail with its seals: which rows were changed or deleted, and which rows no seal covers."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from audit.digest import digest_of
from audit.numbers import OpenedOperation
from audit.rows import ADDED_AT, Phase
from audit.seal_rows import CoveredRow, SealRow, from_seal_item, is_seal
from audit.verify.chain_check import ChainCheck
from audit.verify.chain_walk import ChainWalk
from audit.verify.findings import FIND_WRITER, FindingKind
from audit.verify.seal_findings import SealFindings
from models.seal import Seal

SEAL_IT = "Seal it:\npython starter.py audit verify {operation_id} --repair"
RESOLVE_FIRST = (
    "Resolve the findings about other rows first: repair seals nothing until the history confirms every row."
)
TOO_LATE = "Nothing can seal it any more: the history that would confirm its rows has expired."


class SealCheck:
    """Checks the seals of one operation."""

    def __init__(
        self, walk: ChainWalk, operation: OpenedOperation, items: Sequence[dict[str, Any]], now: datetime
    ) -> None:
        """`walk` is along the chain of the operation's target; `now` decides what has expired.

        `items` is everything that the trail holds of the operation.
        """
        self._operation = operation
        self._items = {item["event_key"]["S"]: item for item in items}
        self._findings = SealFindings(operation, now)
        walk.add(items)
        self._chain = ChainCheck(walk, operation, self._findings)
        self.seal_count = sum(map(is_seal, items))

    def check(
        self, recorded_seals: Sequence[Seal], *, has_ended: bool, confirmed_keys: AbstractSet[str] | None
    ) -> SealFindings:
        """Check all seals of the operation.

        `recorded_seals` are the results of seal-trail in Temporal's history. `confirmed_keys` are the rows that the
        history confirms, which repair may therefore seal; None if the history has expired.
        Raises `TrailUnavailable`.
        """
        seals = [seal for seal in map(self._read_seal, filter(is_seal, self._items.values())) if seal is not None]
        self._chain.check(seals)
        existing = {seal.digest for seal in seals}
        for recorded in recorded_seals:
            if recorded.digest not in existing:
                self._findings.add_deleted_seal(recorded.number, recorded.digest, None)
        for seal in seals:
            for row in seal.covered_rows:
                self._check_covered_row(seal, row)
        if has_ended:
            self._check_uncovered_rows(seals, confirmed_keys)
        return self._findings

    def _read_seal(self, item: dict[str, Any]) -> SealRow | None:
        """The seal in an item; None, which is reported, if it was changed or is a seal of something else."""
        expected = (self._operation.operation_id, self._operation.target_arn)
        row = from_seal_item(item)
        if row is not None and (row.operation_id, row.target_arn) == expected:
            return row
        actual = f"a seal of {row.operation_id}, {row.target_arn}" if row else "content that does not match the digest"
        self._findings.add(
            FindingKind.CHANGED_SEAL,
            item["event_key"]["S"],
            actual=actual,
            expected=f"a seal of {', '.join(expected)}",
        )
        return None

    def _check_covered_row(self, seal: SealRow, row: CoveredRow) -> None:
        """Check that a row exists and is as it was when it was sealed."""
        item = self._items.get(row.event_key)
        expected = f"digest {row.digest}, from seal {seal.number}"
        if item is None and self._findings.is_expired(row.expires_at):
            self._findings.add_note(FindingKind.EXPIRED, row.event_key)
        elif item is None:
            self._findings.add(FindingKind.DELETED_ROW, row.event_key, actual="no row", expected=expected)
        elif digest_of(item) != row.digest:
            actual = f"digest {digest_of(item)}, {_summary(item)}"
            self._findings.add(FindingKind.CHANGED_ROW, row.event_key, actual=actual, expected=expected)

    def _check_uncovered_rows(self, seals: Sequence[SealRow], confirmed_keys: AbstractSet[str] | None) -> None:
        """Report the rows that no seal covers. A late row of a worker is a note: it need not be sealed."""
        covered = {row.event_key for seal in seals for row in seal.covered_rows}
        uncovered = {key: item for key, item in self._items.items() if key not in covered and not is_seal(item)}
        late = [key for key, item in uncovered.items() if _phase(item) in (Phase.STARTED, Phase.ATTEMPT)]
        for key in late:
            self._findings.add_note(FindingKind.LATE_ROW, key)
        self._findings.unsealed_keys = [key for key in uncovered if key not in late]
        if not self.seal_count and not self._findings.has_expired:
            self._findings.add(
                FindingKind.MISSING_SEAL,
                None,
                actual="no seal",
                expected="a seal over all rows",
                what_to_do=self._how_to_seal(None, confirmed_keys),
            )
        if not seals:
            return
        for key in self._findings.unsealed_keys:
            self._findings.add(
                FindingKind.UNSEALED_ROW,
                key,
                actual=_summary(uncovered[key]),
                expected="a seal that covers the row",
                what_to_do=self._how_to_seal(key, confirmed_keys),
            )

    def _how_to_seal(self, event_key: str | None, confirmed_keys: AbstractSet[str] | None) -> str:
        """What to do about an unsealed row, or about an operation without a seal."""
        if confirmed_keys is None:
            return TOO_LATE if event_key is None else FIND_WRITER
        if event_key is not None and event_key not in confirmed_keys:
            return FIND_WRITER
        if not set(self._findings.unsealed_keys) <= confirmed_keys:
            return RESOLVE_FIRST
        return SEAL_IT.format(operation_id=self._operation.operation_id)


def _phase(item: dict[str, Any]) -> str | None:
    phase: str | None = item.get("phase", {}).get("S")
    return phase


def _summary(item: dict[str, Any]) -> str:
    """An item in a few words, whatever it holds."""
    words = [
        str(item[name].get("S", "")) for name in ("phase", "status", "details") if isinstance(item.get(name), dict)
    ]
    added_at = item.get("facts", {}).get("M", {}).get(ADDED_AT, {}).get("S")
    return " ".join(words) + (f" (added by audit verify at {added_at})" if added_at else "")
