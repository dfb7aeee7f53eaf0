"""Intents: the rows that an activity writes before it deletes something. No row, no call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from temporalio import activity

from audit.numbers import OperationNumbersTable
from audit.rows import AuditRow, Phase, stamp
from audit.table import AuditTable
from audit.target_rows import TargetRows
from errors import TrailConflict
from models.clusters import LastDeletion, LastSwap
from models.configuration import SETTINGS_FACT, ClusterSettings
from models.drill import DRILL_FACT
from models.step_call import StepInput
from models.steps import AuditedStep, Housekeeping, Status, Step
from models.swap import NEW_RESOURCE_ID, OLD_RESOURCE_ID
from models.trail_tables import TrailTables
from waiting.only_reads import require_leave_to_change

SETTINGS_DAYS = 45
"""For how many days the settings of a deleted target, and the swap that left an old cluster, are searched for in the trail."""
RESTORE_STEPS = (Step.RESTORE_SNAPSHOT, Step.CHECK_RESTORE_STATUS)
MAX_CONFLICTS = 5
"""How many times in a row another attempt of the activity may write its intent first.

Two attempts can run at once: Temporal starts the next one when an attempt times out, and its thread may still run.
"""


class TrailIntents:
    """What activities write into the trail before they delete, and what they read from it."""

    def __init__(self, table: AuditTable, numbers: OperationNumbersTable) -> None:
        """`table` is the trail, `numbers` has the operations of each target."""
        self._table = table
        self._numbers = numbers
        self._rows = TargetRows(table, numbers)

    @property
    def tables(self) -> TrailTables:
        """The trail's own, and that of the operation numbers."""
        return TrailTables(self._table.region, (self._table.name, self._numbers.name))

    def declare(
        self,
        step: AuditedStep,
        step_input: StepInput,
        details: str,
        resource_arns: tuple[str, ...],
        facts: Mapping[str, str] | None = None,
    ) -> None:
        """Write that the step is about to delete these resources, unless this run of the step has declared them.

        A run of the step begins at `step_started_at`. After a retry the step declares again, because the same name may
        be another resource by then. An attempt that finds more to delete than the previous one writes a row of its own.
        Raises `TrailUnavailable` (transient) if DynamoDB is unavailable, `TrailConflict` if a row that is no intent of
        this run has the intent's key.
        """
        require_leave_to_change()
        for conflicts in range(1, MAX_CONFLICTS + 1):
            existing = self._list_intents_of_run(step, step_input)
            if set(resource_arns) <= set(_list_arns(existing)):
                return
            # Numbered within the poll: a different declaration gets a different key, the same one gets the same key.
            number = 1 + sum(row.poll == step_input.poll for row in existing)
            try:
                self._table.put(_intent_row(step, step_input, number, details, resource_arns, facts or {}))
            except TrailConflict:
                if conflicts == MAX_CONFLICTS:
                    raise
            else:
                return

    def has_intent(self, step: AuditedStep, operation_id: str) -> bool:
        """Whether the operation has declared anything in this step.

        Raises `TrailUnavailable`.
        """
        return bool(self._list_intents(step, operation_id))

    def list_declared_arns(self, step: AuditedStep, step_input: StepInput) -> tuple[str, ...]:
        """The ARNs that this run of the step has declared, in all polls and attempts, in the order of declaration.

        Raises `TrailUnavailable`.
        """
        return _list_arns(self._list_intents_of_run(step, step_input))

    def has_succeeded(self, step: AuditedStep, operation_id: str, since: datetime) -> bool:
        """Whether a run of this step that began at `since` (aware) or later ended with SUCCESS.

        Raises `TrailUnavailable`.
        """
        return any(
            row.step is step and row.phase is Phase.OUTCOME and row.status is Status.SUCCESS
            for row in self._table.list_rows(operation_id)
            if row.step_started_at >= since
        )

    def find_last_deletion(self, target_arn: str, at: datetime, since: datetime | None = None) -> LastDeletion | None:
        """The newest deletion of a target that an operation declared, and whether the target was restored since.

        A restore does not count if its operation removed the restored cluster again after a failure.
        Searches the 45 days before `at` (aware), but none before the day of `since` (aware; None: all of them).
        Raises `TrailUnavailable`.
        """
        removed_again: set[str] = set()
        accepted_by: str | None = None
        completed = False
        first = max(moment.date() for moment in (at - timedelta(days=SETTINGS_DAYS - 1), since) if moment is not None)
        for row in self._rows.iterate_newest_first(target_arn, first, at.date()):
            if row.step is Housekeeping.REMOVE_LEFTOVERS and row.phase is Phase.INTENT:
                removed_again.add(row.operation_id)
            # A drill restores its own cluster, not the target.
            if row.status is Status.SUCCESS and row.operation_id not in removed_again and DRILL_FACT not in row.facts:
                completed = completed or row.step is Step.CHECK_RESTORE_STATUS
                accepted_by = accepted_by or (row.operation_id if row.step in RESTORE_STEPS else None)
            if row.step is Step.DELETE_RDS and row.phase is Phase.INTENT:
                return LastDeletion(
                    operation_id=row.operation_id,
                    declared_at=row.timestamp,
                    settings=_settings(row),
                    restore_accepted_by=accepted_by,
                    restore_completed=completed,
                )
        return None

    def find_last_swap(self, target_arn: str, old_resource_id: str, at: datetime) -> LastSwap | None:
        """The newest swap in which the target's name was taken from the cluster of this resource id.

        It has succeeded if its users logged in, and swap-back has declared nothing since.
        Searches the target's operations that were opened in the 45 days before `at` (aware). Raises `TrailUnavailable`.
        """
        oldest = at - timedelta(days=SETTINGS_DAYS)
        for operation in self._numbers.iterate_target(target_arn):
            if operation.opened_at < oldest:
                break
            for row in reversed(self._list_intents(Step.SWAP_CLUSTERS, operation.operation_id)):
                if row.facts.get(OLD_RESOURCE_ID) == old_resource_id and NEW_RESOURCE_ID in row.facts:
                    began = row.step_started_at
                    taken_back = self._list_intents(Housekeeping.SWAP_BACK, row.operation_id)
                    since = max([began, *(intent.step_started_at for intent in taken_back)])
                    return LastSwap(
                        operation_id=row.operation_id,
                        declared_at=began,
                        new_resource_id=row.facts[NEW_RESOURCE_ID],
                        succeeded=self.has_succeeded(Step.SWAP_CLUSTERS, row.operation_id, since),
                    )
        return None

    def _list_intents_of_run(self, step: AuditedStep, step_input: StepInput) -> list[AuditRow]:
        started_at = stamp(step_input.step_started_at)
        intents = self._list_intents(step, step_input.operation_id)
        return [row for row in intents if stamp(row.step_started_at) == started_at]

    def _list_intents(self, step: AuditedStep, operation_id: str) -> list[AuditRow]:
        return [row for row in self._table.list_rows(operation_id) if row.step is step and row.phase is Phase.INTENT]


def _intent_row(
    step: AuditedStep,
    step_input: StepInput,
    number: int,
    details: str,
    resource_arns: tuple[str, ...],
    facts: Mapping[str, str],
) -> AuditRow:
    info = activity.info()
    return AuditRow(
        operation_id=step_input.operation_id,
        step=step,
        phase=Phase.INTENT,
        status=Status.IN_PROGRESS,
        details=details,
        step_started_at=step_input.step_started_at,
        timestamp=step_input.step_started_at,
        attempt=number,
        poll=step_input.poll,
        workflow_id=info.workflow_id or "",
        run_id=info.workflow_run_id or "",
        resource_arns=resource_arns,
        facts=dict(facts),
    )


def _settings(intent: AuditRow) -> ClusterSettings | None:
    json = intent.facts.get(SETTINGS_FACT)
    return ClusterSettings.model_validate_json(json) if json else None


def _list_arns(intents: Iterable[AuditRow]) -> tuple[str, ...]:
    """The ARNs of these rows, each once, in order."""
    return tuple(dict.fromkeys(arn for row in intents for arn in row.resource_arns))
