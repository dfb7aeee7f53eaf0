"""An activity that polls by itself: how it ends, and what it holds meanwhile."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ActivityOutboundInterceptor, ExecuteActivityInput

from models.step_call import StepInput, StepOutcome
from models.waits import Change, Interval, Watch, WatchedProgress
from tests.rigs.skipped_time import skip_waits_of_activities
from waiting import clock
from waiting.only_reads import last_seen, require_leave_to_change
from waiting.requested_polls import RequestedPolls
from waiting.watching import WatchInterceptor

ENVIRONMENT = ActivityEnvironment()
BEGUN = ENVIRONMENT.info.started_time
SECOND = timedelta(seconds=1)
COPYING = StepOutcome(done=False, details="copying", in_progress=(Change.SNAPSHOT_COPY,), resource_arns=("arn",))
WATCH = Watch(
    first_pause=5 * SECOND,
    length=timedelta(minutes=15),
    last_poll=BEGUN,
    interval=Interval(shortest=10 * SECOND, longest=10 * SECOND),
    since={Change.SNAPSHOT_COPY: BEGUN - 60 * SECOND},
)


class Polls(ActivityInboundInterceptor):
    """The activity: answers each poll in turn, the last answer for ever."""

    def __init__(self, *answers: StepOutcome) -> None:
        self.inputs: list[StepInput] = []
        self.times: list[timedelta] = []
        self.seen: list[frozenset[Change]] = []
        """What each poll knew of the one before it."""
        self.during_poll: Callable[[], None] = lambda: None
        self._answers = answers

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        """No next one."""

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        self.inputs.append(input.args[0])
        self.seen.append(last_seen.get())
        self.times.append(clock.now() - activity.info().current_attempt_scheduled_time)
        self.during_poll()
        return self._answers[min(len(self.inputs), len(self._answers)) - 1]


class Heartbeats(ActivityOutboundInterceptor):
    def __init__(self) -> None:
        self.details: list[Any] = []

    def heartbeat(self, *details: Any) -> None:
        self.details.extend(details)


async def watch(polls: Polls, watch: Watch | None = WATCH, interceptor: WatchInterceptor | None = None) -> Any:
    """Run the activity with this watch, its waits skipped."""
    step_input = StepInput(operation_id="op-001", step_started_at=BEGUN, poll=2, watch=watch)
    inbound, heartbeats = (interceptor or WatchInterceptor(1)).intercept_activity(polls), Heartbeats()
    inbound.init(heartbeats)

    async def run() -> Any:
        return await inbound.execute_activity(ExecuteActivityInput(print, [step_input], None, {}))

    with skip_waits_of_activities():
        outcome = await ENVIRONMENT.run(run)
    polls.heartbeats = heartbeats.details  # type: ignore[attr-defined]
    return outcome


async def test_without_a_watch_it_polls_once() -> None:
    """As the first call of every step does."""
    polls = Polls(COPYING)
    assert (await watch(polls, None)).details == "copying"
    assert len(polls.inputs) == 1


async def test_it_polls_until_the_step_is_done() -> None:
    """The pauses pass on the activity's clock; the outcome says how long the copy took, up to half an interval."""
    polls = Polls(COPYING, COPYING, StepOutcome(details="Copy completed"))
    outcome = await watch(polls)
    assert outcome.done
    assert [round(time.total_seconds()) for time in polls.times] == [5, 15, 25]
    assert outcome.durations == {Change.SNAPSHOT_COPY: 60 + 20}
    assert round((outcome.ended_at - BEGUN).total_seconds()) == 25
    assert [polled.resource_seen for polled in polls.inputs] == [False, True, True]


async def test_a_change_that_is_over_is_measured_and_the_next_one_waited_for() -> None:
    """The plan says since when, so that the next watch goes on with it."""
    other = COPYING.model_copy(update={"in_progress": (Change.OTHER,)})
    polls = Polls(COPYING, other, other)
    outcome = await watch(polls, WATCH.model_copy(update={"length": 30 * SECOND}))
    assert (len(polls.inputs), outcome.durations) == (3, {Change.SNAPSHOT_COPY: 60 + 10})
    assert {change: round((since - BEGUN).total_seconds()) for change, since in outcome.plan.since.items()} == {
        Change.OTHER: 15
    }


