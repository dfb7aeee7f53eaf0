"""`starter.py cleanup`."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from commands.arguments import request_argument
from commands.cleanups import follow_cleanup
from commands.exit_codes import FINE
from commands.restores import temporal_client
from commands.terminal import say

if TYPE_CHECKING:
    from models.inventory import Orphan
    from models.request import RestoreRequest
    from runs.restores import DisplayMetadata


def arguments(verb: argparse.ArgumentParser) -> None:
    """What it is told."""
    request_argument(verb)
    verb.add_argument(
        "--delete", action="store_true", help="remove them, as a workflow of the worker; without it nothing is changed"
    )


def run(args: argparse.Namespace) -> int:
    """List what earlier nights left behind and nothing uses; with --delete, remove it."""
    from models.request_file import read_request
    from settings import TrailSettings, load_settings

    request, task_queue = read_request(args.request_file), load_settings(TrailSettings).task_queue
    if args.delete:
        return asyncio.run(_delete(request, task_queue))
    found = asyncio.run(_found(request))
    for orphan in found:
        print(orphan.text)
    if found:
        copies = "this copy" if len(found) == 1 else f"these {len(found)} copies"
        print(f"Nothing was changed. What removes {copies}: python starter.py cleanup {args.request_file} --delete")
    else:
        print(f"No orphans of {request.target.arn}.")
    return FINE


async def _delete(request: RestoreRequest, task_queue: str) -> int:
    from runs.cleanups import Cleanups

    cleanup = await Cleanups(await temporal_client()).start(request, task_queue, _shown(request))
    say(f"Started the cleanup {cleanup.workflow_id}")
    return await follow_cleanup(cleanup)


async def _found(request: RestoreRequest) -> list[Orphan]:
    """As the worker's survey sees them; what a running night works on is none."""
    from activities.rds.orphans import list_orphans
    from clients.aws import AwsClients
    from runs.restores import NoAnswer, RestoreRuns

    running = await RestoreRuns(await temporal_client()).running(request)
    operation_id = snapshot_copy = None
    if running and not await running.is_cleanup():
        operation_id = await running.name()
        say(f"{operation_id} is running: its copy is left out, and --delete is refused until it has ended.")
        try:
            snapshot_copy = state.snapshot_copy_arn if (state := await running.state()) else None
        except NoAnswer:
            say("No worker answers to say which copy it works on: one that it adopted may be among these.")
    return await asyncio.to_thread(list_orphans, AwsClients(), request, operation_id, snapshot_copy)


def _shown(request: RestoreRequest) -> DisplayMetadata:
    """What Temporal's lists show of it."""
    from temporalio.common import SearchAttributePair, TypedSearchAttributes

    from models.search_attributes import TARGET
    from runs.restores import DisplayMetadata

    target = request.target
    return DisplayMetadata(
        f"cleanup of {target.cluster} ({target.region})",
        f"Removes the copies that earlier nights of **{target.arn}** left behind and nothing uses.",
        TypedSearchAttributes([SearchAttributePair(TARGET, target.cluster)]),
    )
