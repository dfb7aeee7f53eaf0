"""`starter.py status`."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.arguments import restore_arguments
from commands.cleanups import cleanup_of, print_cleanup
from commands.exit_codes import FINE
from commands.json_output import fields_of, print_json
from commands.restores import exit_code_of, find_restore, print_ending, temporal_client
from commands.terminal import print_progress, print_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runs.due_runs import DueRun
    from runs.restores import RestoreRun

EXAMPLES = (
    ("status", "the newest restore"),
    ("status orders-staging", "the running or last restore of a target"),
    ("status op-005 -o json | jq -r .outcome", "one word for a script"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which restore."""
    restore_arguments(verb)


def run(args: argparse.Namespace) -> int:
    """Show the state of a restore, or how it ended."""
    return asyncio.run(_status(args))


async def _status(args: argparse.Namespace) -> int:
    from runs.restores import RestoreRefused

    due = await _list_due_runs(args)
    if args.output != "json":
        await _print_due_runs(due)
    try:
        run = await find_restore(args)
    except RestoreRefused:
        if not due:
            raise
        if args.output == "json":
            print_json({"due": [fields_of(each) for each in due]})
        return FINE
    if await run.is_cleanup():
        return await print_cleanup(await cleanup_of(run), args.output)
    if args.output == "json":
        return await _print_json(run, due)
    if await run.is_running():
        await _print_running(run)
        return FINE
    return await _print_ended(run, is_before=bool(due))


async def _print_ended(run: RestoreRun, *, is_before: bool) -> int:
    from commands.following import steps_table
    from runs.endings import wait_for_ending

    ending = await wait_for_ending(run)
    if is_before:
        print("The last restore before:")
    if ending.state:
        print_result(steps_table(ending.state))
    return print_ending(ending, run, "text")


async def _print_json(run: RestoreRun, due: Sequence[DueRun]) -> int:
    from commands.restore_documents import describe_ending, describe_state, describe_without_worker, identify
    from models.steps import Outcome
    from runs.endings import Ending, wait_for_ending

    if await run.is_running():
        state, now = await run.query_state_if_answered(), datetime.now(UTC)
        ending = Ending(state.outcome if state else Outcome.RUNNING, state)
        described = describe_state(state, now) if state else describe_without_worker(await run.describe(), now)
        document = {**identify(run), **described}
    else:
        ending = await wait_for_ending(run)
        document = describe_ending(ending, run)
    print_json({**document, "due": [fields_of(each) for each in due]})
    return exit_code_of(ending)


async def _list_due_runs(args: argparse.Namespace) -> list[DueRun]:
    """The runs of the target that are due and wait for a worker; of every target if none is named."""
    from models.request_file import read_request
    from runs.due_runs import list_running

    name = read_request(args.request).target.cluster if args.request else (args.target or "").rpartition(":")[2].lower()
    return [each for each in (await list_running(await temporal_client()))[1] if name in ("", each.cluster)]


async def _print_due_runs(due: Sequence[DueRun]) -> None:
    from runs.summaries import format_duration
    from runs.workers import count_workers, no_worker_text

    now = datetime.now(UTC)
    for each in due:
        print(
            f"{each.workflow_id} was due at {each.due_at:%Y-%m-%d %H:%M} UTC and waits for a worker for "
            f"{format_duration(each.due_at, now)}. If one takes it later than the request's start_before, it is skipped."
        )
    for task_queue in sorted({each.task_queue for each in due}):
        if not await count_workers(await temporal_client(), task_queue, now):
            print(no_worker_text(task_queue))


async def _print_running(run: RestoreRun) -> None:
    from commands.following import steps_table, waiting_text
    from runs.heartbeats import describe_masking_progress
    from runs.summaries import describe_end, describe_wait, summarize

    print_progress(f"Querying the state of {run.workflow_id} …")
    state = await run.query_state_if_answered()
    if state is None:
        await _print_without_worker(run)
        return
    now, name = datetime.now(UTC), state.operation_id or run.workflow_id
    if state.is_keeping_old:
        print(f"{name} {summarize(state)}; its restore took {state.describe_work(now)}")
    else:
        print(f"{name} is running, {summarize(state)}, for {state.describe_time(now)}")
    print_result(steps_table(state))
    if end := describe_end(state, now):
        print(f"{end[0].upper()}{end[1:]}.")
    if wait := describe_wait(state):
        print(f"{state.steps[-1].step}: {wait}")
    for warning in state.warnings:
        print(f"Warning: {warning}")
    if masking := await describe_masking_progress(await run.describe()):
        print(masking)
    if state.waiting_until:
        print(waiting_text(state))


async def _print_without_worker(run: RestoreRun) -> None:
    """What Temporal knows of a run while no worker answers for it."""
    from models.search_attributes import KEEPING_OLD, OPERATION, STEP
    from runs.summaries import format_duration
    from runs.workers import no_worker_text, waiting_since

    described, now = await run.describe(), datetime.now(UTC)
    name, step = (described.typed_search_attributes.get(key) for key in (OPERATION, STEP))
    where = f"at {step}" if step else "before its first step"
    began = format_duration(described.start_time, now)
    if step == KEEPING_OLD:
        print(
            f"{name or run.workflow_id} succeeded and keeps the old cluster; it began {began} ago. No worker answers."
        )
    else:
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
        "; the target may be deleted"
        if step == Step.DELETE_RDS
        else "; the target was deleted, unless the request has another replacement than delete_first"
    )
