"""What the campaign observes of each operation of a plan: its runs, its rows, and what `audit verify` finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from audit.rows import AuditRow
from audit.verify.findings import Verification
from tests.chaos.observed_restore import WORKFLOW_ID, ObservedRestore

CLOSED = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "succeeded",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: "failed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: "cancelled",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: "terminated",
}


@dataclass(frozen=True)
class ObservedRun:
    """One run, by its history."""

    run_id: str
    history: list[HistoryEvent]
    is_deleted: bool
    """Whether the operator deleted it; the history is the one of just before."""

    @property
    def first_run_id(self) -> str:
        """The first run of its operation: a reset run belongs to the operation of the run that was reset."""
        return self.history[0].workflow_execution_started_event_attributes.first_execution_run_id

    @property
    def outcome(self) -> str:
        """How it ended."""
        return "deleted" if self.is_deleted else CLOSED.get(self.history[-1].event_type, "running")


@dataclass(frozen=True)
class ObservedOperation:
    """Everything that is known of one operation."""

    operation_id: str | None
    """None if it ended before it got a number."""
    runs: tuple[ObservedRun, ...]
    """The newest last."""
    rows: list[AuditRow]
    verification: Verification | None
    """By `audit verify`; after a termination by `audit verify --repair`. None without a number."""

    @property
    def newest(self) -> ObservedRun:
        """The run in which it ended."""
        return self.runs[-1]

    @property
    def is_deleted(self) -> bool:
        """Whether Temporal has lost one of its runs."""
        return any(run.is_deleted for run in self.runs)


async def observe_operations(
    restore: ObservedRestore, numbers: list[dict[str, Any]], *, is_stuck: bool
) -> tuple[ObservedOperation, ...]:
    """The operations of the plan; the one of the newest run is the last."""
    groups: dict[str, list[ObservedRun]] = {}
    for run in await _read_runs(restore):
        groups[run.first_run_id] = [*groups.pop(run.first_run_id, []), run]
    return tuple([await _observe(restore, tuple(runs), numbers, is_stuck=is_stuck) for runs in groups.values()])


async def _read_runs(restore: ObservedRestore) -> list[ObservedRun]:
    """The runs of the plan, the newest last."""
    run_ids = list(dict.fromkeys(restore.earlier_run_ids))
    if not restore.is_deleted:
        run_ids.append((await restore.handle.describe()).run_id)
    histories = restore.histories | {
        run_id: list((await restore.client.get_workflow_handle(WORKFLOW_ID, run_id=run_id).fetch_history()).events)
        for run_id in run_ids
        if run_id not in restore.histories
    }
    return [ObservedRun(run_id, histories[run_id], run_id in restore.deleted_run_ids) for run_id in run_ids]


async def _observe(
    restore: ObservedRestore, runs: tuple[ObservedRun, ...], numbers: list[dict[str, Any]], *, is_stuck: bool
) -> ObservedOperation:
    own = [entry for entry in numbers if entry.get("first_run_id") == runs[0].first_run_id]
    operation_id: str | None = next((entry["operation_id"] for entry in own if "operation_id" in entry), None)
    rows = restore.environment.trail.list_rows(operation_id) if operation_id else []  # before a repair
    verifier = restore.environment.verifier(restore.client)
    verification: Verification | None = None
    if operation_id and not is_stuck:
        # A terminated workflow runs no code: the trail lacks the end of its last step until an operator repairs it.
        repairs = any(run.outcome == "terminated" for run in runs)
        verification = await (verifier.repair(operation_id) if repairs else verifier.verify(operation_id))
    return ObservedOperation(operation_id, runs, rows, verification)
