"""What the campaign observes of a restore from the outside: history, calls, rows, messages, logs and clusters."""

from __future__ import annotations

import asyncio
import json
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from audit.activities import SEAL_TRAIL
from audit.rows import AuditRow
from audit.verify.findings import Finding
from devstack.aws import RecordedCall
from devstack.demo_environment import TARGET_REGION
from models.steps import Step
from tests.chaos.environment import AUDIT_TABLE, OPERATIONS_TABLE, CampaignEnvironment
from tests.chaos.observed_restore import ObservedRestore


@dataclass(frozen=True)
class Clusters:
    """The clusters at one moment."""

    protected: dict[str, Any]
    """What no restore may change: the source and the unrelated cluster."""
    target: dict[str, Any] | None

    @classmethod
    def describe(cls, environment: CampaignEnvironment) -> Clusters:
        """The clusters as they are now."""
        return cls(environment.describe_protected(), environment.find_target())


@dataclass(frozen=True)
class Observation:
    """Everything that is known of a restore once it has ended."""

    outcome: str
    seconds: float
    injections: list[tuple[str, str]]
    """Each injected fault, with the step that was running."""
    anomalies: list[str]
    history: list[HistoryEvent]
    failed_run_history: list[HistoryEvent]
    """The history of the run that failed, if the restore was retried."""
    calls: list[RecordedCall]
    rows: list[AuditRow]
    numbers: list[dict[str, Any]]
    """The entries of the operations table."""
    messages: list[dict[str, Any]]
    running: list[str]
    """The workflows that still run, also those of other targets."""
    operation_id: str | None
    findings: tuple[Finding, ...]
    """The findings of `audit verify`; after a termination those that remain after `audit verify --repair`."""
    before: Clusters
    after: Clusters
    users_read_new_row: bool
    """Whether the users that the restore creates read the newest row of the source."""
    passwords: frozenset[str]
    logs: str
    texts: dict[str, str]
    """The places that may contain no password: histories, rows, messages, logs."""


async def observe(restore: ObservedRestore, outcome: str, seconds: float, before: Clusters) -> Observation:
    """Collect everything about a restore that has ended, and terminate it if it is stuck."""
    environment = restore.environment
    history = list((await restore.handle.fetch_history()).events)
    if outcome == "stuck":
        await restore.handle.terminate("stuck")
    calls = list(environment.emulator.calls)
    dynamodb = environment.clients["dynamodb", TARGET_REGION]
    items = dynamodb.scan(TableName=AUDIT_TABLE)["Items"]
    numbers = [
        {name: next(iter(value.values())) for name, value in item.items()}
        for item in dynamodb.scan(TableName=OPERATIONS_TABLE)["Items"]
    ]
    operation_id = _operation_id(history, numbers)
    rows = environment.trail.list_rows(operation_id) if operation_id else []  # before `verify` repairs anything
    findings = await _verify(restore, operation_id, outcome) if operation_id else ()
    messages = environment.demo.receive_notifications()
    after = Clusters.describe(environment)
    logs = environment.read_worker_logs()
    histories = (*restore.failed_run_history, *history)
    environment.passwords |= environment.list_passwords()
    return Observation(
        outcome=outcome,
        seconds=seconds,
        injections=[
            (fault, when if isinstance(when, str) else step_at(history, when)) for fault, when in restore.injections
        ],
        anomalies=restore.anomalies,
        history=history,
        failed_run_history=restore.failed_run_history,
        calls=calls,
        rows=rows,
        numbers=numbers,
        messages=messages,
        running=[each.id async for each in restore.client.list_workflows("ExecutionStatus = 'Running'")],
        operation_id=operation_id,
        findings=findings,
        before=before,
        after=after,
        users_read_new_row=outcome == "succeeded" and await asyncio.to_thread(environment.users_read_new_row),
        passwords=frozenset(environment.passwords),
        logs=logs,
        texts={
            "history": "".join(event.SerializeToString().decode("latin-1") for event in histories),
            "trail": json.dumps(items, default=lambda seal: zlib.decompress(seal).decode()),
            "messages": json.dumps(messages),
            "logs": logs,
        },
    )


def _operation_id(history: list[HistoryEvent], numbers: list[dict[str, Any]]) -> str | None:
    first_run_id = history[0].workflow_execution_started_event_attributes.first_execution_run_id
    own = [entry for entry in numbers if entry.get("first_run_id") == first_run_id and "operation_id" in entry]
    return own[0]["operation_id"] if own else None


async def _verify(restore: ObservedRestore, operation_id: str, outcome: str) -> tuple[Finding, ...]:
    if outcome == "stuck":
        return ()
    verifier = restore.environment.verifier(restore.client)
    # A terminated workflow runs no code: the trail lacks the end of its last step until an operator repairs it.
    if outcome == "terminated":
        return (await verifier.repair(operation_id)).findings
    return (await verifier.verify(operation_id)).findings


def step_at(history: list[HistoryEvent], moment: datetime) -> str:
    """The step that was running at a moment; before the first step it is `open-operation`."""
    steps = {SEAL_TRAIL, *(step.value for step in Step)}
    running = "open-operation"
    for event in history:
        if event.event_type != EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            continue
        name = event.activity_task_scheduled_event_attributes.activity_type.name
        if name in steps and event.event_time.ToDatetime(UTC) <= moment:
            running = name
    return running
