"""The activities of the audit trail: record-outcome, record-decision and seal-trail."""

from __future__ import annotations

from temporalio import activity

from audit.chain import SealChains
from audit.decisions import decision_row, write_decision
from audit.rows import AuditRow
from audit.table import AuditTable
from audit.writer import TrailWriter
from models.decisions import RetryDecision
from models.seal import Seal, SealInput

RECORD_OUTCOME = "record-outcome"
RECORD_DECISION = "record-decision"
SEAL_TRAIL = "seal-trail"


class OutcomeActivities:
    """Records how steps ended. Runs as a local activity, see `audit.trail`."""

    def __init__(self, writer: TrailWriter) -> None:
        """`writer` writes into the trail."""
        self._writer = writer

    @activity.defn(name=RECORD_OUTCOME)
    async def record_outcome(self, row: AuditRow) -> None:
        """Write the row of a step's outcome, or of an operator's decision, into the trail.

        Raises `TrailUnavailable` (transient) if DynamoDB is unavailable, `TrailConflict` if the key holds another row.
        Run twice: one row, because both runs write it under the same key and the write is conditional.
        """
        await self._writer.write(row)


class DecisionActivities:
    """Records decisions that no running workflow can record."""

    def __init__(self, table: AuditTable) -> None:
        """`table` is the trail."""
        self._table = table

    @activity.defn(name=RECORD_DECISION, no_thread_cancel_exception=True)
    def record_decision(self, decision: RetryDecision) -> None:
        """Write the row of the decision to retry an operation that has ended.

        Raises `TrailUnavailable` (transient) if DynamoDB is unavailable.
        Run twice: one row, because the same decision on the same end is not written again.
        """
        row = decision_row(
            decision.operation_id,
            decision.step,
            decision.decided,
            asked_at=decision.ended_at,
            decided_at=decision.decided_at or decision.ended_at,
            workflow_id=decision.workflow_id,
            run_id=decision.run_id,
        )
        write_decision(self._table, row)


class SealActivities:
    """Seals operations."""

    def __init__(self, chains: SealChains) -> None:
        """`chains` are the chains of seals, one per target."""
        self._chains = chains

    # A cancellation never interrupts the thread: it could arrive between the transaction and its answer.
    @activity.defn(name=SEAL_TRAIL, no_thread_cancel_exception=True)
    def seal_trail(self, seal_input: SealInput) -> Seal:
        """Seal all rows of the operation that the trail holds now, and append the seal to the target's chain.

        Raises `TrailUnavailable` (transient) if DynamoDB is unavailable.
        Run twice: one seal, because its key is made of the operation, the time in the input and the workflow run.
        """
        run_id = activity.info().workflow_run_id or ""
        return self._chains.append(seal_input, run_id, sealed_by=SEAL_TRAIL)
