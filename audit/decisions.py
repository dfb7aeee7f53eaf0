"""Who let a failed night go on: the trail's rows of operators' decisions.

A row says what the decision makes of the step. Retried, it is under way again: IN_PROGRESS. Skipped or aborted, it
stays FAILED; SUCCESS would tell an auditor of a step that never succeeded.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from audit.rows import AuditRow, Phase
from models.decisions import Decision, OperatorDecision
from models.steps import Status, Step

if TYPE_CHECKING:
    from audit.table import AuditTable


def decision_row(
    operation_id: str,
    step: Step,
    decided: OperatorDecision,
    *,
    asked_at: datetime,
    decided_at: datetime,
    workflow_id: str,
    run_id: str,
    attempt: int = 1,
) -> AuditRow:
    """The row of one decision.

    `asked_at` gives it its place in the trail: after the failure and the notification, before the step is taken again.
    It and `run_id` must be the same however often the decision is told; `decided_at` may differ.
    """
    return AuditRow(
        operation_id=operation_id,
        step=step,
        phase=Phase.DECISION,
        status=Status.IN_PROGRESS if decided.decision is Decision.RETRY else Status.FAILED,
        details=decision_text(decided),
        step_started_at=asked_at,
        timestamp=decided_at,
        attempt=attempt,
        workflow_id=workflow_id,
        run_id=run_id,
    )


def decision_text(decided: OperatorDecision) -> str:
    """The decision as the trail's Details."""
    why = f": {decided.reason}" if decided.reason else ""
    return f"{decided.decision.capitalize()}, decided by {decided.by}{why}"


def write_decision(table: AuditTable, row: AuditRow) -> None:
    """Write a decision of which no history knows yet: the retry of a run that has ended.

    Whoever decides the same again, because the first call did not come through, writes the same row; another reason or
    another person is another row. Raises `TrailUnavailable`.
    """
    others = [
        there
        for there in table.operation(row.operation_id)
        if (there.phase, there.step, there.run_id) == (row.phase, row.step, row.run_id)
    ]
    if all(there.details != row.details for there in others):
        table.put(row.model_copy(update={"attempt": len(others) + 1}))
