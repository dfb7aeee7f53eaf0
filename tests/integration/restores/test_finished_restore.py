"""A restore that succeeded, with activities that poll by themselves: how long it took, and what it leaves to read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.worker import Replayer

from audit.plugin import AuroraRestorePlugin
from devstack.demo_environment import DemoEnvironment
from models import search_attributes
from models.restore_state import RestoreState
from models.steps import Step
from tests.rigs.durations import MINUTES
from tests.rigs.emulator import prepare_next_restore
from tests.rigs.requests import request
from tests.rigs.restores import RestoreRig, run_worker, time_skipping_client, worker_parts
from workflows.aurora_restore import AuroraRestoreWorkflow


@dataclass(frozen=True)
class Finished:
    """A restore that succeeded, with the default waits, started as a schedule starts it; what there is to read of it."""

    rig: RestoreRig
    handle: WorkflowHandle[Any, Any]
    """Of the run under the canonical id."""
    started_by: RestoreState
    """What the run that was started returned."""
    message: str

    async def state(self) -> RestoreState:
        return await self.rig.state(self.handle)


@pytest.fixture(scope="module")
async def guarded_temporal() -> AsyncIterator[Client]:
    """With activities that poll by themselves, and the guard of the sandbox for the workflow's code."""
    async with time_skipping_client(AuroraRestorePlugin(guarded=True), watching=True) as client:
        yield client


@pytest.fixture(scope="module")
async def finished(guarded_temporal: Client, demo: DemoEnvironment) -> AsyncIterator[Finished]:
    """Runs the restore once for all tests that only read."""
    prepare_next_restore(demo)
    async with run_worker(guarded_temporal, demo, worker_parts(demo, "finished")) as rig:
        started_by = await (await rig.start(request(users=[]), workflow_id="nightly-2026-11-23T00:05:00Z")).result()
        handle = rig.client.get_workflow_handle(request().target.workflow_id)
        run_id = (await handle.describe()).run_id
        [message] = demo.receive_notifications()
        yield Finished(
            rig, rig.client.get_workflow_handle(handle.id, run_id=run_id), started_by, str(message["Message"])
        )


AWS_TIME = timedelta(seconds=MINUTES.copy + MINUTES.cluster_delete + MINUTES.cluster_restore + MINUTES.instance_create)
"""What RDS itself needs for a restore: the master password is set beside the writer, instances are deleted with the cluster."""


async def test_a_first_restore_takes_little_longer_than_aws(finished: Finished) -> None:
    """With the default waits, of a target about which nothing is known: it leaves at most 200 events, and they replay."""
    history, rows = await finished.handle.fetch_history(), finished.rig.table.list_rows("op-001")
    took = max(row.timestamp for row in rows) - min(row.timestamp for row in rows)
    assert AWS_TIME < took < 1.05 * AWS_TIME
    assert len(history.events) <= 200
    await Replayer(workflows=[AuroraRestoreWorkflow], plugins=[AuroraRestorePlugin()]).replay_workflow(history)


async def test_setup_db_users_gets_the_resource_id_of_the_restored_cluster(finished: Finished) -> None:
    """Its input names the cluster by its resource id: by then the endpoint's name could lead to another cluster."""
    scheduled = [
        event.activity_task_scheduled_event_attributes
        for event in (await finished.handle.fetch_history()).events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    [step_input] = [
        json.loads(attributes.input.payloads[0].data)
        for attributes in scheduled
        if attributes.activity_type.name == Step.SETUP_DB_USERS
    ]
    assert step_input["cluster_resource_id"] == (await finished.state()).cluster_resource_id


async def test_another_id_runs_as_a_child_under_the_canonical_id(finished: Finished) -> None:
    """A restore that is started under any id runs under the target's own, and returns its result."""
    assert finished.started_by.outcome == "succeeded"
    assert finished.started_by == await finished.state()
    assert (await finished.handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    assert finished.started_by.operation_id == "op-001"


async def test_a_restore_is_found_by_operation_target_and_outcome(finished: Finished) -> None:
    """The search attributes have the operation, the target, and at the end the outcome."""
    attributes = (await finished.handle.describe()).typed_search_attributes
    values = {pair.key.name: pair.value for pair in attributes.search_attributes}
    assert values[search_attributes.OPERATION.name] == "op-001"
    assert values[search_attributes.TARGET.name] == "orders-staging"
    assert values[search_attributes.STEP.name] == "succeeded"


async def test_an_operation_ends_sealed(finished: Finished) -> None:
    """The notification quotes the first seal; the last one covers every row, the notification's own too."""
    first, last = finished.rig.seals()
    assert f"Seal of the audit trail: {first.digest}" in finished.message
    assert (await finished.state()).seal_digest == last.digest
    assert last.previous_seal is not None
    assert last.previous_seal.digest == first.digest
    everything = {item["event_key"]["S"] for item in finished.rig.table.list_items("op-001")}
    assert everything - {covered.event_key for covered in last.covered_rows} == {last.event_key}
