"""A failed step that waits for its operator: retry it, skip it or end the night."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from models.decisions import SKIPPABLE, Decision, OperatorDecision
    from models.steps import Step


class OperatorWait:
    """Holds the decision that a waiting night is given."""

    def __init__(self) -> None:
        """No step waits."""
        self._step: Step | None = None
        self._decided: OperatorDecision | None = None

    def refuse_unless_fitting(self, wanted: OperatorDecision) -> None:
        """Raises an error that the operator reads; a refused decision leaves no trace in the history."""
        if self._step is None or self._decided is not None:
            raise ApplicationError("No step waits for a decision just now.", type="NotWaiting", non_retryable=True)
        if wanted.decision is Decision.SKIP and self._step not in SKIPPABLE:
            raise ApplicationError(
                f"{self._step} cannot be skipped: without it the restored cluster is not fit for use. Only "
                f"{', '.join(SKIPPABLE)} can. Retry it, or abort.",
                type="NotSkippable",
                non_retryable=True,
            )

    def decide(self, decided: OperatorDecision) -> None:
        """Take the decision; `refuse_unless_fitting` comes first."""
        self._decided = decided

    def begin(self, step: Step) -> None:
        """From now on a decision is taken: this step failed."""
        self._step, self._decided = step, None

    async def decision(self, length: timedelta) -> OperatorDecision | None:
        """What the operator decided; None if the time ran out. Raises `asyncio.CancelledError`."""
        try:
            summary = f"{self._step} failed: waiting for retry, skip or abort"
            await workflow.wait_condition(lambda: self._decided is not None, timeout=length, timeout_summary=summary)
        except TimeoutError:
            return None
        finally:
            self._step = None
        return self._decided
