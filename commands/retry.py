"""`starter.py retry`."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from commands.decisions import decide, decision_arguments, decision_of
from commands.restores import follow_unless_left, temporal_client
from commands.terminal import print_progress

if TYPE_CHECKING:
    from temporalio.client import Client

    from models.decisions import OperatorDecision
    from models.steps import Step
    from runs.restores import RestoreRun

EXAMPLES = (
    ("retry op-005 --reason 'quota was raised'", "from the failed step"),
    ("retry op-005 --from copy-snapshot", "from an earlier one"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """The options of every decision, and the step to retry from."""
    decision_arguments(verb)
    verb.add_argument(
        "--from",
        dest="step",
        type=_step,
        metavar="STEP",
        help="an earlier step of an operation that has ended; default: the step that failed",
    )


def run(args: argparse.Namespace) -> int:
    """Retry a failed operation, under its number, from the step that failed."""
    return asyncio.run(_retry(args))


async def _retry(args: argparse.Namespace) -> int:
    from models.decisions import Decision
    from runs.restores import RestoreRefused, RestoreRuns
    from settings import TrailSettings, load_settings

    task_queue = load_settings(TrailSettings).task_queue
    client = await temporal_client()
    run = await RestoreRuns(client).find(args.operation, task_queue)
    await run.require_restore()
    if not await run.is_running():
        retried = await _reset(client, run, args.step, decision_of(args, Decision.RETRY), task_queue)
        return await follow_unless_left(retried, args, task_queue)
    if args.step:
        name = await run.name()
        raise RestoreRefused(
            f"{name} has not ended; --from retries only an operation that has. If it waits for a decision, retry it "
            f"without --from, or end it first:\n    python starter.py abort {name}"
        )
    return await decide(args, Decision.RETRY)


async def _reset(
    client: Client, run: RestoreRun, step: Step | None, decided: OperatorDecision, task_queue: str
) -> RestoreRun:
    from audit.decisions import decision_text
    from models.decisions import RetryDecision
    from runs.resets import Resets
    from runs.restores import RestoreRuns
    from runs.worker_calls import WorkerCalls

    resets = Resets(client)
    ended = await resets.find_ended(run.workflow_id, await run.name())
    at = ended.reset_point(step)
    decision = RetryDecision(
        operation_id=ended.operation_id,
        step=at.step,
        decided=decided,
        ended_at=ended.ended_at,
        workflow_id=ended.workflow_id,
        run_id=ended.run_id,
    )
    # No row, no reset: the trail records who retried the operation before the operation continues.
    await WorkerCalls(client, task_queue).record(decision)
    run_id = await resets.reset(ended, at, f"{at.step}: {decision_text(decided)}")
    print_progress(f"Retrying {ended.operation_id} from {at.step}, in run {run_id}")
    return RestoreRuns(client).with_run_id(ended.workflow_id, run_id)


def _step(text: str) -> Step:
    from models.steps import Step

    try:
        return Step(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a step; the steps are {', '.join(Step)}") from None
