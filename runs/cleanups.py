"""Cleanups as Temporal knows them: start one, see how it stands, wait for its end. Known by name alone, as the nights."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.exceptions import TerminatedError, is_cancelled_exception
from temporalio.service import RPCError

from errors import Fault, fault_of
from models.leftovers import CleanupState
from models.request import RestoreRequest
from models.steps import Outcome
from models.workflow_names import CLEANUP_WORKFLOW, STATE_QUERY
from runs.restores import (
    QUERY_TIMEOUT,
    TERMINATED,
    DisplayMetadata,
    NoAnswer,
    RestoreRuns,
    format_duration,
    retry_while_unavailable,
)

_STATE_OR_NONE: Any = CleanupState | None
"""For the data converter, which takes a union where the SDK's signature wants a class."""


@dataclass(frozen=True)
class CleanupEnding:
    """How a cleanup ended."""

    outcome: Outcome
    state: CleanupState | None = None
    fault: Fault | None = None


class Cleanup:
    """One cleanup."""

    def __init__(self, handle: WorkflowHandle[Any, CleanupState]) -> None:
        """`handle` has the run's id."""
        self._handle = handle
        self.workflow_id = handle.id
        self.run_id = handle.run_id or ""

    async def state(self) -> CleanupState | None:
        """How it stands; None before its first task.

        Raises `NoAnswer` after 3 s without a worker.
        """
        try:
            state: CleanupState | None = await self._handle.query(
                STATE_QUERY, result_type=_STATE_OR_NONE, rpc_timeout=QUERY_TIMEOUT
            )
            return state
        except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
            raise NoAnswer(str(error)) from error

    async def stands(self, began: datetime) -> str:
        """A line for whoever watches since it began (aware)."""
        try:
            state = await self.state()
            text = f"{state.operation_id}  {state.details}" if state and state.operation_id else "opening the operation"
        except NoAnswer:
            text = "no worker answers; the cleanup goes on when one does"
        return f"{format_duration(began, datetime.now(UTC))}  {text}"

    async def ending(self) -> CleanupEnding:
        """Wait for the end, also while Temporal is away for a moment, and say how it was."""
        try:
            return CleanupEnding(Outcome.SUCCEEDED, await retry_while_unavailable(self._handle.result))
        except WorkflowFailureError as error:
            return await self._bad_ending(error)

    async def _bad_ending(self, error: WorkflowFailureError) -> CleanupEnding:
        try:
            state = await self.state()
        except NoAnswer:
            state = None
        if is_cancelled_exception(error.cause):
            return CleanupEnding(Outcome.CANCELLED, state)
        fault = TERMINATED if isinstance(error.cause, TerminatedError) else fault_of(error.cause)
        return CleanupEnding(Outcome.FAILED, state, fault)


class Cleanups:
    """The cleanups of one Temporal namespace."""

    def __init__(self, client: Client) -> None:
        """`client` has the plugin, for its data converter."""
        self._client = client

    async def start(self, request: RestoreRequest, task_queue: str, shown: DisplayMetadata) -> Cleanup:
        """Start one under its target's id, as `Nights.begin` does it, with its errors."""
        run_id = await RestoreRuns(self._client).begin(CLEANUP_WORKFLOW, request, task_queue, shown)
        return self.run(request.target.workflow_id, run_id)

    def run(self, workflow_id: str, run_id: str | None) -> Cleanup:
        """The cleanup of this run."""
        return Cleanup(self._client.get_workflow_handle(workflow_id, run_id=run_id, result_type=CleanupState))
