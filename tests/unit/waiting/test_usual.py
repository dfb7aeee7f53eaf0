"""Whether a change of AWS takes longer than usual for this target."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.step_call import StepOutcome
from models.steps import Step
from models.waits import Change, PollPlan
from waiting.usual import list_unusual

NOW = datetime(2024, 3, 20, 0, 5, tzinfo=UTC)
NINE_ALIKE_AND_ONE_SLOW = (*(600,) * 9, 1200)
"""Of these, 930 s is the 95th percentile."""


@pytest.mark.parametrize(
    ("earlier", "seconds", "usual"),
    [
        (NINE_ALIKE_AND_ONE_SLOW, 990, None),
        (NINE_ALIKE_AND_ONE_SLOW, 991, "0:15:30"),
        ((600,) * 4, 9_000, None),
        ((), 9_000, None),
        ((1,) * 10, 61, None),
    ],
)
def test_more_than_the_95th_percentile_and_a_minute(earlier: tuple[int, ...], seconds: int, usual: str | None) -> None:
    """While the change goes on and when it is done; nothing is unusual for a target with fewer than five restores."""
    plan = PollPlan(pause=timedelta(0), by_timer=False, since={Change.SNAPSHOT_COPY: NOW - timedelta(seconds=seconds)})
    known = {Change.SNAPSHOT_COPY: earlier, Change.CLUSTER_RESTORE: (1,) * 10}
    for outcome in (
        StepOutcome(done=False, details="-", plan=plan),
        StepOutcome(details="-", durations={Change.SNAPSHOT_COPY: seconds}),
    ):
        sentences = list_unusual(Step.CHECK_COPY_STATUS, outcome, known, NOW)
        assert [sentence.partition(" took at most ")[2].partition(" in ")[0] for sentence in sentences] == (
            [usual] if usual else []
        )
