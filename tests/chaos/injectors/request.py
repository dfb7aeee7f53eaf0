"""What the request, and what else is there, make of a night."""

from __future__ import annotations

import asyncio

from models.steps import Step
from tests.chaos.entry import OPEN, Entry, Strike, fails
from tests.chaos.environment import WAIT, slowed
from tests.chaos.observed_restore import Night

DEADLINE = {**WAIT, "deadline": "PT1S"}


async def _stranger(night: Night, place: str) -> None:
    night.hit(place)


async def _plant_stranger(night: Night, _place: str) -> None:
    await asyncio.to_thread(night.stage.plant_stranger, night.snapshot)


async def _neighbour(night: Night, place: str) -> None:
    """Another target's night begins at the same moment; it may not restore, and ends at its snapshot-check."""
    await night.fired(night.arm("dynamodb", "TransactWriteItems", "latency", seconds=1.0, count=2))


async def _expect_neighbour(night: Night, _place: str) -> None:
    night.neighbour = True


def _deadline(wait: str) -> Strike:
    async def prepare(night: Night, _place: str) -> None:
        night.waits[wait] = DEADLINE

    return prepare


async def _deadline_passes(night: Night, place: str) -> None:
    night.hit(place)


ENTRIES = (
    Entry(
        "deadline-of-copy", "the copy takes longer than the request allows", (Step.CHECK_COPY_STATUS,), _deadline_passes,
        endings=fails, prepare=_deadline("copy_snapshot"), durations=slowed(copy=60),
    ),
    Entry(
        "deadline-of-deletion", "the deletion takes longer than the request allows", (Step.DELETE_RDS,), _deadline_passes,
        endings=fails, prepare=_deadline("delete_rds"), durations=slowed(cluster_delete=60),
    ),
    Entry(
        "deadline-of-restore", "the restore takes longer than the request allows", (Step.CHECK_RESTORE_STATUS,),
        _deadline_passes, endings=fails, prepare=_deadline("restore_snapshot"), durations=slowed(cluster_restore=60),
    ),
    Entry(
        "stranger-has-the-name", "a snapshot of something else has the copy's name", (Step.COPY_SNAPSHOT,), _stranger,
        endings=fails, prepare=_plant_stranger,
    ),
    Entry(
        "neighbour-at-once", "another target's night takes its number at the same moment", (OPEN,), _neighbour,
        prepare=_expect_neighbour,
    ),
)  # fmt: skip
