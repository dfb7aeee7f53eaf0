"""`starter.py watch`."""

from __future__ import annotations

import argparse
import asyncio

from commands.arguments import restore_arguments
from commands.cleanups import cleanup_of, follow_cleanup
from commands.own_task_queue import own_task_queue
from commands.restores import find_restore, follow

EXAMPLES = (
    ("watch", "the newest restore"),
    ("watch orders-staging", "the restore of a target, until it ends; Ctrl-C stops the view and not the restore"),
    ("watch op-005 -o json | jq -r .outcome", "wait for the end in a script"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which restore."""
    restore_arguments(verb)


def run(args: argparse.Namespace) -> int:
    """Show a restore while it runs: its steps, its polls, its deadline and when it should end; change nothing."""
    return asyncio.run(_watch(args))


async def _watch(args: argparse.Namespace) -> int:
    run = await find_restore(args)
    if await run.is_cleanup():
        return await follow_cleanup(await cleanup_of(run), args.output)
    return await follow(run, own_task_queue(), args.output)
