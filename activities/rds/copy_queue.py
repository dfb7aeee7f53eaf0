"""Which restores wait for room for a copy into a region, so that the more urgent one asks AWS first.

AWS allows five copies between regions at a time for each destination region and account. Temporal's priority orders what
waits for a worker, not what waits for AWS; here a restore leaves the room that becomes free to a more urgent one.
A worker knows the restores that it polls itself: with several workers it is as good as chance mixes them.
Source: Aurora User Guide, "Copying a DB cluster snapshot", limitations.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Lock
from typing import NamedTuple

from models.request import Target

DEFAULT_PRIORITY = 3
"""Temporal's, for a run that has none. Source: Temporal docs, "Task Queue Priority"."""
FRESH, FRESH_SHARE = timedelta(minutes=10), 0.1
"""How long a restore counts as waiting after its last poll, and for one that waits long, as a share of its wait: about
twice the longest pause of `waiting.pace`. One that was cancelled holds nobody up for longer."""


class _Waiting(NamedTuple):
    priority: int
    since: datetime
    polled_at: datetime

    def is_fresh(self, at: datetime) -> bool:
        return at - self.polled_at <= max(FRESH, FRESH_SHARE * (self.polled_at - self.since))


class CopyQueue:
    """The restores of one worker that wait for room, by account, region and target."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._lock = Lock()
        self._places: dict[tuple[str, str], dict[str, _Waiting]] = {}

    def find_more_urgent(self, target: Target, priority: int | None, at: datetime) -> str | None:
        """The cluster of a more urgent restore that waits for room in this account and region, if there is one."""
        own = priority or DEFAULT_PRIORITY
        with self._lock:
            place = self._places.get(_place(target), {})
            ahead = [
                (each.priority, each.since, arn)
                for arn, each in place.items()
                if arn != target.arn and each.priority < own and each.is_fresh(at)
            ]
        return min(ahead)[2].rpartition(":")[2] if ahead else None

    def note_waiting(self, target: Target, priority: int | None, at: datetime) -> None:
        """The target's restore has polled at this time and waits."""
        with self._lock:
            place = self._places.setdefault(_place(target), {})
            before = place.get(target.arn)
            since = before.since if before and before.is_fresh(at) else at
            place[target.arn] = _Waiting(priority or DEFAULT_PRIORITY, since, at)

    def remove(self, target: Target) -> None:
        """The target's restore waits no longer."""
        with self._lock:
            self._places.get(_place(target), {}).pop(target.arn, None)


def _place(target: Target) -> tuple[str, str]:
    return target.account_id, target.region
