"""Looking at something that takes long: an activity looks once, a durable timer waits, until it is done.

Why not Temporal's activity retries: docs/decisions/0002-durable-timers.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow

from workflows.policies import GROWTH, short_summary

with workflow.unsafe.imports_passed_through():
    from models.operation import FinalPoll, StepInput, StepOutcome
    from models.request import Wait
    from models.steps import AuditedStep

Input = TypeVar("Input", bound=StepInput)
Answer = TypeVar("Answer", bound=StepOutcome)
T = TypeVar("T")


class Pause:
    """The time between two looks, which a signal ends early."""

    def __init__(self, *, undisturbed: bool = False) -> None:
        """Nobody has asked for a look; an undisturbed pause is part of what a cancelled workflow still does."""
        self._asked = False
        self._undisturbed = undisturbed

    def end_early(self) -> None:
        """Look now."""
        self._asked = True

    async def until_next_poll(self, length: timedelta, summary: str) -> bool:
        """Wait; returns whether it was ended early.

        Raises `asyncio.CancelledError` if the workflow is cancelled meanwhile, or was before.
        """
        if workflow.cancellation_reason() is not None and not self._undisturbed:
            raise asyncio.CancelledError
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._asked, timeout=length, timeout_summary=summary)
        early, self._asked = self._asked, False
        return early


async def poll_until_done(
    look: Callable[[Input], Awaitable[Answer]], step_input: Input, wait: Wait, pause: Pause, step: AuditedStep
) -> Answer:
    """Look, and look again at growing intervals, until the answer is done.

    At the deadline, and when the workflow is cancelled, a final look is told so: it raises if the thing is not done by
    then, so that how the wait ended is in the history like everything else.
    """
    deadline = workflow.now() + wait.deadline
    interval = wait.first_interval
    while not (answer := await look(step_input)).done:
        if step_input.final_poll is not None:
            raise RuntimeError(f"{step}: the final look neither was done nor raised")
        length = max(min(interval, deadline - workflow.now()), timedelta(0))
        final = await _pause(pause, length, f"{step}: {answer.details}", deadline_at_end=length < interval)
        seen = step_input.resource_seen or bool(answer.resource_arns)
        step_input = step_input.model_copy(
            update={"poll": step_input.poll + 1, "final_poll": final, "resource_seen": seen}
        )
        interval = min(interval * GROWTH, wait.maximum_interval)
    return answer


async def _pause(pause: Pause, length: timedelta, summary: str, *, deadline_at_end: bool) -> FinalPoll | None:
    try:
        early = await pause.until_next_poll(length, short_summary(summary))
    except asyncio.CancelledError:
        return FinalPoll.CANCELLED
    return FinalPoll.DEADLINE if deadline_at_end and not early else None


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """Finish the work although the workflow is cancelled while it runs."""
    task = asyncio.create_task(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
