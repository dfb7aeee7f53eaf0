"""Sending an operator's decision to a restore whose failed step waits for it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from errors import fault_of
from models.cures import retry_command
from models.decisions import Decision, OperatorDecision
from models.workflow_names import DECIDE_UPDATE
from runs.availability import UNAVAILABLE
from runs.restores import NoAnswer, RestoreRefused, RestoreRun
from runs.summaries import summarize

UPDATE_TIMEOUT = timedelta(seconds=15)
"""Longer than Temporal takes to give the task of a killed worker to another (10 s), shorter than Temporal itself waits
(20 s): after those the SDK would ask again for ever."""


class DecisionUnknown(Exception):
    """A decision was sent and no answer came: it may have arrived or not. The text says what to do."""


async def send_decision(run: RestoreRun, decided: OperatorDecision) -> None:
    """Send the decision to a restore whose failed step waits for one. Sent twice, it counts once.

    Raises `RestoreRefused` if the restore does not wait, if the step does not allow this decision, or if no worker
    answers. Raises `DecisionUnknown` if after sending no worker answers, Temporal becomes unavailable, or the task is
    cancelled.
    """
    name = await run.name()
    if not await run.is_running():
        raise RestoreRefused(_ended(name, decided))
    try:
        state = await run.query_state()
    except NoAnswer:
        raise RestoreRefused(
            f"No worker answers for {name}; the decision was not sent. Start a worker, then repeat the command:\n"
            "    python worker.py"
        ) from None
    rolls_back = decided.decision is Decision.ROLLBACK
    until = (state.old_kept_until if rolls_back else state.waiting_until) if state else None
    if state is None or until is None:
        summary = f": {summarize(state)}" if state else ""
        if rolls_back:
            raise RestoreRefused(f"{name} is running and keeps no old cluster{summary}.")
        raise RestoreRefused(f"{name} is running and waits for no decision{summary}.")
    # The same decision by the same person on the same failure has one id, so that Temporal runs the update once.
    update_id = f"{decided.decision} {state.failed_step} until {until.isoformat()} by {decided.by}"
    await _execute_update(run, decided, update_id, name)


def _ended(name: str, decided: OperatorDecision) -> str:
    if decided.decision is Decision.ROLLBACK:
        return f"{name} has ended, so its old cluster is no longer kept. Read its trail:\n    python starter.py audit {name}"
    return f"{name} has ended and waits for no decision. Retry it from the step that failed:\n    {retry_command(name)}"


async def _execute_update(run: RestoreRun, decided: OperatorDecision, update_id: str, name: str) -> None:
    try:
        await run.handle.execute_update(DECIDE_UPDATE, decided, id=update_id, rpc_timeout=UPDATE_TIMEOUT)
    except WorkflowUpdateFailedError as error:
        raise RestoreRefused(fault_of(error.cause).message) from None
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        interrupted = isinstance(error.__cause__, asyncio.CancelledError)
        why = "interrupted" if interrupted else f"no answer within {UPDATE_TIMEOUT.total_seconds():g} s"
        raise _unknown(decided, name, why) from error
    except RPCError as error:
        if error.status in UNAVAILABLE:
            # Temporal may have accepted the update before it became unavailable.
            raise _unknown(decided, name, f"no answer from Temporal ({error.message})") from error
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        raise RestoreRefused(f"{name} ended before it received the decision.") from None


def _unknown(decided: OperatorDecision, name: str, why: str) -> DecisionUnknown:
    return DecisionUnknown(
        f"Unknown whether {name} received the decision to {decided.decision}: {why}. The command is safe to repeat. "
        f"See the state of the operation:\n    python starter.py status {name}"
    )
