"""`starter.py skip`."""

from __future__ import annotations

import argparse
import asyncio

from commands.decisions import decide, decision_arguments

EXAMPLES = (
    ("skip op-005 --reason 'the copy is removed by hand'", "a waiting operation goes on without its failed step"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """The options of every decision."""
    decision_arguments(verb)


def run(args: argparse.Namespace) -> int:
    """Continue a waiting operation without its failed step, where that is safe."""
    from models.decisions import Decision

    return asyncio.run(decide(args, Decision.SKIP))
