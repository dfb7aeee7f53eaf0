"""A restore that succeeded and is cancelled while SNS is unavailable."""

from __future__ import annotations

import asyncio

from temporalio.client import WorkflowExecutionStatus

from tests.rigs.requests import quick_request
from tests.rigs.resumed_restores import ResumedRestores

BOTOCORE_ATTEMPTS = 3


async def test_the_notification_is_sent_and_the_restore_succeeds(resumed: ResumedRestores) -> None:
    """A cancellation between two attempts of sns-notification, when all else is done, does not suppress the message."""
    demo = resumed.rig.demo
    outage = demo.emulator.faults.add("sns", "Publish", "http500", count=None)
    handle = await resumed.start(quick_request())
    while outage.fired < BOTOCORE_ATTEMPTS:  # noqa: ASYNC110 - it watches another thread
        await asyncio.sleep(0.02)
    # The attempt ends now; the next one is two seconds away.
    await asyncio.sleep(0.5)
    await handle.cancel()
    await asyncio.sleep(0.5)
    demo.emulator.faults.remove(outage)
    assert (await handle.result()).outcome == "succeeded"
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    assert resumed.rig.trail()[-1] == ("sns-notification", "SUCCESS", "Notification sent")
    [message] = demo.receive_notifications()
    assert "succeeded" in message["Subject"]
