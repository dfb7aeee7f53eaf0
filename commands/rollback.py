"""`starter.py rollback`."""

from __future__ import annotations

import argparse
import asyncio

from commands.decisions import decide, decision_arguments

EXAMPLES = (("rollback op-005 --reason 'prices are wrong'", "the old cluster has the target's name again"),)


def arguments(verb: argparse.ArgumentParser) -> None:
    """The options of every decision."""
    decision_arguments(verb)


def run(args: argparse.Namespace) -> int:
    """Roll a swap back while its old cluster is kept: the old cluster gets the target's name again."""
    from models.decisions import Decision

    return asyncio.run(decide(args, Decision.ROLLBACK))
