"""Verifies the trail of an operation against Temporal's history and against its seals, and repairs what is missing.

A repair only adds: the rows that the history has and the trail lacks, marked as added, and a seal over them. A row that
was changed or deleted after it was sealed stays a finding for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from temporalio.client import Client

from audit.chain import SealChains
from audit.numbers import OpenedOperation, OperationNumbersTable
from audit.rows import ADDED_AT, ADDED_BY, AuditRow, from_item, stamp
from audit.seal_rows import is_seal, seal_key
from audit.table import AuditTable
from audit.verify.findings import FIND_WRITER, Finding, FindingKind, State, Verification
from audit.verify.history import OperationHistory, read_history
from audit.verify.history_check import HistoryComparison, compare_with_history
from audit.verify.seal_check import SealCheck
from audit.verify.seal_findings import SealFindings
from models.seal import SealInput

AUDIT_VERIFY = "audit verify"
_AGAIN = "Verify again after the workflow has ended."


class UnknownOperation(Exception):
    """The operation's number was never allocated."""


class Verifier:
    """Verifies and repairs the trail of one operation at a time."""

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
        return (await self._compare(self._find(operation_id))).verification

    async def repair(self, operation_id: str) -> Verification:
        """Add the missing rows, seal them, and verify. A second repair adds nothing.

        Adds nothing while the workflow runs, or if its history has expired. Raises as `verify`.
        """
        operation = self._find(operation_id)
        before = await self._compare(operation)
        if before.verification.state is not State.ENDED:
            return before.verification
        added = [self._add(row) for row in before.history.missing_rows]
        after = await self._compare(operation)
        if after.verification.state is State.ENDED and after.can_be_sealed:
            added.append(self._seal(operation, after.verification.runs[-1]))
            after = await self._compare(operation)
        return after.verification.model_copy(update={"added": tuple(added)})

    def _find(self, operation_id: str) -> OpenedOperation:
        operation = self._numbers.find(operation_id)
        if operation is None:
            raise UnknownOperation(
                f"There is no operation {operation_id}: its number was never allocated. To list the operations of the past "
                "ten days:\npython starter.py audit"
            )
        return operation

    async def _compare(self, operation: OpenedOperation) -> _Comparison:
        # The history first: the workflow wrote the rows of what it contains before, or they are missing.
        history = await read_history(
            self._client, operation.workflow_id, operation.first_run_id, operation.operation_id
        )
        items = self._table.list_items(operation.operation_id)
        return _Comparison(operation, history, items, self._chains)

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


class _Comparison:
    """An operation's trail, compared once with its history and its seals."""

    def __init__(
        self, operation: OpenedOperation, history: OperationHistory, items: Sequence[dict[str, Any]], chains: SealChains
    ) -> None:
        self._operation = operation
        rows, unreadable = _read_rows(items)
        state = State.RUNNING if history.is_running else State.ENDED if history.runs else State.HISTORY_EXPIRED
        self.history = (
            compare_with_history(rows, history, operation.workflow_id) if history.runs else HistoryComparison()
        )
        check = SealCheck(chains, operation, items, datetime.now(UTC))
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
