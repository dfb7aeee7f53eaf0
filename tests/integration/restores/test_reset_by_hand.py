"""`temporal workflow reset`, which anyone who may use the Web UI can do, beside `starter.py retry`."""

from __future__ import annotations

import uuid

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from tests.integration.restores.test_retry import target_resource_id
from tests.rigs.requests import quick_request
from tests.rigs.resumed_restores import ResumedRestores, wait_for_failure


async def test_a_reset_to_the_first_task_deletes_nothing_that_the_operation_restored(resumed: ResumedRestores) -> None:
    """`temporal workflow reset --type FirstWorkflowTask` runs every step again under the same number."""
    handle = await resumed.start(quick_request())
    assert (await handle.result()).outcome == "succeeded"
    operation, restored = await resumed.operation(handle), target_resource_id(resumed)
    history = await handle.fetch_history()
    [first_task, *_] = (
        event.event_id for event in history.events if event.HasField("workflow_task_completed_event_attributes")
    )
    client = resumed.rig.client
    run_id = (await handle.describe()).run_id
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=run_id),
            reason="by hand",
            workflow_task_finish_event_id=first_task,
            request_id=str(uuid.uuid4()),
        )
    )
    again = client.get_workflow_handle(handle.id)
    error = await wait_for_failure(again)
    assert f"was restored by {operation} itself" in str(error)
    assert await resumed.operation(again) == operation
    assert target_resource_id(resumed) == restored
    assert resumed.effects("DeleteDBCluster") == 1
