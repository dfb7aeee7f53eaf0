"""When to poll next: rarely while AWS cannot be done yet, every few seconds when it should be.

How long a change takes is learned from this target's earlier restores: their durations are taken as log-normal, and a
broader distribution is mixed in for the day on which everything is different. From that follows how likely the change ends
in the next second, the hazard. A poll costs a call, and a change that nobody has seen yet costs time; if one poll is worth
`POLL_WORTH` seconds, the best interval at a hazard h is the square root of 2 · POLL_WORTH / h.
Source: Keller, "Optimum Checking Schedules for Systems Subject to Random Failure", Management Science 21 (3), 1974.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from models.waits import Change, Durations, Interval, PollPlan

POLL_WORTH = 0.22
"""How many seconds of a restore's time one poll is worth."""
BROAD_SHARE = 0.08
"""How likely a change takes another time than the earlier ones let expect."""
PRIOR_WEIGHT, PRIOR_SPREAD = 2.0, 0.15
"""With how many operations of which spread the measured spread is mixed, so that two equal durations prove little."""
TIMER_FROM, TIMER_FROM_SHARE = timedelta(minutes=3), 0.01
"""From this length on, or this share of the wait so far, a durable timer carries the pause; else it is part of a watch."""
URGENT = timedelta(seconds=20)
"""The longest interval between polls that are urgent."""
SHORTEST_SHARE = 0.005
"""The shortest interval as a share of the wait so far: what lasts a day is not asked for every few seconds."""
LONGEST = 300.0
"""The longest interval in seconds, unless the wait lasts very long …"""
LONGEST_SHARE = 0.04
"""… then it is this share of the wait so far …"""
LONGEST_SHARE_WITH_PERCENT = 0.1
"""… or this one, while RDS says of a change that most of it is still to come."""


class Expected(NamedTuple):
    """A log-normal distribution of a duration: its median in seconds and the standard deviation of its logarithm."""

    median: float
    spread: float


WITHOUT_HISTORY: Mapping[Change, Expected] = {
    Change.SNAPSHOT_COPY: Expected(20 * 60, 0.7),
    Change.SNAPSHOT: Expected(4 * 60, 0.8),
    Change.CLUSTER_START: Expected(8 * 60, 0.6),
    Change.CLUSTER_DELETION: Expected(6 * 60, 0.6),
    Change.CLUSTER_RESTORE: Expected(15 * 60, 0.7),
    Change.WRITER_CREATION: Expected(8 * 60, 0.5),
    Change.READER_CREATION: Expected(8 * 60, 0.5),
    Change.CLUSTER_RENAME: Expected(2 * 60, 0.7),
    Change.MASTER_PASSWORD: Expected(90, 0.6),
    Change.CAPACITY: Expected(30 * 60, 1.2),
    Change.OTHER: Expected(30, 1.2),
}
"""What is expected of a target about which nothing is known: broad on purpose, because AWS publishes no durations."""


class ChangeInProgress(NamedTuple):
    """A change that AWS has not finished."""

    change: Change
    since: datetime
    earlier: tuple[int, ...] = ()
    """How many seconds it took in this target's earlier restores."""


def plan_poll(
    since: Mapping[Change, datetime], earlier: Durations, at: datetime, interval: Interval, percent: int | None
) -> PollPlan:
    """When to poll next, given what is in progress at `at`; `percent` is RDS's own estimate of the first change."""
    changes = [ChangeInProgress(change, begun, earlier.get(change, ())) for change, begun in since.items()]
    pause = next_pause(changes, at, interval, percent)
    return PollPlan(pause=pause, by_timer=needs_timer(pause, changes, at), since=dict(since))


def next_pause(
    changes: Sequence[ChangeInProgress], at: datetime, interval: Interval, percent: int | None = None
) -> timedelta:
    """How long to wait for the next poll while these changes are in progress; `percent` is RDS's own estimate, if any."""
    elapsed = [max((at - change.since).total_seconds(), 0.0) for change in changes]
    waits = [(_expected(change), seconds) for change, seconds in zip(changes, elapsed, strict=True)]
    so_far = max(elapsed, default=0.0)
    longest = min(interval.longest.total_seconds(), max(LONGEST, LONGEST_SHARE * so_far))
    shortest = max(interval.shortest.total_seconds(), min(SHORTEST_SHARE * min(elapsed, default=0.0), longest))
    longest = max(shortest, longest)
    pause = _inspection_interval(waits, longest)
    if percent and changes:
        longest = max(longest, min(interval.longest.total_seconds(), LONGEST_SHARE_WITH_PERCENT * elapsed[0]))
        pause = _agree_with_percent(pause, percent, elapsed[0], longest)
    return timedelta(seconds=min(max(pause, shortest), longest))


def needs_timer(pause: timedelta, changes: Sequence[ChangeInProgress], at: datetime) -> bool:
    """Whether a pause is so long that nothing should be held for it but a timer in Temporal."""
    return pause >= max(
        TIMER_FROM, TIMER_FROM_SHARE * max((at - change.since for change in changes), default=TIMER_FROM)
    )


def _inspection_interval(waits: Sequence[tuple[Expected, float]], longest: float) -> float:
    """The seconds over which the square root of the hazard, weighed with the worth of a poll, adds up to one."""
    ahead, gathered = 0.0, 0.0
    while ahead < longest:
        step = max(0.5, min(5.0, ahead / 10 + 0.5))
        hazard = sum(_hazard(expected, elapsed + ahead + step / 2) for expected, elapsed in waits)
        gathered += math.sqrt(hazard / (2 * POLL_WORTH)) * step
        ahead += step
        if gathered >= 1:
            break
    return ahead


def _expected(change: ChangeInProgress) -> Expected:
    if not change.earlier:
        return WITHOUT_HISTORY[change.change]
    logs = [math.log(max(seconds, 1)) for seconds in change.earlier]
    centre, count = statistics.median(logs), len(logs)
    squares = sum((each - centre) ** 2 for each in logs) + PRIOR_SPREAD**2 * PRIOR_WEIGHT
    spread = math.sqrt(squares / (count + PRIOR_WEIGHT - 1)) * math.sqrt(1 + 1 / count)
    return Expected(math.exp(centre), max(spread, 0.25 if count == 1 else 0.01))


def _hazard(expected: Expected, seconds: float) -> float:
    """How likely the change ends in the next second, if it has not ended after so many."""
    density = survival = 0.0
    seconds = max(seconds, 1e-3)
    for share, spread in ((1 - BROAD_SHARE, expected.spread), (BROAD_SHARE, max(0.5, 3 * expected.spread))):
        z = (math.log(seconds) - math.log(expected.median)) / spread
        density += share * math.exp(-z * z / 2) / (spread * math.sqrt(2 * math.pi) * seconds)
        survival += share * 0.5 * math.erfc(z / math.sqrt(2))
    return density / max(survival, 1e-12)


def _agree_with_percent(pause: float, percent: int, elapsed: float, longest: float) -> float:
    """The pause, given that RDS says so many percent are done, if it goes on as evenly as it did so far.

    RDS calls it an estimate, so it only moves the poll: halfway to the earliest end that it allows, and not beyond.
    """
    earliest, latest = elapsed * 100 / (percent + 1), elapsed * 100 / percent
    until_earliest = max(earliest - elapsed, 0.0)
    within = math.sqrt(2 * POLL_WORTH * max(latest - earliest, 0.0))
    return min(max(pause, until_earliest / 2), until_earliest + within, longest)
