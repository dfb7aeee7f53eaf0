"""What befalls the restored database."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import psycopg

from models.steps import Step
from tests.chaos.entry import Entry, hold
from tests.chaos.observed_restore import Night, NotHit


async def _target_key(night: Night) -> str:
    target = await asyncio.to_thread(night.stage.target)
    if target is None:
        raise NotHit
    return str(target["DbClusterResourceId"])


async def _at_the_database(night: Night) -> str:
    await night.fired(hold(night, Step.SETUP_DB_USERS, 0.5))
    return await _target_key(night)


async def _database_refuses(night: Night, place: str) -> None:
    key, postgres = await _at_the_database(night), night.stage.postgres
    await asyncio.to_thread(postgres.kill, key)
    await asyncio.sleep(4)
    await asyncio.to_thread(postgres.restart, key)


async def _database_hangs(night: Night, place: str) -> None:
    key, postgres = await _at_the_database(night), night.stage.postgres
    postgres.freeze(key)
    await asyncio.sleep(6)
    postgres.thaw(key)


async def _database_closes(night: Night, place: str) -> None:
    """The session ends in the middle of a statement that makes a user."""
    key, postgres = await _at_the_database(night), night.stage.postgres

    def cut() -> None:
        with postgres.block_role_changes(key):
            for _ in range(500):
                if postgres.terminate_lock_waiters(key):
                    return

    await asyncio.to_thread(cut)


async def _database_hangs_long(night: Night, place: str) -> None:
    """In the middle of a statement, which no timeout of the session ends: only start-to-close does."""
    key, postgres = await _at_the_database(night), night.stage.postgres

    def hang() -> None:
        with suppress(psycopg.Error), postgres.block_role_changes(key):
            time.sleep(1.5)
            postgres.freeze(key)
            time.sleep(190)
            postgres.thaw(key)

    await asyncio.to_thread(hang)


async def _database_crashes(night: Night, place: str) -> None:
    """The server dies in the middle of a statement that makes a user."""
    key, postgres = await _at_the_database(night), night.stage.postgres

    def crash() -> None:
        with suppress(psycopg.Error), postgres.block_role_changes(key):
            time.sleep(1.5)
            postgres.kill(key)

    await asyncio.to_thread(crash)
    await asyncio.sleep(2)
    await asyncio.to_thread(postgres.restart, key)


ENTRIES = (
    Entry("database-refuses", "the restored database is down for 4 s", (Step.SETUP_DB_USERS,), _database_refuses),
    Entry("database-hangs", "the restored database hangs for 6 s", (Step.SETUP_DB_USERS,), _database_hangs),
    Entry(
        "database-hangs-long", "the restored database hangs in mid-statement for 190 s, past start-to-close",
        (Step.SETUP_DB_USERS,), _database_hangs_long,
    ),
    Entry("database-closes", "the session ends in mid-statement", (Step.SETUP_DB_USERS,), _database_closes),
    Entry("database-crashes", "the database dies in mid-statement", (Step.SETUP_DB_USERS,), _database_crashes),
)  # fmt: skip
