"""A failed step that waits for an operator, as the request says: retry, skip or abort it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, CancelledError

from models.decisions import Decision, OperatorDecision
from models.request import RestoreRequest
from models.steps import Outcome, Step
from tests.rigs.durations import AT_ONCE
from tests.rigs.requests import quick_request
from tests.rigs.restores import ERROR_NOTIFICATION_SENT, TrailRow
from tests.rigs.resumed_restores import (
    ResumedRestores,
    is_at,
    is_waiting,
    successes_before,
    successes_from,
    wait_for_failure,
    wait_for_state,
)
from workflows.aurora_restore import AuroraRestoreWorkflow

RESTORE_FAILED: TrailRow = ("restore-snapshot", "FAILED", "Invalid VPC configuration")


def waiting_for_operator(**changes: Any) -> RestoreRequest:
    """A quick request that waits four hours for an operator."""
    return quick_request(on_failure={"wait_for_operator": "PT4H"}, **changes)


def decided(step: Step, status: str, decision: str, more: str = "") -> TrailRow:
    """The row of a decision by kim@ops; only a retry is IN_PROGRESS, the step stays FAILED otherwise."""
    return (step.value, status, f"{decision}, decided by kim@ops{more}")


async def test_retry_runs_the_step_again(resumed: ResumedRestores) -> None:
    """The same run continues at the failed step; the trail has the failure, the notification and the decision."""
    resumed.fail_step(Step.RESTORE_SNAPSHOT)
    handle, operation = await resumed.run_until_waiting(waiting_for_operator())
    said = await resumed.decide(operation, Decision.RETRY, "--reason", "subnet group fixed")
    assert said.code == 0, said
    state = await handle.result()
    assert (state.outcome, state.fault, state.waiting_until) == ("succeeded", None, None)
    assert resumed.rig.trail(operation)[1:] == [
        *successes_before(Step.RESTORE_SNAPSHOT),
        RESTORE_FAILED,
        ERROR_NOTIFICATION_SENT,
        decided(Step.RESTORE_SNAPSHOT, "IN_PROGRESS", "Retry", ": subnet group fixed"),
        *successes_from(Step.RESTORE_SNAPSHOT),
    ]
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED


async def test_a_retried_step_that_fails_waits_again(resumed: ResumedRestores) -> None:
    """The second failure notifies and waits as the first one did; the first decision does not decide it."""
    resumed.fail_step(Step.RESTORE_SNAPSHOT, count=2)
    handle, operation = await resumed.run_until_waiting(waiting_for_operator())
    first_deadline = (await resumed.rig.state(handle)).waiting_until
    assert (await resumed.decide(operation, Decision.RETRY, "--no-wait")).code == 0
    state = await wait_for_state(handle, lambda state: is_waiting(state) and state.waiting_until != first_deadline)
    assert state.failed_step is Step.RESTORE_SNAPSHOT
    assert (await resumed.decide(operation, Decision.RETRY)).code == 0
    assert (await handle.result()).outcome == "succeeded"
    once = [RESTORE_FAILED, ERROR_NOTIFICATION_SENT, decided(Step.RESTORE_SNAPSHOT, "IN_PROGRESS", "Retry")]
    assert resumed.rig.trail(operation)[4:10] == [*once, *once]
    subjects = [message["Subject"] for message in resumed.rig.demo.receive_notifications()]
    assert ["waits" in subject for subject in subjects] == [True, True, False]


async def test_skip_continues_without_the_step(resumed: ResumedRestores) -> None:
    """archive-snapshot can be skipped: the restore succeeds, and the state and a warning say who skipped it."""
    resumed.fail_step(Step.ARCHIVE_SNAPSHOT)
    handle, operation = await resumed.run_until_waiting(waiting_for_operator())
    assert (await resumed.decide(operation, Decision.SKIP)).code == 0
    state = await handle.result()
    assert (state.outcome, state.failed_step) == ("succeeded", None)
    assert {step.step: step.skipped_by for step in state.steps if step.skipped_by} == {Step.ARCHIVE_SNAPSHOT: "kim@ops"}
    assert "archive-snapshot was skipped by kim@ops." in state.warnings
    assert resumed.rig.trail(operation)[-2:] == [
        decided(Step.ARCHIVE_SNAPSHOT, "FAILED", "Skip"),
        ("sns-notification", "SUCCESS", "Notification sent"),
    ]


async def test_abort_ends_the_restore_with_the_steps_error(resumed: ResumedRestores) -> None:
    """The workflow fails as it does without a wait, and the trail has the decision."""
    resumed.fail_step(Step.RESTORE_SNAPSHOT)
    handle, operation = await resumed.run_until_waiting(waiting_for_operator())
    assert (await resumed.decide(operation, Decision.ABORT)).code == 1
    error = await wait_for_failure(handle)
    assert isinstance(error, ApplicationError)
    assert error.message.startswith("restore-snapshot: Invalid VPC configuration")
    assert resumed.rig.trail(operation)[-2:] == [
        decided(Step.RESTORE_SNAPSHOT, "FAILED", "Abort"),
        ERROR_NOTIFICATION_SENT,
    ]
    assert (await resumed.rig.state(handle)).outcome is Outcome.FAILED


async def decide(handle: WorkflowHandle[Any, Any], decision: Decision) -> None:
    """Send a decision without `starter.py`."""
    await handle.execute_update(AuroraRestoreWorkflow.decide, OperatorDecision(decision=decision, by="kim@ops"))


async def refusal(handle: WorkflowHandle[Any, Any], decision: Decision) -> ApplicationError:
    """The error with which the workflow refuses a decision."""
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await decide(handle, decision)
    assert isinstance(refused.value.cause, ApplicationError)
    return refused.value.cause


async def test_a_step_that_cannot_be_skipped_still_waits(resumed: ResumedRestores) -> None:
    """Only archive-snapshot can be skipped; a refused decision changes nothing, and the next one is accepted."""
    resumed.fail_step(Step.RESTORE_SNAPSHOT)
    handle, _ = await resumed.run_until_waiting(waiting_for_operator())
    assert (await refusal(handle, Decision.SKIP)).type == "NotSkippable"
    assert is_waiting(await resumed.rig.state(handle))
    await decide(handle, Decision.RETRY)
    assert (await handle.result()).outcome == "succeeded"


@pytest.mark.parametrize("decision", Decision)
async def test_a_decision_without_a_waiting_step_is_refused(resumed: ResumedRestores, decision: Decision) -> None:
    """A restore that has not failed takes no decision, and none is kept for a later failure."""
    resumed.rig.demo.emulator.faults.add("rds", "CopyDBClusterSnapshot", "late-response", seconds=1.0)
    handle = await resumed.start(waiting_for_operator())
    await wait_for_state(handle, lambda state: bool(state.steps))
    assert (await refusal(handle, decision)).type == "NotWaiting"
    assert (await handle.result()).outcome == "succeeded"


async def test_a_restore_that_is_cancelled_while_it_waits(resumed: ResumedRestores) -> None:
    """It ends at once, as cancelled, and a second notification says so."""
    resumed.fail_step(Step.RESTORE_SNAPSHOT)
    handle, operation = await resumed.run_until_waiting(waiting_for_operator())
    await handle.cancel()
    assert isinstance(await wait_for_failure(handle), CancelledError)
    assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
    assert resumed.rig.trail(operation)[4:] == [
        RESTORE_FAILED,
        ERROR_NOTIFICATION_SENT,
        ERROR_NOTIFICATION_SENT,
    ]
    subjects = [message["Subject"] for message in resumed.rig.demo.receive_notifications()]
    assert "cancelled" in subjects[-1]


async def test_a_cancelled_step_does_not_wait_for_an_operator(resumed: ResumedRestores) -> None:
    """The operator who cancelled has decided: the restore ends at once, with one notification."""
    resumed.rig.demo.emulator.durations = replace(AT_ONCE, copy=60.0)
    handle = await resumed.start(waiting_for_operator())
    await wait_for_state(handle, is_at(Step.CHECK_COPY_STATUS))
    await handle.cancel()
    assert isinstance(await wait_for_failure(handle), CancelledError)
    [message] = resumed.rig.demo.receive_notifications()
    assert "cancelled" in message["Subject"]
