"""What a cancellation of the workflow may end, and what it may not."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from temporalio import workflow

T = TypeVar("T")


def is_cancelled() -> bool:
    """Whether someone has asked Temporal to cancel this workflow."""
    return workflow.cancellation_reason() is not None


async def await_outcome(call: workflow.ActivityHandle[T]) -> T:
    """Return what the activity returns, or raise what it raises; pass a cancellation on to an activity that still runs.

    Awaiting the handle itself would be dangerous: if the result arrives in the same workflow task as the cancellation,
    the SDK throws the result away, and only Temporal's history would know what the activity did.
    Source: temporalio, `RAISE_ON_CANCELLING_COMPLETED_ACTIVITY`.
    """
    try:
        await workflow.wait_condition(call.done)
    except asyncio.CancelledError:
        if call.cancelling():
            raise  # the worker evicts this workflow from its cache, and everything that it waits for
        # Conditions are checked after every job of this task is applied: then a result that arrived is known.
        await workflow.wait_condition(lambda: True)
        if not call.done():
            call.cancel()
    return await call


async def shield(work: Coroutine[Any, Any, T]) -> T:
    """Finish the work, even if the workflow is cancelled while it runs."""
    task = asyncio.create_task(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
