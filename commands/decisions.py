"""The options of `retry`, `skip` and `abort`, and sending the operator's decision."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import socket
from typing import TYPE_CHECKING

from commands.arguments import wait_argument
from commands.restores import follow_unless_left, temporal_client
from commands.terminal import print_progress

if TYPE_CHECKING:
    from models.decisions import Decision, OperatorDecision

MAX_CHARACTERS = 500
"""The limit of models.decisions."""


def decision_arguments(verb: argparse.ArgumentParser) -> None:
    """Which operation, why, whose decision it is, and whether to follow the operation."""
    verb.add_argument("operation", metavar="OPERATION", help="the operation, such as op-005, or its target cluster")
    verb.add_argument("--reason", type=one_line, metavar="TEXT", help="why; kept in the audit trail")
    verb.add_argument(
        "--by", type=one_line, default=current_user(), metavar="NAME", help="who decided; default: %(default)s"
    )
    wait_argument(verb)


def current_user() -> str:
    """user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without a passwd entry for its user
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def decision_of(args: argparse.Namespace, decision: Decision) -> OperatorDecision:
    """The decision with the operator's name and reason."""
    from models.decisions import OperatorDecision

    return OperatorDecision(decision=decision, by=args.by, reason=args.reason)


async def decide(args: argparse.Namespace, decision: Decision) -> int:
    """Send a decision to an operation that waits for one, and follow the operation; returns the exit code."""
    from runs.decisions import DecisionUnknown, send_decision
    from runs.restores import RestoreRuns
    from settings import TrailSettings, load_settings

    task_queue = load_settings(TrailSettings).task_queue
    run = await RestoreRuns(await temporal_client()).find(args.operation, task_queue)
    await run.require_restore()
    try:
        await send_decision(run, decision_of(args, decision))
    except DecisionUnknown as unknown:
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            raise
        # Ctrl-C, which the SDK has turned into an error of its own.
        print_progress(f"\n{unknown}")
        raise asyncio.CancelledError from None
    print_progress(f"Sent the decision to {decision} to {await run.name()}")
    return await follow_unless_left(run, args, task_queue)


def one_line(text: str) -> str:
    """A text for a person, without line breaks and within the limits of its length."""
    plain = " ".join(text.split())
    if not 1 <= len(plain) <= MAX_CHARACTERS:
        raise argparse.ArgumentTypeError(f"has {len(plain)} characters; expected 1 to {MAX_CHARACTERS}")
    return plain
