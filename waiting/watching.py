"""Polls by the activity itself, near the time at which a change should end.

Between two polls of a watch no thread is held and nothing enters the history. A watch is bounded: the workflow's durable
timers carry the long waits, and a worker that dies costs the heartbeat timeout, not the wait.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.worker import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from models.step_call import StepInput, StepOutcome
from models.waits import Change, Interval, PollPlan, Watch, WatchedProgress
from waiting import clock
from waiting.only_reads import ChangeDue, last_seen, only_reads
from waiting.pace import URGENT, plan_poll
from waiting.requested_polls import RequestedPolls, RequestedWatch, listener_class
from waiting.shared_reads import ReadDue, SharedReads, WatchReads

CHECK_SECONDS = 0.5
"""How often a pause checks whether a poll is requested, the workflow was cancelled or the worker stops."""


class WatchInterceptor(Interceptor):
    """Lets an activity whose input says so poll several times before it returns."""

    def __init__(self, threads: int) -> None:
        """`threads` is how many activities call AWS or a database at the same time; any number of them may wait."""
        self._threads = asyncio.Semaphore(threads)
        self._shared = SharedReads()
        self._requested = RequestedPolls()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """See base class."""
        return _WatchInbound(next, self._threads, self._shared, self._requested)

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: ARG002 - the SDK's signature
        """See base class."""
        return listener_class(self._requested)


class _WatchInbound(ActivityInboundInterceptor):
    _outbound: ActivityOutboundInterceptor

    def __init__(
        self,
        next: ActivityInboundInterceptor,
        threads: asyncio.Semaphore,
        shared: SharedReads,
        requested: RequestedPolls,
    ) -> None:
        super().__init__(next)
        self._threads = threads
        self._shared = shared
        self._requested = requested

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        self._outbound = outbound
        super().init(outbound)

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        step_input = input.args[0] if input.args and isinstance(input.args[0], StepInput) else None
        began = _Stopwatch()
        if step_input is None or step_input.watch is None:
            outcome = await self._call(input)
        else:
            reads, run_id = WatchReads(self._shared), activity.info().workflow_run_id or ""
            try:
                with self._requested.watch(run_id) as requested:
                    outcome = await self._watch(input, step_input, step_input.watch, began, reads, requested)
            finally:
                reads.end()
        return outcome.model_copy(update={"ended_at": began.now()}) if isinstance(outcome, StepOutcome) else outcome

    async def _call(self, input: ExecuteActivityInput) -> Any:
        if inspect.iscoroutinefunction(input.fn):
            return await self.next.execute_activity(input)
        async with self._threads:
            return await self.next.execute_activity(input)

    async def _watch(
        self,
        input: ExecuteActivityInput,
        step_input: StepInput,
        watch: Watch,
        began: _Stopwatch,
        reads: WatchReads,
        requested: RequestedWatch,
    ) -> Any:
        """Poll until the step is done, a change is due, the next poll is better left to a timer, or something is to remember.

        Only the poll that the workflow has just scheduled may change something; the others only read.
        """
        since, last_poll = dict(watch.since), watch.last_poll
        seen: WatchedProgress | None = None
        outcome: Any = StepOutcome(done=False, details=watch.details, in_progress=tuple(since))
        only_reads.set(watch.first_pause > timedelta(0))
        last_seen.set(frozenset())
        if not await pause(watch.first_pause, requested):
            return _with_poll_at_once(outcome, since)
        requested.take()
        while True:
            poll_at = began.now()
            clock.since_scheduled.set(began.elapsed)
            try:
                outcome = await self._poll(input, step_input, reads)
            except ChangeDue:
                return _with_poll_at_once(outcome, since)
            if not isinstance(outcome, StepOutcome):
                return outcome
            outcome = _with_durations(outcome, since, last_poll or poll_at, poll_at, step_input.durations)
            if outcome.done:
                return outcome
            since = {change: since.get(change, poll_at) for change in outcome.in_progress or (Change.OTHER,)}
            plan = plan_poll(since, watch.earlier, poll_at, _interval(watch.interval, outcome), outcome.percent)
            outcome = outcome.model_copy(update={"plan": plan})
            is_last = plan.by_timer or began.elapsed + plan.pause > watch.length
            if is_last or _must_be_remembered(step_input, outcome):
                return outcome
            seen = _progress(seen, outcome, poll_at, plan.pause)
            self._outbound.heartbeat(seen)
            early = reads.may_come_early(plan.pause)
            if not await pause(plan.pause - early, requested) or not await reads.read_again(2 * early, _may_go_on):
                return outcome
            step_input, last_poll = step_input.after(outcome), poll_at
            only_reads.set(True)
            # A poll is asked for with a reason, such as an event of RDS: it reads everything.
            last_seen.set(frozenset() if requested.take() else frozenset(outcome.in_progress))

    async def _poll(self, input: ExecuteActivityInput, step_input: StepInput, reads: WatchReads) -> Any:
        """Poll once. Raises `ChangeDue` also if the workflow was cancelled while the poll waited for a shared read."""
        polled = ExecuteActivityInput(input.fn, [step_input, *input.args[1:]], input.executor, input.headers)
        reads.begin_poll()
        while True:
            # Each time, because the SDK wraps the context's heartbeat at every call of a method that is not async.
            self.next.init(self._outbound)
            try:
                outcome = await self._call(polled)
            except ReadDue as due:
                if not await reads.read(due.read, _may_go_on):
                    raise ChangeDue from None
            else:
                reads.end_poll()
                return outcome


def _progress(before: WatchedProgress | None, outcome: StepOutcome, at: datetime, pause: timedelta) -> WatchedProgress:
    """What the poll at that time saw, after what the watch's poll before it saw."""
    is_same = before is not None and (before.details, before.percent) == (outcome.details, outcome.percent)
    return WatchedProgress(
        details=outcome.details,
        percent=outcome.percent,
        last_poll_at=at,
        next_poll_at=at + pause,
        unchanged_since=before.unchanged_since if before is not None and is_same else at,
    )


