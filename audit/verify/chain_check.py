"""Checks that the chain of a target's seals is complete, from its head to before the operation's first seal."""

from __future__ import annotations

from collections.abc import Sequence

from audit.numbers import OpenedOperation
from audit.seal_rows import SealRow
from audit.verify.chain_walk import ChainPlace, ChainWalk
from audit.verify.findings import FindingKind
from audit.verify.seal_findings import SealFindings


class ChainCheck:
    """Checks the part of the chain that concerns an operation."""

    def __init__(self, walk: ChainWalk, operation: OpenedOperation, findings: SealFindings) -> None:
        """`walk` is along the chain of the operation's target; `findings` receives what is wrong."""
        self._walk = walk
        self._operation = operation
        self._findings = findings

    def check(self, seals: Sequence[SealRow]) -> None:
        """Check that the chain leads to each of the operation's seals, and from the first of them to an older one.

        Raises `TrailUnavailable`.
        """
        reached = self._walk.reach({seal.digest for seal in seals}, self._operation.opened_at)
        if reached.broken_at is not None:
            self._report_broken(reached.broken_at)
        for seal in seals:
            if seal.digest in reached.digests:
                continue
            if seal.previous_seal is not None:  # where the chain does not lead to, the references must be right too
                previous = ChainPlace(seal.previous_seal, self._walk.find(seal.previous_seal))
                if not previous.is_intact:
                    self._report_broken(previous)
            self._report_unreached(seal)

    def _report_broken(self, place: ChainPlace) -> None:
        """Report that a seal does not exist or is another one."""
        link, seal = place
        if seal is None and self._findings.is_expired(link.expires_at):
            self._findings.add_note(FindingKind.EXPIRED, link.event_key)
        elif seal is None and link.operation_id == self._operation.operation_id:
            self._findings.add_deleted_seal(link.number, link.digest, link.event_key)
        else:
            self._findings.add(
                FindingKind.BROKEN_CHAIN,
                link.event_key,
                actual="no seal" if seal is None else f"a seal with digest {seal.content_digest}",
                expected=self._findings.describe_seal(link.number, link.digest),
                operation_id=link.operation_id,
            )

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
