"""One night on a stage while its incidents happen, and everything that can be seen of it from the outside."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Protocol

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError

from audit.activities import SEAL_TRAIL
from audit.rows import AuditRow
from audit.verify.findings import Finding
from devstack.aws import Durations, RecordedCall
from devstack.aws.fault_injection import InjectedFault
from devstack.demo_environment import TARGET_REGION
from devstack.pipeline import ROOT, own_environment
from devstack.processes import Server
from models.steps import Step
from models.workflow_names import RESTORE_WORKFLOW
from tests.chaos.environment import AUDIT_TABLE, OPERATIONS_TABLE, QUICK, TASK_QUEUE, Stage

WORKFLOW_ID = "aurora-restore:111122223333:eu-central-1:orders-staging"
NEIGHBOURS_WORKFLOW_ID = "aurora-restore:111122223333:eu-central-1:orders-elsewhere"
LONGEST_NIGHT = 330.0
"""Seconds until a night counts as stuck: the longest fault takes 190 s, and no retry comes later than a minute."""
RPC = timedelta(seconds=3)
ENDINGS = {
    WorkflowExecutionStatus.COMPLETED: "succeeded",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.CANCELED: "cancelled",
    WorkflowExecutionStatus.TERMINATED: "terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed out",
}


class NotHit(Exception):
    """The night ended before the moment came."""


@dataclass
class Night:
    """What the incidents act upon."""

    stage: Stage
    client: Client
    chance: Random
    snapshot: str
    waits: dict[str, dict[str, str]] = field(default_factory=dict)
    neighbour: bool = False
    to_be_retried: bool = False
    earlier: list[HistoryEvent] = field(default_factory=list)
    """The history of the run that failed, if the night was retried."""
    closed: bool = False
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    hits: list[tuple[str, str | datetime]] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    """What an incident itself found wrong."""

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """The target's workflow."""
        return self.client.get_workflow_handle(WORKFLOW_ID)

    @property
    def worker(self) -> Server:
        """The oldest that runs. Raises `NotHit` if none does."""
        running = [worker for worker in self.stage.workers if worker.exit_status() is None]
        if not running:
            raise NotHit
        return running[0]

    def arm(self, service: str, operation: str, kind: Any, **options: Any) -> InjectedFault:
        """Let calls go wrong from now on."""
        return self.stage.emulator.faults.add(service, operation, kind, **options)

    async def fired(self, fault: InjectedFault) -> None:
        """Wait until a fault meets a call. Raises `NotHit`."""
        await self.until(lambda: fault.fired > 0)
        self.hit()

    def hit(self, step: str | None = None) -> None:
        """An incident met the night, in the step that is under way unless it says which; each has a task of its name."""
        task = asyncio.current_task()
        self.hits.append((task.get_name() if task else "", step or datetime.now(UTC)))

    async def until(self, came: Callable[[], bool]) -> None:
        """Raises `NotHit` if the night is over before."""
        while not came():
            if self.closed:
                raise NotHit
            await asyncio.sleep(0.01)


class Named(Protocol):
    """What has a name."""

    @property
    def name(self) -> str: ...


class Happening(Protocol):
    """What comes into a night (tests.chaos.transient_faults.Incident)."""

    @property
    def entry(self) -> Named: ...

    @property
    def durations(self) -> Durations | None: ...

    async def prepare(self, night: Night) -> None: ...

    async def strike(self, night: Night) -> None: ...


@dataclass(frozen=True)
class Seen:
    """Everything that is known of a night once it is over."""

    outcome: str
    seconds: float
    hits: list[tuple[str, str]]
    """What hit, and the step that was under way."""
    strange: list[str]
    history: list[HistoryEvent]
    earlier: list[HistoryEvent]
    """Of the run before, if the night was retried."""
    calls: list[RecordedCall]
    rows: list[AuditRow]
    numbers: list[dict[str, Any]]
    """The entries of the operations table."""
    messages: list[dict[str, Any]]
    running: list[str]
    """Workflows that are still open, the night's neighbours included."""
    operation_id: str | None
    findings: tuple[Finding, ...]
    """Of `audit verify`; after a terminate, what is left of them once it has repaired."""
    pictures: tuple[dict[str, Any], dict[str, Any]]
    """Of what no night may touch, before and after."""
    targets: tuple[dict[str, Any] | None, dict[str, Any] | None]
    users_see: bool
    snapshot: str
    planted: frozenset[str]
    logs: str
    raw: dict[str, str]
    """Where secrets are looked for: histories, rows, messages, logs."""


async def play(stage: Stage, incidents: Sequence[Happening], chance: Random) -> Seen:
    """A night with these incidents, from the evening before to the morning after."""
    durations = next((each.durations for each in incidents if each.durations), QUICK)
    snapshot = await asyncio.to_thread(stage.evening, durations)
    client = await stage.connect()
    night = Night(stage, client, chance, snapshot)
    for incident in incidents:
        await incident.prepare(night)
    before = await asyncio.to_thread(lambda: (stage.picture(), stage.target()))
    stage.emulator.calls.clear()
    strikes = [asyncio.create_task(each.strike(night), name=each.entry.name) for each in incidents]
    await asyncio.sleep(0)
    night.began, began = datetime.now(UTC), time.monotonic()
    await client.start_workflow(RESTORE_WORKFLOW, stage.request(**night.waits), id=WORKFLOW_ID, task_queue=TASK_QUEUE)
    if night.neighbour:
        await _start_neighbour(night)
    outcome = await _ending(night)
    seconds = time.monotonic() - began
    night.closed = True
    for done in await asyncio.gather(*strikes, return_exceptions=True):
        if isinstance(done, BaseException) and not isinstance(done, NotHit):
            night.strange.append(f"the incident itself failed: {done!r}")
    stage.emulator.faults.clear()
    await asyncio.to_thread(stage.one_worker)
    # Whatever a stale worker still does, it does now.
    await asyncio.sleep(0.3)
    return await _seen(night, outcome, seconds, before)


