"""Faults of the Temporal server."""

from __future__ import annotations

import asyncio

from models.steps import Step
from tests.chaos.campaign_fault import MOMENTS, STEPS, CampaignFault, Injector, delay_step_call, wait_for_moment
from tests.chaos.observed_restore import ObservedRestore


async def _kill_in_step(restore: ObservedRestore, place: str) -> None:
    await restore.wait_until_fired(delay_step_call(restore, place, 1.0))
    await asyncio.to_thread(restore.environment.temporal.kill)
    await asyncio.sleep(restore.random.uniform(0, 2))
    await asyncio.to_thread(restore.environment.temporal.restart)


async def _kill_at_moment(restore: ObservedRestore, place: str) -> None:
    await wait_for_moment(restore, place)
    await asyncio.to_thread(restore.environment.temporal.kill)
    await asyncio.to_thread(restore.environment.temporal.restart)


def _freeze(seconds: float) -> Injector:
    async def inject(restore: ObservedRestore, place: str) -> None:
        await restore.wait_until_fired(delay_step_call(restore, place, 0.5))
        restore.environment.temporal.freeze()
        await asyncio.sleep(seconds)
        restore.environment.temporal.thaw()

    return inject


FAULTS = (
    CampaignFault("temporal-killed", "SIGKILL of Temporal, which restarts with its file", STEPS, _kill_in_step),
    CampaignFault(
        "temporal-killed-at-random", "SIGKILL of Temporal at a random moment, then a restart with its file", MOMENTS[::2],
        _kill_at_moment,
    ),
    CampaignFault("temporal-frozen", "Temporal does not respond for 12 s", STEPS, _freeze(12)),
    CampaignFault(
        "temporal-frozen-long", "Temporal does not respond for 2 minutes", (Step.CHECK_COPY_STATUS,), _freeze(120)
    ),
)  # fmt: skip
