"""How long a swap and its way back may take."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.swap import Swap
from workflows.swap import DENSE, dense_wait, way_back_wait

MINUTES = timedelta(minutes=1)


@pytest.mark.parametrize(("deadline", "back"), [(MINUTES / 15, 30 * MINUTES), (120 * MINUTES, 120 * MINUTES)])
def test_a_short_deadline_does_not_end_the_way_back(deadline: timedelta, back: timedelta) -> None:
    """With a deadline of four seconds a rename of six left no cluster under the target's name."""
    limits = Swap(deadline=deadline)
    assert way_back_wait(limits).deadline == back
    assert dense_wait(limits.deadline).deadline == deadline


@pytest.mark.parametrize(("deadline", "longest"), [(30 * MINUTES, DENSE), (1000 * MINUTES, MINUTES)])
def test_a_swap_is_polled_a_thousand_times_at_most(deadline: timedelta, longest: timedelta) -> None:
    """Temporal's history takes no more; the intervals are short otherwise, because nobody answers meanwhile."""
    assert dense_wait(deadline).maximum_interval == longest
