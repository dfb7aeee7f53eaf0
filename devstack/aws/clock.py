"""The emulator's clock. All transitions follow it, so a jump of the clock completes those that are due."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class Clock:
    """A UTC clock that can be set (it continues from there in real time) or frozen."""

    def __init__(self) -> None:
        """Start at the real time."""
        self._lock = threading.Lock()
        self._base = datetime.now(UTC)
        self._since: float | None = time.monotonic()

    def now(self) -> datetime:
        """The emulator's current instant, in UTC."""
        with self._lock:
            return self._base + timedelta(seconds=self._elapsed())

    def set(self, now: datetime) -> None:
        """Jump to `now` and continue from there in real time."""
        self._anchor(now, time.monotonic())

    def freeze(self, now: datetime) -> None:
        """Jump to `now` and stop until `set` or `freeze` is called again."""
        self._anchor(now, None)

    @property
    def frozen(self) -> bool:
        """Whether the clock is stopped."""
        with self._lock:
            return self._since is None

    def _elapsed(self) -> float:
        return 0.0 if self._since is None else time.monotonic() - self._since

    def _anchor(self, now: datetime, since: float | None) -> None:
        if now.tzinfo is None:
            raise ValueError(f"{now.isoformat()} has no time zone; add one, as in {now.isoformat()}Z")
        with self._lock:
            self._base, self._since = now.astimezone(UTC), since
