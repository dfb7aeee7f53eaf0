"""Runs that a schedule has started and that no worker has taken: they wait, and only Temporal knows of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from temporalio.client import Client, WorkflowExecution
from temporalio.common import SearchAttributeKey

from models.search_attributes import OPERATION, STEP
from models.workflow_names import (
    CANONICAL_ID_PREFIX,
    CLEANUP_WORKFLOW,
    RESTORE_WORKFLOW,
    SCHEDULED_DRILL_ID_PREFIX,
    SCHEDULED_ID_PREFIX,
)

SCHEDULED_START_TIME = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
"""Source: Temporal docs, Search Attributes."""

COLONS = 2
"""In ACCOUNT:REGION:CLUSTER."""


class DueRun(NamedTuple):
    """A run that waits for a worker to begin it."""

    workflow_id: str
    target_workflow_id: str
    """The one workflow id of its target."""
    task_queue: str
    due_at: datetime

    @property
    def kind(self) -> str:
        """What is due: a restore or a drill."""
        return "drill" if self.workflow_id.startswith(SCHEDULED_DRILL_ID_PREFIX) else "restore"

    @property
    def cluster(self) -> str:
        """The target cluster's name."""
        return self.target_workflow_id.rpartition(":")[2]


class RunningRun(NamedTuple):
    """What runs under a target's canonical workflow id, as Temporal knows it without a worker."""

    workflow_id: str
    started_at: datetime
    is_cleanup: bool
    operation_id: str | None
    """None until a worker has opened the operation."""
    step: str | None
    """The current step, or that it waits for an operator."""

    @property
    def cluster(self) -> str:
        """The target cluster's name."""
        return self.workflow_id.rpartition(":")[2]


async def list_running(client: Client) -> tuple[list[RunningRun], list[DueRun]]:
    """Everything that runs, and what is due and waits for a worker. One read for each thousand runs."""
    types = f"'{RESTORE_WORKFLOW}', '{CLEANUP_WORKFLOW}'"
    query = f"ExecutionStatus = 'Running' AND WorkflowType IN ({types})"
    executions = [execution async for execution in client.list_workflows(query)]
    running = [_running(each) for each in executions if each.id.startswith(CANONICAL_ID_PREFIX)]
    return running, _list_due(executions, {run.workflow_id for run in running})


def _running(execution: WorkflowExecution) -> RunningRun:
    attributes = execution.typed_search_attributes
    is_cleanup = execution.workflow_type == CLEANUP_WORKFLOW
    step = attributes.get(STEP)
    return RunningRun(execution.id, execution.start_time, is_cleanup, attributes.get(OPERATION), step)


def _list_due(executions: Iterable[WorkflowExecution], busy: set[str]) -> list[DueRun]:
    """The scheduled runs, without those that only wait for the restore of their target."""
    due = []
    for execution in executions:
        scheduled = execution.typed_search_attributes.get(SCHEDULED_START_TIME)
        # The id ends with the time, which Temporal appends: …-2026-11-25T00:05:00Z.
        target = execution.id[: -len("-2026-11-25T00:05:00Z")]
        target = target.removeprefix(SCHEDULED_DRILL_ID_PREFIX).removeprefix(SCHEDULED_ID_PREFIX)
        target_workflow_id = f"{CANONICAL_ID_PREFIX}{target}"
        is_ours = execution.id.startswith(SCHEDULED_ID_PREFIX) and target.count(":") == COLONS
        if is_ours and scheduled is not None and target_workflow_id not in busy:
            due.append(DueRun(execution.id, target_workflow_id, execution.task_queue, scheduled))
    return sorted(due, key=lambda run: run.due_at)
