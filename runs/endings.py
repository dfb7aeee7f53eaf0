"""Waiting for a restore to end, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio.client import WorkflowFailureError
from temporalio.exceptions import TerminatedError, is_cancelled_exception

from errors import Fault, fault_of
from models.operation import RestoreState
from models.steps import Outcome, Step
from runs.availability import retry_while_unavailable
from runs.restores import RestoreRun

TERMINATED = Fault(
    type="Terminated",
    short="Terminated",
    message="The workflow was terminated: no further code ran and no notification was sent.",
)


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
        return _unsuccessful(error, await run.query_state_if_answered())


def _unsuccessful(error: WorkflowFailureError, state: RestoreState | None) -> Ending:
    if is_cancelled_exception(error.cause):
        return Ending(Outcome.CANCELLED, state, state.fault if state else None)
    return Ending(Outcome.FAILED, state, fault_of_failure(error))


def fault_of_failure(error: WorkflowFailureError) -> Fault:
    """The fault that a failed workflow ended with; a terminated one has none of its own."""
    return TERMINATED if isinstance(error.cause, TerminatedError) else fault_of(error.cause)
