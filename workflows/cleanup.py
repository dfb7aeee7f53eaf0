"""Removes the orphans that earlier restores of a target left behind, while no restore of it runs."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import FailureError

from models import search_attributes
from models.workflow_names import CLEANUP_WORKFLOW, STATE_QUERY
from workflows.cancellation import await_outcome, is_cancelled, shield
from workflows.canonical_run import as_failure, has_canonical_id
from workflows.operation import open_operation, seal_trail
from workflows.policies import REMOVAL, TRAIL_CALL, with_summary

with workflow.unsafe.imports_passed_through():
    from activities.leftovers import LeftoverActivities
    from audit import trail
    from errors import InvalidRequest, fault_of
    from models.leftovers import CleanupState, RemoveOrphansInput
    from models.request import RestoreRequest
    from models.step_call import StepOutcome
    from models.steps import Housekeeping, Outcome


@workflow.defn(name=CLEANUP_WORKFLOW)
class AuroraCleanupWorkflow:
    """Removes the orphans of a target's earlier restores.

    Workflow id: the target's own, ``aurora-restore:ACCOUNT:REGION:CLUSTER``, as for its restores. Temporal runs one
    workflow of an id at a time, so no restore can adopt a copy that the cleanup is removing.
    """

    def __init__(self) -> None:
        """Runs before the first task; `run` begins the cleanup."""
        self._state: CleanupState | None = None

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> CleanupState:
        """Run one cleanup for the target of a restore request; returns what it removed."""
        request = _require_request(request)
        self._state = CleanupState(target_arn=request.target.arn, started_at=workflow.now())
        try:
            operation_id = await self._open_operation(request)
            outcome = await self._remove_orphans(request, operation_id)
        except (FailureError, asyncio.CancelledError) as error:
            await self._fail(error)
        return await self._end(Outcome.SUCCEEDED, details=outcome.details, removed_arns=outcome.resource_arns)

    async def _open_operation(self, request: RestoreRequest) -> str:
        workflow.upsert_search_attributes([search_attributes.TARGET.value_set(request.target.cluster)])
        operation = await open_operation(request.target.arn)
        workflow.upsert_search_attributes([search_attributes.OPERATION.value_set(operation.operation_id)])
        self._update(operation_id=operation.operation_id)
        return operation.operation_id

    async def _remove_orphans(self, request: RestoreRequest, operation_id: str) -> StepOutcome:
        if is_cancelled():
            raise asyncio.CancelledError
        workflow.upsert_search_attributes([search_attributes.STEP.value_set(Housekeeping.REMOVE_ORPHANS.value)])
        self._update(details="Removing orphans")
        step_input = RemoveOrphansInput(
            operation_id=operation_id,
            step_started_at=workflow.now(),
            target=request.target,
            archive=request.archive,
            source=request.source,
        )
        await trail.wait_until_written()
        outcome: StepOutcome = await await_outcome(
            workflow.start_activity_method(
                LeftoverActivities.remove_orphans,
                step_input,
                **with_summary(REMOVAL, f"remove the orphans of {request.target.cluster}"),
            )
        )
        return outcome

    async def _fail(self, error: BaseException) -> NoReturn:
        cancelled, fault = is_cancelled(), fault_of(error)
        outcome = Outcome.CANCELLED if cancelled else Outcome.FAILED
        await self._end(outcome, details=fault.short, fault=fault)
        raise asyncio.CancelledError if cancelled else as_failure(fault, None) from error

    async def _end(self, outcome: Outcome, **changes: object) -> CleanupState:
        state = self._update(outcome=outcome, **changes)
        if state.operation_id is not None:
            await shield(seal_trail(state.operation_id, state.target_arn, TRAIL_CALL))
        workflow.upsert_search_attributes([search_attributes.STEP.value_set(outcome.value)])
        return state

    def _update(self, **changes: object) -> CleanupState:
        if self._state is None:
            raise RuntimeError("the cleanup has not started")
        self._state = state = self._state.model_copy(update=changes)
        headline = f"### {state.operation_id or 'Opening the operation'}: cleanup {state.outcome}"
        fault = [f"**{state.fault.short}**: {state.fault.message}"] if state.fault else []
        removed = [f"- removed {arn}" for arn in state.removed_arns]
        workflow.set_current_details("\n".join([headline, "", state.details, "", *fault, *removed]))
        return state

    @workflow.query(name=STATE_QUERY, description="The progress of the cleanup and what it removed.")
    def state(self) -> CleanupState | None:
        """None before its first task."""
        return self._state


def _require_request(request: RestoreRequest | None) -> RestoreRequest:
    """Raises `InvalidRequest` if there is no request, or if this run does not have the target's own id."""
    if request is None:
        raise InvalidRequest("Invalid request", "no input was given; expected the restore request of the target.")
    if not has_canonical_id(request):
        raise InvalidRequest(
            "Invalid request",
            f"the workflow id is {workflow.info().workflow_id}; a cleanup of this target runs under the id "
            f"{request.target.workflow_id}. Start it with: python starter.py cleanup REQUEST_FILE --delete",
        )
    return request
