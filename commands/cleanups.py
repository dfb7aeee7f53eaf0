"""Following a cleanup to its end, and printing how it ended."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.exit_codes import CANCELLED, FAILED, FINE
from commands.restores import temporal_client
from commands.terminal import SECONDS_BETWEEN_LINES, print_progress

if TYPE_CHECKING:
    from runs.cleanups import Cleanup, CleanupEnding
    from runs.restores import RestoreRun

POLL_SECONDS = 2.0


async def cleanup_of(run: RestoreRun) -> Cleanup:
    """The cleanup that was found among the restores, because it runs under the same workflow id."""
    from runs.cleanups import Cleanups

    return Cleanups(await temporal_client()).with_run_id(run.workflow_id, run.run_id)


async def print_cleanup(cleanup: Cleanup, output: str) -> int:
    """Print what a cleanup does, or how it ended; returns the exit code."""
    from models.steps import Outcome
    from runs.cleanups import CleanupEnding
    from runs.restores import RestoreRuns

    run = RestoreRuns(await temporal_client()).with_run_id(cleanup.workflow_id, cleanup.run_id)
    if await run.is_running():
        began = (await run.describe()).start_time
        if output == "json":
            return _print_json(cleanup, CleanupEnding(Outcome.RUNNING, await cleanup.query_state_if_answered()))
        print(f"The cleanup {cleanup.workflow_id} is running: {await cleanup.summarize(began)}")
        return FINE
    return print_cleanup_ending(await cleanup.wait_for_ending(), cleanup, output)


async def follow_cleanup(cleanup: Cleanup, output: str) -> int:
    """Print a line per change and one a minute until the cleanup ends; returns the exit code for its outcome."""
    began, printed, printed_at = datetime.now(UTC), "", 0.0
    ending = asyncio.create_task(cleanup.wait_for_ending())
    try:
        while not (await asyncio.wait([ending], timeout=POLL_SECONDS))[0]:
            line = await cleanup.summarize(began)
            text = line.partition("  ")[2]  # without the time
            if text != printed or time.monotonic() - printed_at >= SECONDS_BETWEEN_LINES:
                printed, printed_at = text, time.monotonic()
                print_progress(line)
        return print_cleanup_ending(await ending, cleanup, output)
    except asyncio.CancelledError:
        print_progress(
            f"\nStopped following; the cleanup continues. See its state:\n"
            f"    python starter.py status {cleanup.workflow_id}\n"
            f"Cancel it:\n    python starter.py cancel {cleanup.workflow_id}"
        )
        raise
    finally:
        ending.cancel()


def print_cleanup_ending(ending: CleanupEnding, cleanup: Cleanup, output: str) -> int:
    """Print what was removed, and the fault if there is one; returns the exit code."""
    from models.steps import Outcome

    if output == "json":
        _print_json(cleanup, ending)
    else:
        _print_text(cleanup, ending)
    return {Outcome.SUCCEEDED: FINE, Outcome.CANCELLED: CANCELLED}.get(ending.outcome, FAILED)


def _print_text(cleanup: Cleanup, ending: CleanupEnding) -> None:
    state = ending.state
    name = (state and state.operation_id) or cleanup.workflow_id
    print(f"{name} cleanup {ending.outcome}{f': {state.details}' if state else ''}")
    for arn in state.removed_arns if state else ():
        print(f"removed {arn}")
    if ending.fault:
        print(f"{ending.fault.short}: {ending.fault.message}")
        print("What to do: docs/runbook.md#orphans-of-earlier-restores")


def _print_json(cleanup: Cleanup, ending: CleanupEnding) -> int:
    from commands.json_output import fields_of, print_json

    identity = {"kind": "cleanup", "workflow_id": cleanup.workflow_id, "run_id": cleanup.run_id}
    state = fields_of(ending.state) if ending.state else {}
    fault = {"fault": fields_of(ending.fault)} if ending.fault else {}
    print_json({**identity, **state, "outcome": ending.outcome, **fault})
    return FINE
