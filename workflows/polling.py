"""Polling: an activity checks once, a durable timer waits, until the activity reports that its step is done.

Why not Temporal's activity retries: docs/decisions/0002-durable-timers.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow

from workflows.cancellation import is_cancelled
from workflows.policies import GROWTH, URGENT, short_summary

with workflow.unsafe.imports_passed_through():
    from models.operation import FinalPoll, StepInput, StepOutcome
    from models.steps import AuditedStep
    from models.waits import Wait

Input = TypeVar("Input", bound=StepInput)
Answer = TypeVar("Answer", bound=StepOutcome)


class Pause:
    """The time between two polls, which a signal ends early."""

    def __init__(self, *, ignore_cancellation: bool = False) -> None:
        """`ignore_cancellation` is for the polls of a workflow that is cancelled already and still cleans up."""
        self._poll_requested = False
        self._ignore_cancellation = ignore_cancellation

    def end_early(self) -> None:
        """Poll now; without a pause, the next pause ends at once."""
        self._poll_requested = True

    async def until_next_poll(self, length: timedelta, summary: str) -> bool:
        """Wait; returns whether the pause ended early.

        Raises `asyncio.CancelledError` if the workflow is cancelled, before or meanwhile.
        """
        if is_cancelled() and not self._ignore_cancellation:
            raise asyncio.CancelledError
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._poll_requested, timeout=length, timeout_summary=summary)
        early, self._poll_requested = self._poll_requested, False
        return early


async def poll_until_done(
    call: Callable[[Input], Awaitable[Answer]], step_input: Input, wait: Wait, pause: Pause, step: AuditedStep
) -> Answer:
    """Call the activity until its answer is done, at intervals that grow while it waits for the same thing.

    At the deadline, or when the workflow is cancelled, one final poll follows. It gets the reason in `final_poll` and
    raises unless the step is done, so that the history holds how the wait ended.
    """
    deadline = workflow.now() + wait.deadline
    interval, waiting_for = wait.first_interval, None
    while not (answer := await call(step_input)).done:
        if step_input.final_poll is not None:
            raise RuntimeError(f"{step}: the final poll was not done and did not raise")
        if answer.waiting_for != waiting_for:
            interval, waiting_for = wait.first_interval, answer.waiting_for
        if answer.urgent:
            interval = min(interval, wait.first_interval * URGENT)
        length = max(min(interval, deadline - workflow.now()), timedelta(0))
        final_poll = await _pause(pause, length, f"{step}: {answer.details}", deadline_at_end=length < interval)
        step_input = step_input.model_copy(
            update={
                "poll": step_input.poll + 1,
                "final_poll": final_poll,
                "resource_seen": step_input.resource_seen or bool(answer.resource_arns),
                **answer.next_input,
            }
        )
        interval = min(interval * GROWTH, wait.maximum_interval)
    return answer


async def _pause(pause: Pause, length: timedelta, summary: str, *, deadline_at_end: bool) -> FinalPoll | None:
    """Wait for the next poll; returns why it is the final one, or None if it is not."""
    try:
        early = await pause.until_next_poll(length, short_summary(summary))
    except asyncio.CancelledError:
        return FinalPoll.CANCELLED
    return FinalPoll.DEADLINE if deadline_at_end and not early else None
