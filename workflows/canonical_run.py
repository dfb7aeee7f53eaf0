"""One workflow id per target, the canonical id: it keeps two restores of one target apart, however they were started."""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import (
    ApplicationError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

from workflows.due_time import due_at
from workflows.progress import static_details, static_summary
from workflows.started_by import started_by

with workflow.unsafe.imports_passed_through():
    from errors import Fault, RestoreAlreadyRunning, fault_of
    from models.request import RestoreRequest
    from models.restore_state import RestoreState
    from models.steps import Step
    from models.workflow_names import DUE_AT_MEMO, STARTED_BY_MEMO


def has_canonical_id(request: RestoreRequest) -> bool:
    """Whether this run has the one id of its target; a run that a schedule starts has a time in its id instead."""
    return workflow.info().workflow_id == request.target.workflow_id


def require_canonical_id(request: RestoreRequest) -> None:
    """Raise `RuntimeError` in a run with another id: two restores of one target must never change it."""
    if not has_canonical_id(request):
        raise RuntimeError(f"{workflow.info().workflow_id} must not change {request.target.arn}")


async def run_under_canonical_id(request: RestoreRequest) -> RestoreState:
    """Run this request as a child under the canonical id.

    Raises `RestoreAlreadyRunning` if Temporal refuses the id because a restore or a cleanup of the target runs.
    """
    child_id = request.target.workflow_id
    workflow.set_current_details(f"Runs as the child workflow **{child_id}**, the one workflow id of its target.")
    try:
        state: RestoreState = await workflow.execute_child_workflow(
            workflow.info().workflow_type,
            request,
            id=child_id,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            # The end of this run, even by force, cancels the child: that ends the restore in order, with a notification.
            parent_close_policy=ParentClosePolicy.REQUEST_CANCEL,
            cancellation_type=ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
            static_summary=static_summary(request),
            static_details=static_details(request),
            result_type=RestoreState,
            memo=_memo_of_child(),
        )
        return state
    except WorkflowAlreadyStartedError:
        raise RestoreAlreadyRunning(
            "Restore already running",
            f"the workflow {child_id} is running, a restore of {request.target.arn} or its cleanup; one runs at a time. "
            f"See it with: temporal workflow describe --workflow-id {child_id}",
        ) from None
    except ChildWorkflowError as error:
        if is_cancelled_exception(error):
            raise
        raise as_failure(fault_of(error), None) from error


def _memo_of_child() -> dict[str, str]:
    due, starter = due_at(), started_by()
    return ({DUE_AT_MEMO: due.isoformat()} if due else {}) | ({STARTED_BY_MEMO: starter} if starter else {})


def as_failure(fault: Fault, step: Step | None) -> ApplicationError:
    """The error that a workflow fails with: the failed step's, with its type, its text and its fault."""
    text = fault.message if fault.message.startswith(fault.short) else f"{fault.short}: {fault.message}"
    return ApplicationError(
        f"{step}: {text}" if step else text, fault.model_dump(), type=fault.type, non_retryable=True
    )
