"""What people do to a night."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from temporalio.service import RPCError, RPCStatusCode

from audit.activities import SEAL_TRAIL
from devstack.aws.fault_injection import InjectedFault
from devstack.demo_environment import TARGET_REGION
from models.steps import Step
from tests.chaos.entry import DENIED, GATES, OPEN, STEPS, Entry, deny, fails, hold
from tests.chaos.observed_restore import RPC, Night, NotHit

RETRIED = tuple(step for step in GATES if step not in (OPEN, SEAL_TRAIL))
LAST = (Step.ARCHIVE_SNAPSHOT, SEAL_TRAIL, Step.SNS_NOTIFICATION)
SNS_AWAY = 6.0
"""Seconds."""


async def _insist(call: Callable[..., Awaitable[None]]) -> None:
    """As somebody at a terminal would, while Temporal is away. Raises `NotHit` if the night is over."""
    for _ in range(40):
        try:
            return await call(rpc_timeout=RPC)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise NotHit from error
        await asyncio.sleep(0.5)
    raise NotHit


async def _cancelled(night: Night, place: str) -> None:
    held = hold(night, place, 0.7)
    await night.fired(held)
    await _insist(night.handle.cancel)


async def _cancelled_in_compensation(night: Night, place: str) -> None:
    """While nobody can be told yet."""
    deny(night, "rds.RestoreDBClusterFromSnapshot")
    down = night.arm("sns", "Publish", "http500", count=None)
    await night.fired(down)
    await asyncio.sleep(1)
    await _insist(night.handle.cancel)
    await asyncio.sleep(SNS_AWAY)
    night.stage.emulator.faults.remove(down)


async def _retried(night: Night, place: str) -> None:
    """A step fails, its cause is mended, and the operator has the night go on there."""
    await night.fired(_refuse(night, place))


async def _expect_retry(night: Night, _place: str) -> None:
    night.to_be_retried = True


def _refuse(night: Night, place: str) -> InjectedFault:
    """Deny the call by which a step is met, once."""
    service, operation, before = GATES[place]
    region = TARGET_REGION if service == "rds" else None
    code = DENIED.get(service, "AccessDenied")
    return night.arm(service, operation, "error", code=code, status=403, skip=before, region=region)


async def _terminated(night: Night, place: str) -> None:
    held = hold(night, place, 0.7)
    await night.fired(held)
    await _insist(night.handle.terminate)


ENTRIES = (
    Entry(
        "cancelled", "an operator cancels", STEPS, _cancelled,
        endings=lambda place: frozenset({"cancelled", "succeeded"} if place in LAST else {"cancelled"}),
    ),
    Entry(
        "cancelled-in-compensation", "an operator cancels a failed night while SNS is away",
        (Step.SNS_NOTIFICATION,), _cancelled_in_compensation, endings=fails,
    ),
    Entry(
        "retried", "a step fails, and starter.py retry has the night go on there", RETRIED, _retried,
        prepare=_expect_retry,
    ),
    Entry("terminated", "an operator terminates", STEPS, _terminated, endings=lambda _: frozenset({"terminated"})),
)  # fmt: skip
