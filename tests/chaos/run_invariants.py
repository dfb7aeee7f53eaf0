"""What Temporal's histories, the trail and `audit verify` must say of every operation of a plan."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from activities.rds.tags import OPERATION, operation_tag
from audit.rows import Phase
from audit.verify.findings import FindingKind
from models.identifiers import DEFAULT_ENVIRONMENT
from models.steps import Housekeeping, Status, Step
from tests.chaos.observation import Observation
from tests.chaos.operations import ObservedOperation, ObservedRun

LONG_AGO = datetime.min.replace(tzinfo=UTC)
UNEXPECTED = "Unexpected error"
"""The details of an exception that no table names."""
LAST_CALL = timedelta(seconds=2)
"""How long the last call of a run that was ended by force may take."""


def step_outcomes(history: list[HistoryEvent], since: datetime = LONG_AGO) -> list[tuple[str, str, str]]:
    """How each step ended in Temporal's history: step, status, and the details that the trail must have."""
    names: dict[int, str] = {}
    ended: list[tuple[str, str, str]] = []
    for event in history:
        kind = event.event_type
        if kind == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            names[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
        elif event.event_time.ToDatetime(UTC) < since:
            continue
        elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            completed = event.activity_task_completed_event_attributes
            result = json.loads(completed.result.payloads[0].data) if completed.result.payloads else None
            if result and result.get("done"):
                ended.append((names[completed.scheduled_event_id], "SUCCESS", result["details"]))
        elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
            failed = event.activity_task_failed_event_attributes
            ended.append((names[failed.scheduled_event_id], "FAILED", _short_text(failed.failure)))
        elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
            timed_out = event.activity_task_timed_out_event_attributes
            ended.append((names[timed_out.scheduled_event_id], "FAILED", _short_text(timed_out.failure)))
        elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
            ended.append(
                (names[event.activity_task_canceled_event_attributes.scheduled_event_id], "FAILED", "Cancelled")
            )
    steps = {step.value for step in (*Step, *Housekeeping)}
    return [outcome for outcome in ended if outcome[0] in steps]


def _short_text(failure: Failure) -> str:
    """The details that the trail must have; empty for a timeout without a cause, whose text the trail chooses."""
    details = failure.application_failure_info.details.payloads
    if details:
        return str(json.loads(details[0].data)["short"])
    return _short_text(failure.cause) if failure.HasField("cause") else ""


def trail(observation: Observation) -> Iterator[str]:
    """The trail has the outcomes of the histories, each once; after a termination it may lack some."""
    for operation in observation.operations:
        yield from _trail_of(operation)
    intents = [
        row
        for operation in observation.operations
        for row in operation.rows
        # A swap that failed deletes only what was restored beside the target.
        if row.step in (Step.DELETE_RDS, Housekeeping.REMOVE_LEFTOVERS)
        and (row.phase, row.status) == (Phase.INTENT, Status.IN_PROGRESS)
    ]
    if observation.effective_calls("DeleteDBCluster") and not intents:
        yield "a deletion without its intent"


def _trail_of(operation: ObservedOperation) -> Iterator[str]:
    missing = step_outcomes(operation.newest.history)
    of_earlier_runs = [outcome for run in operation.runs[:-1] for outcome in step_outcomes(run.history)]
    rows = [row for row in operation.rows if row.phase is Phase.OUTCOME]
    for step, status, details in ((row.step.value, row.status.value, row.details) for row in rows):
        matches = [
            each for each in (*missing, *of_earlier_runs) if each[:2] == (step, status) and each[2] in ("", details)
        ]
        if not matches and not operation.is_deleted:
            yield f"a row that is not in the history: {step} {status} {details}"
        elif matches and matches[0] in missing:
            missing.remove(matches[0])
    if operation.newest.outcome not in ("terminated", "deleted", "running"):
        yield from (f"no row for {step} {status} {details}" for step, status, details in missing)
    yield from (
        f"an attempt of {row.step} failed, and nobody knows why: {row.fault}"
        for row in operation.rows
        if row.phase is Phase.ATTEMPT and row.details == UNEXPECTED
    )
    keys = Counter(row.event_key for row in operation.rows)
    yield from (f"two rows under {key}" for key, times in keys.items() if times > 1)


LOST_WITH_THE_HISTORY = (FindingKind.MISSING_SEAL, FindingKind.UNSEALED_ROW)
"""What `audit verify` finds of an operation whose workflow was deleted before it had sealed its trail."""


def verify(observation: Observation) -> Iterator[str]:
    """`audit verify` has no finding: rows, history and seals agree; after a termination, once it has repaired them.

    Of a deleted workflow it says that its history is gone, and finds only what the history would have confirmed.
    """
    for operation in observation.operations:
        if operation.verification is None:
            continue
        allowed = LOST_WITH_THE_HISTORY if operation.is_deleted else ()
        for finding in operation.verification.findings:
            if finding.kind not in allowed:
                yield (
                    f"{finding.kind} {finding.step or ''} {finding.event_key or ''} {finding.field or ''}: "
                    f"actual {finding.actual}, expected {finding.expected}"
                )
        notes = {note.kind for note in operation.verification.notes}
        if operation.is_deleted and FindingKind.HISTORY_EXPIRED not in notes:
            yield "no note says that the deleted run's history is gone"


def one_at_a_time(observation: Observation) -> Iterator[str]:
    """Two operations are never open at once, and none makes anything after its last run has ended."""
    for operation in observation.operations:
        opened = [_closed_between(run.history) for run in operation.runs]
        if not opened or operation.operation_id is None:
            continue
        tag = operation_tag(DEFAULT_ENVIRONMENT, operation.operation_id)
        for call in observation.calls:
            if {"Key": OPERATION, "Value": tag} not in call.parameters.get("Tags", ()):
                continue
            at = call.time - observation.clock_offset
            if not any(began - LAST_CALL <= at <= ended + LAST_CALL for began, ended in opened):
                yield f"{call.operation} of {operation.operation_id}, which had ended, at {at:%H:%M:%S}"


def _closed_between(history: list[HistoryEvent]) -> tuple[datetime, datetime]:
    return history[0].event_time.ToDatetime(UTC), history[-1].event_time.ToDatetime(UTC)


REFUSALS_AFTER_A_RESET = (
    "Restored by this operation", "Restored since this operation began", "Another cluster has the target's name",
    "Restored cluster not found", "Cluster not found",
)  # fmt: skip
"""Why a run that a reset began may fail: it would delete or change what was restored or deleted since."""


def resets(observation: Observation) -> Iterator[str]:
    """A run that a reset began fails only where it would harm what was restored since, or as the run that was reset."""
    for operation in observation.operations:
        first, *resets = operation.runs
        for message in map(failure_of, resets):
            if message and message != failure_of(first) and not any(each in message for each in REFUSALS_AFTER_A_RESET):
                yield f"a run of {operation.operation_id} that a reset began failed: {message}"


def failure_of(run: ObservedRun) -> str:
    """The error of a run; empty if it did not fail."""
    return run.history[-1].workflow_execution_failed_event_attributes.failure.message
