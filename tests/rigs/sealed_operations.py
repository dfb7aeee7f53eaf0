"""Operations of one target with rows and seals as the workflow makes them, without a workflow."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any

from audit.activities import SEAL_TRAIL
from audit.chain import SealChains, head_record
from audit.rows import Phase
from audit.seal_rows import SealRow, from_seal_item, is_seal
from audit.table import AuditTable
from audit.verify.chain_walk import ChainWalk
from audit.verify.findings import FindingKind
from audit.verify.seal_check import SealCheck
from audit.verify.seal_findings import SealFindings
from models.operation import OpenOperationInput
from models.seal import Seal, SealInput
from models.steps import Status, Step
from tests.rigs.audit_tables import START, row
from tests.rigs.verification import TARGET_ARN, Tables

WORKFLOW_ID = row().workflow_id
OPERATIONS = ("op-001", "op-002", "op-003")


class SealedOperations:
    """Each operation begins a day after the one before; it has a beginning, two outcomes and two seals."""

    def __init__(self, tables: Tables, retention: timedelta | None = None, count: int = len(OPERATIONS)) -> None:
        self.tables = tables
        self.trail = AuditTable(tables.dynamodb, tables.audit, retention)
        self.chains = SealChains(tables.dynamodb, tables.audit, tables.operations, retention)
        self.seals: dict[str, list[Seal]] = {}
        """By operation: what seal-trail returned."""
        for day in range(count):
            self._run_operation(day)

    def _run_operation(self, day: int) -> None:
        at = START + timedelta(days=day)
        request = OpenOperationInput(
            workflow_id=WORKFLOW_ID, first_run_id=f"run-{day}", target_arn=TARGET_ARN, opened_at=at
        )
        operation_id = self.tables.numbers.open(request).operation_id
        fields = {"operation_id": operation_id, "run_id": f"run-{day}"}
        self.trail.put(row(**fields, phase=Phase.STARTED, status=Status.IN_PROGRESS, timestamp=at))
        self.trail.put(row(**fields, timestamp=at, details=f"Started copy {day}"))
        first = self._seal(operation_id, day, at + timedelta(minutes=1))
        self.trail.put(row(**fields, step=Step.SNS_NOTIFICATION, timestamp=at + timedelta(minutes=2)))
        self.seals[operation_id] = [first, self._seal(operation_id, day, at + timedelta(minutes=3))]

    def _seal(self, operation_id: str, day: int, at: datetime) -> Seal:
        seal_input = SealInput(operation_id=operation_id, target_arn=TARGET_ARN, workflow_id=WORKFLOW_ID, sealed_at=at)
        return self.chains.append(seal_input, f"run-{day}", SEAL_TRAIL)

    def check(
        self,
        operation_id: str = "op-002",
        *,
        now: datetime = START,
        has_ended: bool = True,
        with_history: bool = False,
        confirmed_keys: AbstractSet[str] | None = None,
    ) -> SealFindings:
        """Check the operation's seals; `with_history` if Temporal still has the results of seal-trail."""
        operation = self.tables.numbers.find(operation_id)
        assert operation is not None
        check = SealCheck(ChainWalk(self.chains, TARGET_ARN), operation, self.trail.list_items(operation_id), now)
        recorded = self.seals[operation_id] if with_history else []
        return check.check(recorded, has_ended=has_ended, confirmed_keys=confirmed_keys)

    def seal_item(self, operation_id: str, index: int) -> dict[str, Any]:
        """One of the operation's seals as DynamoDB stores it."""
        return [item for item in self.trail.list_items(operation_id) if is_seal(item)][index]

    def seal_row(self, operation_id: str, index: int) -> SealRow:
        """One of the operation's seals."""
        seal = from_seal_item(self.seal_item(operation_id, index))
        assert seal is not None
        return seal

    def delete_head(self) -> None:
        """Delete the head of the chain."""
        key = {"record": {"S": head_record(TARGET_ARN)}}
        self.tables.dynamodb.delete_item(TableName=self.tables.operations, Key=key)


def places(result: SealFindings) -> set[tuple[FindingKind, str | None]]:
    """Kind and key of each finding."""
    return {(finding.kind, finding.event_key) for finding in result.findings}
