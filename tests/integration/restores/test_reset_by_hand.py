"""`temporal workflow reset`, which anyone who may use the Web UI can do, beside `starter.py retry`."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle

from models.steps import Step
from tests.integration.restores.test_retry import target_resource_id
from tests.rigs.durations import AT_ONCE
from tests.rigs.requests import quick_request
from tests.rigs.resumed_restores import ResumedRestores, is_at, wait_for_failure, wait_for_state

FIRST_TASK = "open-operation"
SAMPLED = (FIRST_TASK, Step.DELETE_RDS, Step.RESTORE_SNAPSHOT, Step.CHECK_RESTORE_STATUS)
"""The steps to which the tests reset; `make faults` resets to every one."""


async def test_a_reset_to_the_first_task_deletes_nothing_that_the_operation_restored(resumed: ResumedRestores) -> None:
    """`temporal workflow reset --type FirstWorkflowTask` runs every step again under the same number."""
    handle = await run_restore(resumed)
    operation, restored = await resumed.operation(handle), target_resource_id(resumed)
    error = await wait_for_failure(await reset(resumed, handle, FIRST_TASK))
    assert f"was restored by {operation} itself" in str(error)
    assert await resumed.operation(resumed.rig.client.get_workflow_handle(handle.id)) == operation
    assert target_resource_id(resumed) == restored
    assert resumed.effects("DeleteDBCluster") == 1


async def test_no_reset_of_an_older_run_deletes_what_a_newer_one_restored(resumed: ResumedRestores) -> None:
    """Temporal terminates the newer one, which still runs; what it restored stays until the next restore replaces it."""
    older = await run_restore(resumed)
    resumed.rig.demo.emulator.durations = replace(AT_ONCE, instance_create=4.0)
    newer = resumed.this_run(await resumed.start(quick_request()))
    await wait_for_state(newer, is_at(Step.CHECK_RESTORE_STATUS))
    restored = target_resource_id(resumed)
    sentences = {step: str(await wait_for_failure(await reset(resumed, older, step))) for step in SAMPLED}
    assert (await newer.describe()).status is WorkflowExecutionStatus.TERMINATED
    for step in (FIRST_TASK, Step.DELETE_RDS):
        assert "was restored by op-002 after op-001 had begun" in sentences[step]
    for step in (Step.RESTORE_SNAPSHOT, Step.CHECK_RESTORE_STATUS):
        assert "Another cluster has the target's name" in sentences[step]
    assert target_resource_id(resumed) == restored
    assert resumed.effects("DeleteDBCluster") == len((older, newer))
    await check_that_it_says_so(resumed)
    await run_restore(resumed)
    assert target_resource_id(resumed) != restored


async def check_that_it_says_so(resumed: ResumedRestores) -> None:
    """`status` and the repaired trail say that op-002 was not terminated by a person, with the reason of the reset."""
    said = await resumed.operator("status", "op-002")
    assert "Terminated by a reset: Another run of the same workflow id was reset" in said.out
    assert "(reason: by hand)" in said.out
    assert (await resumed.operator("audit", "verify", "op-002", "--repair")).code == 0
    assert resumed.rig.trail("op-002")[-1] == ("check-restore-status", "FAILED", "Terminated by a reset")


async def run_restore(resumed: ResumedRestores) -> WorkflowHandle[Any, Any]:
    """Run a restore that succeeds; returns the handle of this very run."""
    handle = await resumed.start(quick_request())
    assert (await handle.result()).outcome == "succeeded"
    return resumed.this_run(handle)


async def reset(resumed: ResumedRestores, handle: WorkflowHandle[Any, Any], step: str) -> WorkflowHandle[Any, Any]:
    """Reset this run to just before the first activity of a step; returns the new run's handle."""
    history = (await handle.fetch_history()).events
    [task, *_] = (
        event.activity_task_scheduled_event_attributes.workflow_task_completed_event_id
        for event in history
        if event.activity_task_scheduled_event_attributes.activity_type.name == step
    )
    client = resumed.rig.client
    answer = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.run_id or ""),
            reason="by hand",
            workflow_task_finish_event_id=task,
            request_id=str(uuid.uuid4()),
        )
    )
    return client.get_workflow_handle(handle.id, run_id=answer.run_id)
