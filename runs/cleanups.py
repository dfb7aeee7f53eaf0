"""Cleanups as Temporal knows them: start one, read its state, wait for its end. Known by name alone, as restores are."""

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
from temporalio.exceptions import is_cancelled_exception
from temporalio.service import RPCError

from errors import Fault
from models.leftovers import CleanupState
from models.request import RestoreRequest
from models.steps import Outcome
from models.workflow_names import CLEANUP_WORKFLOW, STATE_QUERY
from runs.availability import retry_while_unavailable
from runs.endings import fault_of_failure
from runs.restores import QUERY_TIMEOUT, DisplayMetadata, NoAnswer, RestoreRuns
from runs.summaries import format_duration

_STATE_OR_NONE: Any = CleanupState | None
"""For the data converter, which takes a union where the SDK's signature wants a class."""


@dataclass(frozen=True)
class CleanupEnding:
    """How a cleanup ended."""

    outcome: Outcome
    state: CleanupState | None = None
    fault: Fault | None = None


class Cleanup:
    """One run of a cleanup."""

    def __init__(self, handle: WorkflowHandle[Any, CleanupState]) -> None:
        """`handle` has the run's id."""
        self._handle = handle
        self.workflow_id = handle.id
        self.run_id = handle.run_id or ""

    async def query_state(self) -> CleanupState | None:
        """The cleanup's state; None before its first workflow task.

        Raises `NoAnswer` if no worker answers within 3 s.
        """
        try:
            state: CleanupState | None = await self._handle.query(
                STATE_QUERY, result_type=_STATE_OR_NONE, rpc_timeout=QUERY_TIMEOUT
            )
            return state
        except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
            raise NoAnswer(str(error)) from error

    async def query_state_if_answered(self) -> CleanupState | None:
        """As `query_state`; None also if no worker answers."""
        try:
            return await self.query_state()
        except NoAnswer:
            return None

    async def summarize(self, began: datetime) -> str:
        """One line: how long it has run since it began (aware), its operation, and what it does."""
        try:
            state = await self.query_state()
            text = f"{state.operation_id}  {state.details}" if state and state.operation_id else "opening the operation"
        except NoAnswer:
            text = "no worker answers; the cleanup continues when one does"
        return f"{format_duration(began, datetime.now(UTC))}  {text}"

    async def wait_for_ending(self) -> CleanupEnding:
        """Wait until the cleanup ends, also through a short outage of Temporal."""
        try:
            return CleanupEnding(Outcome.SUCCEEDED, await retry_while_unavailable(self._handle.result))
        except WorkflowFailureError as error:
            return await self._unsuccessful(error)

    async def _unsuccessful(self, error: WorkflowFailureError) -> CleanupEnding:
        state = await self.query_state_if_answered()
        if is_cancelled_exception(error.cause):
            return CleanupEnding(Outcome.CANCELLED, state)
        return CleanupEnding(Outcome.FAILED, state, await fault_of_failure(self._handle, error))


class Cleanups:
    """The cleanups of one Temporal namespace."""

    def __init__(self, client: Client) -> None:
        """`client` has the plugin, for its data converter."""
        self._client = client

    async def start(self, request: RestoreRequest, task_queue: str, display: DisplayMetadata) -> Cleanup:
        """Start a cleanup under its target's workflow id. Raises the errors of `RestoreRuns.start_workflow`."""
        run_id = await RestoreRuns(self._client).start_workflow(CLEANUP_WORKFLOW, request, task_queue, display)
        return self.with_run_id(request.target.workflow_id, run_id)

    def with_run_id(self, workflow_id: str, run_id: str | None) -> Cleanup:
        """The cleanup of these ids."""
        return Cleanup(self._client.get_workflow_handle(workflow_id, run_id=run_id, result_type=CleanupState))
