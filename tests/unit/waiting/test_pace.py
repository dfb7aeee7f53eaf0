"""When to poll next: what is learned, and the limits."""

from __future__ import annotations

import itertools
import random
import statistics
from datetime import UTC, datetime, timedelta

import pytest

from models.waits import Change, Interval, Wait
from waiting.pace import LONGEST, LONGEST_SHARE, WITHOUT_HISTORY, ChangeInProgress, needs_timer, next_pause

BEGUN = datetime(2024, 3, 20, 0, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LIMITS = Interval(shortest=3 * SECOND, longest=timedelta(hours=1))


def waiting(*earlier: int, change: Change = Change.SNAPSHOT_COPY, since: datetime = BEGUN) -> ChangeInProgress:
    return ChangeInProgress(change=change, since=since, earlier=earlier)


def pause(change: ChangeInProgress, seconds: float, percent: int | None = None, limits: Interval = LIMITS) -> float:
    return next_pause([change], BEGUN + seconds * SECOND, limits, percent).total_seconds()


def play(change: ChangeInProgress, ends_at: float, percent: bool = False) -> tuple[float, int]:
    """How many seconds after its end the change is seen, and at which poll."""
    at = 0.0
    for polls in itertools.count(1):
        if at >= ends_at:
            return at - ends_at, polls
        at += pause(change, at, int(100 * at / ends_at) if percent else None)
    raise AssertionError


def test_polls_are_rare_until_the_earlier_durations_and_frequent_then() -> None:
    """A copy that always took twenty minutes is not asked for every few seconds in its first fifteen."""
    copy = waiting(1200, 1190, 1210, 1195, 1205)
    assert pause(copy, 0) >= LONGEST / 2
    assert pause(copy, 1190) < 10
    assert len(polls_until(copy, 1000)) < 20
    assert len(polls_until(copy, 1200)) - len(polls_until(copy, 1000)) > 10


def polls_until(change: ChangeInProgress, seconds: float) -> list[float]:
    polls, at = [], 0.0
    while at < seconds:
        polls.append(at)
        at += pause(change, at)
    return polls


def test_a_change_within_a_tenth_of_its_median_is_seen_within_seconds() -> None:
    """The median of what is lost is under half a percent of the change's time, with few polls."""
    drawn = random.Random(7)
    durations = [round(1200 * drawn.lognormvariate(0, 0.1)) for _ in range(60)]
    seen = [play(waiting(*durations[index - 10 : index]), durations[index]) for index in range(10, 60)]
    assert statistics.median(lost for lost, _ in seen) < 0.005 * 1200
    assert statistics.median(polls for _, polls in seen) < 40


def test_a_change_that_takes_much_longer_than_ever_costs_few_polls() -> None:
    """Twenty-four hours instead of twenty minutes: the interval grows with the wait, and most polls need no event."""
    lost, polls = play(waiting(1200, 1190, 1210), 24 * 3600)
    assert polls < 1000
    assert not needs_timer(timedelta(seconds=pause(waiting(1200), 40_000)), [waiting(1200)], BEGUN + 40_000 * SECOND)
    assert lost <= LONGEST_SHARE * 24 * 3600


def test_rds_s_percentage_moves_the_poll_to_where_the_end_can_be() -> None:
    """Also for a copy of a length that was never seen."""
    (_, many), (lost, few) = (play(waiting(1200), 24 * 3600, percent=percent) for percent in (False, True))
    assert few < many / 4
    assert lost < 0.005 * 24 * 3600


def test_a_copy_of_a_day_costs_less_than_a_thousand_events() -> None:
    """A poll after a timer has eleven, and without an earlier restore RDS's percentage leaves most to timers."""
    copy, ends_at, at, timers = waiting(), 24 * 3600, 0.0, 0
    default = Wait(deadline=timedelta(hours=24))
    limits = Interval(shortest=default.first_interval, longest=default.maximum_interval)
    while at < ends_at:
        next_poll = pause(copy, at, int(100 * at / ends_at), limits)
        timers += needs_timer(next_poll * SECOND, [copy], BEGUN + at * SECOND)
        at += next_poll
    assert 11 * timers < 800  # the rest of a restore has some 150
    assert at - ends_at < 0.005 * ends_at


def test_a_percentage_that_lies_costs_no_more_than_half_of_what_it_promises() -> None:
    """RDS calls it an estimate: at one percent after ten minutes the next poll comes within the usual time."""
    assert pause(waiting(1200), 600, percent=1) <= LONGEST


@pytest.mark.parametrize("change", list(Change))
def test_every_change_has_an_expectation(change: Change) -> None:
    """For the first restore of a target."""
    assert WITHOUT_HISTORY[change].median > 0
    assert LIMITS.shortest.total_seconds() <= pause(waiting(change=change), 30) <= LONGEST


def test_the_limits_of_the_request_hold() -> None:
    """Also where the shortest interval is longer than any that would be chosen."""
    fixed = Interval(shortest=600 * SECOND, longest=600 * SECOND)
    assert pause(waiting(1200), 1190, limits=fixed) == 600
    assert pause(waiting(1200), 0, limits=Interval(shortest=SECOND, longest=20 * SECOND)) == 20


def test_two_changes_at_once_are_polled_for_the_one_that_ends_first() -> None:
    """A password of a minute is not found at the end of an instance of eight."""
    instance = waiting(480, 490, 470, change=Change.WRITER_CREATION)
    password = waiting(60, 62, 58, change=Change.MASTER_PASSWORD)
    at = BEGUN + 55 * SECOND
    assert next_pause([instance, password], at, LIMITS) < 10 * SECOND < next_pause([instance], at, LIMITS)


@pytest.mark.parametrize("elapsed", [60, 3600, 6 * 3600, 24 * 3600])
def test_a_watch_polls_within_three_minutes_or_a_hundredth_of_the_wait(elapsed: int) -> None:
    """So long may the signal poll_now be without an effect: a longer pause is a timer, which it ends."""
    change, at = waiting(), BEGUN + elapsed * SECOND
    bound = max(180.0, elapsed / 100)
    assert needs_timer(bound * SECOND, [change], at)
    assert not needs_timer((bound - 1) * SECOND, [change], at)
