"""A swap whose old cluster is kept: deleted when its time is over, or given its name back by `starter.py rollback`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from activities.clusters import swap
from audit.health import Level, TargetHealths
from audit.numbers import OperationNumbersTable
from audit.rows import Phase
from audit.time_spent import sum_time
from devstack.demo_environment import TARGET
from models.decisions import Decision
from models.request import RestoreRequest
from models.restore_state import RestoreState
from models.search_attributes import KEEPING_OLD, STEP
from models.steps import STEPS_THAT_KEEP_THE_OLD, Housekeeping, Outcome, Step
from tests.integration.restores.test_swapped_restores import clusters, put_names_back
from tests.rigs.emulator import delete_target
from tests.rigs.requests import quick_request
from tests.rigs.restores import ERROR_NOTIFICATION_SENT
from tests.rigs.resumed_restores import ResumedRestores, wait_for_failure

OLD = f"{TARGET}-old"


def keeping(keep_old: str, **changes: Any) -> RestoreRequest:
    return quick_request(target={"replacement": "swap", "swap": {"deadline": "PT2M", "keep_old": keep_old}}, **changes)


@pytest.fixture(autouse=True)
def target_of_its_own(resumed: ResumedRestores) -> None:
    """Every test's operation is op-001, which is in the names of the instances."""
    put_names_back(resumed.rig.demo)
    delete_target(resumed.rig.demo)
    resumed.rig.demo.make_target()


async def run_until_kept(resumed: ResumedRestores, keep_old: str) -> tuple[WorkflowHandle[Any, RestoreState], str]:
    """Run a restore until it only waits for the end of the old cluster's time."""
    handle = await resumed.start(keeping(keep_old))
    for _ in range(600):
        if (await handle.describe()).typed_search_attributes.get(STEP) == KEEPING_OLD:
            break
        await asyncio.sleep(0.1)
    return handle, await resumed.operation(handle)


async def test_the_old_cluster_is_deleted_when_its_time_is_over(resumed: ResumedRestores) -> None:
    """The message goes out before, with the command that rolls back; the order of the rows is that of the steps."""
    before = clusters(resumed.rig.demo)[TARGET]
    handle = await resumed.start(keeping("PT8S"))
    state = await handle.result()
    assert [step.step for step in state.steps] == list(STEPS_THAT_KEEP_THE_OLD) == list(state.planned_steps)
    rows = {row.step: row for row in resumed.rows(state.operation_id or "") if row.phase is Phase.OUTCOME}
    kept = rows[Step.DELETE_RDS].step_started_at - rows[Step.SWAP_CLUSTERS].timestamp
    assert kept >= timedelta(seconds=7)
    assert state.handed_over_at is not None
    assert abs(state.handed_over_at - rows[Step.SWAP_CLUSTERS].timestamp) <= timedelta(milliseconds=1)
    # Neither the trail nor the state counts that as work, or as waiting for an operator.
    spent, ended_at = sum_time(resumed.rows(state.operation_id or "")), state.ended_at or datetime.now(UTC)
    assert min(spent.kept, state.time_kept(ended_at)) >= timedelta(seconds=6) > spent.waited
    assert abs(state.time_worked(ended_at) - spent.worked) < timedelta(seconds=3)
    assert rows[Step.DELETE_RDS].resource_arns == (f"{state.target_arn}-old",)
    assert clusters(resumed.rig.demo) == {TARGET: state.cluster_resource_id} != {TARGET: before}
    [message] = resumed.rig.demo.receive_notifications()
    assert f"python starter.py rollback {state.operation_id} --reason TEXT" in message["Message"]


async def test_a_rollback_gives_the_old_cluster_its_name_back(
    resumed: ResumedRestores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The restored cluster is removed; trail, message and monitoring say that the restore did not replace the target."""
    monkeypatch.setattr(swap, "VISIBLE_WITHIN", timedelta(seconds=1))
    before = clusters(resumed.rig.demo)[TARGET]
    handle, operation = await run_until_kept(resumed, "PT1H")
    assert clusters(resumed.rig.demo).keys() == {TARGET, OLD}
    assert (await resumed.operator("status", operation)).code == 0
    said = await resumed.decide(operation, Decision.ROLLBACK, "--reason", "prices are wrong")
    assert said.code == 1, said
    await wait_for_failure(handle)
    assert clusters(resumed.rig.demo) == {TARGET: before}
    assert resumed.rig.trail(operation)[-4:] == [
        ("swap-clusters", "FAILED", "Rollback, decided by kim@ops: prices are wrong"),
        ("swap-back", "SUCCESS", "Old cluster has its name again"),
        ("remove-leftovers", "SUCCESS", resumed.rig.trail(operation)[-2][2]),
        ERROR_NOTIFICATION_SENT,
    ]
    state = await resumed.rig.state(handle)
    assert (state.outcome, state.failed_step) == (Outcome.FAILED, Step.SWAP_CLUSTERS)
    [_, message] = resumed.rig.demo.receive_notifications()
    assert "kim@ops rolled the swap back: prices are wrong." in message["Message"]
    settings = resumed.rig.settings
    numbers = OperationNumbersTable(resumed.rig.demo.client("dynamodb"), settings.operations_table)
    healths = TargetHealths(resumed.rig.table, numbers, timedelta(hours=26), datetime.now(UTC))
    [health] = healths.read([state.target_arn])
    assert (health.level, health.restored_by, health.last_step) == (Level.CRITICAL, None, Step.SWAP_CLUSTERS)
    assert any(row.step is Housekeeping.SWAP_BACK for row in resumed.rows(operation))


async def test_other_decisions_do_not_apply(resumed: ResumedRestores) -> None:
    """While the old cluster is kept only a rollback does; after a cancellation the old cluster stays, until a retry deletes it."""
    handle, operation = await run_until_kept(resumed, "PT30S")
    said = await resumed.decide(operation, Decision.ABORT)
    assert (said.code, said.err.split(":")[0]) == (3, f"{operation} is running and waits for no decision"), said
    await handle.cancel()
    await wait_for_failure(handle)
    assert clusters(resumed.rig.demo).keys() == {TARGET, OLD}
    [_, message] = resumed.rig.demo.receive_notifications()
    assert f"cluster {OLD}: available" in message["Message"]
    retry = f"python starter.py retry {operation}"
    assert f"the old cluster is left as {OLD}" in message["Message"]
    assert retry in message["Message"]
    assert "python starter.py start" not in message["Message"], "it would be refused"
    shown = await resumed.operator("status", operation)
    assert (shown.code, retry in shown.out) == (4, True), shown
    said = await resumed.decide(operation, Decision.ROLLBACK)
    assert (said.code, "no longer kept" in said.err) == (3, True), said
    assert (await resumed.operator("retry", operation)).code == 0
    await resumed.rig.client.get_workflow_handle(handle.id).result()
    assert clusters(resumed.rig.demo).keys() == {TARGET}
