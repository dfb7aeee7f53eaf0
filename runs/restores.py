"""Nights as Temporal knows them: start one, find one, see how it stands, wait for its end, cancel it.

The workflow is known here by its name alone, so that the operator's command line loads no activity and no driver.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import (
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import TerminatedError, WorkflowAlreadyStartedError, is_cancelled_exception
from temporalio.service import RPCError, RPCStatusCode

from errors import Fault, fault_of
from models import search_attributes
from models.decisions import OperatorDecision
from models.identifiers import canonical_workflow_id
from models.operation import RestoreState
from models.request import RestoreRequest
from models.steps import Outcome, Step
from models.workflow_names import (
    CANONICAL_ID_PREFIX,
    CLEANUP_WORKFLOW,
    DECIDE_UPDATE,
    RESTORE_WORKFLOW,
    STATE_QUERY,
)

QUERY_TIMEOUT = timedelta(seconds=3)
UPDATE_TIMEOUT = timedelta(seconds=15)
"""Longer than Temporal takes to give the task of a killed worker to another (10 s); shorter than Temporal itself waits
(20 s), after which the SDK would ask again without an end."""

T = TypeVar("T")

_STATE_OR_NONE: Any = RestoreState | None
"""For the data converter, which takes a union where the SDK's signature wants a class."""
_OPERATION_ID = re.compile(r"op-[0-9]{3,}")
_CLUSTER_ARN = re.compile(
    r"arn:[a-z-]+:rds:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):cluster:(?P<cluster>[a-z0-9-]+)"
)
_AWAY = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.RESOURCE_EXHAUSTED)


TERMINATED = Fault(
    type="Terminated",
    short="Terminated",
    message="The workflow was terminated, so that nothing was ended in order and no notification was sent.",
)


class RestoreRefused(Exception):
    """What was asked does not fit how things stand: already running, not running, not there. The text says which."""


class DecisionUnknown(Exception):
    """A decision was sent and no answer came: it may have arrived or not. The text says what to do."""


class NoAnswer(Exception):
    """No worker answers the query for the night's state."""


@dataclass(frozen=True)
class Ending:
    """How a night ended."""

    outcome: Outcome
    state: RestoreState | None = None
    fault: Fault | None = None

    @property
    def step(self) -> Step | None:
        """The step at which it failed, or was when it was terminated."""
        return self.state.failed_step if self.state else None


@dataclass(frozen=True)
class DisplayMetadata:
    """What Temporal's lists and the Web UI show of a night before it has said anything itself."""

    summary: str
    details: str
    search_attributes: TypedSearchAttributes


class RestoreRun:
    """One run of the workflow."""

    def __init__(self, handle: WorkflowHandle[Any, Any]) -> None:
        """`handle` has the run's id."""
        self._handle = handle
        self.workflow_id = handle.id
        self.run_id = handle.run_id

    async def description(self) -> WorkflowExecutionDescription:
        """What Temporal itself knows, with or without a worker."""
        return await self._handle.describe()

    async def name(self) -> str:
        """Its operation, or its workflow id while it has no number."""
        return operation_of(await self.description()) or self.workflow_id

    async def running(self) -> bool:
        """Whether it has not ended."""
        return (await self.description()).status is WorkflowExecutionStatus.RUNNING

    async def is_cleanup(self) -> bool:
        """Whether it is no night at all, but the removal of what earlier nights left behind."""
        return (await self.description()).workflow_type == CLEANUP_WORKFLOW

    async def require_restore(self) -> None:
        """Raises `RestoreRefused` for a cleanup, which has no steps to go on with."""
        if await self.is_cleanup():
            raise RestoreRefused(
                f"{await self.name()} is a cleanup, which has no steps to go on with. "
                "Run it again: python starter.py cleanup REQUEST_FILE --delete"
            )

    async def state(self) -> RestoreState | None:
        """How the night stands; None if it only waits for another that has the target's id.

        Raises `NoAnswer` after 3 s without a worker.
        """
        try:
            state: RestoreState | None = await self._handle.query(
                STATE_QUERY, result_type=_STATE_OR_NONE, rpc_timeout=QUERY_TIMEOUT
            )
            return state
        except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
            raise NoAnswer(str(error)) from error

    async def ending(self) -> Ending:
        """Wait for the end, also while Temporal is away for a moment, and say how it was."""
        try:
            return Ending(Outcome.SUCCEEDED, await retry_while_unavailable(self._result))
        except WorkflowFailureError as error:
            return await self._bad_ending(error)

    async def cancel(self, reason: str) -> None:
        """Ask the workflow to end in order, with its notification.

        Raises `RestoreRefused` if it has ended.
        """
        if not await self.running():
            raise RestoreRefused(f"{self.workflow_id} is not running; there is nothing to cancel.")
        await self._handle.cancel(reason=reason)

    async def decide(self, decided: OperatorDecision) -> None:
        """Say how a night goes on whose failed step waits for its operator. Twice is once.

        Raises `RestoreRefused` if none waits, if the step does not take this decision, or if no worker answers;
        `DecisionUnknown` if none answers any more after the decision was sent, if Temporal goes away then, or if the task
        is cancelled then.
        """
        name = await self.name()
        if not await self.running():
            raise RestoreRefused(f"{name} has ended and waits for nobody. To go on with it: {retry_command(name)}")
        try:
            state = await self.state()
        except NoAnswer:
            raise RestoreRefused(
                f"No worker answers for {name}, and none would take the decision: start one."
            ) from None
        if state is None or state.waiting_until is None:
            raise RestoreRefused(
                f"{name} is running and waits for no decision{f', {summarize(state)}' if state else ''}."
            )
        await self._send(decided, f"{state.failed_step} until {state.waiting_until.isoformat()}", name)

    async def _send(self, decided: OperatorDecision, which: str, name: str) -> None:
        # The same word of the same person on the same failure has one id: said twice, Temporal takes it once.
        update_id = f"{decided.decision} {which} by {decided.by}"
        try:
            await self._handle.execute_update(DECIDE_UPDATE, decided, id=update_id, rpc_timeout=UPDATE_TIMEOUT)
        except WorkflowUpdateFailedError as error:
            raise RestoreRefused(fault_of(error.cause).message) from None
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            interrupted = isinstance(error.__cause__, asyncio.CancelledError)
            why = "interrupted" if interrupted else f"no answer within {UPDATE_TIMEOUT.total_seconds():g} s"
            raise _unknown(decided, name, why) from error
        except RPCError as error:
            if error.status in _AWAY:
                # Temporal may have taken the decision before it went away: that it did not answer is all that is known.
                raise _unknown(decided, name, f"no answer from Temporal ({error.message})") from error
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise RestoreRefused(f"{self.workflow_id} ended before the decision reached it.") from None

    async def _result(self) -> RestoreState:
        result: RestoreState = await self._handle.result(follow_runs=False)
        return result

    async def _bad_ending(self, error: WorkflowFailureError) -> Ending:
        try:
            state = await self.state()
        except NoAnswer:
            state = None
        if is_cancelled_exception(error.cause):
            return Ending(Outcome.CANCELLED, state, state.fault if state else None)
        return Ending(
            Outcome.FAILED, state, TERMINATED if isinstance(error.cause, TerminatedError) else fault_of(error.cause)
        )


