"""When a step polls, and how its wait ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from models.closing import ClosedDatabase, Closing
from models.clusters import CheckRestoreInput, CheckRestoreOutcome
from models.configuration import ClusterConfiguration
from models.request import Target
from models.step_call import FinalPoll, StepInput, StepOutcome
from models.steps import Step
from models.users import OtherLogins
from models.waits import Change, Durations, PollPlan, Wait
from tests.unit.workflows.conftest import FakeTemporal
from workflows.polling import Pause, poll_until_done

FIRST_POLL = StepInput(operation_id="op-001", step_started_at=datetime(2024, 3, 20, 0, 5, tzinfo=UTC))
NOT_DONE = StepOutcome(done=False, details="copying")
A_RESTORE = CheckRestoreInput(
    operation_id="op-001",
    step_started_at=FIRST_POLL.step_started_at,
    target=Target(account_id="111122223333", region="eu-central-1", cluster="staging"),
    configuration=ClusterConfiguration(instances=(), db_subnet_group_name="staging", vpc_security_group_ids=()),
    cluster_resource_id="cluster-RESTORED",
    engine="aurora-postgresql",
    closing=Closing(users=("app",), other_logins=OtherLogins.LOCK),
)
SECONDS = timedelta(seconds=1)
HOURS = timedelta(hours=1)
INTERVAL = 200 * SECONDS
WAIT = Wait(deadline=800 * SECONDS, first_interval=INTERVAL, maximum_interval=INTERVAL)
"""Every pause is a timer."""


class DeadlinePassed(Exception):
    """What the activity raises on a final poll."""


class Activity:
    """The activity of a step; records its inputs, and raises on a final poll as every activity that waits does."""

    def __init__(self, *, done_at: int = 0, outcome: Callable[[StepInput], StepOutcome] | None = None) -> None:
        """Done at this poll; 0: never."""
        self.inputs: list[StepInput] = []
        self._done_at = done_at
        self._outcome = outcome

    async def __call__(self, step_input: StepInput) -> StepOutcome:
        self.inputs.append(step_input)
        assert len(self.inputs) < 100, "the wait does not end"
        if step_input.poll == self._done_at:
            return StepOutcome(details="Copy completed")
        if self._outcome is not None:
            return self._outcome(step_input)
        if step_input.final_poll is not None:
            raise DeadlinePassed
        return NOT_DONE

    @property
    def final_polls(self) -> list[FinalPoll | None]:
        """`final_poll` of every input."""
        return [step_input.final_poll for step_input in self.inputs]


async def poll(activity: Activity, pause: Pause | None = None) -> StepOutcome:
    return await poll_until_done(activity, FIRST_POLL, WAIT, pause or Pause(), Step.CHECK_COPY_STATUS)


def planned(seconds: int, *, by_timer: bool) -> StepOutcome:
    """An answer whose activity has planned the next poll."""
    plan = PollPlan(
        pause=seconds * SECONDS, by_timer=by_timer, since={Change.SNAPSHOT_COPY: FIRST_POLL.step_started_at}
    )
    return NOT_DONE.model_copy(update={"plan": plan})


async def test_a_pause_is_a_timer_or_part_of_the_next_watch_as_the_activity_planned(temporal: FakeTemporal) -> None:
    """The history has the plan, so that a later version may plan otherwise without breaking a restore that runs."""
    plans = [planned(300, by_timer=True), planned(170, by_timer=False)]
    activity = Activity(done_at=3, outcome=lambda polled: plans[polled.poll - 1])
    earlier: Durations = {Change.SNAPSHOT_COPY: (2400, 2380)}
    await poll_until_done(activity, FIRST_POLL, WAIT, Pause(), Step.CHECK_COPY_STATUS, earlier)
    first, second, third = [step_input.watch for step_input in activity.inputs]
    assert first is not None
    assert second is not None
    assert third is not None
    assert temporal.waits == [300 * SECONDS]
    assert (first.length, second.length, third.length) == (timedelta(0), 500 * SECONDS, 500 * SECONDS)
    assert (second.first_pause, third.first_pause) == (timedelta(0), 170 * SECONDS)
    assert first.earlier == second.earlier == earlier
    assert second.since == {Change.SNAPSHOT_COPY: FIRST_POLL.step_started_at}


async def test_a_watch_ends_at_the_deadline(temporal: FakeTemporal) -> None:
    """The activity polls by itself no longer than the request waits; then the final poll follows without a pause."""
    limits = Wait(deadline=100 * SECONDS, first_interval=SECONDS, maximum_interval=HOURS)

    def watch(polled: StepInput) -> StepOutcome:
        if polled.final_poll is not None:
            raise DeadlinePassed
        temporal.time += polled.watch.length if polled.watch else timedelta(0)
        return planned(10, by_timer=False)

    activity = Activity(outcome=watch)
    with pytest.raises(DeadlinePassed):
        await poll_until_done(activity, FIRST_POLL, limits, Pause(), Step.CHECK_COPY_STATUS)
    assert [each.watch.length for each in activity.inputs if each.watch] == [timedelta(0), 100 * SECONDS]
    assert activity.final_polls == [None, None, FinalPoll.DEADLINE]
    assert sum(temporal.waits, timedelta(0)) == timedelta(0)


async def test_a_requested_poll_does_not_wait_for_the_watch(temporal: FakeTemporal) -> None:
    """The activity polls at once."""
    pause = Pause()
    pause.end_early()
    activity = Activity(done_at=3, outcome=lambda _: planned(10, by_timer=False))
    await poll(activity, pause)
    assert [each.watch.first_pause for each in activity.inputs[1:] if each.watch] == [timedelta(0), 10 * SECONDS]


async def test_a_poll_changes_the_input_of_the_next(temporal: FakeTemporal) -> None:
    """A database is closed by one poll, and the polls after it know."""
    closed = CheckRestoreOutcome(done=False, details="instance creating", closed=ClosedDatabase(locked=("billing",)))
    inputs: list[CheckRestoreInput] = []

    async def call(polled: CheckRestoreInput) -> CheckRestoreOutcome:
        inputs.append(polled)
        return closed if len(inputs) < 3 else closed.model_copy(update={"done": True})

    await poll_until_done(call, A_RESTORE, WAIT, Pause(), Step.CHECK_RESTORE_STATUS)
    assert [(each.closing is None, each.closed) for each in inputs] == [(False, None), *[(True, closed.closed)] * 2]
    assert len(temporal.waits) == 2


async def test_a_step_that_is_done_at_once_does_not_wait(temporal: FakeTemporal) -> None:
    """The first call is enough."""
    await poll(Activity(done_at=1))
    assert temporal.waits == []


async def test_the_final_poll_is_at_the_deadline(temporal: FakeTemporal) -> None:
    """The last pause is shortened to end there, and only the poll after it is final."""
    activity = Activity()
    with pytest.raises(DeadlinePassed):
        await poll(activity)
    assert sum(temporal.waits, timedelta(0)) == WAIT.deadline
    assert activity.final_polls == [*[None] * (len(activity.inputs) - 1), FinalPoll.DEADLINE]


async def test_a_final_poll_that_is_done_succeeds(temporal: FakeTemporal) -> None:
    """A copy that becomes available in the last moment is not too late."""
    activity = Activity(done_at=5)
    assert (await poll(activity)).done
    assert activity.final_polls[-1] is FinalPoll.DEADLINE


async def test_a_final_poll_must_end_the_wait(temporal: FakeTemporal) -> None:
    """An activity that neither is done nor raises is a defect; the workflow must not wait forever."""
    with pytest.raises(RuntimeError, match="check-copy-status: the final poll"):
        await poll(Activity(outcome=lambda _: NOT_DONE))


async def test_a_requested_poll_ends_one_pause(temporal: FakeTemporal) -> None:
    """The next poll follows at once, and the pause after it has its full length again."""
    pause = Pause()
    temporal.during_wait[2] = pause.end_early
    await poll(Activity(done_at=4), pause)
    assert temporal.waits == [INTERVAL] * 3
    assert temporal.time == FIRST_POLL.step_started_at + 2 * INTERVAL


async def test_a_requested_poll_is_not_the_final_one(temporal: FakeTemporal) -> None:
    """Although the pause that it ends would have ended at the deadline."""
    pause = Pause()
    temporal.during_wait[4] = pause.end_early
    activity = Activity()
    with pytest.raises(DeadlinePassed):
        await poll(activity, pause)
    assert activity.final_polls[4:] == [None, FinalPoll.DEADLINE]
    assert temporal.time == FIRST_POLL.step_started_at + WAIT.deadline


async def test_a_cancellation_during_a_pause_polls_once_more(temporal: FakeTemporal) -> None:
    """At once, so that the step can report how far it was."""
    temporal.during_wait[2] = temporal.cancel
    activity = Activity()
    with pytest.raises(DeadlinePassed):
        await poll(activity)
    assert activity.final_polls == [None, None, FinalPoll.CANCELLED]
    assert temporal.time == FIRST_POLL.step_started_at + INTERVAL


async def test_a_cancellation_during_a_call_polls_once_more(temporal: FakeTemporal) -> None:
    """Without another pause."""

    def cancelled_meanwhile(step_input: StepInput) -> StepOutcome:
        if step_input.final_poll is not None:
            raise DeadlinePassed
        temporal.cancel()
        return NOT_DONE

    activity = Activity(outcome=cancelled_meanwhile)
    with pytest.raises(DeadlinePassed):
        await poll(activity)
    assert (activity.final_polls, temporal.waits) == ([None, FinalPoll.CANCELLED], [])


async def test_the_removal_of_leftovers_polls_on_in_a_cancelled_workflow(temporal: FakeTemporal) -> None:
    """Its pauses last although the workflow was cancelled before."""

    async def wait_in_a_cancelled_workflow(*_: object, timeout: timedelta, **__: object) -> None:
        temporal.waits.append(timeout)
        raise TimeoutError

    temporal.cancel()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("temporalio.workflow.wait_condition", wait_in_a_cancelled_workflow)
        activity = Activity(done_at=3)
        await poll(activity, Pause(ignore_cancellation=True))
    assert activity.final_polls == [None, None, None]


async def test_a_resource_that_was_seen_stays_seen(temporal: FakeTemporal) -> None:
    """From the poll after the one that names it, although later ones do not: then NotFound is no delay of AWS."""

    def seen_once(step_input: StepInput) -> StepOutcome:
        if step_input.final_poll is not None:
            raise DeadlinePassed
        return NOT_DONE.model_copy(update={"resource_arns": ("arn",) if step_input.poll == 2 else ()})

    activity = Activity(done_at=5, outcome=seen_once)
    await poll(activity)
    assert [step_input.resource_seen for step_input in activity.inputs] == [False, False, True, True, True]
