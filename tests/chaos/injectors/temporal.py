"""What befalls Temporal."""

from __future__ import annotations

import asyncio

from models.steps import Step
from tests.chaos.entry import MOMENTS, STEPS, Entry, Strike, hold, some_time
from tests.chaos.observed_restore import Night


async def _temporal_killed(night: Night, place: str) -> None:
    held = hold(night, place, 1.0)
    await night.fired(held)
    await asyncio.to_thread(night.stage.temporal.kill)
    await asyncio.sleep(night.chance.uniform(0, 2))
    await asyncio.to_thread(night.stage.temporal.restart)


async def _temporal_killed_at_random(night: Night, place: str) -> None:
    await some_time(night, place)
    await asyncio.to_thread(night.stage.temporal.kill)
    await asyncio.to_thread(night.stage.temporal.restart)


def _temporal_away(seconds: float) -> Strike:
    async def strike(night: Night, place: str) -> None:
        held = hold(night, place, 0.5)
        await night.fired(held)
        night.stage.temporal.freeze()
        await asyncio.sleep(seconds)
        night.stage.temporal.thaw()

    return strike


ENTRIES = (
    Entry("temporal-killed", "SIGKILL of Temporal, started again on its file", STEPS, _temporal_killed),
    Entry(
        "temporal-killed-at-random", "SIGKILL of Temporal at a random moment, started again on its file", MOMENTS[::2],
        _temporal_killed_at_random,
    ),
    Entry("temporal-away", "Temporal does not answer for 12 s", STEPS, _temporal_away(12)),
    Entry("temporal-away-long", "Temporal does not answer for 2 minutes", (Step.CHECK_COPY_STATUS,), _temporal_away(120)),
)  # fmt: skip