async def test_a_poll_knows_what_the_one_before_it_saw() -> None:
    """Not the first one of an activity: what an earlier activity saw may be long ago."""
    other = COPYING.model_copy(update={"in_progress": (Change.OTHER,)})
    polls = Polls(COPYING, other, StepOutcome(details="done"))
    await watch(polls)
    assert polls.seen == [frozenset(), {Change.SNAPSHOT_COPY}, {Change.OTHER}]


async def test_it_returns_what_later_polls_need() -> None:
    """A database that was closed: a worker that died after that would close it again, and report nothing."""

    class Closed(StepOutcome):
        @property
        def next_input(self) -> dict[str, object]:
            return {"resource_seen": True}

    polls = Polls(Closed(**COPYING.model_dump() | {"resource_arns": ()}))
    outcome = await watch(polls)
    assert (len(polls.inputs), outcome.done) == (1, False)


async def test_urgent_polls_come_within_seconds() -> None:
    """Although the request allows longer intervals; without urgency they are used."""
    long = WATCH.model_copy(
        update={"interval": Interval(shortest=SECOND, longest=3600 * SECOND), "length": 90 * SECOND}
    )
    urgent, calm = Polls(COPYING.model_copy(update={"urgent": True})), Polls(COPYING)
    await watch(urgent, long)
    await watch(calm, long)
    assert max(after - before for before, after in itertools.pairwise(urgent.times)) < 21 * SECOND
    assert len(calm.inputs) < len(urgent.inputs)


async def test_it_returns_after_its_length() -> None:
    """Whatever it has seen."""
    polls = Polls(COPYING)
    outcome = await watch(polls, WATCH.model_copy(update={"length": timedelta(minutes=1)}))
    assert (len(polls.inputs), outcome.durations) == (6, {})


async def test_it_leaves_a_long_pause_to_a_timer() -> None:
    """From three minutes on; the plan says so."""
    rare = WATCH.model_copy(update={"interval": Interval(shortest=180 * SECOND, longest=180 * SECOND)})
    polls = Polls(COPYING)
    await watch(polls, rare)
    assert len(polls.inputs) == 1


