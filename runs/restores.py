"""Restores as Temporal knows them: start one, find one, read its state, cancel it.

The workflow is known here by its name alone, so that the operator's command line loads no activity and no driver.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import TypedSearchAttributes, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from models.identifiers import canonical_workflow_id
from models.request import RestoreRequest
from models.restore_state import RestoreState
from models.search_attributes import OPERATION, TARGET
from models.workflow_names import (
    CANONICAL_ID_PREFIX,
    CLEANUP_WORKFLOW,
    DUE_AT_MEMO,
    DUE_WHEN_STARTED,
    RESTORE_WORKFLOW,
    STARTED_BY_MEMO,
    STATE_QUERY,
)
from runs.heartbeats import with_watched_progress
from runs.other_environments import describe_others
from runs.summaries import summarize

QUERY_TIMEOUT = timedelta(seconds=3)

_STATE_OR_NONE: Any = RestoreState | None
"""For the data converter, which takes a union where the SDK's signature wants a class."""
_OPERATION_ID = re.compile(r"op-[0-9]{3,}")
_CLUSTER_ARN = re.compile(
    r"arn:[a-z-]+:rds:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):cluster:(?P<cluster>[a-z0-9-]+)"
)


class RestoreRefused(Exception):
    """The run is not in a state that allows the command, or does not exist; the text says which."""


class NoAnswer(Exception):
    """No worker answers the query for the run's state."""


@dataclass(frozen=True)
class DisplayMetadata:
    """What Temporal's lists and Web UI show of a run before its first workflow task."""

    summary: str
    details: str
    search_attributes: TypedSearchAttributes
    started_by: str | None = None  # for the trail


class RestoreRun:
    """One run under a target's workflow id: a restore, or the cleanup of its copies."""

    def __init__(self, handle: WorkflowHandle[Any, Any]) -> None:
        """`handle` has the run's id."""
        self.handle = handle
        self.workflow_id = handle.id
        self.run_id = handle.run_id

    async def describe(self) -> WorkflowExecutionDescription:
        """What Temporal itself knows, with or without a worker."""
        return await self.handle.describe()

    async def name(self) -> str:
        """Its operation, or its workflow id while it has no number."""
        return operation_of(await self.describe()) or self.workflow_id

    async def is_running(self) -> bool:
        """Whether it has not ended."""
        return (await self.describe()).status is WorkflowExecutionStatus.RUNNING

    async def is_cleanup(self) -> bool:
        """Whether it is the cleanup of copies that earlier restores left, and no restore."""
        return (await self.describe()).workflow_type == CLEANUP_WORKFLOW

    async def require_restore(self) -> None:
        """Raises `RestoreRefused` for a cleanup, which has no steps to retry."""
        if await self.is_cleanup():
            raise RestoreRefused(
                f"{await self.name()} is a cleanup, which has no steps to retry. Run the cleanup again:\n"
                "    python starter.py cleanup REQUEST_FILE --delete"
            )

    async def query_state(self) -> RestoreState | None:
        """The restore's state; None for a scheduled run, which only waits for the restore of its target.

        Raises `NoAnswer` if no worker answers within 3 s.
        """
        try:
            state: RestoreState | None = await self.handle.query(
                STATE_QUERY, result_type=_STATE_OR_NONE, rpc_timeout=QUERY_TIMEOUT
            )
            if state is None or not state.steps or state.ended_at:
                return state
            # While an activity polls by itself, only its heartbeat knows how far it is.
            return await with_watched_progress(state, await self.describe())
        except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
            raise NoAnswer(str(error)) from error

    async def query_state_if_answered(self) -> RestoreState | None:
        """As `query_state`; None also if no worker answers."""
        try:
            return await self.query_state()
        except NoAnswer:
            return None

    async def cancel(self, reason: str) -> None:
        """Request cancellation: the workflow finishes its current call and sends its notification.

        Raises `RestoreRefused` if the run has ended.
        """
        if not await self.is_running():
            raise RestoreRefused(f"{self.workflow_id} is not running; there is nothing to cancel.")
        await self.handle.cancel(reason=reason)


