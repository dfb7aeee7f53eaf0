"""`starter.py list`, and what `status` says of a run that no worker takes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleSpec

from audit.numbers import OperationNumbersTable
from audit.table import AuditTable
from clients.aws import AwsClients
from commands.restores import temporal_client
from devstack.stack import Stack
from models.operation import OpenOperationInput
from models.steps import STEPS, Replacement
from models.workflow_names import CANONICAL_ID_PREFIX, SCHEDULED_ID_PREFIX
from runs import workers
from runs.workers import waiting_since
from settings import TrailSettings, load_settings
from tests.rigs.audit_tables import row
from tests.rigs.cli import CommandResult, quick_example
from tests.rigs.requests import merge

Operator = Callable[..., CommandResult]
CLUSTER = "waiting-staging"
ARN = f"arn:aws:rds:eu-central-1:111122223333:cluster:{CLUSTER}"
WORKFLOW_ID = f"{CANONICAL_ID_PREFIX}111122223333:eu-central-1:{CLUSTER}"
SCHEDULE_ID = "s-waiting-staging"


@pytest.fixture
def waiting_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operator: Operator) -> Iterator[Path]:
    """A request for a target of its own on a task queue that no worker polls; what it leaves in Temporal is removed."""
    monkeypatch.setenv("AURORA_RESTORE_TASK_QUEUE", "nobody")
    monkeypatch.setattr(workers, "PATIENCE", timedelta(0))
    path = tmp_path / "waiting.json"
    target = {"cluster": CLUSTER}
    path.write_text(json.dumps(merge(quick_example(), {"target": target})))
    yield path

    async def remove(client: Client) -> None:
        await client.get_schedule_handle(SCHEDULE_ID).delete()
        async for each in client.list_workflows("ExecutionStatus = 'Running'"):
            if CLUSTER in each.id:
                await client.get_workflow_handle(each.id).terminate()

    in_temporal(remove)


def in_temporal(act: Callable[[Client], Awaitable[None]]) -> None:
    """Act with a client of the environment's Temporal."""

    async def connected() -> None:
        await act(await temporal_client())

    asyncio.run(connected())