async def _start_neighbour(night: Night) -> None:
    request = night.stage.request()
    request["target"] = {**request["target"], "cluster": "orders-elsewhere"}
    await night.client.start_workflow(RESTORE_WORKFLOW, request, id=NEIGHBOURS_WORKFLOW_ID, task_queue=TASK_QUEUE)


async def _ending(night: Night) -> str:
    """How the workflow ended; `stuck` if it did not."""
    end = time.monotonic() + LONGEST_NIGHT
    while time.monotonic() < end:
        with suppress(RPCError):
            statuses = [(await night.handle.describe(rpc_timeout=RPC)).status]
            if night.neighbour:
                neighbour = night.client.get_workflow_handle(NEIGHBOURS_WORKFLOW_ID)
                statuses.append((await neighbour.describe(rpc_timeout=RPC)).status)
            if statuses[0] is WorkflowExecutionStatus.FAILED and night.to_be_retried:
                await _retry(night)
            elif WorkflowExecutionStatus.RUNNING not in statuses and statuses[0] is not None:
                return ENDINGS.get(statuses[0], statuses[0].name)
        await asyncio.sleep(0.1)
    return "stuck"


async def _retry(night: Night) -> None:
    """What the operator does once the cause is mended: `starter.py retry`."""
    night.to_be_retried = False
    night.earlier = list((await night.handle.fetch_history()).events)
    retry: list[str | Path] = [sys.executable, ROOT / "starter.py", "retry", "orders-staging", "--no-wait"]
    done = await asyncio.to_thread(
        subprocess.run, retry, env=own_environment(night.stage.stack.environment), capture_output=True, text=True, check=False
    )  # fmt: skip
    if done.returncode != 0:
        night.strange.append(f"starter.py retry ended with {done.returncode}: {done.stderr}")


async def _seen(night: Night, outcome: str, seconds: float, before: tuple[Any, Any]) -> Seen:
    stage = night.stage
    history = list((await night.handle.fetch_history()).events)
    if outcome == "stuck":
        await night.handle.terminate("stuck")
    calls = list(stage.emulator.calls)
    dynamodb = stage.clients["dynamodb", TARGET_REGION]
    items = dynamodb.scan(TableName=AUDIT_TABLE)["Items"]
    numbers = [
        {name: next(iter(value.values())) for name, value in item.items()}
        for item in dynamodb.scan(TableName=OPERATIONS_TABLE)["Items"]
    ]
    run_id = history[0].workflow_execution_started_event_attributes.first_execution_run_id
    operation_id = next(
        (entry["operation_id"] for entry in numbers if entry.get("first_run_id") == run_id and "operation_id" in entry),
        None,
    )
    rows = stage.trail.list_rows(operation_id) if operation_id else []  # as they are before anything is repaired
    findings = await _verified(night, operation_id, outcome) if operation_id else ()
    messages = stage.demo.receive_notifications()
    after = stage.picture(), stage.target()
    logs = "".join(text for _, text in stage.logs())
    raw = {
        "history": "".join(event.SerializeToString().decode("latin-1") for event in (*night.earlier, *history)),
        "trail": json.dumps(items, default=lambda of_a_seal: zlib.decompress(of_a_seal).decode()),
        "messages": json.dumps(messages),
        "logs": logs,
    }
    stage.planted |= stage.secrets()
    return Seen(
        outcome=outcome,
        seconds=seconds,
        hits=[(name, at if isinstance(at, str) else step_at(history, at)) for name, at in night.hits],
        strange=night.strange,
        history=history,
        earlier=night.earlier,
        calls=calls,
        rows=rows,
        numbers=numbers,
        messages=messages,
        running=[each.id async for each in night.client.list_workflows("ExecutionStatus = 'Running'")],
        operation_id=operation_id,
        findings=findings,
        pictures=(before[0], after[0]),
        targets=(before[1], after[1]),
        users_see=outcome == "succeeded" and await asyncio.to_thread(stage.users_see),
        snapshot=night.snapshot,
        planted=frozenset(stage.planted),
        logs=logs,
        raw=raw,
    )


async def _verified(night: Night, operation_id: str, outcome: str) -> tuple[Finding, ...]:
    if outcome == "stuck":
        return ()
    verifier = night.stage.verifier(night.client)
    # Terminate runs nothing: the trail then lacks what the history has, until somebody has it repaired.
    look = verifier.repair if outcome == "terminated" else verifier.verify
    return (await look(operation_id)).findings


def step_at(history: list[HistoryEvent], moment: datetime) -> str:
    """The step that was under way; before the first, the number was being taken."""
    steps = {SEAL_TRAIL, *(step.value for step in Step)}
    found = "open-operation"
    for event in history:
        if event.event_type != EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            continue
        name = event.activity_task_scheduled_event_attributes.activity_type.name
        if name in steps and event.event_time.ToDatetime(UTC) <= moment:
            found = name
    return found
