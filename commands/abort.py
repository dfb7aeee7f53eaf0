"""`starter.py abort`."""

from __future__ import annotations

import argparse
import asyncio

from commands.decisions import decide, decision_arguments


def arguments(verb: argparse.ArgumentParser) -> None:
    """What it is told."""
    decision_arguments(verb)


def run(args: argparse.Namespace) -> int:
    """End a waiting night as failed, now."""
    from models.decisions import Decision

    return asyncio.run(decide(args, Decision.ABORT))
