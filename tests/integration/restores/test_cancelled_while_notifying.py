"""A cancellation that reaches a restore while SNS is unavailable."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import CancelledError

from devstack.aws.fault_injection import InjectedFault
from models.steps import Step
from tests.rigs.requests import quick_request
from tests.rigs.restores import ERROR_NOTIFICATION_SENT
from tests.rigs.resumed_restores import ResumedRestores, wait_for_failure

BOTOCORE_ATTEMPTS = 3


def make_sns_unavailable(resumed: ResumedRestores) -> InjectedFault:
    """Every message fails with HTTP 500."""
    return resumed.rig.demo.emulator.faults.add("sns", "Publish", "http500", count=None)


async def cancel_between_attempts(
    resumed: ResumedRestores, handle: WorkflowHandle[Any, Any], outage: InjectedFault
) -> None:
    """Cancel the restore between two attempts of sns-notification, then end the outage."""
    while outage.fired < BOTOCORE_ATTEMPTS:  # noqa: ASYNC110 - it watches another thread
        await asyncio.sleep(0.02)
    # The attempt ends now; the next one is two seconds away.
    await asyncio.sleep(0.5)
    await handle.cancel()
    await asyncio.sleep(0.5)
    resumed.rig.demo.emulator.faults.remove(outage)


async def test_the_notification_is_sent_and_the_restore_succeeds(resumed: ResumedRestores) -> None:
    """When all else is done, a cancellation does not suppress the message."""
    outage = make_sns_unavailable(resumed)
    handle = await resumed.start(quick_request())
    await cancel_between_attempts(resumed, handle, outage)
    assert (await handle.result()).outcome == "succeeded"
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    assert resumed.rig.trail()[-1] == ("sns-notification", "SUCCESS", "Notification sent")
    [message] = resumed.rig.demo.receive_notifications()
    assert "succeeded" in message["Subject"]


async def test_a_failed_step_does_not_wait_for_an_operator_any_more(resumed: ResumedRestores) -> None:
    """The message of the failure is sent, and the restore ends as cancelled instead of waiting for a decision."""
    outage = make_sns_unavailable(resumed)
    resumed.fail_step(Step.RESTORE_SNAPSHOT)
    handle = await resumed.start(quick_request(on_failure={"wait_for_operator": "PT4H"}))
    await cancel_between_attempts(resumed, handle, outage)
    assert isinstance(await wait_for_failure(handle), CancelledError)
    assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
    assert resumed.rig.trail()[-2:] == [ERROR_NOTIFICATION_SENT, ERROR_NOTIFICATION_SENT]
    subjects = [message["Subject"] for message in resumed.rig.demo.receive_notifications()]
    assert ["cancelled" in subject for subject in subjects] == [False, True]
