"""Temporal's own history of an operation: how each step ended, in every run, also after resets.

Read from the events of activities alone, so that it owes nothing to the workflow's side of the trail, which it is held
against. A reset makes a new run whose history begins with a copy of the old one's events; an end that several runs share
is one end. Source: Temporal docs, "Workflow reset"; the server's WorkflowTaskFailed event with cause RESET_WORKFLOW.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from audit.seal import SEAL_TRAIL
from errors import Fault, fault_of
from models.operation import StepOutcome
from models.seal import Seal
from models.steps import AuditedStep, audited_step

_RESET = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
_CLOSINGS = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "completed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: "failed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: "cancelled",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: "terminated",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: "timed out",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: "continued as new",
}


class ReportedInput(BaseModel):
    """What every step is told, out of an input that may hold more, also of another version."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    operation_id: str
    step_started_at: AwareDatetime
    poll: int = 1


class ReportedOutcome(StepOutcome):
    """What a step answered, out of an answer that may hold more."""

    model_config = ConfigDict(extra="ignore")


@dataclass(frozen=True)
class Called:
    """An activity of a step that was scheduled."""

    step: AuditedStep
    told: ReportedInput
    scheduled_id: int


@dataclass(frozen=True)
class End:
    """How one activity of a step ended: done, or failed with a fault."""

    called: Called
    at: datetime
    answer: ReportedOutcome | None = None
    fault: Fault | None = None


@dataclass
class Run:
    """One run of the operation's workflow."""

    run_id: str
    events: list[HistoryEvent]
    base: str | None = None
    """The run that it was reset from."""
    base_until: int = 0
    """Events before this one are the base's."""
    closed: str | None = None
    """How it ended, in a word; None while it runs."""
    closed_at: datetime | None = None
    calls: dict[int, Called] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)
    """By the scheduling event: at which attempt the activity ended."""
    ends: dict[int, End] = field(default_factory=dict)
    """By the event that is the end; a look that found no end is none."""
    seals: list[Seal] = field(default_factory=list)

    @property
    def last_event_at(self) -> datetime:
        """How far the history reaches."""
        return _time(self.events[-1])

    def unended(self) -> list[Called]:
        """The last call of each step that began and did not end."""
        last: dict[tuple[AuditedStep, datetime], Called] = {}
        for called in self.calls.values():
            last[called.step, called.told.step_started_at] = called
        over = {(end.called.step, end.called.told.step_started_at) for end in self.ends.values()}
        return [called for step, called in last.items() if step not in over]


@dataclass(frozen=True)
class OperationHistory:
    """Every run of an operation that Temporal still has."""

    runs: tuple[Run, ...]
    gone: frozenset[str]
    """Runs that there were and that Temporal has forgotten."""

    @property
    def running(self) -> bool:
        """Whether an outcome may still come."""
        return any(run.closed is None for run in self.runs)

    def went_on(self, run: Run) -> bool:
        """Whether the operation went on in a run that was reset from this one."""
        return any(other.base == run.run_id for other in self.runs)

    def origin(self, run: Run, event_id: int) -> str:
        """The run in which an event happened first."""
        while run.base is not None and event_id < run.base_until:
            base = next((other for other in self.runs if other.run_id == run.base), None)
            if base is None:
                return run.base
            run = base
        return run.run_id


async def read_history(client: Client, workflow_id: str, first_run_id: str, operation_id: str) -> OperationHistory:
    """Read all runs of the operation; later nights under the same workflow id are other operations.

    Raises `RPCError` if Temporal does not answer.
    """
    runs: dict[str, Run] = {}
    gone: set[str] = set()
    waiting = [first_run_id] + [run_id async for run_id in _runs_of(client, workflow_id)]
    while waiting:
        run_id = waiting.pop(0)
        if run_id in runs or run_id in gone:
            continue
        try:
            first, reset_to = await _links(client, workflow_id, run_id)
            if first != first_run_id:
                continue
            run = await _read(client, workflow_id, run_id, operation_id)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            gone.add(run_id)
            continue
        runs[run_id] = run
        waiting += [linked for linked in (reset_to, run.base) if linked]
    return OperationHistory(tuple(sorted(runs.values(), key=lambda run: run.last_event_at)), frozenset(gone))


async def _runs_of(client: Client, workflow_id: str) -> AsyncIterator[str]:
    """Every run of the workflow's id: the list comes late, so the newest run is asked for besides."""
    try:
        yield (await client.get_workflow_handle(workflow_id).describe()).run_id
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    async for execution in client.list_workflows(f"WorkflowId = '{workflow_id}'"):
        yield execution.run_id


async def _links(client: Client, workflow_id: str, run_id: str) -> tuple[str, str]:
    """The first run of the chain that a run is of, and the run that it was last reset to."""
    described = (await client.get_workflow_handle(workflow_id, run_id=run_id).describe()).raw_description
    return described.workflow_execution_info.first_run_id, described.workflow_extended_info.reset_run_id


async def _read(client: Client, workflow_id: str, run_id: str, operation_id: str) -> Run:
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    run = Run(run_id, [event async for event in handle.fetch_history_events()])
    for event in run.events:
        await _take(client, run, event, operation_id)
    return run


async def _take(client: Client, run: Run, event: HistoryEvent, operation_id: str) -> None:
    """What one event says."""
    attributes: Any = getattr(event, event.WhichOneof("attributes") or "")
    match event.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED if attributes.cause == _RESET:
            run.base, run.base_until = attributes.base_run_id, event.event_id
        case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            called = await _called(client, event, attributes)
            if called is not None and called.told.operation_id == operation_id:
                run.calls[event.event_id] = called
        case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            run.attempts[attributes.scheduled_event_id] = attributes.attempt
        case (
            EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
            | EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED
            | EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT
            | EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED
        ):
            await _ended(client, run, event, attributes)
        case kind if kind in _CLOSINGS:
            run.closed, run.closed_at = _CLOSINGS[kind], _time(event)


async def _called(client: Client, event: HistoryEvent, attributes: Any) -> Called | None:
    step = audited_step(attributes.activity_type.name)
    if step is None or not attributes.input.payloads:
        return None
    [told] = await client.data_converter.decode(attributes.input.payloads[:1], [ReportedInput])
    return Called(step, told, event.event_id)


async def _ended(client: Client, run: Run, event: HistoryEvent, attributes: Any) -> None:
    called = run.calls.get(attributes.scheduled_event_id)
    if called is not None:
        if end := await _end(client, called, event, attributes):
            run.ends[event.event_id] = end
    elif (
        event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
        and _scheduled_type(run, attributes) == SEAL_TRAIL
    ):
        run.seals += await client.data_converter.decode(attributes.result.payloads, [Seal])


async def _end(client: Client, called: Called, event: HistoryEvent, attributes: Any) -> End | None:
    if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
        [answer] = await client.data_converter.decode(attributes.result.payloads, [ReportedOutcome])
        return End(called, _time(event), answer=answer) if answer.done else None
    if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
        fault = Fault(type="Cancelled", short="Cancelled", message="The operation was cancelled.")
        return End(called, _time(event), fault=fault)
    error = await client.data_converter.decode_failure(attributes.failure)
    return End(called, _time(event), fault=fault_of(error))


def _scheduled_type(run: Run, attributes: Any) -> str:
    scheduled = run.events[attributes.scheduled_event_id - 1].activity_task_scheduled_event_attributes
    return str(scheduled.activity_type.name)


def _time(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(tzinfo=UTC)
