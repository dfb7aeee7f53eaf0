"""Polling: an activity checks, a durable timer carries the long wait, and near the expected end the activity watches.

Why not Temporal's activity retries: docs/decisions/0002-durable-timers.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.workflow import ActivityConfig

from workflows.cancellation import is_cancelled
from workflows.policies import WATCH, WATCH_LENGTH, short_summary

with workflow.unsafe.imports_passed_through():
    from models.step_call import FinalPoll, StepInput, StepOutcome
    from models.steps import AuditedStep
    from models.waits import Durations, Interval, PollPlan, Wait, Watch

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
        self.check_not_cancelled()
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._poll_requested, timeout=length, timeout_summary=summary)
        return self.take_request()

    def take_request(self) -> bool:
        """Whether someone asked for a poll since the last one."""
        early, self._poll_requested = self._poll_requested, False
        return early

    def check_not_cancelled(self) -> None:
        """Raise `asyncio.CancelledError` if the workflow is cancelled."""
        if is_cancelled() and not self._ignore_cancellation:
            raise asyncio.CancelledError


def policy_of_poll(step_input: StepInput, single: ActivityConfig) -> ActivityConfig:
    """The policy of a call that may poll by itself for a time; `single` is that of a call which polls once."""
    return WATCH if step_input.watch and step_input.watch.length else single


async def poll_until_done(
    call: Callable[[Input], Awaitable[Answer]],
    step_input: Input,
    wait: Wait,
    pause: Pause,
    step: AuditedStep,
    earlier: Durations | None = None,
) -> Answer:
    """Call the activity until its answer is done: after a timer if that is long, else the activity polls by itself.

    At the deadline, or when the workflow is cancelled, one final poll follows. It gets the reason in `final_poll` and
    raises unless the step is done, so that the history holds how the wait ended. `earlier` says when to poll.
    """
    deadline = workflow.now() + wait.deadline
    limits = Interval(shortest=wait.first_interval, longest=wait.maximum_interval)
    watch = Watch(first_pause=timedelta(0), length=timedelta(0), interval=limits, earlier=earlier or {})
    step_input = step_input.model_copy(update={"watch": watch})
    while not (answer := await call(step_input)).done:
        if step_input.final_poll is not None:
            raise RuntimeError(f"{step}: the final poll was not done and did not raise")
        plan = answer.plan or PollPlan(pause=wait.first_interval, by_timer=True)
        final_poll, first_pause = await _pause(pause, plan, deadline, short_summary(f"{step}: {answer.details}"))
        next_watch = {
            "first_pause": first_pause,
            "length": min(WATCH_LENGTH, max(deadline - workflow.now(), timedelta(0))),
            "since": plan.since,
            "last_poll": answer.ended_at,
            "details": answer.details,
        }
        step_input = step_input.after(answer).model_copy(
            update={
                "poll": step_input.poll + 1,
                "final_poll": final_poll,
                "watch": None if final_poll else watch.model_copy(update=next_watch),
            }
        )
    return answer


async def _pause(pause: Pause, plan: PollPlan, deadline: datetime, summary: str) -> tuple[FinalPoll | None, timedelta]:
    """Wait for the next poll by a timer, or let the watch wait, except for the deadline.

    Returns why the next poll is the final one, if it is, and what is left to wait.
    """
    left = max(deadline - workflow.now(), timedelta(0))
    try:
        if plan.pause < left and not plan.by_timer:
            pause.check_not_cancelled()
            return None, timedelta(0) if pause.take_request() else plan.pause
        early = await pause.until_next_poll(min(plan.pause, left), summary)
    except asyncio.CancelledError:
        return FinalPoll.CANCELLED, timedelta(0)
    return FinalPoll.DEADLINE if left <= plan.pause and not early else None, timedelta(0)
