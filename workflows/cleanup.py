"""Removing what earlier nights of a target left behind, while no night of it runs."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import FailureError

from models import search_attributes
from workflows.answers import await_outcome
from workflows.canonical_run import as_failure, runs_under_its_targets_id
from workflows.policies import REMOVAL, TRAIL_CALL, with_summary
from workflows.polling import shielded
from workflows.sealing import seal_trail

with workflow.unsafe.imports_passed_through():
    from activities.leftovers import LeftoverActivities
    from activities.operations import OperationActivities
    from audit import trail
    from errors import InvalidRequest, fault_of
    from models.leftovers import CleanupState, RemoveOrphansInput
    from models.operation import OpenOperationInput, Operation, StepOutcome
    from models.request import RestoreRequest
    from models.steps import Housekeeping, Outcome


@workflow.defn(name="AuroraCleanupWorkflow")
class AuroraCleanupWorkflow:
    """Removes the orphans of a target's earlier nights.

    Workflow id: the target's own, ``aurora-restore:ACCOUNT:REGION:CLUSTER``, as of its nights. One workflow of an id
    runs at a time, so that no night can adopt the very copy that is being removed.
    """

    def __init__(self) -> None:
        """Before the first task; `run` does the rest."""
        self._state: CleanupState | None = None

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> CleanupState:
        """The cleanup. Input: the target's restore request; result: what was removed."""
        request = _checked(request)
        self._state = CleanupState(target_arn=request.target.arn, started_at=workflow.now())
        try:
            operation = await self._open_operation(request)
            gone = await self._remove_orphans(request, operation)
        except (FailureError, asyncio.CancelledError) as error:
            await self._end_badly(error)
        return await self._ended(Outcome.SUCCEEDED, details=gone.details, removed=gone.resource_arns)

    async def _open_operation(self, request: RestoreRequest) -> Operation:
        info = workflow.info()
        wanted = OpenOperationInput(
            workflow_id=info.workflow_id,
            first_run_id=info.first_execution_run_id,
            target_arn=request.target.arn,
            opened_at=workflow.now(),
        )
        workflow.upsert_search_attributes([search_attributes.TARGET.value_set(request.target.cluster)])
        operation: Operation = await await_outcome(
            workflow.start_activity_method(
                OperationActivities.open_operation, wanted, **with_summary(TRAIL_CALL, "take the next operation number")
            )
        )
        workflow.upsert_search_attributes([search_attributes.OPERATION.value_set(operation.operation_id)])
        self._update(operation_id=operation.operation_id)
        return operation

    async def _remove_orphans(self, request: RestoreRequest, operation: Operation) -> StepOutcome:
        if workflow.cancellation_reason() is not None:
            raise asyncio.CancelledError
        workflow.upsert_search_attributes([search_attributes.STEP.value_set(Housekeeping.REMOVE_ORPHANS.value)])
        self._update(details="Removing orphans")
        step_input = RemoveOrphansInput(
            operation_id=operation.operation_id,
            step_started_at=workflow.now(),
            target=request.target,
            archive=request.archive,
        )
        await trail.written()
        gone: StepOutcome = await await_outcome(
            workflow.start_activity_method(
                LeftoverActivities.remove_orphans,
                step_input,
                **with_summary(REMOVAL, f"orphans of {request.target.cluster}"),
            )
        )
        return gone

    async def _end_badly(self, error: BaseException) -> NoReturn:
        cancelled, fault = workflow.cancellation_reason() is not None, fault_of(error)
        outcome = Outcome.CANCELLED if cancelled else Outcome.FAILED
        await self._ended(outcome, details=fault.short, fault=fault)
        raise asyncio.CancelledError if cancelled else as_failure(fault, None) from error

    async def _ended(self, outcome: Outcome, **how: object) -> CleanupState:
        state = self._update(outcome=outcome, **how)
        if state.operation_id is not None:
            await shielded(seal_trail(state.operation_id, state.target_arn, TRAIL_CALL))
        workflow.upsert_search_attributes([search_attributes.STEP.value_set(outcome.value)])
        return state

    def _update(self, **changed: object) -> CleanupState:
        if self._state is None:
            raise RuntimeError("the cleanup has not begun")
        self._state = state = self._state.model_copy(update=changed)
        headline = f"### {state.operation_id or 'Opening the operation'}: cleanup {state.outcome}"
        wrong = [f"**{state.fault.short}**: {state.fault.message}"] if state.fault else []
        removed = [f"- removed {arn}" for arn in state.removed_arns]
        workflow.set_current_details("\n".join([headline, "", state.details, "", *wrong, *removed]))
        return state

    @workflow.query(description="How the cleanup stands and what it removed.")
    def state(self) -> CleanupState | None:
        """None before its first task."""
        return self._state


def _checked(request: RestoreRequest | None) -> RestoreRequest:
    """Raises `InvalidRequest` if there is none, or if this run has another id than the target's own."""
    if request is None:
        raise InvalidRequest("Invalid request", "no input was given, wanted the target's restore request.")
    if not runs_under_its_targets_id(request):
        wanted = f"a cleanup runs under the id {request.target.workflow_id}. Start it with: starter.py cleanup"
        raise InvalidRequest("Invalid request", f"found the workflow id {workflow.info().workflow_id}; {wanted}")
    return request
