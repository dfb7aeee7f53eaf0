"""How a call to a worker fails: the Web UI shows the activity's own words, and a cancellation as one."""

from __future__ import annotations

import pytest
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, RetryState

from errors import StepFailed, fault_of
from workflows.worker_calls import _answer


async def fail(cause: BaseException) -> None:
    """An activity that has failed, as a workflow sees it."""
    raise ActivityError(
        "Activity task failed",
        scheduled_event_id=5,
        started_event_id=6,
        identity="worker",
        activity_type="plan-restore",
        activity_id="1",
        retry_state=RetryState.NON_RETRYABLE_FAILURE,
    ) from cause


async def test_a_call_fails_as_its_activity() -> None:
    """With its type and its fault, and not with Temporal's "Activity task failed"."""
    cause = StepFailed("Target not found", "orders-staging does not exist.")
    with pytest.raises(
        ApplicationError, match=r"^StepFailed: Target not found: orders-staging does not exist\.$"
    ) as failed:
        await _answer(fail(cause))
    assert fault_of(failed.value) == cause.fault


async def test_a_cancelled_call_stays_cancelled() -> None:
    """A failure would say that the worker could not answer."""
    with pytest.raises(ActivityError):
        await _answer(fail(CancelledError()))
