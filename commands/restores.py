"""Which night a verb is about, and following it to its end."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from commands.exit_codes import CANCELLED, FAILED, FINE
from commands.terminal import console, say

if TYPE_CHECKING:
    from temporalio.client import Client

    from models.request import RestoreRequest
    from runs.restores import DisplayMetadata, Ending, RestoreRun


async def temporal_client() -> Client:
    """The namespace that the environment names; raises `TemporalUnreachable`."""
    from audit.plugin import AuroraRestorePlugin
    from clients.temporal import connect

    return await connect(AuroraRestorePlugin())


def display_metadata(request: RestoreRequest) -> DisplayMetadata:
    """What Temporal's lists show of a night before it has said anything itself."""
    from temporalio.common import SearchAttributePair, TypedSearchAttributes

    from models.search_attributes import TARGET
    from runs.restores import DisplayMetadata
    from workflows.progress import static_details, static_summary

    target = SearchAttributePair(TARGET, request.target.cluster)
    return DisplayMetadata(static_summary(request), static_details(request), TypedSearchAttributes([target]))


async def find_restore(args: argparse.Namespace) -> RestoreRun:
    """The night that `night_arguments` name; raises `NightRefused` if there is none."""
    from models.request_file import read_request
    from runs.restores import RestoreRuns

    if args.request:
        request = read_request(args.request)
        return await RestoreRuns(await temporal_client()).of_request(request)
    nights = RestoreRuns(await temporal_client())
    return await nights.named(args.target) if args.target else await nights.newest()


async def follow(night: RestoreRun, task_queue: str) -> int:
    """Show the night until it ends; the exit code for its outcome."""
    from commands import following

    try:
        return print_ending(await following.follow(night, console(sys.stderr), task_queue), night)
    except asyncio.CancelledError:
        say(
            f"\nNo longer following; the night goes on. See it: python starter.py status {night.workflow_id}\n"
            f"End it: python starter.py cancel {night.workflow_id}"
        )
        raise


def print_ending(ending: Ending, night: RestoreRun) -> int:
    """Print how the night ended; the exit code for its outcome."""
    from commands.following import ending_text
    from models.steps import Outcome

    print(ending_text(ending, night.workflow_id))
    return {Outcome.SUCCEEDED: FINE, Outcome.CANCELLED: CANCELLED}.get(ending.outcome, FAILED)