def list_one(operator: Operator, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The target in `list -o json`, when it is as expected: Temporal's lists come a moment later."""
    for _ in range(60):
        result = operator("list", "-o", "json")
        assert (result.code, result.err) == (0, "")
        answer = json.loads(result.out)
        found = next((each for each in answer["targets"] if each["target"] == ARN), None)
        if found is not None and until(found):
            assert (answer["workers"], answer["task_queue"]) == (0, "nobody")
            return dict(found)
    raise AssertionError(result.out)


def test_a_run_that_is_due_waits_for_a_worker(set_up: Stack, operator: Operator, waiting_request: Path) -> None:
    """It is in no trail, and the restore before it says nothing of it: the list and the status do."""
    schedule = operator("schedule", waiting_request, "--id", SCHEDULE_ID, "--at", "04:05")
    assert schedule.code == 0
    settings = load_settings(TrailSettings)
    dynamodb = AwsClients().dynamodb(settings.audit_region)
    opened = OperationNumbersTable(dynamodb, settings.operations_table).open(
        OpenOperationInput(workflow_id=WORKFLOW_ID, first_run_id="before", target_arn=ARN, opened_at=datetime.now(UTC))
    )
    began = datetime.now(UTC) - timedelta(hours=7)
    for step in STEPS[Replacement.DELETE_FIRST]:
        AuditTable(dynamodb, settings.audit_table).put(
            row(operation_id=opened.operation_id, run_id="before", step=step, timestamp=began)
        )

    async def trigger(client: Client) -> None:
        await client.get_schedule_handle(SCHEDULE_ID).trigger()

    in_temporal(trigger)
    listed = list_one(operator, lambda target: target["due"] is not None)
    assert listed["due"]["workflow_id"].startswith(f"{SCHEDULED_ID_PREFIX}111122223333:eu-central-1:{CLUSTER}-")
    assert (listed["running"], listed["trail"]["last_operation"]) == (None, opened.operation_id)
    verified = operator("audit", "verify", opened.operation_id)
    assert (verified.code, opened.operation_id in verified.out) == (1, True), "a row may name a run that is none"
    [schedule_of_it] = listed["schedules"]
    assert (schedule_of_it["next_at"][11:16], schedule_of_it["missed"]) == ("04:05", 0)
    table = operator("list")
    [line] = [line for line in table.out.splitlines() if CLUSTER in line]
    assert f"{opened.operation_id} succeeded, " in line
    assert f"7 h ago ({opened.operation_id})" in line
    assert " UTC, waits for a worker for 0:00:" in line
    assert " 04:05 UTC" in line
    assert table.err == "No worker polls the task queue nobody. Start one:\n    python worker.py\n"
    for named in ([CLUSTER], [ARN], ["--request", waiting_request]):
        status = operator("status", *named)
        assert (status.code, status.err) == (0, "")
        assert status.out.startswith(f"{SCHEDULED_ID_PREFIX}111122223333:eu-central-1:{CLUSTER}-")
        assert "and waits for a worker for 0:00:" in status.out
        assert status.out.endswith("No worker polls the task queue nobody. Start one:\n    python worker.py\n")
    assert CLUSTER not in operator("status", "orders-staging").out


def test_a_run_that_no_worker_answers_for(set_up: Stack, operator: Operator, waiting_request: Path) -> None:
    """Started by hand, so that it runs under the target's own id; a paused schedule says why."""
    assert operator("schedule", waiting_request, "--id", SCHEDULE_ID, "--at", "04:05").code == 0
    assert operator("pause", SCHEDULE_ID, "--reason", "a freeze", "--by", "anna").code == 0
    assert operator("start", waiting_request, "--no-wait").code == 0
    listed = list_one(operator, lambda target: target["running"] is not None)
    assert listed["running"]["workflow_id"] == WORKFLOW_ID
    assert (listed["due"], listed["schedules"][0]["next_at"]) == (None, None)
    [line] = [line for line in operator("list").out.splitlines() if CLUSTER in line]
    assert "no number yet beginning, for 0:00:" in line
    assert "; waits for a worker" in line
    assert "paused by anna: a freeze" in line
    status = operator("status", CLUSTER)
    assert status.code == 0
    assert f"{WORKFLOW_ID} is running, before its first step, for 0:00:" in status.out
    assert "No worker answers.\nIt has waited for a worker since " in status.out
    assert status.out.endswith("No worker polls the task queue nobody. Start one:\n    python worker.py\n")


def test_a_schedule_whose_request_is_invalid_hides_no_other(
    set_up: Stack, operator: Operator, waiting_request: Path
) -> None:
    """`list`, `pause` and `doctor` name it, with what to do, and do their work for the others."""
    schedule_id = "aurora-restore-older"

    async def create(client: Client) -> None:
        action = ScheduleActionStartWorkflow("AuroraRestoreWorkflow", {"sourc": 1}, id="older", task_queue="nobody")
        await client.create_schedule(schedule_id, Schedule(action, ScheduleSpec()))

    async def delete(client: Client) -> None:
        await client.get_schedule_handle(schedule_id).delete()

    assert operator("schedule", waiting_request, "--at", "04:05", "--id", SCHEDULE_ID).code == 0
    in_temporal(create)
    try:
        list_one(operator, lambda target: bool(target["schedules"]))
        for _ in range(50):
            listed = operator("list")
            if schedule_id in listed.err:
                break
            time.sleep(0.1)
        paused = operator("pause", CLUSTER, "--reason", "release freeze")
        diagnosed = operator("doctor")
    finally:
        in_temporal(delete)
    assert (listed.code, CLUSTER in listed.out) == (0, True)
    assert (
        f"Schedule {schedule_id} cannot be read; if its request is invalid, its restores fail at once: " in listed.err
    )
    assert f"temporal schedule delete --schedule-id {schedule_id}" in listed.err
    assert (paused.code, schedule_id in paused.err) == (0, True), paused
    assert schedule_id in diagnosed.out


def test_only_a_task_that_nobody_takes_waits() -> None:
    """Not one that a worker has, and not the retry of an activity that is for later."""
    now = datetime.now(UTC)
    started, scheduled = (
        PendingActivityState.PENDING_ACTIVITY_STATE_STARTED,
        PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED,
    )

    def described(state: PendingActivityState.ValueType, minutes: int) -> Any:
        pending = PendingActivityInfo(state=state)
        pending.scheduled_time.FromDatetime(now - timedelta(minutes=minutes))
        return SimpleNamespace(raw_description=DescribeWorkflowExecutionResponse(pending_activities=[pending]))

    assert waiting_since(described(scheduled, 20), now) == now - timedelta(minutes=20)
    assert waiting_since(described(scheduled, 0), now) is None
    assert waiting_since(described(scheduled, -5), now) is None
    assert waiting_since(described(started, 20), now) is None
