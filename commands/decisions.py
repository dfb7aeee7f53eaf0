"""What an operator decides of a failed night: the arguments of `retry`, `skip` and `abort`, and sending the word."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import socket
from typing import TYPE_CHECKING

from commands.arguments import wait_argument
from commands.exit_codes import FINE
from commands.restores import follow, temporal_client
from commands.terminal import say

if TYPE_CHECKING:
    from models.decisions import Decision, OperatorDecision

LONGEST = 500
"""Characters, as models.decisions takes them."""


def decision_arguments(verb: argparse.ArgumentParser) -> None:
    """Of which operation, why, on whose word, and whether to follow the night."""
    verb.add_argument("operation", metavar="OPERATION", help="the operation, such as op-005, or its target cluster")
    verb.add_argument("--reason", type=_text, metavar="TEXT", help="why; it stands in the trail")
    verb.add_argument(
        "--by", type=_text, default=whoever_asks(), metavar="NAME", help="who decided; default %(default)s"
    )
    wait_argument(verb)


def whoever_asks() -> str:
    """user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without a passwd entry for its user
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def decision_of(args: argparse.Namespace, decision: Decision) -> OperatorDecision:
    """The decision that the arguments make."""
    from models.decisions import OperatorDecision

    return OperatorDecision(decision=decision, by=args.by, reason=args.reason)


async def decide(args: argparse.Namespace, decision: Decision) -> int:
    """Tell a night that waits for its operator how it goes on, and follow it; the exit code."""
    from runs.restores import DecisionUnknown, RestoreRuns
    from settings import TrailSettings, load_settings

    task_queue = load_settings(TrailSettings).task_queue
    night = await RestoreRuns(await temporal_client()).named(args.operation)
    await night.require_restore()
    try:
        await night.decide(decision_of(args, decision))
    except DecisionUnknown as unknown:
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            raise
        # Ctrl-C, which the SDK has made an error of its own.
        say(f"\n{unknown}")
        raise asyncio.CancelledError from None
    say(f"Told {await night.name()} to {decision}")
    return await follow(night, task_queue) if args.wait else FINE


def _text(text: str) -> str:
    plain = " ".join(text.split())
    if not 1 <= len(plain) <= LONGEST:
        raise argparse.ArgumentTypeError(f"found {len(plain)} characters, wanted 1 to {LONGEST}")
    return plain
