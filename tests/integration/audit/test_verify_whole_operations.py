"""`audit verify` on operations of the real restore workflow: cancelled, failed and reset, terminated."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle

from audit.chain import SealChains
from audit.numbers import OperationNumbersTable
from audit.rows import Phase
from audit.verify.findings import FindingKind, State, Verification, as_plain
from audit.verify.verifier import Verifier
from clients.aws import AwsClients
from devstack.demo_environment import DemoEnvironment
from models.steps import STEPS, Replacement, Status, Step
from tests.rigs.durations import MINUTES
from tests.rigs.emulator import demo_without_databases, prepare_next_restore
from tests.rigs.failing_calls import fail_step
from tests.rigs.requests import request
from tests.rigs.restores import RestoreRig, run_worker, time_skipping_client, worker_parts
from tests.rigs.verification import note_kinds, wait_for_end


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoEnvironment]:
    with demo_without_databases(MINUTES) as demo:
        yield demo


@pytest.fixture
async def rig(demo: DemoEnvironment) -> AsyncIterator[RestoreRig]:
    """A worker with new tables and both sides of the interceptor, and a target to restore."""
    prepare_next_restore(demo)
    parts = worker_parts(demo, f"verify-{uuid.uuid4().hex[:6]}")
    async with time_skipping_client(parts.plugin) as client, run_worker(client, demo, parts) as rig:
        yield rig


def verifier(rig: RestoreRig) -> Verifier:
    """The verifier that the command line makes."""
    dynamodb, settings = AwsClients().dynamodb(rig.settings.audit_region), rig.settings
    numbers = OperationNumbersTable(dynamodb, settings.operations_table)
    chains = SealChains(dynamodb, settings.audit_table, settings.operations_table)
    return Verifier(rig.client, rig.table, numbers, chains)


async def reset_to_after(rig: RestoreRig, handle: WorkflowHandle[Any, Any], step: Step) -> WorkflowHandle[Any, Any]:
    """Reset a workflow to the workflow task that received the end of a step."""
    events = [event async for event in handle.fetch_history_events()]
    scheduled = {
        event.event_id: event.activity_task_scheduled_event_attributes.activity_type.name
        for event in events
        if event.HasField("activity_task_scheduled_event_attributes")
    }
    end = max(
        event.event_id
        for event in events
        if event.HasField("activity_task_completed_event_attributes")
        and scheduled[event.activity_task_completed_event_attributes.scheduled_event_id] == step
    )
    task = next(
        event.event_id for event in events if event.workflow_task_completed_event_attributes.started_event_id > end
    )
    answer = await rig.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=rig.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=(await handle.describe()).run_id),
            reason="a test",
            request_id=str(uuid.uuid4()),
            workflow_task_finish_event_id=task,
        )
    )
    return rig.client.get_workflow_handle(handle.id, run_id=answer.run_id)


def assert_verified(verification: Verification, seals: int) -> None:
    """The operation has ended, and has no finding and this many seals."""
    assert verification.ok, as_plain(verification)
    assert (verification.state, verification.seals) == (State.ENDED, seals), as_plain(verification)


async def test_a_cancelled_restore_has_no_finding(rig: RestoreRig) -> None:
    """Cancelled during a wait, which ends with the step's final poll."""
    handle = await rig.start(request(users=[]))
    await wait_for_copy(rig)
    await handle.cancel()
    await wait_for_end(handle)
    assert_verified(await verifier(rig).verify("op-001"), 2)


async def test_a_failed_restore_has_no_finding_before_and_after_its_reset(rig: RestoreRig) -> None:
    """Each success has one row, of the run that scheduled its activity; each run adds two seals."""
    rig.demo.emulator.faults.add("rds", "CopyDBClusterSnapshot", "throttle", count=5)
    fail_step(rig.demo.emulator.faults, Step.RESTORE_SNAPSHOT)
    handle = await rig.start(request(users=[]))
    await wait_for_end(handle)
    assert_verified(await verifier(rig).verify("op-001"), 2)
    first_run = (await handle.describe()).run_id
    new_run = await reset_to_after(rig, handle, Step.DELETE_RDS)
    await wait_for_end(new_run)
    verification = await verifier(rig).verify("op-001")
    assert_verified(verification, 4)
    assert len(verification.runs) == 2
    rows = [row for row in rig.table.list_rows("op-001") if row.phase is Phase.OUTCOME]
    successes = [(row.step, row.run_id) for row in rows if row.status is Status.SUCCESS]
    before = [step for step, run_id in successes if run_id == first_run]
    assert before == [*STEPS[Replacement.DELETE_FIRST][:4], Step.SNS_NOTIFICATION]
    assert [step for step, run_id in successes if run_id != first_run] == list(STEPS[Replacement.DELETE_FIRST][4:])


async def test_a_terminated_restore_has_no_finding_after_its_repair(rig: RestoreRig) -> None:
    """Terminated while it waits for the copy."""
    handle = await rig.start(request(users=[]))
    rig.demo.emulator.faults.add("rds", "DescribeDBClusterSnapshots", "no-response", count=1, skip=6)
    await wait_for_copy(rig)
    await handle.terminate("a test")
    verification = await verifier(rig).verify("op-001")
    assert FindingKind.MISSING_SEAL in {finding.kind for finding in verification.findings}
    repaired = await verifier(rig).repair("op-001")
    assert_verified(repaired, 1)
    assert set(note_kinds(repaired)) <= {FindingKind.ADDED_ROW, FindingKind.LATE_ROW}


async def wait_for_copy(rig: RestoreRig) -> None:
    """Wait until copy-snapshot has run."""
    while Step.COPY_SNAPSHOT not in rig.hooks.ended:  # noqa: ASYNC110 - a worker's interceptor adds it
        await asyncio.sleep(0.02)
