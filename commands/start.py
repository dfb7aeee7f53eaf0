"""`starter.py start`."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from commands.arguments import request_argument, wait_argument
from commands.decisions import current_user
from commands.restores import display_metadata, follow_unless_left, temporal_client
from commands.terminal import print_progress

if TYPE_CHECKING:
    from models.request import RestoreRequest

EXAMPLES = (
    ("start restore.toml", "start it and follow it to its end"),
    ("start restore.toml --no-wait", "only start it"),
    ("start restore.toml --create-target", "the first restore, or one after the target was lost"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which request, and whether to follow the restore."""
    request_argument(verb)
    wait_argument(verb)
    verb.add_argument(
        "--create-target",
        action="store_true",
        help="go on if the target does not exist: as target.missing create, for this restore only",
    )


def run(args: argparse.Namespace) -> int:
    """Start a restore now and follow it to its end."""
    from models.request import MissingTarget
    from models.request_file import read_request
    from settings import TrailSettings, load_settings

    request = read_request(args.request_file)
    if args.create_target:
        target = request.target.model_copy(update={"missing": MissingTarget.CREATE})
        request = request.model_copy(update={"target": target})
    return asyncio.run(_start(request, load_settings(TrailSettings).task_queue, args))


async def _start(request: RestoreRequest, task_queue: str, args: argparse.Namespace) -> int:
    from runs.restores import RestoreRuns

    display = replace(display_metadata(request), started_by=current_user())
    run = await RestoreRuns(await temporal_client()).start(request, task_queue, display)
    print_progress(f"Started {run.workflow_id}")
    return await follow_unless_left(run, args, task_queue)
