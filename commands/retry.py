"""`starter.py retry`."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from audit.decisions import decision_text
from commands.decisions import decide, decision_arguments, decision_of
from commands.exit_codes import FINE
from commands.restores import follow, temporal_client
from commands.terminal import say
from models.steps import Step

if TYPE_CHECKING:
    from temporalio.client import Client

    from models.decisions import OperatorDecision
    from runs.resets import EndedRun
    from runs.restores import RestoreRun
    from settings import TrailSettings


def arguments(verb: argparse.ArgumentParser) -> None:
    """What it is told."""
    decision_arguments(verb)
    verb.add_argument(
        "--from",
        dest="step",
        type=_step,
        metavar="STEP",
        help="an earlier step that the night has taken, if it has ended; default, the one that failed",
    )


def run(args: argparse.Namespace) -> int:
    """Go on with a failed night from its failed step, under its number."""
    return asyncio.run(_retry(args))


async def _retry(args: argparse.Namespace) -> int:
    from models.decisions import Decision
    from runs.restores import RestoreRefused, RestoreRuns
    from settings import TrailSettings, load_settings

    settings = load_settings(TrailSettings)
    client = await temporal_client()
    night = await RestoreRuns(client).named(args.operation)
    await night.require_restore()
    if not await night.running():
        again = await _reset(client, night, args.step, decision_of(args, Decision.RETRY), settings)
        return await follow(again, settings.task_queue) if args.wait else FINE
    if args.step:
        raise RestoreRefused(
            f"{await night.name()} has not ended, and --from goes back in one that has. If it waits for its operator, "
            "retry it without --from, or abort it first."
        )
    return await decide(args, Decision.RETRY)


async def _reset(
    client: Client, night: RestoreRun, step: Step | None, decided: OperatorDecision, settings: TrailSettings
) -> RestoreRun:
    from runs.resets import Resets
    from runs.restores import RestoreRuns

    resets = Resets(client)
    ended = await resets.ended(night.workflow_id, await night.name())
    at = ended.before(step)
    # No row, no reset: the trail tells who let the night go on before it does.
    await asyncio.to_thread(_write, ended, at.step, decided, settings)
    run_id = await resets.reset(ended, at, f"{at.step}: {decision_text(decided)}")
    say(f"{ended.operation_id} goes on at {at.step}, as the run {run_id}")
    return RestoreRuns(client).run(ended.workflow_id, run_id)


def _write(ended: EndedRun, step: Step, decided: OperatorDecision, settings: TrailSettings) -> None:
    from audit.decisions import decision_row, write_decision
    from audit.table import AuditTable
    from clients.aws import AwsClients

    dynamodb = AwsClients().dynamodb(settings.audit_region)
    row = decision_row(
        ended.operation_id,
        step,
        decided,
        asked_at=ended.ended_at,
        # This machine's clock; never before the end that it is about, which Temporal's clock told.
        decided_at=max(datetime.now(UTC), ended.ended_at),
        workflow_id=ended.workflow_id,
        run_id=ended.run_id,
    )
    write_decision(AuditTable(dynamodb, settings.audit_table, settings.audit_retention), row)


def _step(text: str) -> Step:
    try:
        return Step(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, wanted one of {', '.join(Step)}") from None