def _with_poll_at_once(outcome: StepOutcome, since: dict[Change, datetime]) -> StepOutcome:
    """The last outcome, for a workflow that schedules the next poll without a pause."""
    plan = PollPlan(pause=timedelta(0), by_timer=False, since=since)
    return outcome.model_copy(update={"plan": plan})


def _interval(limits: Interval, outcome: StepOutcome) -> Interval:
    """The request's limits; what is urgent is polled often."""
    longest = max(limits.shortest, min(limits.longest, URGENT)) if outcome.urgent else limits.longest
    return Interval(shortest=limits.shortest, longest=longest)


def _must_be_remembered(step_input: StepInput, outcome: StepOutcome) -> bool:
    """Whether the next polls need something of this one that the history must have, should this worker die."""
    return any(getattr(step_input, name) != value for name, value in outcome.next_input.items())


class _Stopwatch:
    """The time since the attempt started, on Temporal's clock plus what was measured: the worker's own may be wrong."""

    def __init__(self) -> None:
        self._started_at = activity.info().started_time
        self._began = clock.monotonic()

    @property
    def elapsed(self) -> timedelta:
        return timedelta(seconds=clock.monotonic() - self._began)

    def now(self) -> datetime:
        return self._started_at + self.elapsed


async def pause(length: timedelta, requested: RequestedWatch | None = None) -> bool:
    """Wait, at most until a poll is requested; returns False, early, if the workflow was cancelled or the worker stops."""
    ends_at = clock.monotonic() + length.total_seconds()
    while (left := ends_at - clock.monotonic()) > 0:
        if not _may_go_on():
            return False
        if requested is not None and requested.is_set:
            break
        await clock.sleep(min(left, CHECK_SECONDS))
    return True


def _may_go_on() -> bool:
    return not (activity.is_cancelled() or activity.is_worker_shutdown())


def _with_durations(
    outcome: StepOutcome,
    since: Mapping[Change, datetime],
    last_poll: datetime,
    poll_at: datetime,
    earlier: Mapping[Change, int],
) -> StepOutcome:
    """The outcome with the seconds that every change took that is over: until between the last poll and this one."""
    ended_at = last_poll + (poll_at - last_poll) / 2
    ended = {
        change: max(round((ended_at - begun).total_seconds()), 0)
        for change, begun in since.items()
        if outcome.done or change not in outcome.in_progress
    }
    return outcome.model_copy(update={"durations": {**earlier, **ended}})
