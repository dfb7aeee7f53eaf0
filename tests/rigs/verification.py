"""Scripted workflows with operation numbers and seals, which `audit verify` can verify, and ways to tamper with them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowFailureError, WorkflowHandle

from audit.activities import SealActivities
from audit.chain import SealChains
from audit.numbers import OperationNumbersTable
from audit.rows import AuditRow, Phase
from audit.table import AuditTable
from audit.verify.findings import FindingKind, Verification
from audit.verify.verifier import Verifier
from devstack.aws.emulator import Emulator
from devstack.temporal_server import TemporalServer
from models.operation import OpenOperationInput
from models.steps import Step
from tests.rigs import scripted_activities
from tests.rigs.recorded_operations import ScriptedWorker, scripted_worker, wait_until
from tests.rigs.scripted_activities import ScriptedOperation, ScriptedStep
from tests.rigs.scripted_workflow import ScriptedWorkflow

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

UNTIL_CANCELLED = ScriptedStep(step=Step.RESTORE_SNAPSHOT, behaviour="run-until-cancelled")
"""A step during which a test can terminate, cancel or reset the workflow."""
TARGET_ARN = "arn:aws:rds:eu-central-1:111122223333:cluster:orders-staging"


@dataclass(frozen=True)
class Tables:
    """The two DynamoDB tables, what reads and writes them, and what no worker may do to them."""

    dynamodb: DynamoDBClient
    audit: str
    operations: str

    @property
    def trail(self) -> AuditTable:
        """The rows."""
        return AuditTable(self.dynamodb, self.audit)

    @property
    def chains(self) -> SealChains:
        """The chains of seals."""
        return SealChains(self.dynamodb, self.audit, self.operations)

    @property
    def numbers(self) -> OperationNumbersTable:
        """The operation numbers."""
        return OperationNumbersTable(self.dynamodb, self.operations)

    def open(self, workflow_id: str, run_id: str, target_arn: str = TARGET_ARN) -> str:
        """Open an operation for a workflow; return its number."""
        request = OpenOperationInput(
            workflow_id=workflow_id, first_run_id=run_id, target_arn=target_arn, opened_at=datetime.now(UTC)
        )
        return self.numbers.open(request).operation_id

    def overwrite(self, item: dict[str, Any]) -> None:
        """Put an item without a condition."""
        self.dynamodb.put_item(TableName=self.audit, Item=item)

    def delete(self, item: dict[str, Any]) -> None:
        """Delete an item."""
        key = {name: item[name] for name in ("operation_id", "event_key")}
        self.dynamodb.delete_item(TableName=self.audit, Key=key)

    def outcome_item(self, operation_id: str, index: int = 0) -> dict[str, Any]:
        """One of the operation's outcome rows as DynamoDB stores it."""
        items = self.trail.list_items(operation_id)
        return [item for item in items if item["phase"]["S"] == Phase.OUTCOME][index]


def trail_variables(aws: Emulator, tables: Tables) -> dict[str, str]:
    """The environment of a verb that reads these tables; Temporal is away."""
    return {
        "AURORA_RESTORE_AUDIT_REGION": "eu-central-1",
        "AURORA_RESTORE_AUDIT_TABLE": tables.audit,
        "AURORA_RESTORE_OPERATIONS_TABLE": tables.operations,
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_ACCESS_KEY_ID": "111122223333",
        "AWS_SECRET_ACCESS_KEY": "-",
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
    }


