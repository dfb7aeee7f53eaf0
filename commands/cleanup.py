"""`starter.py cleanup`."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from commands.arguments import request_argument
from commands.cleanups import follow_cleanup
from commands.exit_codes import FINE
from commands.restores import temporal_client
from commands.terminal import print_progress

if TYPE_CHECKING:
    from models.leftovers import OrphanList
    from models.request import RestoreRequest
    from runs.restores import DisplayMetadata

EXAMPLES = (
    ("cleanup restore.toml", "what nothing uses"),
    ("cleanup restore.toml --delete", "remove it"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """The request whose target is cleaned up, and whether to remove anything."""
    request_argument(verb)
    verb.add_argument(
        "--delete",
        action="store_true",
        help="remove them, in a workflow that the worker runs; without this option nothing is changed",
    )


def run(args: argparse.Namespace) -> int:
    """List the copies and clusters that earlier restores left and that nothing uses; with --delete, remove them."""
    from models.request_file import read_request
    from settings import TrailSettings, load_settings

    request, settings = read_request(args.request_file), load_settings(TrailSettings)
    if args.delete:
        return asyncio.run(_delete(request, settings.task_queue, args.output))
    listed = asyncio.run(_list_orphans(request, settings.task_queue))
    if args.output == "json":
        from commands.json_output import fields_of, print_json

        print_json({"target": request.target.arn, **fields_of(listed)})
        return FINE
    for orphan in listed.orphans:
        print(orphan.text)
    if listed.more:
        print(f"and {listed.more} more")
    print(_advice(listed, request.target.arn, args.request_file))
    return FINE


def _advice(listed: OrphanList, target_arn: str, request_file: str) -> str:
    """What to type next; a cleanup does not remove what is not proven."""
    from models.inventory import OrphanReason

    if not listed.orphans:
        return f"No orphans of {target_arn}."
    removable = [orphan for orphan in listed.orphans if orphan.reason is not OrphanReason.UNPROVEN]
    count = len(removable) + listed.more
    if not count:
        return "Nothing was changed. A cleanup removes none of them."
    what = "this orphan" if count == 1 else f"these {count} orphans"
    if len(removable) < len(listed.orphans):
        what += " and keep the rest"
    return f"Nothing was changed. To remove {what}:\n    python starter.py cleanup {request_file} --delete"


async def _delete(request: RestoreRequest, task_queue: str, output: str) -> int:
    from runs.cleanups import Cleanups

    cleanup = await Cleanups(await temporal_client()).start(request, task_queue, _display_metadata(request))
    print_progress(f"Started the cleanup {cleanup.workflow_id}")
    return await follow_cleanup(cleanup, output)


async def _list_orphans(request: RestoreRequest, task_queue: str) -> OrphanList:
    """The orphans as the worker's inventory lists them; a copy that a running restore works on is none."""
    from models.leftovers import ListOrphansInput
    from runs.restores import NoAnswer, RestoreRuns
    from runs.worker_calls import WorkerCalls

    client = await temporal_client()
    running = await RestoreRuns(client).find_running(request)
    operation_id = snapshot_copy = None
    if running and not await running.is_cleanup():
        operation_id = await running.name()
        print_progress(f"{operation_id} is running: its copy is not listed, and --delete is refused until it ends.")
        try:
            state = await running.query_state()
            snapshot_copy = state.snapshot_copy_arn if state else None
        except NoAnswer:
            print_progress(
                f"No worker answers, so it is unknown which copy {operation_id} works on: "
                "if it adopted a copy, that copy may be listed here."
            )
    listed = ListOrphansInput(request=request, operation_id=operation_id, snapshot_copy_arn=snapshot_copy)
    return await WorkerCalls(client, task_queue).list_orphans(listed)


def _display_metadata(request: RestoreRequest) -> DisplayMetadata:
    """What Temporal's lists show of the cleanup."""
    from temporalio.common import SearchAttributePair, TypedSearchAttributes

    from models.search_attributes import TARGET
    from runs.restores import DisplayMetadata

    target = request.target
    return DisplayMetadata(
        f"cleanup of {target.cluster} ({target.region})",
        f"Removes the copies that earlier restores of **{target.arn}** left and that nothing uses.",
        TypedSearchAttributes([SearchAttributePair(TARGET, target.cluster)]),
    )