class RestoreRuns:
    """The nights of one Temporal namespace."""

    def __init__(self, client: Client) -> None:
        """`client` has the plugin, for its data converter."""
        self._client = client

    async def start(self, request: RestoreRequest, task_queue: str, shown: DisplayMetadata) -> RestoreRun:
        """Start a night. Errors: as `begin`."""
        run_id = await self.begin(RESTORE_WORKFLOW, request, task_queue, shown)
        return self._night(request.target.workflow_id, run_id)

    async def begin(
        self, workflow: str, request: RestoreRequest, task_queue: str, shown: DisplayMetadata
    ) -> str | None:
        """Start a workflow under its target's one workflow id; returns its run's.

        Raises `RestoreRefused`, naming what is running there, if anything is; `RPCError` (INVALID_ARGUMENT) at once if the
        search attributes are not registered, where the workflow itself would hang without a word.
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
                search_attributes=shown.search_attributes,
                static_summary=shown.summary,
                static_details=shown.details,
            )
        except WorkflowAlreadyStartedError as error:
            raise await self._already_running(workflow_id, error.run_id) from None
        return started.first_execution_run_id

    async def of_request(self, request: RestoreRequest) -> RestoreRun:
        """The running or last night of the request's target."""
        return await self._of_workflow(request.target.workflow_id)

    async def named(self, name: str) -> RestoreRun:
        """The running or last night of a target cluster (its name or ARN), or the night of an operation (op-005).

        Of an operation that was retried it is the newest run, also while Temporal's lists do not have it yet.
        Raises `RestoreRefused` if there is none, or if clusters of two regions or accounts have the name.
        """
        if name.startswith(CANONICAL_ID_PREFIX):
            return await self._of_workflow(name)
        if arn := _CLUSTER_ARN.fullmatch(name):
            return await self._of_workflow(canonical_workflow_id(arn["region"], arn["account"], arn["cluster"]))
        if _OPERATION_ID.fullmatch(name):
            found = [night async for night in self._listed(f"{search_attributes.OPERATION.name} = '{name}'")]
            listed = self._only(found, f"operation {name}")
            last = await self._of_workflow(listed.workflow_id)
            return last if operation_of(await last.description()) == name else listed
        target = name.lower().replace("'", "")
        found = [night async for night in self._listed(f"{search_attributes.TARGET.name} = '{target}'")]
        nights = [night for night in found if night.workflow_type == RESTORE_WORKFLOW]
        # A cleanup is what a target has newest only while it runs.
        going = found and found[0].status is WorkflowExecutionStatus.RUNNING
        return self._only(found if going else nights or found, f"target {name}")

    def run(self, workflow_id: str, run_id: str) -> RestoreRun:
        """The night of a run that was just begun."""
        return self._night(workflow_id, run_id)

    async def newest(self) -> RestoreRun:
        """The night that was started last.

        Raises `RestoreRefused` if there was none within Temporal's retention.
        """
        async for execution in self._listed(f"WorkflowType = '{RESTORE_WORKFLOW}'"):
            return self._night(execution.id, execution.run_id)
        raise RestoreRefused(
            "There was no night yet, or Temporal has forgotten it; the trail has not: starter.py audit"
        )

    async def _listed(self, query: str) -> AsyncIterator[WorkflowExecution]:
        """The newest first, without the scheduled runs that wait for a night."""
        async for execution in self._client.list_workflows(query):
            if execution.id.startswith(CANONICAL_ID_PREFIX):
                yield execution

    def _only(self, found: list[WorkflowExecution], what: str) -> RestoreRun:
        ids = sorted({execution.id for execution in found})
        if not ids:
            raise RestoreRefused(
                f"No night of {what} is known to Temporal in namespace {self._client.namespace}. One that ended longer "
                "ago than Temporal keeps histories stands in the trail only: python starter.py audit"
            )
        if len(ids) > 1:
            raise RestoreRefused(f"More than one cluster is meant by {what}; name one of these: {', '.join(ids)}")
        return self._night(found[0].id, found[0].run_id)

    async def running(self, request: RestoreRequest) -> RestoreRun | None:
        """What runs under the id of the request's target, a night or a cleanup; None if nothing does."""
        try:
            newest = await self._newest(request.target.workflow_id)
        except RestoreRefused:
            return None
        running = newest.status is WorkflowExecutionStatus.RUNNING
        return self._night(newest.id, newest.run_id) if running else None

    async def _of_workflow(self, workflow_id: str) -> RestoreRun:
        newest = await self._newest(workflow_id)
        if newest.workflow_type == CLEANUP_WORKFLOW and newest.status is not WorkflowExecutionStatus.RUNNING:
            async for night in self._listed(f"WorkflowId = '{workflow_id}' AND WorkflowType = '{RESTORE_WORKFLOW}'"):
                return self._night(workflow_id, night.run_id)
        return self._night(workflow_id, newest.run_id)

    async def _newest(self, workflow_id: str) -> WorkflowExecutionDescription:
        try:
            return await self._client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise RestoreRefused(
                f"No night {workflow_id} is known to Temporal in namespace {self._client.namespace}."
            ) from None

    def _night(self, workflow_id: str, run_id: str | None) -> RestoreRun:
        # With the run's id, so that no later night of the same target is taken for this one.
        return RestoreRun(self._client.get_workflow_handle(workflow_id, run_id=run_id, result_type=RestoreState))

    async def _already_running(self, workflow_id: str, run_id: str | None) -> RestoreRefused:
        """Says what runs under the target's id, so that nothing else may begin."""
        night = self._night(workflow_id, run_id)
        if await night.is_cleanup():
            numbered = operation_of(await night.description()) or "not yet numbered"
            then = f"It takes minutes; see it with: python starter.py status {workflow_id}"
            return RestoreRefused(f"A cleanup of this target is running: {workflow_id}, operation {numbered}. {then}")
        refused = f"A restore of this target is running already: {night.workflow_id}"
        try:
            state = await night.state()
        except NoAnswer:
            state = None
        if state is None:
            return RestoreRefused(f"{refused}. No worker answers to say how far it is.")
        numbered = state.operation_id or "not yet numbered"
        return RestoreRefused(f"{refused}, operation {numbered}, {summarize(state)}.")


