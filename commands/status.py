"""`starter.py status`."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.arguments import restore_arguments
from commands.cleanups import cleanup_of, print_cleanup
from commands.exit_codes import FINE
from commands.restores import find_restore, print_ending, temporal_client
from commands.terminal import print_progress, print_result

if TYPE_CHECKING:
    from runs.restores import RestoreRun


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which restore."""
    restore_arguments(verb)


def run(args: argparse.Namespace) -> int:
    """Show the state of a restore, or how it ended."""
    return asyncio.run(_status(args))


async def _status(args: argparse.Namespace) -> int:
    from commands.following import steps_table
    from runs.endings import wait_for_ending
    from runs.restores import RestoreRefused

    are_waiting = await _print_due_runs(args)
    try:
        run = await find_restore(args)
    except RestoreRefused:
        if are_waiting:
            return FINE
        raise
    if await run.is_cleanup():
        return await print_cleanup(await cleanup_of(run))
    if await run.is_running():
        await _print_running(run)
        return FINE
    ending = await wait_for_ending(run)
    if are_waiting:
        print("The last restore before:")
    if ending.state:
        print_result(steps_table(ending.state))
    return print_ending(ending, run)


async def _print_due_runs(args: argparse.Namespace) -> bool:
    """Print the runs that are due and wait for a worker; return whether there are any."""
    from models.request_file import read_request
    from runs.due_runs import list_running
    from runs.summaries import format_duration
    from runs.workers import count_workers, no_worker_text

    name = read_request(args.request).target.cluster if args.request else (args.target or "").rpartition(":")[2].lower()
    client, now = await temporal_client(), datetime.now(UTC)
    due = [each for each in (await list_running(client))[1] if name in ("", each.cluster)]
    for each in due:
        print(
            f"{each.workflow_id} was due at {each.due_at:%Y-%m-%d %H:%M} UTC and waits for a worker for "
            f"{format_duration(each.due_at, now)}. If one takes it later than the request's start_before, it is skipped."
        )
    for task_queue in sorted({each.task_queue for each in due}):
        if not await count_workers(client, task_queue, now):
            print(no_worker_text(task_queue))
    return bool(due)


async def _print_running(run: RestoreRun) -> None:
    from commands.following import steps_table, waiting_text
    from runs.heartbeats import describe_masking_progress
    from runs.summaries import summarize

    print_progress(f"Querying the state of {run.workflow_id} …")
    state = await run.query_state_if_answered()
    if state is None:
        await _print_without_worker(run)
        return
    so_far = state.describe_time(datetime.now(UTC))
    print(f"{state.operation_id or run.workflow_id} is running, {summarize(state)}, for {so_far}")
    print_result(steps_table(state))
    for warning in state.warnings:
        print(f"Warning: {warning}")
    if masking := await describe_masking_progress(await run.describe()):
        print(masking)
    if state.waiting_until:
        print(waiting_text(state))


async def _print_without_worker(run: RestoreRun) -> None:
    """What Temporal knows of a run while no worker answers for it."""
    from models.search_attributes import OPERATION, STEP
    from runs.summaries import format_duration
    from runs.workers import no_worker_text, waiting_since

    described, now = await run.describe(), datetime.now(UTC)
    name, step = (described.typed_search_attributes.get(key) for key in (OPERATION, STEP))
    where = f"at {step}" if step else "before its first step"
    began = format_duration(described.start_time, now)
    print(f"{name or run.workflow_id} is running, {where}, for {began}. No worker answers{_deleted(step)}.")
    if since := waiting_since(described, now):
        waits = format_duration(since, now)
        print(f"It has waited for a worker since {since:%Y-%m-%d %H:%M} UTC, for {waits}. It continues when one polls.")
        print(no_worker_text(described.task_queue))


def _deleted(step: str | None) -> str:
    """What that step means for the target; nothing before the deletion."""
    from models.steps import STEPS, Replacement, Step

    steps = [each.value for each in STEPS[Replacement.DELETE_FIRST]]
    if step not in steps or steps.index(step) < steps.index(Step.DELETE_RDS):
        return ""
    return (
        "; the target may be deleted" if step == Step.DELETE_RDS else "; the target was deleted, unless it is swapped"
    )
