"""Checks that the chain of a target's seals is complete, from its head to before the operation's first seal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit.chain import SealChains
from audit.digest import digest_of
from audit.numbers import OpenedOperation
from audit.seal_rows import SealLink, SealRow, from_seal_item
from audit.verify.findings import FindingKind
from audit.verify.seal_findings import SealFindings


class ChainCheck:
    """Follows the chain."""

    def __init__(self, chains: SealChains, operation: OpenedOperation, findings: SealFindings) -> None:
        """`findings` receives what is wrong."""
        self._chains = chains
        self._operation = operation
        self._findings = findings

    def check(self, seals: Sequence[SealRow]) -> None:
        """Check that the chain leads to each of the operation's seals, and from the first of them to an older one.

        Raises `TrailUnavailable`.
        """
        reached = self._follow(seals)
        for seal in seals:
            if seal.digest in reached:
                continue
            if seal.previous_seal is not None:
                self._read(seal.previous_seal)  # where the chain does not lead to, the references must be right too
            self._report_unreached(seal)

    def _follow(self, seals: Sequence[SealRow]) -> set[str]:
        """Follow the chain from its head; return the digests of the seals on the way."""
        reached: set[str] = set()
        remaining = {seal.digest for seal in seals}
        link = self._chains.find_head(self._operation.target_arn)
        while link is not None and link.digest not in reached:
            row = self._read(link)
            if row is None:
                break
            # One seal further than the operation's first, because that one must refer to it.
            if not remaining and row.sealed_at < self._operation.opened_at:
                break
            reached.add(row.digest)
            remaining.discard(row.digest)
            link = row.previous_seal
        return reached

    def _read(self, link: SealLink) -> SealRow | None:
        """The seal that a link refers to; None, which is reported, if it does not exist or is another one."""
        item = self._chains.find_item(link)
        row = from_seal_item(item) if item else None
        if row is not None and row.digest == link.digest:
            return row
        if item is None and self._findings.is_expired(link.expires_at):
            self._findings.add_note(FindingKind.EXPIRED, link.event_key)
        elif item is None and link.operation_id == self._operation.operation_id:
            self._findings.add_deleted_seal(link.number, link.digest, link.event_key)
        else:
            self._findings.add(
                FindingKind.BROKEN_CHAIN,
                link.event_key,
                actual="no seal" if item is None else f"a seal with digest {_content_digest(item)}",
                expected=self._findings.describe_seal(link.number, link.digest),
                operation_id=link.operation_id,
            )
        return None

    def _report_unreached(self, seal: SealRow) -> None:
        if self._findings.has(FindingKind.BROKEN_CHAIN, FindingKind.DELETED_SEAL):
            return  # the chain ends at the seal that is reported
        if self._findings.has_expired:
            return  # a later seal, which referred to this one, has expired
        self._findings.add(
            FindingKind.BROKEN_CHAIN,
            seal.event_key,
            actual="neither the operations table nor a later seal refers to this seal",
            expected=f"a reference to {self._findings.describe_seal(seal.number, seal.digest)}",
        )


def _content_digest(item: dict[str, Any]) -> str:
    return digest_of({name: value for name, value in item.items() if name != "digest"})
