"""Faults by the request and by other resources: short deadlines, a taken name, a concurrent operation."""

from __future__ import annotations

import asyncio

from models.steps import Step
from tests.chaos.campaign_fault import OPEN_OPERATION, CampaignFault, Injector, always_fails
from tests.chaos.environment import SHORT_WAIT, longer_durations
from tests.chaos.observed_restore import ObservedRestore

DEADLINE_OF_ONE_SECOND = {**SHORT_WAIT, "deadline": "PT1S"}


async def _record_place(restore: ObservedRestore, place: str) -> None:
    """The fault itself was prepared before the restore."""
    restore.record_injection(place)


async def _create_mismatched_snapshot(restore: ObservedRestore, _place: str) -> None:
    await asyncio.to_thread(restore.environment.create_mismatched_snapshot, restore.snapshot)


async def _delay_numbers(restore: ObservedRestore, _place: str) -> None:
    """Delay both operations, so that they allocate their numbers concurrently."""
    fault = restore.add_fault("dynamodb", "TransactWriteItems", "latency", seconds=4.0, count=2)
    await restore.wait_until_fired(fault)


async def _request_concurrent_restore(restore: ObservedRestore, _place: str) -> None:
    """Start a restore of another target too; its target does not exist, so it ends at snapshot-check."""
    restore.with_concurrent_restore = True


def _shorten_deadline(wait: str) -> Injector:
    async def prepare(restore: ObservedRestore, _place: str) -> None:
        restore.waits[wait] = DEADLINE_OF_ONE_SECOND

    return prepare


FAULTS = (
    CampaignFault(
        "deadline-of-copy", "the copy takes longer than the request allows", (Step.CHECK_COPY_STATUS,), _record_place,
        outcomes=always_fails, prepare=_shorten_deadline("copy_snapshot"), durations=longer_durations(copy=60),
    ),
    CampaignFault(
        "deadline-of-deletion", "the deletion takes longer than the request allows", (Step.DELETE_RDS,), _record_place,
        outcomes=always_fails, prepare=_shorten_deadline("delete_rds"), durations=longer_durations(cluster_delete=60),
    ),
    CampaignFault(
        "deadline-of-restore", "the restore takes longer than the request allows", (Step.CHECK_RESTORE_STATUS,),
        _record_place, outcomes=always_fails, prepare=_shorten_deadline("restore_snapshot"),
        durations=longer_durations(cluster_restore=60),
    ),
    CampaignFault(
        "provenance-mismatch", "a snapshot of another cluster has the copy's name", (Step.COPY_SNAPSHOT,), _record_place,
        outcomes=always_fails, prepare=_create_mismatched_snapshot,
    ),
    CampaignFault(
        "concurrent-operation", "another target's operation allocates its number at the same moment", (OPEN_OPERATION,),
        _delay_numbers, prepare=_request_concurrent_restore,
    ),
)  # fmt: skip
