"""Asking a worker to do what an operator's identity may not, such as a plan or a row of a decision.

Each call is a short workflow, so that it needs Temporal alone, waits for a worker that is busy, and stays in a history.
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import TimeoutError as TemporalTimeoutError
from temporalio.exceptions import is_cancelled_exception

from errors import Final, fault_of
from models.decisions import RetryDecision
from models.leftovers import ListOrphansInput, OrphanList
from models.masking import LiveSchema
from models.plan import Plan
from models.repair import Repaired, RepairInput
from models.request import RestoreRequest
from models.workflow_names import (
    DECISION_WORKFLOW,
    ORPHANS_WORKFLOW,
    PLAN_WORKFLOW,
    REPAIR_WORKFLOW,
    SCHEMA_WORKFLOW,
    WORKER_CALL_ID_PREFIX,
)
from runs.restores import RestoreRefused
from runs.workers import count_workers, no_worker_text

PATIENCE = timedelta(minutes=6)
"""Longer than the activity may take; Temporal ends a call that no worker has taken by then."""

Answer = TypeVar("Answer")


class WorkerCalls:
    """Calls to the workers of one task queue.

    Each raises `RestoreRefused` if no worker polls, `Final` with the worker's own fault if the call fails there.
    """

    def __init__(self, client: Client, task_queue: str) -> None:
        """`client` has the plugin, for its data converter."""
        self._client = client
        self._task_queue = task_queue

    async def plan(self, request: RestoreRequest) -> Plan:
        """What a restore would do if it began now."""
        return await self._call(PLAN_WORKFLOW, request, Plan, f"plan-{request.target.cluster}")

    async def list_orphans(self, listed: ListOrphansInput) -> OrphanList:
        """The copies of a target that nothing uses."""
        return await self._call(ORPHANS_WORKFLOW, listed, OrphanList, f"orphans-{listed.request.target.cluster}")

    async def record(self, decision: RetryDecision) -> None:
        """Write the row of a decision; repeated, it is written once."""
        await self._call(DECISION_WORKFLOW, decision, type(None), f"retry-{decision.operation_id}")

    async def repair(self, operation_id: str) -> tuple[str, ...]:
        """Add what the trail of an operation lacks; returns the keys of what was added."""
        repair = RepairInput(operation_id=operation_id)
        return (await self._call(REPAIR_WORKFLOW, repair, Repaired, f"repair-{operation_id}")).added

    async def read_schema(self, request: RestoreRequest) -> LiveSchema:
        """The schema of the live target of a request."""
        return await self._call(SCHEMA_WORKFLOW, request, LiveSchema, f"schema-{request.target.cluster}")

    async def _call(self, workflow_type: str, argument: Any, result_type: type[Answer], name: str) -> Answer:
        if not await count_workers(self._client, self._task_queue, datetime.now(UTC)):
            raise RestoreRefused(f"A worker does this, and none is there. {no_worker_text(self._task_queue)}")
        handle: WorkflowHandle[Any, Answer] = await self._client.start_workflow(
            workflow_type,
            argument,
            id=f"{WORKER_CALL_ID_PREFIX}{name}-{uuid.uuid4().hex[:12]}",
            task_queue=self._task_queue,
            result_type=result_type,
            execution_timeout=PATIENCE,
        )
        try:
            return await handle.result()
        except WorkflowFailureError as error:
            raise self._failure(error) from None
        except asyncio.CancelledError:
            await asyncio.shield(handle.cancel())
            raise

    def _failure(self, error: WorkflowFailureError) -> Exception:
        if isinstance(error.cause, TemporalTimeoutError):
            minutes = int(PATIENCE.total_seconds() // 60)
            return RestoreRefused(f"No worker answered within {minutes} minutes. {no_worker_text(self._task_queue)}")
        if is_cancelled_exception(error.cause):
            return RestoreRefused("The call was cancelled. Repeat the command.")
        fault = fault_of(error.cause)
        return Final(fault.short, fault.message, code=fault.code, request_id=fault.request_id)