@pytest.mark.parametrize("sign", ["is_cancelled", "is_worker_shutdown"])
async def test_a_cancelled_watch_returns_what_it_saw(sign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So does one whose worker stops: the workflow goes on with it, and makes its final poll if it was cancelled.

    The SDK cancels no task of an activity that runs in a thread, as every step's does; it only sets a sign.
    """
    polls = Polls(COPYING)
    polls.during_poll = lambda: monkeypatch.setattr(activity, sign, lambda: True)
    outcome = await watch(polls)
    assert (len(polls.inputs), outcome.details) == (1, "copying")


async def test_only_the_poll_that_was_just_scheduled_may_change_something() -> None:
    """A workflow that is terminated meanwhile has no say in the others: they come to a change, and the watch returns."""
    polls, changes = Polls(COPYING), list[int]()

    def change_in_the_third_poll() -> None:
        if len(polls.inputs) == 3:
            require_leave_to_change()
            changes.append(3)

    polls.during_poll = change_in_the_third_poll
    outcome = await watch(polls, WATCH.model_copy(update={"first_pause": timedelta(0)}))
    assert (len(polls.inputs), changes) == (3, [])
    assert (outcome.details, outcome.plan.pause, outcome.plan.by_timer) == ("copying", timedelta(0), False)
    polls.during_poll = lambda: changes.append(len(polls.inputs)) or require_leave_to_change()  # type: ignore[func-returns-value]
    outcome = await watch(polls, WATCH.model_copy(update={"details": "copying 70 %"}))
    assert (outcome.details, outcome.plan.since) == ("copying 70 %", WATCH.since), "its first poll comes after a pause"
    changes.clear()
    scheduled = Polls(StepOutcome(details="Copy completed"))
    scheduled.during_poll = require_leave_to_change
    assert (await watch(scheduled, WATCH.model_copy(update={"first_pause": timedelta(0)}))).done


@pytest.mark.parametrize("sign", ["is_cancelled", "is_worker_shutdown"])
async def test_a_watch_that_is_cancelled_in_its_first_pause_polls_no_more(
    sign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workflow makes the final poll, or schedules the next one on another worker."""
    monkeypatch.setattr(activity, sign, lambda: True)
    polls = Polls(COPYING)
    outcome = await watch(polls)
    assert (polls.inputs, outcome.done, outcome.plan.pause) == ([], False, timedelta(0))


async def test_it_heartbeats_what_it_saw() -> None:
    """For a reader of the Web UI."""
    further = COPYING.model_copy(update={"details": "copying 50 %"})
    polls = Polls(COPYING, COPYING, further, StepOutcome(details="Copy completed"))
    await watch(polls)
    heartbeats: list[WatchedProgress] = polls.heartbeats  # type: ignore[attr-defined]
    assert [each.details for each in heartbeats] == ["copying", "copying", "copying 50 %"]
    first, second, third = (each.last_poll_at for each in heartbeats)
    assert [each.unchanged_since for each in heartbeats] == [first, first, third]
    pauses = [each.next_poll_at - each.last_poll_at for each in heartbeats]
    assert pauses == [10 * SECOND] * 3
    assert second - first >= 10 * SECOND


async def test_a_requested_poll_ends_the_pause() -> None:
    """Once, and only in the watch that runs: the next pause has its full length."""
    polls = Polls(COPYING)
    interceptor = WatchInterceptor(1)
    run_id = ENVIRONMENT.info.workflow_run_id or ""
    interceptor._requested.request(run_id)

    def request_after_the_second_poll() -> None:
        if len(polls.inputs) == 2:
            interceptor._requested.request(run_id)
            interceptor._requested.request("another run")

    polls.during_poll = request_after_the_second_poll
    await watch(polls, WATCH.model_copy(update={"length": 30 * SECOND}), interceptor)
    assert [round(time.total_seconds()) for time in polls.times] == [5, 15, 15, 25]
    assert [bool(seen) for seen in polls.seen] == [False, True, False, True], "the requested poll reads everything"
    assert not interceptor._requested._watches, "nothing is kept of a watch that has ended"


def test_two_watches_of_one_run_hear_each_poll_that_is_asked_for() -> None:
    """An attempt whose heartbeats were lost still runs beside the next one, and ends first."""
    polls = RequestedPolls()
    with polls.watch("run") as next_attempt:
        with polls.watch("run") as lost_attempt:
            polls.request("run")
            assert (lost_attempt.take(), next_attempt.take(), next_attempt.take()) == (True, True, False)
        polls.request("run")
        assert (next_attempt.take(), lost_attempt.take()) == (True, False)


@pytest.mark.parametrize("earlier", [(), (100 * 3600,) * 5])
@pytest.mark.parametrize("hours", [0, 1, 4])
async def test_no_pause_of_a_watch_is_longer_than_the_docs_say(hours: int, earlier: tuple[int, ...]) -> None:
    """Three minutes, or a hundredth of the wait so far: what a signal that another process hears has to wait for.

    Without earlier copies the next poll is soon worth it, with long ones it never is within the watch.
    """
    wide = WATCH.model_copy(
        update={
            "interval": Interval(shortest=SECOND, longest=3600 * SECOND),
            "since": {Change.SNAPSHOT_COPY: BEGUN - timedelta(hours=hours)},
            "earlier": {Change.SNAPSHOT_COPY: earlier} if earlier else {},
            "length": timedelta(minutes=30),
        }
    )
    polls = Polls(COPYING)
    outcome = await watch(polls, wide)
    pauses = [after - before for before, after in itertools.pairwise(polls.times)]
    assert max(pauses, default=timedelta(0)) <= max(timedelta(minutes=3), timedelta(hours=hours + 1) / 100)
    assert outcome.plan.by_timer is bool(earlier)
