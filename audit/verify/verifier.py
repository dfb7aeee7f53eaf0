"""Verifies the trail of an operation against Temporal's history and against its seals, and repairs what is missing.

A repair only adds: the rows that the history has and the trail lacks, marked as added, and a seal over them. A row that
was changed or deleted after it was sealed stays a finding for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from temporalio.client import Client

from audit.chain import SealChains
from audit.numbers import OpenedOperation, OperationNumbersTable
from audit.rows import ADDED_AT, ADDED_BY, AuditRow, from_item, stamp
from audit.seal_rows import is_seal, seal_key
from audit.table import AuditTable
from audit.verify.chain_walk import ChainWalk
from audit.verify.findings import FIND_WRITER, Finding, FindingKind, State, Verification
from audit.verify.history import OperationHistory, read_history
from audit.verify.history_check import HistoryComparison, compare_with_history
from audit.verify.seal_check import SealCheck
from audit.verify.seal_findings import SealFindings
from audit.verify.workflow_runs import WorkflowRuns
from models.seal import SealInput

AUDIT_VERIFY = "audit verify"
TARGETS_AT_ONCE = 8
"""Fewer than botocore's ten connections to one endpoint."""
_AGAIN = "Verify again after the workflow has ended."


class UnknownOperation(Exception):
    """The operation's number was never allocated."""


class Verifier:
    """Verifies and repairs the trail of operations."""

    def __init__(self, client: Client, table: AuditTable, numbers: OperationNumbersTable, chains: SealChains) -> None:
        """`client` must have the plugin, because it decodes the history."""
        self._client = client
        self._table = table
        self._numbers = numbers
        self._chains = chains

    async def verify(self, operation_id: str) -> Verification:
        """Compare the trail with the history and the seals. Changes nothing.

        Raises `UnknownOperation`, `TrailUnavailable`, or `RPCError` if Temporal is unavailable.
        """
        [verification] = await self.verify_all([self.find(operation_id)])
        return verification

    async def repair(self, operation_id: str) -> Verification:
        """Add the missing rows, seal them, and verify. A second repair adds nothing.

        Adds nothing while the workflow runs, or if its history has expired. Raises as `verify`.
        """
        operation = self.find(operation_id)
        return await self._repair(operation, self._reads_of(operation.target_arn))

    def find(self, operation_id: str) -> OpenedOperation:
        """The operation with this number. Raises `UnknownOperation`, `TrailUnavailable`."""
        operation = self._numbers.find(operation_id)
        if operation is None:
            raise UnknownOperation(
                f"There is no operation {operation_id}: its number was never allocated. To list the operations of the past "
                "ten days:\npython starter.py audit"
            )
        return operation

    async def verify_all(
        self, operations: Sequence[OpenedOperation], *, on_verified: Callable[[], None] = lambda: None
    ) -> list[Verification]:
        """Verify operations; the results are in their order. `on_verified` is called after each.

        The chain of a target is walked once for all its operations, the newest first; several targets at a time.
        Raises as `verify`.
        """
        verified: dict[str, Verification] = {}
        gate = asyncio.Semaphore(TARGETS_AT_ONCE)

        async def verify_target(target_arn: str) -> None:
            async with gate:
                reads = self._reads_of(target_arn)
                for operation in operations_of_target[target_arn]:
                    if operation.operation_id not in verified:
                        verified[operation.operation_id] = await self._verify(operation, reads)
                    on_verified()

        operations_of_target: dict[str, list[OpenedOperation]] = {}
        for operation in sorted(operations, key=lambda each: each.opened_at, reverse=True):
            operations_of_target.setdefault(operation.target_arn, []).append(operation)
        await asyncio.gather(*map(verify_target, operations_of_target))
        return [verified[operation.operation_id] for operation in operations]

    def _reads_of(self, target_arn: str) -> _TargetReads:
        return _TargetReads(self._client, ChainWalk(self._chains, target_arn))

    async def _verify(self, operation: OpenedOperation, reads: _TargetReads) -> Verification:
        return (await self._compare(operation, reads)).verification

    async def _repair(self, operation: OpenedOperation, reads: _TargetReads) -> Verification:
        before = await self._compare(operation, reads)
        if before.verification.state is not State.ENDED:
            return before.verification
        added = [self._add(row) for row in before.history.missing_rows]
        if not added and not before.can_be_sealed:
            return before.verification
        after = await self._compare(operation, reads)
        if after.verification.state is State.ENDED and after.can_be_sealed:
            added.append(self._seal(operation, after.verification.runs[-1]))
            after = await self._compare(operation, reads)
        return after.verification.model_copy(update={"added": tuple(added)})

    async def _compare(self, operation: OpenedOperation, reads: _TargetReads) -> _Comparison:
        # The history first: the workflow wrote the rows of what it contains before, or they are missing.
        history = await read_history(
            self._client,
            reads.runs_of(operation.workflow_id),
            operation.workflow_id,
            operation.first_run_id,
            operation.operation_id,
        )
        return await asyncio.to_thread(self._compare_with, history, operation, reads.walk)

    def _compare_with(self, history: OperationHistory, operation: OpenedOperation, walk: ChainWalk) -> _Comparison:
        items = self._table.list_items(operation.operation_id)
        return _Comparison(operation, history, items, walk)

    def _add(self, row: AuditRow) -> str:
        """Write a missing row with the marks of a repair; return its key."""
        marks = {ADDED_BY: AUDIT_VERIFY, ADDED_AT: stamp(datetime.now(UTC))}
        self._table.put(row.model_copy(update={"facts": row.facts | marks}))
        return row.event_key

    def _seal(self, operation: OpenedOperation, run_id: str) -> str:
        """Seal all rows; return the key of the seal."""
        now = datetime.now(UTC)
        seal_input = SealInput(
            operation_id=operation.operation_id,
            target_arn=operation.target_arn,
            workflow_id=operation.workflow_id,
            sealed_at=now,
        )
        self._chains.append(seal_input, run_id, AUDIT_VERIFY)
        return seal_key(now, run_id)


