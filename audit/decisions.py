"""Decision rows: which operator let a failed operation continue, and how.

The status says what the decision means for the step. After "retry" the step runs again: IN_PROGRESS. After "skip" or
"abort" it stays FAILED, because it never succeeded.
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
    decision: OperatorDecision,
    *,
    asked_at: datetime,
    decided_at: datetime,
    workflow_id: str,
    run_id: str,
    attempt: int = 1,
) -> AuditRow:
    """The row of one decision.

    `asked_at` is the row's place in the trail: after the failure and the notification, before the step runs again.
    `asked_at` and `run_id` are part of the key: a decision that is written twice must have the same ones.
    """
    return AuditRow(
        operation_id=operation_id,
        step=step,
        phase=Phase.DECISION,
        status=Status.IN_PROGRESS if decision.decision is Decision.RETRY else Status.FAILED,
        details=decision_text(decision),
        step_started_at=asked_at,
        timestamp=decided_at,
        attempt=attempt,
        workflow_id=workflow_id,
        run_id=run_id,
    )


def decision_text(decision: OperatorDecision) -> str:
    """The decision as it appears in the trail's Details."""
    reason = f": {decision.reason}" if decision.reason else ""
    return f"{decision.decision.capitalize()}, decided by {decision.by}{reason}"


def is_skip(row: AuditRow) -> bool:
    """Whether the row is the decision to continue without the step."""
    return row.phase is Phase.DECISION and row.details.startswith(f"{Decision.SKIP.capitalize()}, decided by ")


def is_rollback(row: AuditRow) -> bool:
    """Whether the row is the decision to give the old cluster its name back."""
    return row.phase is Phase.DECISION and row.details.startswith(f"{Decision.ROLLBACK.capitalize()}, decided by ")


def write_decision(table: AuditTable, row: AuditRow) -> None:
    """Write the decision to retry a run that has ended, which is not in Temporal's history.

    Writing the same decision again changes nothing; another operator or another reason is a row of its own.
    Raises `TrailUnavailable`.
    """
    existing = [
        other
        for other in table.list_rows(row.operation_id)
        if (other.phase, other.step, other.run_id) == (row.phase, row.step, row.run_id)
    ]
    if all(other.details != row.details for other in existing):
        table.put(row.model_copy(update={"attempt": len(existing) + 1}))
