"""Removing what earlier nights of a target left behind, while no night of it runs."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import FailureError

from workflows import search_attributes
from workflows.canonical_run import as_failure, runs_under_its_targets_id
from workflows.policies import AWS_CALL, TRAIL_CALL, with_summary
from workflows.sealing import sealed

with workflow.unsafe.imports_passed_through():
    from activities.leftovers import LeftoverActivities
    from activities.operations import OperationActivities
    from audit import trail
    from errors import InvalidRequest, fault_of
    from models.leftovers import CleanupState, RemoveOrphansInput
    from models.operation import OpenOperation, Operation, StepOutcome
    from models.request import RestoreRequest
    from models.steps import Housekeeping, Outcome


@workflow.defn(name="AuroraCleanupWorkflow")
class AuroraCleanupWorkflow:
    """Removes the orphans of a target's earlier nights.

    Workflow id: the target's own, ``aurora-restore:ACCOUNT:REGION:CLUSTER``, as of its nights. One workflow of an id
    runs at a time, so that no night can adopt the very copy that is being removed.
    """

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> CleanupState:
        """The cleanup. Input: the target's restore request; result: what was removed."""
        if request is None:
            raise InvalidRequest("Invalid request", "no input was given, wanted the target's restore request.")
        if not runs_under_its_targets_id(request):
            wanted = f"a cleanup runs under the id {request.target.workflow_id}. Start it with: starter.py cleanup"
            raise InvalidRequest("Invalid request", f"found the workflow id {workflow.info().workflow_id}; {wanted}")
        operation = await self._opened(request)
        try:
            gone = await self._remove_orphans(request, operation)
        except FailureError as error:
            await sealed(operation.operation_id, request.target.arn, TRAIL_CALL)
            _shows(Outcome.FAILED)
            raise as_failure(fault_of(error), None) from error
        await sealed(operation.operation_id, request.target.arn, TRAIL_CALL)
        _shows(Outcome.SUCCEEDED)
        return CleanupState(
            operation_id=operation.operation_id,
            target=request.target.arn,
            details=gone.details,
            removed=gone.resource_arns,
        )

    async def _opened(self, request: RestoreRequest) -> Operation:
        info = workflow.info()
        wanted = OpenOperation(
            workflow_id=info.workflow_id,
            first_run_id=info.first_execution_run_id,
            target=request.target.arn,
            opened_at=workflow.now(),
        )
        workflow.upsert_search_attributes([search_attributes.TARGET.value_set(request.target.cluster)])
        operation: Operation = await workflow.execute_activity_method(
            OperationActivities.open_operation, wanted, **with_summary(TRAIL_CALL, "take the next operation number")
        )
        workflow.upsert_search_attributes([search_attributes.OPERATION.value_set(operation.operation_id)])
        return operation

    async def _remove_orphans(self, request: RestoreRequest, operation: Operation) -> StepOutcome:
        workflow.upsert_search_attributes([search_attributes.STEP.value_set(Housekeeping.REMOVE_ORPHANS.value)])
        of = RemoveOrphansInput(
            operation_id=operation.operation_id,
            step_started_at=workflow.now(),
            target=request.target,
            archive=request.archive,
        )
        await trail.written()
        gone: StepOutcome = await workflow.execute_activity_method(
            LeftoverActivities.remove_orphans, of, **with_summary(AWS_CALL, f"orphans of {request.target.cluster}")
        )
        return gone


def _shows(outcome: Outcome) -> None:
    workflow.upsert_search_attributes([search_attributes.STEP.value_set(outcome.value)])
