"""A good night that somebody cancels while nobody can be told of it yet."""

from __future__ import annotations

import asyncio

from temporalio.client import WorkflowExecutionStatus

from tests.rigs.resumed_restores import GoingOn, asked

BOTOCORES_ATTEMPTS = 3


async def test_it_tells_and_has_succeeded(on: GoingOn) -> None:
    """All is done and SNS is away: a cancellation between two attempts of the message keeps nobody from being told."""
    demo = on.bench.demo
    outage = demo.emulator.faults.add("sns", "Publish", "http500", count=None)
    handle = await on.start(asked())
    while outage.fired < BOTOCORES_ATTEMPTS:  # noqa: ASYNC110 - it watches another thread
        await asyncio.sleep(0.02)
    # The attempt ends now; the next one is two seconds away.
    await asyncio.sleep(0.5)
    await handle.cancel()
    await asyncio.sleep(0.5)
    demo.emulator.faults.remove(outage)
    assert (await handle.result()).outcome == "succeeded"
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    assert on.trail("op-001")[-1] == ("sns-notification", "SUCCESS", "Notification sent")
    [message] = demo.receive_notifications()
    assert "succeeded" in message["Subject"]
