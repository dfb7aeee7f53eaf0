"""Whether what AWS does takes longer than usual for this target: a warning while it lasts, and no failure."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from models.step_call import StepOutcome
from models.steps import AuditedStep
from models.waits import Change, Durations

LEAST_OPERATIONS = 5
"""Of how many earlier operations a duration must be known before anything counts as unusual."""
MARGIN = timedelta(minutes=1)
"""How much more than the 95th percentile is news: the seconds between two polls are not."""


def list_unusual(step: AuditedStep, outcome: StepOutcome, earlier: Durations, now: datetime) -> tuple[str, ...]:
    """A sentence for each change that has taken longer than in 95 % of the earlier operations, done or not.

    The sentence does not change while the change goes on, so that it is one warning.
    """
    return tuple(dict.fromkeys(_iterate_unusual(step, outcome, earlier, now)))


def _iterate_unusual(step: AuditedStep, outcome: StepOutcome, earlier: Durations, now: datetime) -> Iterator[str]:
    elapsed = {change: now - since for change, since in (outcome.plan.since if outcome.plan else {}).items()}
    elapsed |= {change: timedelta(seconds=seconds) for change, seconds in outcome.durations.items()}
    for change, took in elapsed.items():
        known = earlier.get(change, ())
        if len(known) < LEAST_OPERATIONS:
            continue
        usual = timedelta(seconds=round(statistics.quantiles(known, n=20, method="inclusive")[-1]))
        if took > usual + MARGIN:
            yield (
                f"{step} takes longer than usual: {change} took at most {usual} in 95 % of this target's last "
                f"{len(known)} restores."
            )


def expect_end(since: Mapping[Change, datetime], earlier: Durations) -> datetime | None:
    """When the last of the changes ends if each takes the median of the earlier operations; None if one is not known."""
    if not since or not all(earlier.get(change) for change in since):
        return None
    return max(begun + timedelta(seconds=round(statistics.median(earlier[change]))) for change, begun in since.items())