class RestoreRuns:
    """The restores of one Temporal namespace."""

    def __init__(self, client: Client) -> None:
        """`client` has the plugin, for its data converter."""
        self._client = client

    async def start(self, request: RestoreRequest, task_queue: str, display: DisplayMetadata) -> RestoreRun:
        """Start a restore. Raises the errors of `start_workflow`."""
        run_id = await self.start_workflow(RESTORE_WORKFLOW, request, task_queue, display)
        return self._run(request.target.workflow_id, run_id)

    async def start_workflow(
        self, workflow: str, request: RestoreRequest, task_queue: str, display: DisplayMetadata
    ) -> str | None:
        """Start a workflow under its target's one workflow id; returns the id of its run.

        Raises `RestoreRefused`, naming what runs under that id, if anything does; `RPCError` (INVALID_ARGUMENT) if the
        search attributes are not registered, where the workflow itself would hang in silence.
        """
        workflow_id = request.target.workflow_id
        try:
            started = await self._client.start_workflow(
                workflow,
                request,
                id=workflow_id,
                task_queue=task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                search_attributes=display.search_attributes,
                memo={DUE_AT_MEMO: DUE_WHEN_STARTED} | ({STARTED_BY_MEMO: by} if (by := display.started_by) else {}),
                static_summary=display.summary,
                static_details=display.details,
            )
        except WorkflowAlreadyStartedError as error:
            raise await self._already_running(workflow_id, error.run_id) from None
        return started.first_execution_run_id

    def with_run_id(self, workflow_id: str, run_id: str) -> RestoreRun:
        """The run of these ids, which was just started or described."""
        return self._run(workflow_id, run_id)

    async def find_for_request(self, request: RestoreRequest) -> RestoreRun:
        """The running or last restore of the request's target; raises `RestoreRefused` if there is none."""
        return await self._find_by_workflow_id(request.target.workflow_id)

    async def find(self, name: str, task_queue: str) -> RestoreRun:
        """The running or last restore of a target cluster (its name or ARN), or the restore of an operation (op-005).

        For an operation that was retried this is the newest run, also while Temporal's lists do not have it yet.
        Each environment counts its operations, and has a task queue: only `task_queue`'s operation is found.
        Raises `RestoreRefused` if there is none, or if clusters of two regions or accounts have the name.
        """
        if name.startswith(CANONICAL_ID_PREFIX):
            return await self._find_by_workflow_id(name)
        if arn := _CLUSTER_ARN.fullmatch(name):
            return await self._find_by_workflow_id(canonical_workflow_id(arn["region"], arn["account"], arn["cluster"]))
        if _OPERATION_ID.fullmatch(name):
            return await self._find_operation(name, task_queue)
        return await self._find_target(name)

    async def find_newest(self, task_queue: str) -> RestoreRun:
        """The restore of this task queue that was started last.

        Raises `RestoreRefused` if there was none within Temporal's retention.
        """
        others = []
        async for execution in self._list(f"WorkflowType = '{RESTORE_WORKFLOW}'"):
            if execution.task_queue == task_queue:
                return self._run(execution.id, execution.run_id)
            others.append(execution)
        raise RestoreRefused(
            describe_others(others, "every restore", task_queue)
            or f"Temporal has no restore in namespace {self._client.namespace}. Restores that ended before Temporal's "
            "retention period are in the trail only:\n    python starter.py audit"
        )

    async def find_running(self, request: RestoreRequest) -> RestoreRun | None:
        """The restore or cleanup that runs under the workflow id of the request's target; None if nothing does."""
        try:
            newest = await self._describe_newest(request.target.workflow_id)
        except RestoreRefused:
            return None
        running = newest.status is WorkflowExecutionStatus.RUNNING
        return self._run(newest.id, newest.run_id) if running else None

    async def _find_operation(self, operation_id: str, task_queue: str) -> RestoreRun:
        executions = [each async for each in self._list(f"{OPERATION.name} = '{operation_id}'")]
        own = [each for each in executions if each.task_queue == task_queue]
        if not own and (others := describe_others(executions, operation_id, task_queue)):
            raise RestoreRefused(others)
        listed = self._require_one(own, f"operation {operation_id}")
        newest = await self._find_by_workflow_id(listed.workflow_id)
        described = await newest.describe()
        is_same = operation_of(described) == operation_id and described.task_queue == task_queue
        return newest if is_same else listed

    async def _find_target(self, name: str) -> RestoreRun:
        cluster = name.lower().replace("'", "")
        executions = [each async for each in self._list(f"{TARGET.name} = '{cluster}'")]
        restores = [each for each in executions if each.workflow_type == RESTORE_WORKFLOW]
        # A cleanup counts only while it runs.
        running = executions and executions[0].status is WorkflowExecutionStatus.RUNNING
        return self._require_one(executions if running else restores or executions, f"target {name}")

    async def _find_by_workflow_id(self, workflow_id: str) -> RestoreRun:
        newest = await self._describe_newest(workflow_id)
        if newest.workflow_type == CLEANUP_WORKFLOW and newest.status is not WorkflowExecutionStatus.RUNNING:
            async for restore in self._list(f"WorkflowId = '{workflow_id}' AND WorkflowType = '{RESTORE_WORKFLOW}'"):
                return self._run(workflow_id, restore.run_id)
        return self._run(workflow_id, newest.run_id)

    async def _list(self, query: str) -> AsyncIterator[WorkflowExecution]:
        """Newest first, without the scheduled runs, which only wait for the restore of their target."""
        async for execution in self._client.list_workflows(query):
            if execution.id.startswith(CANONICAL_ID_PREFIX):
                yield execution

    def _require_one(self, executions: list[WorkflowExecution], what: str) -> RestoreRun:
        ids = sorted({execution.id for execution in executions})
        if not ids:
            raise RestoreRefused(
                f"Temporal has no restore of {what} in namespace {self._client.namespace}. Restores that ended before "
                "Temporal's retention period are in the trail only:\n    python starter.py audit"
            )
        if len(ids) > 1:
            raise RestoreRefused(f"More than one cluster matches {what}. Name one of these: {', '.join(ids)}")
        return self._run(executions[0].id, executions[0].run_id)

    async def _describe_newest(self, workflow_id: str) -> WorkflowExecutionDescription:
        try:
            return await self._client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise RestoreRefused(
                f"Temporal has no restore {workflow_id} in namespace {self._client.namespace}."
            ) from None

    def _run(self, workflow_id: str, run_id: str | None) -> RestoreRun:
        # With the run's id, so that a later restore of the same target is not mistaken for this one.
        return RestoreRun(self._client.get_workflow_handle(workflow_id, run_id=run_id, result_type=RestoreState))

    async def _already_running(self, workflow_id: str, run_id: str | None) -> RestoreRefused:
        """The refusal that names what runs under the target's workflow id."""
        run = self._run(workflow_id, run_id)
        if await run.is_cleanup():
            numbered = operation_of(await run.describe()) or "not yet numbered"
            return RestoreRefused(
                f"A cleanup of this target is running: {workflow_id}, operation {numbered}. It ends within minutes. "
                f"See its state:\n    python starter.py status {workflow_id}"
            )
        running = f"A restore of this target is already running: {workflow_id}"
        state = await run.query_state_if_answered()
        if state is None:
            return RestoreRefused(f"{running}. No worker answers, so its step is unknown.")
        numbered = state.operation_id or "not yet numbered"
        return RestoreRefused(f"{running}, operation {numbered}, {summarize(state)}.")


def operation_of(run: WorkflowExecutionDescription) -> str | None:
    """The number of the operation that a run belongs to; a run that a reset started has it from the beginning."""
    return run.typed_search_attributes.get(OPERATION)
