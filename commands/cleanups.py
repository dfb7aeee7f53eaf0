"""Following a cleanup to its end, and telling how it ended."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.exit_codes import CANCELLED, FAILED, FINE
from commands.restores import temporal_client
from commands.terminal import say

if TYPE_CHECKING:
    from runs.cleanups import Cleanup, CleanupEnding
    from runs.restores import RestoreRun

SILENCE_SECONDS = 2.0


async def cleanup_of(night: RestoreRun) -> Cleanup:
    """A cleanup that was found where nights are looked for: it runs under their id."""
    from runs.cleanups import Cleanups

    return Cleanups(await temporal_client()).run(night.workflow_id, night.run_id)


async def print_cleanup(cleanup: Cleanup) -> int:
    """How it stands, or how it ended; the exit code."""
    from runs.restores import RestoreRuns

    night = RestoreRuns(await temporal_client()).run(cleanup.workflow_id, cleanup.run_id)
    if await night.running():
        began = (await night.description()).start_time
        print(f"A cleanup of {cleanup.workflow_id} runs: {await cleanup.stands(began)}")
        return FINE
    return print_cleanup_ending(await cleanup.ending(), cleanup)


async def follow_cleanup(cleanup: Cleanup) -> int:
    """Say every 2 seconds how it stands until it ends; the exit code for its outcome."""
    began = datetime.now(UTC)
    ending = asyncio.create_task(cleanup.ending())
    try:
        while not (await asyncio.wait([ending], timeout=SILENCE_SECONDS))[0]:
            say(await cleanup.stands(began))
        return print_cleanup_ending(await ending, cleanup)
    except asyncio.CancelledError:
        say(
            f"\nNo longer following; the cleanup goes on. See it: python starter.py status {cleanup.workflow_id}\n"
            f"End it: python starter.py cancel {cleanup.workflow_id}"
        )
        raise
    finally:
        ending.cancel()


def print_cleanup_ending(ending: CleanupEnding, cleanup: Cleanup) -> int:
    """Print what was removed, and what went wrong if anything did; the exit code."""
    from models.steps import Outcome

    state = ending.state
    name = (state and state.operation_id) or cleanup.workflow_id
    print(f"{name} cleanup {ending.outcome}{f': {state.details}' if state else ''}")
    for arn in state.removed_arns if state else ():
        print(f"removed {arn}")
    if ending.fault:
        print(f"{ending.fault.short}: {ending.fault.message}")
        print("What to do: docs/runbook.md#orphans-of-earlier-restores")
    return {Outcome.SUCCEEDED: FINE, Outcome.CANCELLED: CANCELLED}.get(ending.outcome, FAILED)
