"""What exists in a region, read once for all restores that ask within a minute: where to search, and proof of nothing.

At the end of each restore everything in the region would be listed, so that a fleet's cost would grow with the square of
its size. What is found here is read by name before anything is decided.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

MAX_AGE_SECONDS = 60.0
"""How old a list may be. What a restore makes for its target is older at its end, or known to it by name."""


class _List:
    def __init__(self) -> None:
        self.lock = Lock()
        self.begun_at: float | None = None
        self.answer: Any = None


class RegionLists:
    """The lists of one worker; safe to share between threads."""

    def __init__(self, max_age_seconds: float | None = None) -> None:
        """Nothing is read yet. `max_age_seconds` is how old a list may be; None: `MAX_AGE_SECONDS`."""
        self._max_age = max_age_seconds
        self._lock = Lock()
        self._lists: dict[Hashable, _List] = {}

    def read(self, key: Hashable, fetch: Callable[[], Any]) -> Any:
        """What `fetch` returned within the last minute, to this caller or another; several callers wait for one."""
        with self._lock:
            listed = self._lists.setdefault(key, _List())
        with listed.lock:
            now, max_age = time.monotonic(), MAX_AGE_SECONDS if self._max_age is None else self._max_age
            if listed.begun_at is None or now - listed.begun_at > max_age:
                listed.answer, listed.begun_at = fetch(), now
            return listed.answer
