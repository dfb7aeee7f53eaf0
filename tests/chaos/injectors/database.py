"""Faults of the restored database."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import psycopg

from models.steps import Step
from tests.chaos.campaign_fault import CampaignFault, delay_step_call
from tests.chaos.observed_restore import MomentMissed, ObservedRestore

HANG_PAST_START_TO_CLOSE = 190
"""Seconds; setup-db-users has a start-to-close timeout of three minutes."""


async def _wait_for_database_step(restore: ObservedRestore) -> str:
    """Wait until setup-db-users begins; returns the resource id of the target."""
    await restore.wait_until_fired(delay_step_call(restore, Step.SETUP_DB_USERS, 0.5))
    target = await asyncio.to_thread(restore.environment.find_target)
    if target is None:
        raise MomentMissed
    return str(target["DbClusterResourceId"])


async def _refuse_connections(restore: ObservedRestore, _place: str) -> None:
    cluster, postgres = await _wait_for_database_step(restore), restore.environment.postgres
    await asyncio.to_thread(postgres.kill, cluster)
    await asyncio.sleep(4)
    await asyncio.to_thread(postgres.restart, cluster)


async def _freeze(restore: ObservedRestore, _place: str) -> None:
    cluster, postgres = await _wait_for_database_step(restore), restore.environment.postgres
    postgres.freeze(cluster)
    await asyncio.sleep(6)
    postgres.thaw(cluster)


async def _terminate_session(restore: ObservedRestore, _place: str) -> None:
    """Terminate the session in the middle of a statement that creates a role."""
    cluster, postgres = await _wait_for_database_step(restore), restore.environment.postgres

    def terminate() -> None:
        with postgres.block_role_changes(cluster):
            for _ in range(500):
                if postgres.terminate_lock_waiters(cluster):
                    return

    await asyncio.to_thread(terminate)


async def _freeze_for_long(restore: ObservedRestore, _place: str) -> None:
    """Freeze the database in the middle of a statement; no session timeout ends it, only the start-to-close timeout."""
    cluster, postgres = await _wait_for_database_step(restore), restore.environment.postgres

    def freeze() -> None:
        with suppress(psycopg.Error), postgres.block_role_changes(cluster):
            time.sleep(1.5)
            postgres.freeze(cluster)
            time.sleep(HANG_PAST_START_TO_CLOSE)
            postgres.thaw(cluster)

    await asyncio.to_thread(freeze)


async def _crash(restore: ObservedRestore, _place: str) -> None:
    """Kill the database in the middle of a statement that creates a role."""
    cluster, postgres = await _wait_for_database_step(restore), restore.environment.postgres

    def kill() -> None:
        with suppress(psycopg.Error), postgres.block_role_changes(cluster):
            time.sleep(1.5)
            postgres.kill(cluster)

    await asyncio.to_thread(kill)
    await asyncio.sleep(2)
    await asyncio.to_thread(postgres.restart, cluster)


FAULTS = (
    CampaignFault(
        "database-refuses", "the restored database is down for 4 s", (Step.SETUP_DB_USERS,), _refuse_connections
    ),
    CampaignFault("database-hangs", "the restored database hangs for 6 s", (Step.SETUP_DB_USERS,), _freeze),
    CampaignFault(
        "database-hangs-long", "the restored database hangs in a statement for 190 s, past start-to-close",
        (Step.SETUP_DB_USERS,), _freeze_for_long,
    ),
    CampaignFault("database-closes", "the session ends in a statement", (Step.SETUP_DB_USERS,), _terminate_session),
    CampaignFault("database-crashes", "the database crashes in a statement", (Step.SETUP_DB_USERS,), _crash),
)  # fmt: skip
