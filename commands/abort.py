"""`starter.py abort`."""

from __future__ import annotations

import argparse
import asyncio

from commands.decisions import decide, decision_arguments

EXAMPLES = (("abort op-005 --reason 'the next restore is enough'", "a waiting operation ends as failed"),)


def arguments(verb: argparse.ArgumentParser) -> None:
    """The options of every decision."""
    decision_arguments(verb)


def run(args: argparse.Namespace) -> int:
    """End a waiting operation as failed."""
    from models.decisions import Decision

    return asyncio.run(decide(args, Decision.ABORT))
