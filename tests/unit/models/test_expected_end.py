"""When a whole restore should end: by the earlier operations of its kind, and nothing if too little is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit.history import PastOperation, find_usual_seconds
from models.expected_end import expect_restore_end
from models.restore_state import RestoreState, StepState
from models.steps import STEPS, Outcome, Replacement, Status, Step
from runs.summaries import describe_end

BEGAN = datetime(2026, 11, 27, 0, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def past(seconds: int, replacement: Replacement, outcome: Outcome = Outcome.SUCCEEDED) -> PastOperation:
    """An operation each of whose steps took so long."""
    return PastOperation(
        operation_id="op-001",
        opened_at=BEGAN,
        outcome=outcome,
        step=Step.SNS_NOTIFICATION,
        worked_seconds=0,
        waited_seconds=0,
        replacement=replacement,
        step_seconds=dict.fromkeys(STEPS[replacement], seconds),
    )


def state(done: int, **changes: Any) -> RestoreState:
    """A restore whose first steps took a minute each, and whose next one has just begun."""
    replacement = changes.pop("replacement", Replacement.DELETE_FIRST)
    begun = [
        StepState(step=step, status=Status.SUCCESS, details="", started_at=BEGAN + number * MINUTE, ended_at=BEGAN)
        for number, step in enumerate(STEPS[replacement][: done + 1])
    ]
    begun[-1] = begun[-1].model_copy(update={"status": Status.IN_PROGRESS, "ended_at": None})
    return RestoreState(
        source_arn="s",
        target_arn="t",
        started_at=BEGAN,
        steps=tuple(begun),
        replacement=replacement,
        **{"usual_seconds": dict.fromkeys(STEPS[replacement], 60), **changes},
    )


def test_each_kind_of_restore_learns_from_its_own() -> None:
    """The median of those that succeeded; nothing of a kind with fewer than three of them."""
    operations = [
        *(past(seconds, Replacement.DELETE_FIRST) for seconds in (60, 70, 400)),
        past(9_000, Replacement.DELETE_FIRST, Outcome.FAILED),
        *(past(5, Replacement.DRILL) for _ in range(2)),
    ]
    assert find_usual_seconds(operations) == {
        Replacement.DELETE_FIRST: dict.fromkeys(STEPS[Replacement.DELETE_FIRST], 70)
    }


def test_the_end_is_that_of_the_running_step_and_of_all_that_follow() -> None:
    """A step that takes longer moves it."""
    now = BEGAN + 3.5 * MINUTE
    assert expect_restore_end(state(done=3), now) == BEGAN + 9 * MINUTE
    assert expect_restore_end(state(done=3), now + 10 * MINUTE) == now + 15 * MINUTE
    assert describe_end(state(done=3), now) == "the whole restore usually ends by 00:14 UTC"
    drill = state(done=3, replacement=Replacement.DRILL)
    assert describe_end(drill, now + timedelta(hours=23.8)).startswith("the whole drill usually ends by 2026-11-28")


def test_a_kept_old_cluster_is_not_waited_for() -> None:
    """It is deleted hours after the target was handed over."""
    swap = state(done=3, replacement=Replacement.SWAP, keeps_old=True)
    steps = len(STEPS[Replacement.SWAP]) - 1
    assert expect_restore_end(swap, BEGAN + 3 * MINUTE) == BEGAN + steps * MINUTE


@pytest.mark.parametrize(
    "changes",
    [
        {"usual_seconds": {}},
        {"usual_seconds": {Step.DELETE_RDS: 60}},
        {"outcome": Outcome.FAILED},
        {"waiting_until": BEGAN},
    ],
)
def test_without_enough_knowledge_nothing_is_said(changes: dict[str, Any]) -> None:
    """A first restore, one whose further steps are not known, one that ended or waits for a person."""
    assert describe_end(state(done=3, **changes), BEGAN) == ""
