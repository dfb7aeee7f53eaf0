"""`starter.py status`."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.arguments import restore_arguments
from commands.cleanups import cleanup_of, print_cleanup
from commands.exit_codes import FINE
from commands.restores import find_restore, print_ending
from commands.terminal import print_progress, print_result

if TYPE_CHECKING:
    from runs.restores import RestoreRun


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which restore."""
    restore_arguments(verb)


def run(args: argparse.Namespace) -> int:
    """Show the state of a restore, or how it ended."""
    return asyncio.run(_status(args))


async def _status(args: argparse.Namespace) -> int:
    from commands.following import steps_table
    from runs.endings import wait_for_ending

    run = await find_restore(args)
    if await run.is_cleanup():
        return await print_cleanup(await cleanup_of(run))
    if await run.is_running():
        await _print_running(run)
        return FINE
    ending = await wait_for_ending(run)
    if ending.state:
        print_result(steps_table(ending.state))
    return print_ending(ending, run)


async def _print_running(run: RestoreRun) -> None:
    from commands.following import steps_table, waiting_text
    from runs.heartbeats import describe_masking_progress
    from runs.summaries import format_duration, summarize

    print_progress(f"Querying the state of {run.workflow_id} …")
    state = await run.query_state_if_answered()
    if state is None:
        print(f"{run.workflow_id} is running. No worker answers, so its step is unknown.")
        return
    so_far = format_duration(state.started_at, datetime.now(UTC))
    print(f"{state.operation_id or run.workflow_id} is running, {summarize(state)}, for {so_far}")
    print_result(steps_table(state))
    if masking := await describe_masking_progress(await run.describe()):
        print(masking)
    if state.waiting_until:
        print(waiting_text(state))
