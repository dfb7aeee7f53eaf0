"""`audit verify` on nights of the real workflow: a failed one that is reset and succeeds, a cancelled one, a terminated one."""

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
from models.steps import Status, Step
from tests.rigs.emulator import MINUTES, another_evening, clusters_alone
from tests.rigs.restores import Bench, bench, parts, request, skipped_time
from tests.rigs.verification import ended, noted


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoEnvironment]:
    with clusters_alone(MINUTES) as demo:
        yield demo


@pytest.fixture
async def on(demo: DemoEnvironment) -> AsyncIterator[Bench]:
    """A worker with tables of its own, both sides of whose interceptor write, and a target to replace."""
    another_evening(demo)
    made = parts(demo, f"verify-{uuid.uuid4().hex[:6]}")
    async with skipped_time(made[0]) as client, bench(client, demo, made) as built:
        yield built


def verifier(on: Bench) -> Verifier:
    """As the command line makes it."""
    dynamodb, settings = AwsClients().dynamodb(on.settings.audit_region), on.settings
    numbers = OperationNumbersTable(dynamodb, settings.operations_table)
    seals = SealChains(dynamodb, settings.audit_table, settings.operations_table)
    return Verifier(on.client, on.table, numbers, seals)


async def reset_to_after(on: Bench, handle: WorkflowHandle[Any, Any], step: Step) -> WorkflowHandle[Any, Any]:
    """Reset a night to the task that saw the end of a step, and so to before the next one."""
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
    answer = await on.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=on.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=(await handle.describe()).run_id),
            reason="a test",
            request_id=str(uuid.uuid4()),
            workflow_task_finish_event_id=task,
        )
    )
    return on.client.get_workflow_handle(handle.id, run_id=answer.run_id)


def clean(verified: Verification, seals: int) -> None:
    """Nothing found, everything sealed."""
    assert verified.ok, as_plain(verified)
    assert (verified.state, verified.seals) == (State.ENDED, seals), as_plain(verified)


async def test_a_cancelled_night_is_clean(on: Bench) -> None:
    """Cancelled in the middle of a wait, which ends through its last look."""
    handle = await on.start(request(users=[]))
    while Step.COPY_SNAPSHOT not in on.between.seen:
        await _moment()
    await handle.cancel()
    await ended(handle)
    clean(await verifier(on).verify("op-001"), 2)


async def test_a_reset_night_is_clean_and_no_row_is_doubled(on: Bench) -> None:
    """A failed night that is reset to after its last good step: clean before and after, one row for each success.

    Each is sealed before the notification and at the end of each run.
    """
    on.demo.emulator.faults.add("rds", "CopyDBClusterSnapshot", "throttle", count=5)
    on.demo.emulator.faults.add(
        "rds",
        "RestoreDBClusterFromSnapshot",
        "error",
        code="InvalidVPCNetworkStateFault",
        message="as AWS says it",
        count=1,
    )
    handle = await on.start(request(users=[]))
    await ended(handle)
    clean(await verifier(on).verify("op-001"), 2)
    first_run = (await handle.describe()).run_id
    again = await reset_to_after(on, handle, Step.DELETE_RDS)
    await ended(again)
    verified = await verifier(on).verify("op-001")
    clean(verified, 4)
    assert len(verified.runs) == 2
    rows = [row for row in on.table.list_rows("op-001") if row.phase is Phase.OUTCOME]
    successes = [(row.step, row.run_id) for row in rows if row.status is Status.SUCCESS]
    before = [step for step, run_id in successes if run_id == first_run]
    assert before == [*list(Step)[:4], Step.SNS_NOTIFICATION]
    assert [step for step, run_id in successes if run_id != first_run] == list(Step)[4:]


async def test_a_terminated_night_is_repaired(on: Bench) -> None:
    """Terminated while it waits for the copy."""
    handle = await on.start(request(users=[]))
    on.demo.emulator.faults.add("rds", "DescribeDBClusterSnapshots", "no-response", count=1, skip=6)
    while Step.COPY_SNAPSHOT not in on.between.seen:
        await _moment()
    await handle.terminate("a test")
    verified = await verifier(on).verify("op-001")
    assert FindingKind.MISSING_SEAL in {finding.kind for finding in verified.findings}
    repaired = await verifier(on).repair("op-001")
    clean(repaired, 1)
    assert set(noted(repaired)) <= {FindingKind.ADDED_ROW, FindingKind.LATE_ROW}


async def _moment() -> None:
    await asyncio.sleep(0.02)
