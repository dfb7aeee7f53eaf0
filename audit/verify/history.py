"""Temporal's own history of an operation: how each step ended, in every run, also after resets.

It is read from the activity events alone, independently of the workflow's side of the trail, which is compared with it.
A reset starts a new run whose history begins with a copy of the old run's events; an event that several runs share counts
once. Source: Temporal docs, "Workflow reset"; the WorkflowTaskFailed event with the cause RESET_WORKFLOW.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionTerminatedEventAttributes
from temporalio.client import Client
from temporalio.exceptions import CancelledError
from temporalio.service import RPCError, RPCStatusCode

from audit.activities import SEAL_TRAIL
from audit.verify.workflow_runs import WorkflowRuns
from errors import Fault, fault_of
from models.seal import Seal
from models.step_call import StepOutcome
from models.steps import AuditedStep, audited_step

_RESET = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
_CLOSE_STATUSES = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "completed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: "failed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: "cancelled",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: "terminated",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: "timed out",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: "continued as new",
}


class RecordedInput(BaseModel):
    """The fields that every step's input has; others are ignored, so that inputs of other versions can be read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    operation_id: str
    step_started_at: AwareDatetime
    poll: int = 1


class RecordedOutcome(StepOutcome):
    """The fields that every step's result has; others are ignored."""

    model_config = ConfigDict(extra="ignore")


@dataclass(frozen=True)
class ScheduledActivity:
    """An activity of a step that the workflow scheduled."""

    step: AuditedStep
    step_input: RecordedInput
    scheduled_event_id: int


@dataclass(frozen=True)
class StepEnd:
    """How a step ended: with an outcome or with a fault."""

    activity: ScheduledActivity
    ended_at: datetime
    outcome: RecordedOutcome | None = None
    fault: Fault | None = None


@dataclass
class RunHistory:
    """One run of the operation's workflow."""

    run_id: str
    events: list[HistoryEvent]
    reset_from: str | None = None
    """The id of the run that this one was reset from."""
    reset_event_id: int = 0
    """Events before this one are copies of that run's events."""
    close_status: str | None = None
    """How the run closed; None while it runs."""
    closed_at: datetime | None = None
    termination: WorkflowExecutionTerminatedEventAttributes | None = None
    """Who terminated the run and why, if it was terminated."""
    activities: dict[int, ScheduledActivity] = field(default_factory=dict)
    """By the id of the scheduling event."""
    attempts: dict[int, int] = field(default_factory=dict)
    """The last attempt of each activity, by the id of the scheduling event."""
    ends: dict[int, StepEnd] = field(default_factory=dict)
    """By the id of the event that ended the activity; a poll that is not done does not end its step."""
    seals: list[Seal] = field(default_factory=list)

    @property
    def last_event_at(self) -> datetime:
        """The time of the newest event."""
        return _event_time(self.events[-1])

    def list_open_steps(self) -> list[ScheduledActivity]:
        """The last activity of each step that began and did not end."""
        last: dict[tuple[AuditedStep, datetime], ScheduledActivity] = {}
        for activity in self.activities.values():
            last[activity.step, activity.step_input.step_started_at] = activity
        ended = {(end.activity.step, end.activity.step_input.step_started_at) for end in self.ends.values()}
        return [activity for step, activity in last.items() if step not in ended]


@dataclass(frozen=True)
class OperationHistory:
    """Every run of an operation that Temporal still has."""

    runs: tuple[RunHistory, ...]
    expired_run_ids: frozenset[str]
    """Runs that Temporal no longer has."""

    @property
    def is_running(self) -> bool:
        """Whether a run is open, so that outcomes may follow."""
        return any(run.close_status is None for run in self.runs)

    def was_reset(self, run: RunHistory) -> bool:
        """Whether another run was reset from this one, in which the operation continued."""
        return any(other.reset_from == run.run_id for other in self.runs)

    def find_origin(self, run: RunHistory, event_id: int) -> str:
        """The id of the run in which an event happened; later runs hold copies of it."""
        while run.reset_from is not None and event_id < run.reset_event_id:
            origin = next((other for other in self.runs if other.run_id == run.reset_from), None)
            if origin is None:
                return run.reset_from
            run = origin
        return run.run_id


