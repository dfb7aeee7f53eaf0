"""Waiting for an operator: retry, skip or abort a failed step, or roll back a swap whose old cluster is kept."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from models.decisions import SKIPPABLE, Decision, OperatorDecision
    from models.steps import Step


class OperatorWait:
    """Holds the step and the decision that an operator sends for it."""

    def __init__(self) -> None:
        """No step waits."""
        self._failed_step: Step | None = None
        self._decision: OperatorDecision | None = None
        self._keeps_old = False

    def validate(self, decision: OperatorDecision) -> None:
        """Refuse a decision that does not apply; Temporal keeps no trace of a refused update.

        Raises `ApplicationError` of type NotWaiting or NotSkippable; its text reaches the operator.
        """
        if self._failed_step is None or self._decision is not None:
            raise ApplicationError("No step waits for a decision now.", type="NotWaiting", non_retryable=True)
        if (decision.decision is Decision.ROLLBACK) is not self._keeps_old:
            only = "only a rollback is possible" if self._keeps_old else "there is no swap to roll back"
            raise ApplicationError(f"Not possible now: {only}.", type="NotWaiting", non_retryable=True)
        if decision.decision is Decision.SKIP and self._failed_step not in SKIPPABLE:
            raise ApplicationError(
                f"{self._failed_step} cannot be skipped: without it the restored cluster is not fit for use. Only "
                f"{', '.join(SKIPPABLE)} can be skipped. Retry the step, or abort.",
                type="NotSkippable",
                non_retryable=True,
            )

    def decide(self, decision: OperatorDecision) -> None:
        """Accept a decision that `validate` has let through."""
        self._decision = decision

    def open(self, failed_step: Step) -> None:
        """Accept decisions on this step from now on."""
        self._failed_step, self._decision, self._keeps_old = failed_step, None, False

    def open_rollback(self) -> None:
        """Accept from now on that the swap, which succeeded, is rolled back."""
        self._failed_step, self._decision, self._keeps_old = Step.SWAP_CLUSTERS, None, True

    async def wait(self, length: timedelta) -> OperatorDecision | None:
        """Wait for the decision; returns None if none came in time.

        Raises `asyncio.CancelledError` if the workflow is cancelled meanwhile.
        """
        try:
            summary = f"{self._failed_step} failed: waiting for retry, skip or abort"
            if self._keeps_old:
                summary = "swapped: the old cluster is kept, and can have its name back"
            await workflow.wait_condition(lambda: self._decision is not None, timeout=length, timeout_summary=summary)
        except TimeoutError:
            return None
        finally:
            self._failed_step = None
        return self._decision