class _TargetReads:
    """What the operations of a target share: its chain of seals, and the runs of its workflow ids."""

    def __init__(self, client: Client, walk: ChainWalk) -> None:
        self._client = client
        self._runs: dict[str, WorkflowRuns] = {}
        self.walk = walk

    def runs_of(self, workflow_id: str) -> WorkflowRuns:
        """The runs under a workflow id."""
        return self._runs.setdefault(workflow_id, WorkflowRuns(self._client, workflow_id))


class _Comparison:
    """An operation's trail, compared once with its history and its seals."""

    def __init__(
        self, operation: OpenedOperation, history: OperationHistory, items: Sequence[dict[str, Any]], walk: ChainWalk
    ) -> None:
        self._operation = operation
        rows, unreadable = _read_rows(items)
        state = State.RUNNING if history.is_running else State.ENDED if history.runs else State.HISTORY_EXPIRED
        self.history = (
            compare_with_history(rows, history, operation.workflow_id) if history.runs else HistoryComparison()
        )
        check = SealCheck(walk, operation, items, datetime.now(UTC))
        self._seals = check.check(
            [seal for run in history.runs for seal in run.seals],
            has_ended=state is not State.RUNNING,
            confirmed_keys=self.history.confirmed_keys if history.runs else None,
        )
        _drop_expired(self.history, self._seals)
        self.verification = Verification(
            operation_id=operation.operation_id,
            state=state,
            runs=tuple(run.run_id for run in history.runs),
            rows=len(rows),
            seals=check.seal_count,
            findings=_sort([*unreadable, *self.history.findings, *self._seals.findings]),
            notes=(*self._describe_limits(history), *_sort([*self.history.notes, *self._seals.notes])),
        )

    @property
    def can_be_sealed(self) -> bool:
        """Whether there are rows to seal, or there is no seal, and the history confirms all of these rows."""
        unsealed = self._seals.unsealed_keys
        is_needed = bool(unsealed) or self._seals.has(FindingKind.MISSING_SEAL)
        return is_needed and set(unsealed) <= self.history.confirmed_keys

    def _describe_limits(self, history: OperationHistory) -> list[Finding]:
        """Notes on what could not be compared."""
        operation_id = self._operation.operation_id
        running = Finding(kind=FindingKind.WORKFLOW_RUNNING, operation_id=operation_id, what_to_do=_AGAIN)
        expired = [
            Finding(kind=FindingKind.HISTORY_EXPIRED, operation_id=operation_id, actual=f"no history of run {run_id}")
            for run_id in sorted(history.expired_run_ids)
        ]
        return [*([running] if history.is_running else []), *expired]


def _drop_expired(history: HistoryComparison, seals: SealFindings) -> None:
    """Drop what the history comparison says about expired rows: they are not missing, and must not be added again."""
    expired = {note.event_key for note in seals.notes if note.kind is FindingKind.EXPIRED}
    history.findings = [finding for finding in history.findings if finding.event_key not in expired]
    history.missing_rows = [row for row in history.missing_rows if row.event_key not in expired]


def _read_rows(items: Sequence[dict[str, Any]]) -> tuple[dict[str, AuditRow], list[Finding]]:
    """The rows among the items, by the keys that they have in the table, and findings about those that are none."""
    rows: dict[str, AuditRow] = {}
    unreadable: list[Finding] = []
    for item in items:
        if is_seal(item):
            continue
        operation_id, event_key = item["operation_id"]["S"], item["event_key"]["S"]
        try:
            rows[event_key] = from_item(item)
        except Exception as error:  # noqa: BLE001 - an item that was tampered with can hold anything
            unreadable.append(
                Finding(
                    kind=FindingKind.UNREADABLE_ROW,
                    operation_id=operation_id,
                    event_key=event_key,
                    actual=f"an item that cannot be read ({type(error).__name__})",
                    expected="the fields of a row",
                    what_to_do=FIND_WRITER,
                )
            )
    return rows, unreadable


def _sort(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """By key, and therefore in chronological order."""
    return tuple(sorted(findings, key=lambda finding: finding.event_key or ""))
