"""Which decisions of an operator a failed step accepts, and for how long."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from models.decisions import SKIPPABLE, Decision, OperatorDecision
from models.steps import Step
from tests.unit.workflows.conftest import FakeTemporal
from workflows.operator_wait import OperatorWait

HOUR = timedelta(hours=1)
RETRY = OperatorDecision(decision=Decision.RETRY, by="kim@ops")
ABORT = OperatorDecision(decision=Decision.ABORT, by="lee@ops")
SKIP = OperatorDecision(decision=Decision.SKIP, by="kim@ops")


def refusal(operator: OperatorWait, decision: OperatorDecision) -> str | None:
    """The type of the error with which a decision is refused; None if it is accepted."""
    try:
        operator.validate(decision)
    except ApplicationError as error:
        return error.type
    return None


async def test_a_decision_ends_the_wait(temporal: FakeTemporal) -> None:
    """The wait returns it."""
    operator = OperatorWait()
    operator.open(Step.RESTORE_SNAPSHOT)
    temporal.during_wait[1] = lambda: operator.decide(RETRY)
    assert await operator.wait(HOUR) == RETRY
    assert temporal.waits == [HOUR]


async def test_without_a_decision_the_wait_ends_in_time(temporal: FakeTemporal) -> None:
    """It returns None after its length."""
    operator = OperatorWait()
    operator.open(Step.RESTORE_SNAPSHOT)
    assert await operator.wait(HOUR) is None


def test_the_first_of_two_decisions_counts() -> None:
    """A second one is refused even before the workflow has acted on the first."""
    operator = OperatorWait()
    operator.open(Step.RESTORE_SNAPSHOT)
    assert refusal(operator, RETRY) is None
    operator.decide(RETRY)
    assert refusal(operator, ABORT) == "NotWaiting"


async def test_a_decision_after_the_wait_is_refused(temporal: FakeTemporal) -> None:
    """Whether the wait ended with a decision, without one, or with a cancellation."""
    operator = OperatorWait()
    assert refusal(operator, RETRY) == "NotWaiting"
    operator.open(Step.RESTORE_SNAPSHOT)
    await operator.wait(HOUR)
    assert refusal(operator, RETRY) == "NotWaiting"
    operator.open(Step.RESTORE_SNAPSHOT)
    temporal.cancel()
    with pytest.raises(asyncio.CancelledError):
        await operator.wait(HOUR)
    assert refusal(operator, RETRY) == "NotWaiting"


async def test_a_second_failure_needs_a_decision_of_its_own(temporal: FakeTemporal) -> None:
    """The decision on the first failure is not applied to the second."""
    operator = OperatorWait()
    operator.open(Step.RESTORE_SNAPSHOT)
    operator.decide(RETRY)
    assert await operator.wait(HOUR) == RETRY
    operator.open(Step.RESTORE_SNAPSHOT)
    assert refusal(operator, ABORT) is None
    assert await operator.wait(HOUR) is None


@pytest.mark.parametrize("step", Step)
def test_only_archive_snapshot_can_be_skipped(step: Step) -> None:
    """Retry and abort are possible for every step."""
    operator = OperatorWait()
    operator.open(step)
    assert refusal(operator, SKIP) == (None if step in SKIPPABLE else "NotSkippable")
    assert (refusal(operator, RETRY), refusal(operator, ABORT)) == (None, None)
