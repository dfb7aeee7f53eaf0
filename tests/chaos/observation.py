"""What the campaign observes of a restore from the outside: history, calls, rows, messages, logs and clusters."""

from __future__ import annotations

import asyncio
import json
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from audit.activities import SEAL_TRAIL
from audit.rows import AuditRow
from devstack.aws import RecordedCall
from devstack.demo_environment import TARGET_REGION
from models.steps import Step
from tests.chaos.environment import AUDIT_TABLE, OPERATIONS_TABLE, CampaignEnvironment
from tests.chaos.login_watch import LoginWatch
from tests.chaos.observed_restore import ObservedRestore
from tests.chaos.operations import ObservedOperation, observe_operations
from tests.chaos.target_settings import read_target_settings


@dataclass(frozen=True)
class Clusters:
    """The clusters at one moment."""

    protected: dict[str, Any]
    """What no restore may change: the source and the unrelated cluster."""
    target: dict[str, Any] | None
    names: frozenset[str]
    """The names of the target and of what a swap puts beside it, as far as clusters have them."""

    @classmethod
    def describe(cls, environment: CampaignEnvironment) -> Clusters:
        """The clusters as they are now."""
        return cls(environment.describe_protected(), environment.find_target(), environment.list_swap_names())


@dataclass(frozen=True)
class Observation:
    """Everything that is known of a restore once it has ended."""

    outcome: str
    seconds: float
    injections: list[tuple[str, str]]
    """Each injected fault, with the step that was running."""
    anomalies: list[str]
    operations: tuple[ObservedOperation, ...]
    """The operations of the plan; the one of the newest run is the last."""
    started_at: datetime
    acts: list[str]
    """What the operator did to Temporal's runs."""
    calls: list[RecordedCall]
    clock_offset: timedelta
    """How far the emulator's clock is ahead."""
    numbers: list[dict[str, Any]]
    """The entries of the operations table."""
    messages: list[dict[str, Any]]
    running: list[str]
    """The workflows that still run, also those of other targets."""
    before: Clusters
    after: Clusters
    watch: LoginWatch | None
    """What a client read that logged in all the time; None without a swap."""
    settings: dict[str, Any]
    """The target's settings after it, and in `expected_settings` those before any restore."""
    expected_settings: dict[str, Any]
    users_read_new_row: bool
    """Whether the users that the restore creates read the newest row of the source."""
    passwords: frozenset[str]
    logs: str
    texts: dict[str, str]
    """The places that may contain no password: histories, rows, messages, logs."""

    @property
    def operation(self) -> ObservedOperation:
        """The operation of the newest run."""
        return self.operations[-1]

    @property
    def history(self) -> list[HistoryEvent]:
        """The history of the newest run."""
        return self.operation.newest.history

    def effective_calls(self, operation: str) -> list[RecordedCall]:
        """The calls of an AWS operation that took effect."""
        return [call for call in self.calls if call.operation == operation and call.carried_out]

    @property
    def operation_id(self) -> str | None:
        """The number of the newest run's operation."""
        return self.operation.operation_id

    @property
    def rows(self) -> list[AuditRow]:
        """The rows of the newest run's operation."""
        return self.operation.rows

    @property
    def histories(self) -> list[list[HistoryEvent]]:
        """The histories of all runs."""
        return [run.history for operation in self.operations for run in operation.runs]


async def observe(
    restore: ObservedRestore, outcome: str, seconds: float, before: Clusters, watch: LoginWatch | None = None
) -> Observation:
    """Collect everything about a restore that has ended, and terminate it if it is stuck."""
    environment = restore.environment
    if outcome == "stuck":
        await restore.handle.terminate("stuck")
    calls = list(environment.emulator.calls)
    dynamodb = environment.clients["dynamodb", TARGET_REGION]
    items = dynamodb.scan(TableName=AUDIT_TABLE)["Items"]
    numbers = [
        {name: next(iter(value.values())) for name, value in item.items()}
        for item in dynamodb.scan(TableName=OPERATIONS_TABLE)["Items"]
    ]
    operations = await observe_operations(restore, numbers, is_stuck=outcome == "stuck")
    histories = [run.history for operation in operations for run in operation.runs]
    messages = environment.demo.receive_notifications()
    after = Clusters.describe(environment)
    logs = environment.read_worker_logs()
    environment.passwords |= environment.list_passwords()
    return Observation(
        outcome=outcome,
        seconds=seconds,
        injections=[
            (fault, when if isinstance(when, str) else step_at(histories[-1], when))
            for fault, when in restore.injections
        ],
        anomalies=restore.anomalies,
        operations=operations,
        started_at=restore.started_at,
        acts=restore.acts,
        calls=calls,
        clock_offset=environment.emulator.clock.now() - datetime.now(UTC),
        numbers=numbers,
        messages=messages,
        running=[each.id async for each in restore.client.list_workflows("ExecutionStatus = 'Running'")],
        before=before,
        after=after,
        watch=watch,
        settings=read_target_settings(environment.demo),
        expected_settings=environment.target_settings,
        users_read_new_row=outcome == "succeeded" and await asyncio.to_thread(environment.users_read_new_row),
        passwords=frozenset(environment.passwords),
        logs=logs,
        texts={
            "history": "".join(
                event.SerializeToString().decode("latin-1") for history in histories for event in history
            ),
            "trail": json.dumps(items, default=lambda seal: zlib.decompress(seal).decode()),
            "messages": json.dumps(messages),
            "logs": logs,
        },
    )


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
