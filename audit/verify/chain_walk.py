"""Walks the chain of a target's seals from its head, once for all operations of the target.

Each operation asks how far the chain leads to its own seals; the walk goes on from where the one before ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, NamedTuple

from audit.chain import SealChains
from audit.digest import digest_of
from audit.seal_rows import SealLink, from_seal_item, is_seal


class FoundSeal(NamedTuple):
    """What the chain needs of an item under a seal's key."""

    digest: str | None
    """None if the item is no seal, or was changed."""
    content_digest: str
    """SHA-256 of what the item holds."""
    sealed_at: datetime | None = None
    previous_seal: SealLink | None = None


class ChainPlace(NamedTuple):
    """A place in the chain: a reference, and what is there."""

    link: SealLink
    seal: FoundSeal | None

    @property
    def is_intact(self) -> bool:
        """Whether the seal is the one that the reference is to. The chain ends at one that is not."""
        return self.seal is not None and self.seal.digest == self.link.digest


class Reached(NamedTuple):
    """How far the chain leads for an operation."""

    digests: AbstractSet[str]
    """Those of the operation's seals that the chain leads to."""
    broken_at: ChainPlace | None
    """Where the chain ends before it has led to each of them, and to an older one; None if it does not."""


class ChainWalk:
    """The chain of one target, as far as it was needed. Not for several threads at once."""

    def __init__(self, chains: SealChains, target_arn: str) -> None:
        """Nothing is read yet."""
        self._chains = chains
        self._target_arn = target_arn
        self._found: dict[tuple[str, str], FoundSeal | None] = {}
        self._head: SealLink | None = None
        self._is_begun = False
        self._places: list[ChainPlace] = []
        self._positions: dict[str, int] = {}
        """By digest: where the seal is in `_places`."""

    def add(self, items: Iterable[dict[str, Any]]) -> None:
        """Keep the seals among an operation's items, so that they are not read again."""
        for item in filter(is_seal, items):
            self._found[item["operation_id"]["S"], item["event_key"]["S"]] = _found_seal(item)

    def find(self, link: SealLink) -> FoundSeal | None:
        """What is under a seal's key; None if nothing is.

        Raises `TrailUnavailable`.
        """
        key = (link.operation_id, link.event_key)
        if key not in self._found:
            item = self._chains.find_item(link)
            self._found[key] = _found_seal(item) if item else None
        return self._found[key]

    def reach(self, digests: AbstractSet[str], opened_at: datetime) -> Reached:
        """Follow the chain to each of an operation's seals, and from there to a seal before `opened_at` (aware).

        Raises `TrailUnavailable`.
        """
        if not self._is_begun:
            self._begin()
        if not self._lead_to(digests) and self._begin():  # a seal that was written after the head was read
            self._lead_to(digests)
        reached = digests & self._positions.keys()
        if reached < digests:
            return Reached(reached, self._broken_at(len(self._places) - 1))
        position = max((self._positions[digest] for digest in reached), default=-1) + 1
        while self._is_at_or_after(position, opened_at):
            position += 1
        return Reached(reached, self._broken_at(position))

    def _begin(self) -> bool:
        """Read the head, and walk again if it has moved; return whether it has."""
        head = self._chains.find_head(self._target_arn)
        if self._is_begun and head == self._head:
            return False
        self._head, self._is_begun = head, True
        self._places, self._positions = [], {}
        return True

    def _lead_to(self, digests: AbstractSet[str]) -> bool:
        """Walk until the chain has led to each of the seals; return whether it has."""
        while not digests <= self._positions.keys():
            if not self._extend():
                return False
        return True

    def _is_at_or_after(self, position: int, moment: datetime) -> bool:
        """Whether the chain has an intact seal there that was made at this time or later."""
        if position == len(self._places) and not self._extend():
            return False
        place = self._places[position]
        sealed_at = place.seal.sealed_at if place.seal and place.is_intact else None
        return sealed_at is not None and sealed_at >= moment

    def _extend(self) -> bool:
        """Add one place to the chain; return whether there is one more."""
        link = self._next_link()
        if link is None or link.digest in self._positions:
            return False
        place = ChainPlace(link, self.find(link))
        self._places.append(place)
        if place.is_intact:
            self._positions[link.digest] = len(self._places) - 1
        return True

    def _next_link(self) -> SealLink | None:
        if not self._places:
            return self._head
        last = self._places[-1]
        return last.seal.previous_seal if last.seal and last.is_intact else None

    def _broken_at(self, position: int) -> ChainPlace | None:
        place = self._places[position] if 0 <= position < len(self._places) else None
        return None if place is None or place.is_intact else place


def _found_seal(item: dict[str, Any]) -> FoundSeal:
    content_digest = digest_of({name: value for name, value in item.items() if name != "digest"})
    row = from_seal_item(item)
    if row is None:
        return FoundSeal(None, content_digest)
    return FoundSeal(row.digest, content_digest, row.sealed_at, row.previous_seal)