NOT_A_RUN = (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT)
"""What Temporal answers of a run that it no longer has, and of an id that is none, as a row may name one that anyone wrote."""


async def read_history(
    client: Client, runs_of_workflow: WorkflowRuns, workflow_id: str, first_run_id: str, operation_id: str
) -> OperationHistory:
    """Read all runs of the operation. Later operations under the same workflow id have another first run.

    Raises `RPCError` if Temporal is unavailable.
    """
    runs: dict[str, RunHistory] = {}
    expired: set[str] = set()
    waiting = await runs_of_workflow.list_ids(first_run_id)
    while waiting:
        run_id = waiting.pop(0)
        if run_id in runs or run_id in expired:
            continue
        try:
            first, reset_to = await runs_of_workflow.describe_links(run_id)
            if first != first_run_id:
                continue
            run = await _read_run(client, workflow_id, run_id, operation_id)
        except RPCError as error:
            if error.status not in NOT_A_RUN:
                raise
            expired.add(run_id)
            continue
        runs[run_id] = run
        waiting += [linked for linked in (reset_to, run.reset_from) if linked]
    return OperationHistory(tuple(sorted(runs.values(), key=lambda run: run.last_event_at)), frozenset(expired))


async def _read_run(client: Client, workflow_id: str, run_id: str, operation_id: str) -> RunHistory:
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    run = RunHistory(run_id, [event async for event in handle.fetch_history_events()])
    for event in run.events:
        await _add_event(client, run, event, operation_id)
    return run


async def _add_event(client: Client, run: RunHistory, event: HistoryEvent, operation_id: str) -> None:
    attributes: Any = getattr(event, event.WhichOneof("attributes") or "")
    match event.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED if attributes.cause == _RESET:
            run.reset_from, run.reset_event_id = attributes.base_run_id, event.event_id
        case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            activity = await _decode_activity(client, event, attributes)
            if activity is not None and activity.step_input.operation_id == operation_id:
                run.activities[event.event_id] = activity
        case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            run.attempts[attributes.scheduled_event_id] = attributes.attempt
        case (
            EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
            | EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED
            | EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT
            | EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED
        ):
            await _add_activity_end(client, run, event, attributes)
        case type_ if type_ in _CLOSE_STATUSES:
            run.close_status, run.closed_at = _CLOSE_STATUSES[type_], _event_time(event)
            run.termination = attributes if type_ == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED else None


async def _decode_activity(client: Client, event: HistoryEvent, attributes: Any) -> ScheduledActivity | None:
    step = audited_step(attributes.activity_type.name)
    if step is None or not attributes.input.payloads:
        return None
    [step_input] = await client.data_converter.decode(attributes.input.payloads[:1], [RecordedInput])
    return ScheduledActivity(step, step_input, event.event_id)


async def _add_activity_end(client: Client, run: RunHistory, event: HistoryEvent, attributes: Any) -> None:
    activity = run.activities.get(attributes.scheduled_event_id)
    if activity is not None:
        end = await _decode_end(client, activity, event, attributes)
        if end is not None:
            run.ends[event.event_id] = end
    elif (
        event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
        and _activity_type(run, attributes) == SEAL_TRAIL
    ):
        run.seals += await client.data_converter.decode(attributes.result.payloads, [Seal])


async def _decode_end(
    client: Client, activity: ScheduledActivity, event: HistoryEvent, attributes: Any
) -> StepEnd | None:
    """How the step ended, or None for a poll that is not done."""
    if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
        [outcome] = await client.data_converter.decode(attributes.result.payloads, [RecordedOutcome])
        return StepEnd(activity, _event_time(event), outcome=outcome) if outcome.done else None
    if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
        return StepEnd(activity, _event_time(event), fault=fault_of(CancelledError()))
    error = await client.data_converter.decode_failure(attributes.failure)
    return StepEnd(activity, _event_time(event), fault=fault_of(error))


def _activity_type(run: RunHistory, attributes: Any) -> str:
    scheduled = run.events[attributes.scheduled_event_id - 1].activity_task_scheduled_event_attributes
    return str(scheduled.activity_type.name)


def _event_time(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(tzinfo=UTC)
