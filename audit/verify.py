"""`audit verify`: the trail against Temporal's history and against its seals, and what a repair adds.

A repair only adds: rows that the history tells and the trail lacks, each marked as added, and a seal over them. What was
changed or removed after it was sealed stays a finding for ever; a repair cannot make it undone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from temporalio.client import Client

from audit.findings import Finding, Kind, State, Verification
from audit.history import OperationHistory, read_history
from audit.numbers import OpenedOperation, OperationNumbersTable
from audit.rows import ADDED_AT, ADDED_BY, AuditRow, from_item, stamp
from audit.seal import Seals, is_seal, seal_key
from audit.table import AuditTable
from audit.verify_history import LOOK_INTO, Compared, compare
from audit.verify_seals import Checked, SealCheck
from models.seal import SealInput
from runs.restores import RestoreRefused

AUDIT_VERIFY = "audit verify"

_RUNNING = "Verify again when the workflow has ended: until then rows may still come, and nothing is repaired."
_GONE = "Temporal's retention is over; the seals are all that can be checked, and nothing can be repaired."


class Verifier:
    """Verifies and repairs the trail of one operation at a time."""

    def __init__(self, client: Client, table: AuditTable, numbers: OperationNumbersTable, seals: Seals) -> None:
        """`client` has the plugin, for its data converter."""
        self._client = client
        self._table = table
        self._numbers = numbers
        self._seals = seals

    async def verify(self, operation_id: str) -> Verification:
        """Compare; changes nothing.

        Raises `RestoreRefused` if nobody ever opened the operation, `TrailUnavailable` and `RPCError`.
        """
        return await _Case(self, self._opened(operation_id)).verification()

    async def repair(self, operation_id: str) -> Verification:
        """Add what the history tells and the trail lacks, seal it, and compare again. Twice is once.

        Adds nothing while the workflow runs, or when its history is gone. Raises as `verify`.
        """
        opened = self._opened(operation_id)
        case = _Case(self, opened)
        before = await case.verification()
        if before.state is not State.ENDED:
            return before
        added = [self._add(row) for row in case.compared.repairs]
        case = _Case(self, opened)
        verification = await case.verification()
        if verification.state is State.ENDED and case.may_be_sealed:
            added.append(self._seal(opened, verification.runs[-1]))
            verification = await _Case(self, opened).verification()
        return verification.model_copy(update={"added": tuple(added)})

    async def read(self, opened: OpenedOperation) -> tuple[OperationHistory, list[dict[str, Any]]]:
        """Both sides. The history first: what it tells was written before, or is missing."""
        history = await read_history(self._client, opened.workflow_id, opened.first_run_id, opened.operation_id)
        return history, self._table.items(opened.operation_id)

    def check_of(self, opened: OpenedOperation, items: Sequence[dict[str, Any]]) -> SealCheck:
        """The check of the operation's seals."""
        return SealCheck(self._seals, opened, items, datetime.now(UTC))

    def _opened(self, operation_id: str) -> OpenedOperation:
        opened = self._numbers.find(operation_id)
        if opened is None:
            raise RestoreRefused(f"No operation {operation_id} was ever opened: the operations table does not know it.")
        return opened

    def _add(self, row: AuditRow) -> str:
        marks = {ADDED_BY: AUDIT_VERIFY, ADDED_AT: stamp(datetime.now(UTC))}
        self._table.put(row.model_copy(update={"facts": row.facts | marks}))
        return row.event_key

    def _seal(self, opened: OpenedOperation, run_id: str) -> str:
        now = datetime.now(UTC)
        seal_input = SealInput(
            operation_id=opened.operation_id, target_arn=opened.target, workflow_id=opened.workflow_id, sealed_at=now
        )
        self._seals.seal(seal_input, run_id, AUDIT_VERIFY)
        return seal_key(now, run_id)


class _Case:
    """One look at an operation."""

    def __init__(self, verifier: Verifier, opened: OpenedOperation) -> None:
        self._verifier = verifier
        self._opened = opened
        self.compared = Compared()
        self._checked = Checked()

    @property
    def may_be_sealed(self) -> bool:
        """Whether rows are in no seal, or there is none, and the history confirms every one of them."""
        unsealed = self._checked.unsealed or any(f.kind is Kind.UNSEALED for f in self._checked.findings)
        return bool(unsealed) and set(self._checked.unsealed) <= self.compared.confirmed

    async def verification(self) -> Verification:
        """Compare once."""
        history, items = await self._verifier.read(self._opened)
        state = State.RUNNING if history.running else State.ENDED if history.runs else State.HISTORY_GONE
        rows, unreadable = _rows(items)
        if history.runs:
            self.compared = compare(rows, history, self._opened.workflow_id)
        check = self._verifier.check_of(self._opened, items)
        told = [seal for run in history.runs for seal in run.seals]
        self._checked = check.check(state is not State.RUNNING, told)
        self._forgive_expired()
        return Verification(
            operation_id=self._opened.operation_id,
            state=state,
            runs=tuple(run.run_id for run in history.runs),
            rows=len(rows),
            seals=len(check.sealed),
            findings=_in_order([*unreadable, *self.compared.findings, *self._checked.findings]),
            notes=(*self._about(history, state), *_in_order([*self.compared.notes, *self._checked.notes])),
        )

    def _forgive_expired(self) -> None:
        """A row whose time to live is over is not missing, and is not to be added again."""
        expired = {note.event_key for note in self._checked.notes if note.kind is Kind.EXPIRED}
        self.compared.findings = [of for of in self.compared.findings if of.event_key not in expired]
        self.compared.repairs = [row for row in self.compared.repairs if row.event_key not in expired]

    def _about(self, history: OperationHistory, state: State) -> list[Finding]:
        """What limits this verification."""
        notes = [self._note(Kind.RUNNING, _RUNNING)] if state is State.RUNNING else []
        forgotten = [self._note(Kind.HISTORY_GONE, _GONE, f"run {run_id}") for run_id in sorted(history.gone)]
        return notes + forgotten

    def _note(self, kind: Kind, what_to_do: str, found: str | None = None) -> Finding:
        return Finding(kind=kind, operation_id=self._opened.operation_id, found=found, what_to_do=what_to_do)


def _rows(items: Sequence[dict[str, Any]]) -> tuple[dict[str, AuditRow], list[Finding]]:
    """The rows among the items, by the keys under which they stand, and those that somebody made unreadable."""
    rows: dict[str, AuditRow] = {}
    unreadable: list[Finding] = []
    for item in items:
        if is_seal(item):
            continue
        operation_id, event_key = item["operation_id"]["S"], item["event_key"]["S"]
        try:
            rows[event_key] = from_item(item)
        except Exception as error:  # noqa: BLE001 - anything may stand in a row that was tampered with
            unreadable.append(
                Finding(
                    kind=Kind.UNREADABLE,
                    operation_id=operation_id,
                    event_key=event_key,
                    found=type(error).__name__,
                    wanted="a row of the trail",
                    what_to_do=LOOK_INTO,
                )
            )
    return rows, unreadable


def _in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """By the rows' keys, which is the order of time: the first row comes first."""
    return tuple(sorted(findings, key=lambda finding: finding.event_key or ""))
