"""`starter.py status`."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime

from commands.arguments import restore_arguments
from commands.cleanups import cleanup_of, print_cleanup
from commands.exit_codes import FINE
from commands.restores import find_restore, print_ending
from commands.terminal import say, show
from runs.restores import summarize


def arguments(verb: argparse.ArgumentParser) -> None:
    """What it is told."""
    restore_arguments(verb)


def run(args: argparse.Namespace) -> int:
    """Show how a night stands or how it ended."""
    return asyncio.run(_status(args))


async def _status(args: argparse.Namespace) -> int:
    from commands.following import steps_table, waiting_text
    from runs.restores import NoAnswer

    night = await find_restore(args)
    if await night.is_cleanup():
        return await print_cleanup(await cleanup_of(night))
    if not await night.running():
        ending = await night.ending()
        if ending.state:
            show(steps_table(ending.state))
        return print_ending(ending, night)
    say(f"Asking a worker how {night.workflow_id} stands …")
    try:
        state = await night.state()
    except NoAnswer:
        state = None
    if state is None:
        print(f"{night.workflow_id} is running; no worker answers to say how far it is.")
        return FINE
    from runs.restores import format_duration

    so_far = format_duration(state.started_at, datetime.now(UTC))
    print(f"{state.operation_id or night.workflow_id} runs, {summarize(state)}, for {so_far}")
    show(steps_table(state))
    if state.waiting_until:
        print(waiting_text(state))
    return FINE
