"""Waiting for an activity's answer so that a cancellation of the workflow never loses it."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from temporalio import workflow

T = TypeVar("T")


async def await_outcome(call: workflow.ActivityHandle[T]) -> T:
    """The activity's answer, or its failure; a cancellation of the workflow is handed on to an activity still under way.

    Awaiting the handle itself would be dangerous: the SDK throws away an answer that comes in the same workflow task as
    the cancellation, and what the activity did would stand in Temporal's history and nowhere else.
    Source: temporalio, `RAISE_ON_CANCELLING_COMPLETED_ACTIVITY`.
    """
    try:
        await workflow.wait_condition(call.done)
    except asyncio.CancelledError:
        if call.cancelling():
            raise  # the workflow leaves this worker's cache, and with it everything that it waits for
        # Conditions are looked at when all that came with this task is in; then an answer that came is known.
        await workflow.wait_condition(lambda: True)
        if not call.done():
            call.cancel()
    return await call
