"""`starter.py cancel`."""

from __future__ import annotations

import argparse
import asyncio

from commands.arguments import restore_arguments, wait_argument
from commands.cleanups import cleanup_of, follow_cleanup
from commands.exit_codes import CANCELLED, FINE, REFUSED
from commands.restores import find_restore, follow, follow_unless_left
from commands.terminal import print_progress

EXAMPLES = (
    ("cancel orders-staging --reason 'wrong snapshot'", "and follow it to its end"),
    ("cancel op-005 --no-wait", "only ask for it"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which restore or cleanup, why, and whether to follow it."""
    # Required: the newest restore would be a guess, and this command ends it.
    restore_arguments(verb, required=True)
    verb.add_argument("--reason", default="cancelled with starter.py", help="why; kept in Temporal's history")
    wait_argument(verb)


def run(args: argparse.Namespace) -> int:
    """Cancel a running restore or cleanup; a restore still sends its notification."""
    return asyncio.run(_cancel(args))


async def _cancel(args: argparse.Namespace) -> int:
    from settings import TrailSettings, load_settings

    # Read the settings that following needs before anything is cancelled: a mistake in them must cancel nothing.
    task_queue = load_settings(TrailSettings).task_queue if args.wait else None
    run = await find_restore(args)
    await run.cancel(args.reason)
    print_progress(f"Requested the cancellation of {run.workflow_id}")
    if task_queue is None:
        return await follow_unless_left(run, args, "")
    if await run.is_cleanup():
        ended = await follow_cleanup(await cleanup_of(run), args.output)
    else:
        ended = await follow(run, task_queue, args.output)
    if ended == CANCELLED:
        return FINE
    print_progress("Not cancelled: it ended before the cancellation could take effect.")
    return REFUSED