async def retry_while_unavailable(result: Callable[[], Awaitable[T]]) -> T:
    """The answer, also if Temporal is away for a moment meanwhile."""
    while True:
        try:
            return await result()
        except RPCError as error:
            if error.status not in _AWAY:
                raise
            await asyncio.sleep(1)


def _unknown(decided: OperatorDecision, name: str, why: str) -> DecisionUnknown:
    return DecisionUnknown(
        f"It is not known whether {name} was told to {decided.decision}: {why}. Saying it again is harmless, "
        f"it counts once; see how the night stands with: python starter.py status {name}"
    )


def operation_of(run: WorkflowExecutionDescription) -> str | None:
    """The number of the operation that a run belongs to; a reset run has it from its first moment."""
    return run.typed_search_attributes.get(search_attributes.OPERATION)


def retry_command(operation_id: str, step: Step | None = None) -> str:
    """What goes on with a night that failed, from an earlier step if that is needed."""
    return f"python starter.py retry {operation_id}{f' --from {step}' if step else ''}"


def summarize(state: RestoreState) -> str:
    """Where a night is, in a few words."""
    if state.waiting_until:
        return f"waiting until {state.waiting_until:%H:%M} UTC for retry, skip or abort of {state.failed_step}"
    if state.outcome is not Outcome.RUNNING:
        return str(state.outcome)
    if not state.steps:
        return "before its first step"
    current = state.steps[-1]
    percent = f", {current.percent} %" if current.percent is not None else ""
    return f"at step {current.step.number} of {len(Step)}, {current.step}{percent}"


def format_duration(began: datetime, ended: datetime) -> str:
    """A length of time as 0:47:10."""
    return str(max(ended - began, timedelta(0))).split(".")[0]
