"""The audit trail in memory, as far as the activities that delete use it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from models.clusters import LastDeletion, LastSwap
from models.step_call import StepInput
from models.steps import AuditedStep
from models.trail_tables import TrailTables
from tests.properties.no_harm.in_process_aws import InProcessAws


class InProcessTrail:
    """Implements `Intents`, and marks in the in-process AWS which steps have declared, so that each effect records it."""

    def __init__(self, aws: InProcessAws) -> None:
        """Without any row."""
        self._aws = aws
        self._resources: dict[AuditedStep, tuple[str, ...]] = {}
        self._succeeded_at: dict[AuditedStep, datetime] = {}

    @property
    def tables(self) -> TrailTables:
        """See `Intents`."""
        return TrailTables("eu-central-1", ("audit", "operations"))

    def declare(self, step: AuditedStep, step_input: StepInput, details: str, arns: tuple[str, ...], *_: Any) -> None:
        """See `Intents`."""
        self._aws.declared.add(step.value)
        self._resources[step] = tuple(dict.fromkeys((*self._resources.get(step, ()), *arns)))

    def has_intent(self, step: AuditedStep, operation_id: str) -> bool:
        """See `Intents`."""
        return step in self._resources

    def list_declared_arns(self, step: AuditedStep, step_input: StepInput) -> tuple[str, ...]:
        """See `Intents`; each step runs once here."""
        return self._resources.get(step, ())

    def record_success(self, step: AuditedStep, started_at: datetime) -> None:
        """Add the outcome's row of a step that succeeded."""
        self._succeeded_at[step] = started_at

    def has_succeeded(self, step: AuditedStep, operation_id: str, since: datetime) -> bool:
        """See `Intents`."""
        return step in self._succeeded_at and self._succeeded_at[step] >= since

    def find_last_deletion(self, *_: Any) -> LastDeletion | None:
        """See `Intents`: there was no earlier operation."""

    def find_last_swap(self, *_: Any) -> LastSwap | None:
        """See `Intents`: there was no swap."""
