"""`starter.py cancel`."""

from __future__ import annotations

import argparse
import asyncio

from commands.arguments import restore_arguments, wait_argument
from commands.cleanups import cleanup_of, follow_cleanup
from commands.exit_codes import CANCELLED, FINE, REFUSED
from commands.restores import find_restore, follow
from commands.terminal import say


def arguments(verb: argparse.ArgumentParser) -> None:
    """What it is told."""
    # The newest would be a guess, and this ends it.
    restore_arguments(verb, required=True)
    verb.add_argument("--reason", default="cancelled with starter.py", help="why, for Temporal's history")
    wait_argument(verb)


def run(args: argparse.Namespace) -> int:
    """Cancel the running night; it ends in order, with its notification."""
    return asyncio.run(_cancel(args))


async def _cancel(args: argparse.Namespace) -> int:
    from models.steps import Outcome
    from settings import TrailSettings, load_settings

    # What the following needs is read first: nobody is to be told of a mistake while the night ends.
    task_queue = load_settings(TrailSettings).task_queue if args.wait else None
    night = await find_restore(args)
    await night.cancel(args.reason)
    say(f"Asked {night.workflow_id} to end")
    if task_queue is None:
        return FINE
    if await night.is_cleanup():
        ended = await follow_cleanup(await cleanup_of(night))
    else:
        ended = await follow(night, task_queue)
    if ended == CANCELLED:
        return FINE
    say(f"It was not {Outcome.CANCELLED}: it ended otherwise before the request could take effect.")
    return REFUSED
