"""Finding the restore that a verb is about, and following it to its end."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from commands.exit_codes import CANCELLED, FAILED, FINE, REFUSED
from commands.own_task_queue import own_task_queue
from commands.terminal import console, print_progress

if TYPE_CHECKING:
    from temporalio.client import Client

    from models.request import RestoreRequest
    from runs.endings import Ending
    from runs.restores import DisplayMetadata, RestoreRun


async def temporal_client() -> Client:
    """A client of the namespace that the environment names; raises `TemporalUnreachable`."""
    from clients.temporal import connect

    return await connect()


def display_metadata(request: RestoreRequest) -> DisplayMetadata:
    """What Temporal's lists and Web UI show of a restore before its first workflow task."""
    from temporalio.common import SearchAttributePair, TypedSearchAttributes

    from models.search_attributes import TARGET
    from runs.restores import DisplayMetadata
    from workflows.progress import static_details, static_summary

    target = SearchAttributePair(TARGET, request.target.cluster)
    return DisplayMetadata(static_summary(request), static_details(request), TypedSearchAttributes([target]))


async def find_restore(args: argparse.Namespace) -> RestoreRun:
    """The restore that the `restore_arguments` name; raises `RestoreRefused` if there is none."""
    from models.request_file import read_request
    from runs.restores import RestoreRuns

    if args.request:
        request = read_request(args.request)
        return await RestoreRuns(await temporal_client()).find_for_request(request)
    restores, task_queue = RestoreRuns(await temporal_client()), own_task_queue()
    return await restores.find(args.target, task_queue) if args.target else await restores.find_newest(task_queue)


async def follow_unless_left(run: RestoreRun, args: argparse.Namespace, task_queue: str) -> int:
    """Follow a restore that was just started or continued to its end, unless `--no-wait`; returns the exit code."""
    if args.wait:
        return await follow(run, task_queue, args.output)
    if args.output == "json":
        from commands.json_output import print_json
        from commands.restore_documents import identify

        print_json({**identify(run), "outcome": "running"})
    return FINE


async def follow(run: RestoreRun, task_queue: str, output: str) -> int:
    """Show a restore until it ends, then print how it ended; returns the exit code for its outcome."""
    from commands import following

    try:
        return print_ending(await following.follow(run, console(sys.stderr), task_queue), run, output)
    except asyncio.CancelledError:
        print_progress(
            f"\nStopped following; the restore continues. See its state:\n"
            f"    python starter.py status {run.workflow_id}\n"
            f"Cancel it:\n    python starter.py cancel {run.workflow_id}"
        )
        raise


def print_ending(ending: Ending, run: RestoreRun, output: str) -> int:
    """Print how a restore ended; returns the exit code for its outcome."""
    if output == "json":
        from commands.json_output import print_json
        from commands.restore_documents import describe_ending

        print_json(describe_ending(ending, run))
    else:
        from commands.following import ending_text

        print(ending_text(ending, run.workflow_id))
    return exit_code_of(ending)


def exit_code_of(ending: Ending) -> int:
    """The exit code for a restore's outcome, also for one that runs or waits."""
    from models.steps import Outcome

    fine = dict.fromkeys((Outcome.SUCCEEDED, Outcome.RUNNING, Outcome.WAITING), FINE)
    return {**fine, Outcome.CANCELLED: CANCELLED, Outcome.SKIPPED: REFUSED}.get(ending.outcome, FAILED)
