"""The skipped time inside an activity that waits: it costs nothing, and the emulator's clock has it.

Temporal's server skips a workflow's timers, but not the time of an activity, and a workflow's clock does not know what its
activities have skipped. So the rig adds it to the times that an activity sees.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from temporalio import activity

from waiting import clock, pace

_skipped: ContextVar[float] = ContextVar("skipped", default=0.0)
"""The seconds that the running attempt has skipped so far."""
_before: ContextVar[timedelta | None] = ContextVar("before", default=None)
"""What had been skipped when the running attempt began."""


@dataclass
class SkippedTime:
    """How much the activities of each workflow run have skipped."""

    by_run: dict[str, timedelta] = field(default_factory=dict)

    def shifted(self, info: activity.Info) -> activity.Info:
        """What an activity learns of itself, with the times that it would have if nothing had been skipped."""
        skipped = _before.get()
        if skipped is None:
            skipped = self.by_run.get(info.workflow_run_id or "", timedelta(0))
            _before.set(skipped)
        return replace(
            info,
            scheduled_time=info.scheduled_time + skipped,
            current_attempt_scheduled_time=info.current_attempt_scheduled_time + skipped,
            started_time=info.started_time + skipped,
        )

    def add(self, run_id: str) -> None:
        """Count what the running attempt has skipped so far; one that ran beside it may have skipped more."""
        so_far = (_before.get() or timedelta(0)) + timedelta(seconds=_skipped.get())
        self.by_run[run_id] = max(so_far, self.by_run.get(run_id, timedelta(0)))


@contextmanager
def skip_waits_of_activities() -> Iterator[None]:
    """Let every wait of an activity end at once."""

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(0)
        _skipped.set(_skipped.get() + seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "sleep", sleep)
        patch.setattr(clock, "monotonic", lambda: time.monotonic() + _skipped.get())
        yield


@contextmanager
def wait_by_timers_only() -> Iterator[None]:
    """Let no activity poll by itself: Temporal skips its own timers, and workflow and emulator agree on the time.

    A poll is worth more, because each one costs real time.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "TIMER_FROM", timedelta(0))
        patch.setattr(pace, "TIMER_FROM_SHARE", 0.0)
        patch.setattr(pace, "POLL_WORTH", 40.0)
        yield
