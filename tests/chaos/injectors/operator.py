"""What an operator does to a running restore: cancel, terminate, retry."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from temporalio.service import RPCError, RPCStatusCode

from audit.activities import SEAL_TRAIL
from devstack.aws.fault_injection import InjectedFault
from devstack.demo_environment import TARGET_REGION
from models.steps import Step
from tests.chaos.campaign_fault import (
    DENIED_CODES,
    OPEN_OPERATION,
    STEP_CALLS,
    STEPS,
    CampaignFault,
    always_fails,
    delay_step_call,
    deny_call,
)
from tests.chaos.observed_restore import RPC_TIMEOUT, MomentMissed, ObservedRestore

RETRYABLE_STEPS = tuple(step for step in STEP_CALLS if step not in (OPEN_OPERATION, SEAL_TRAIL))
LAST_STEPS = (Step.ARCHIVE_SNAPSHOT, SEAL_TRAIL, Step.SNS_NOTIFICATION)
SNS_OUTAGE_SECONDS = 6.0


async def repeat_until_accepted(call: Callable[..., Awaitable[None]]) -> None:
    """Repeat a call as an operator would while Temporal is down. Raises MomentMissed if the restore has ended."""
    for _ in range(40):
        try:
            return await call(rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise MomentMissed from error
        await asyncio.sleep(0.5)
    raise MomentMissed


async def _cancel(restore: ObservedRestore, place: str) -> None:
    await restore.wait_until_fired(delay_step_call(restore, place, 0.7))
    await repeat_until_accepted(restore.handle.cancel)


async def _cancel_in_compensation(restore: ObservedRestore, _place: str) -> None:
    """Cancel a failed restore while SNS is down, before its notification is sent."""
    deny_call(restore, "rds.RestoreDBClusterFromSnapshot")
    outage = restore.add_fault("sns", "Publish", "http500", count=None)
    await restore.wait_until_fired(outage)
    await asyncio.sleep(1)
    await repeat_until_accepted(restore.handle.cancel)
    await asyncio.sleep(SNS_OUTAGE_SECONDS)
    restore.environment.emulator.faults.remove(outage)


def deny_step_call(restore: ObservedRestore, place: str) -> InjectedFault:
    """Deny one call of a step."""
    service, operation, earlier_calls = STEP_CALLS[place]
    region = TARGET_REGION if service == "rds" else None
    code = DENIED_CODES.get(service, "AccessDenied")
    return restore.add_fault(service, operation, "error", code=code, status=403, skip=earlier_calls, region=region)


async def _deny_step_call_once(restore: ObservedRestore, place: str) -> None:
    await restore.wait_until_fired(deny_step_call(restore, place))


async def _request_retry(restore: ObservedRestore, _place: str) -> None:
    restore.retry_after_failure = True


async def _terminate(restore: ObservedRestore, place: str) -> None:
    await restore.wait_until_fired(delay_step_call(restore, place, 0.7))
    await repeat_until_accepted(restore.handle.terminate)


FAULTS = (
    CampaignFault(
        "cancelled", "the operator cancels", STEPS, _cancel,
        outcomes=lambda place: frozenset({"cancelled", "succeeded"} if place in LAST_STEPS else {"cancelled"}),
    ),
    CampaignFault(
        "cancelled-in-compensation", "the operator cancels a failed restore while SNS is down",
        (Step.SNS_NOTIFICATION,), _cancel_in_compensation, outcomes=always_fails,
    ),
    CampaignFault(
        "retried", "a step fails, and the operator continues there with starter.py retry", RETRYABLE_STEPS,
        _deny_step_call_once, prepare=_request_retry,
    ),
    CampaignFault(
        "terminated", "the operator terminates", STEPS, _terminate, outcomes=lambda _: frozenset({"terminated"})
    ),
)  # fmt: skip
