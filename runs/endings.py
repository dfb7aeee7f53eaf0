"""Waiting for a restore to end, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowHistoryEventFilterType
from temporalio.exceptions import TerminatedError, is_cancelled_exception

from errors import Fault, Skipped, fault_of
from models.restore_state import RestoreState
from models.steps import Outcome, Step
from runs.availability import retry_while_unavailable
from runs.restores import RestoreRun
from runs.terminations import TERMINATED_BY_RESET, describe_termination, short_text


@dataclass(frozen=True)
class Ending:
    """How a restore ended."""

    outcome: Outcome
    state: RestoreState | None = None
    fault: Fault | None = None

    @property
    def step(self) -> Step | None:
        """The step that failed, or that was running when the workflow was terminated."""
        return self.state.failed_step if self.state else None


async def wait_for_ending(run: RestoreRun) -> Ending:
    """Wait until the restore ends, also through a short outage of Temporal."""

    async def result() -> RestoreState:
        state: RestoreState = await run.handle.result(follow_runs=False)
        return state

    try:
        return Ending(Outcome.SUCCEEDED, await retry_while_unavailable(result))
    except WorkflowFailureError as error:
        state = await run.query_state_if_answered()
        if is_cancelled_exception(error.cause):
            return Ending(Outcome.CANCELLED, state, state.fault if state else None)
        fault = await fault_of_failure(run.handle, error)
        return Ending(Outcome.SKIPPED if fault.type == Skipped.__name__ else Outcome.FAILED, state, fault)


async def fault_of_failure(handle: WorkflowHandle[Any, Any], error: WorkflowFailureError) -> Fault:
    """The fault that a failed workflow ended with; a terminated one has none of its own, but Temporal's reason."""
    if not isinstance(error.cause, TerminatedError):
        return fault_of(error.cause)

    async def close_event() -> HistoryEvent:
        events = handle.fetch_history_events(event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT)
        return [event async for event in events][-1]

    terminated = (await retry_while_unavailable(close_event)).workflow_execution_terminated_event_attributes
    short, text = short_text(terminated), describe_termination(terminated)
    more = f" See what runs now:\n    python starter.py status {handle.id}" if short == TERMINATED_BY_RESET else ""
    return Fault(
        type="Terminated", short=short, message=f"{text}: no further code ran and no notification was sent.{more}"
    )
