"""The time inside an activity, on Temporal's clock."""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar
from datetime import datetime, timedelta

from temporalio import activity

since_scheduled: ContextVar[timedelta] = ContextVar("since_scheduled", default=timedelta(0))
"""How long before the current poll the attempt was scheduled; only an activity that polls by itself sets it."""


def monotonic() -> float:
    """Seconds that only go forward, to measure with."""
    return time.monotonic()


async def sleep(seconds: float) -> None:
    """Wait without holding a thread."""
    await asyncio.sleep(seconds)


def now() -> datetime:
    """When this attempt, or its current poll, began, on Temporal's clock (aware): the worker's own clock decides nothing."""
    return activity.info().current_attempt_scheduled_time + since_scheduled.get()