class VerifyingWorker:
    """A scripted worker whose operations have numbers, so that they can be verified."""

    def __init__(self, worker: ScriptedWorker, tables: Tables) -> None:
        self._worker = worker
        self._tables = tables
        self.verifier = Verifier(worker.client, tables.trail, tables.numbers, tables.chains)

    async def start(
        self,
        operation_id: str,
        *steps: ScriptedStep,
        workflow_id: str | None = None,
        sealed: bool = True,
        recorded_as: str | None = None,
    ) -> WorkflowHandle[Any, Any]:
        """Start a workflow; `operation_id` must be the next number, under which its steps run unless `recorded_as`."""
        operation = ScriptedOperation(
            operation_id=recorded_as or operation_id, steps=steps, seal_target_arn=TARGET_ARN if sealed else None
        )
        handle = await self._worker.client.start_workflow(
            ScriptedWorkflow.run,
            operation,
            id=workflow_id or f"workflow-{uuid.uuid4().hex[:8]}",
            task_queue=self._worker.task_queue,
        )
        assert self._tables.open(handle.id, handle.first_execution_run_id or "") == operation_id
        return handle

    async def run(self, operation_id: str, *steps: ScriptedStep, **options: Any) -> WorkflowHandle[Any, Any]:
        """Start a workflow, and wait until it closes."""
        handle = await self.start(operation_id, *steps, **options)
        await wait_for_end(handle)
        return handle

    async def reset(self, handle: WorkflowHandle[Any, Any], task: int) -> WorkflowHandle[Any, Any]:
        """Reset the workflow to before one of its workflow tasks, without the signals and updates that came later."""
        events = [event async for event in handle.fetch_history_events()]
        run_id = (await handle.describe()).run_id
        tasks = [event.event_id for event in events if event.HasField("workflow_task_completed_event_attributes")]
        answer = await self._worker.client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=self._worker.client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=run_id),
                reason="a test",
                request_id=str(uuid.uuid4()),
                workflow_task_finish_event_id=tasks[task],
                reset_reapply_exclude_types=[
                    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
                    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
                ],
            )
        )
        return self._worker.client.get_workflow_handle(handle.id, run_id=answer.run_id)


@asynccontextmanager
async def verifying_worker(
    temporal: TemporalServer, tables: Tables, **worker_options: Any
) -> AsyncIterator[VerifyingWorker]:
    """Run a worker that can also seal, during the block."""
    seal_trail = SealActivities(tables.chains).seal_trail
    async with scripted_worker(temporal, tables.trail, [seal_trail], **worker_options) as worker:
        yield VerifyingWorker(worker, tables)


def with_worker(temporal: TemporalServer, tables: Tables, scenario: Callable[[VerifyingWorker], Awaitable[Any]]) -> Any:
    """Run a scenario while a worker runs."""

    async def run() -> Any:
        async with verifying_worker(temporal, tables) as worker:
            return await scenario(worker)

    return asyncio.run(run())


async def wait_for_effects(count: int) -> None:
    """Wait until the activities of op-001 have taken effect this many times."""
    await wait_until(lambda: scripted_activities.effects["op-001"] >= count)


async def start_and_terminate(worker: VerifyingWorker, effects: int, *steps: ScriptedStep) -> None:
    """Start op-001, and terminate it when its activities have taken effect this many times."""
    handle = await worker.start("op-001", *steps)
    await wait_for_effects(effects)
    await handle.terminate("a test")


async def wait_for_end(handle: WorkflowHandle[Any, Any]) -> None:
    """Wait until a workflow closes, however it ends."""
    try:
        await handle.result()
    except WorkflowFailureError:
        return


def finding_kinds(verification: Verification) -> list[FindingKind]:
    """The kinds of the findings, in their order."""
    return [finding.kind for finding in verification.findings]


def note_kinds(verification: Verification) -> list[FindingKind]:
    """The kinds of the notes, in their order."""
    return [note.kind for note in verification.notes]


def with_texts(item: dict[str, Any], **values: str) -> dict[str, Any]:
    """The item with other texts in these attributes."""
    return item | {name: {"S": value} for name, value in values.items()}


def only_row(rows: list[AuditRow], condition: Callable[[AuditRow], bool]) -> AuditRow:
    """The one row that meets a condition."""
    [row] = [row for row in rows if condition(row)]
    return row
