"""Small nights whose operations have numbers and seals, so that they can be verified, and hands that tamper with them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
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
from devstack.temporal_server import TemporalServer
from models.operation import OpenOperationInput
from tests.rigs.recorded_operations import Office, office
from tests.rigs.scripted_activities import Call, Night
from tests.rigs.small_workflows import SmallNight

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TARGET = "arn:aws:rds:eu-central-1:111122223333:cluster:orders-staging"


@dataclass(frozen=True)
class Tables:
    """The two tables, and everything that reads and writes them."""

    dynamodb: DynamoDBClient
    audit: str
    operations: str

    @property
    def trail(self) -> AuditTable:
        """The rows."""
        return AuditTable(self.dynamodb, self.audit)

    @property
    def seals(self) -> SealChains:
        """The chains."""
        return SealChains(self.dynamodb, self.audit, self.operations)

    @property
    def numbers(self) -> OperationNumbersTable:
        """The numbers."""
        return OperationNumbersTable(self.dynamodb, self.operations)

    def open(self, workflow_id: str, run_id: str, target: str = TARGET) -> str:
        """The number of a workflow."""
        wanted = OpenOperationInput(
            workflow_id=workflow_id, first_run_id=run_id, target_arn=target, opened_at=datetime.now(UTC)
        )
        return self.numbers.open(wanted).operation_id

    def put(self, item: dict[str, Any]) -> None:
        """Write an item over whatever is there, as nobody of ours may."""
        self.dynamodb.put_item(TableName=self.audit, Item=item)

    def remove(self, item: dict[str, Any]) -> None:
        """Delete an item, as nobody of ours may."""
        key = {name: item[name] for name in ("operation_id", "event_key")}
        self.dynamodb.delete_item(TableName=self.audit, Key=key)

    def outcome(self, operation_id: str, number: int = 0) -> dict[str, Any]:
        """One of the operation's outcome rows as it lies in the table."""
        rows = [item for item in self.trail.list_items(operation_id) if item["phase"]["S"] == Phase.OUTCOME]
        return rows[number]


class Desk:
    """An office whose nights can be verified."""

    def __init__(self, at: Office, tables: Tables) -> None:
        self.at = at
        self.tables = tables
        self.verifier = Verifier(at.client, tables.trail, tables.numbers, tables.seals)

    async def start(
        self, operation_id: str, *calls: Call, workflow_id: str | None = None, sealed: bool = True
    ) -> WorkflowHandle[Any, Any]:
        """Begin a night; its number must be the next one."""
        night = Night(operation_id=operation_id, calls=calls, sealed_for=TARGET if sealed else None)
        handle = await self.at.client.start_workflow(
            SmallNight.run, night, id=workflow_id or f"night-{uuid.uuid4().hex[:8]}", task_queue=self.at.task_queue
        )
        assert self.tables.open(handle.id, handle.first_execution_run_id or "") == operation_id
        return handle

    async def night(self, operation_id: str, *calls: Call, **options: Any) -> WorkflowHandle[Any, Any]:
        """A whole night."""
        handle = await self.start(operation_id, *calls, **options)
        await ended(handle)
        return handle

    async def reset(self, handle: WorkflowHandle[Any, Any], task: int) -> WorkflowHandle[Any, Any]:
        """Go back to before one of the workflow's tasks; nothing that came in later is told again."""
        events = [event async for event in handle.fetch_history_events()]
        run_id = (await handle.describe()).run_id
        tasks = [event.event_id for event in events if event.HasField("workflow_task_completed_event_attributes")]
        answer = await self.at.client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=self.at.client.namespace,
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
        return self.at.client.get_workflow_handle(handle.id, run_id=answer.run_id)


@asynccontextmanager
async def desk(temporal: TemporalServer, tables: Tables, **worker_options: Any) -> AsyncIterator[Desk]:
    """A worker that also seals."""
    seal = SealActivities(tables.seals).seal_trail
    async with office(temporal, tables.trail, [seal], **worker_options) as at:
        yield Desk(at, tables)


async def ended(handle: WorkflowHandle[Any, Any]) -> None:
    """Wait for the end, whatever it is."""
    try:
        await handle.result()
    except WorkflowFailureError:
        return


def kinds(verification: Verification) -> list[FindingKind]:
    """What was found."""
    return [finding.kind for finding in verification.findings]


def noted(verification: Verification) -> list[FindingKind]:
    """What was noted."""
    return [note.kind for note in verification.notes]


def changed(item: dict[str, Any], **values: str) -> dict[str, Any]:
    """The item with other texts."""
    return item | {name: {"S": value} for name, value in values.items()}


def only(rows: list[AuditRow], true: Callable[[AuditRow], bool]) -> AuditRow:
    """The one row of which this is true."""
    [row] = [row for row in rows if true(row)]
    return row
