"""Whole drills, in skipped time and without a database: no target is touched, whatever fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError

from audit.operation_summary import summarize_operation
from audit.rows import Phase
from devstack.demo_environment import TARGET, DemoEnvironment
from models.restore_state import RestoreState
from models.steps import STEPS, Housekeeping, Outcome, Replacement, Step
from tests.integration.restores.test_swapped_restores import clusters, describe_target, protect
from tests.rigs.emulator import prepare_next_restore
from tests.rigs.failing_calls import fail_step
from tests.rigs.requests import request
from tests.rigs.restores import RestoreRig, run_worker, worker_parts


@pytest.fixture
async def rig(watching_temporal: Client, brief_demo: DemoEnvironment) -> AsyncIterator[RestoreRig]:
    """The target is protected: a drill must not even want to touch it."""
    brief_demo.emulator.faults.clear()
    prepare_next_restore(brief_demo)
    protect(brief_demo)
    async with run_worker(watching_temporal, brief_demo, worker_parts(brief_demo, "drills")) as rig:
        yield rig


def drill(**changes: Any) -> Any:
    return request(users=[], **changes, target={"replacement": "drill"})


async def fail(rig: RestoreRig, **changes: Any) -> RestoreState:
    """A drill that fails; returns its state."""
    handle = await rig.start(drill(**changes))
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    return await rig.state(handle)


async def test_a_drill_restores_checks_and_removes(rig: RestoreRig) -> None:
    """The trail says that it is a drill and how long it took; the message, too; the target is as it was."""
    before, known = describe_target(rig.demo), clusters(rig.demo)
    state = await (await rig.start(drill())).result()
    rows = rig.table.list_rows(state.operation_id or "")
    ended = sorted((row for row in rows if row.phase is Phase.OUTCOME), key=lambda row: row.timestamp)
    assert [row.step for row in ended] == [step.step for step in state.steps] == list(STEPS[Replacement.DRILL])
    assert (describe_target(rig.demo), clusters(rig.demo)) == (before, known)
    name = f"{TARGET}-drill-{state.operation_id}"
    summary = summarize_operation(rows)
    assert summary is not None
    assert (summary.outcome, summary.drill, summary.restored_at) == (Outcome.SUCCEEDED, name, None)
    assert summary.drilled_at == next(row.timestamp for row in ended if row.step is Step.SETUP_DB_USERS)
    [message] = rig.demo.receive_notifications()
    first = f"The drill of {TARGET} succeeded: {name} was restored from orders, checked and removed."
    assert message["Message"].startswith(first)
    assert f"drill cluster {name}: gone" in message["Message"]
    assert "Ready for its users after: " in message["Message"]


@pytest.mark.parametrize("step", [Step.CHECK_RESTORE_STATUS, Step.ARCHIVE_SNAPSHOT])
async def test_a_failed_drill_removes_what_it_restored(rig: RestoreRig, step: Step) -> None:
    """Also after its users are set up; a retry goes back to the restore, which makes the cluster again."""
    before, known = describe_target(rig.demo), clusters(rig.demo)
    fail_step(rig.demo.emulator.faults, step)
    state = await fail(rig)
    assert (state.failed_step, state.outcome) == (step, Outcome.FAILED)
    assert (describe_target(rig.demo), clusters(rig.demo)) == (before, known)
    assert state.removed_arns == (f"{state.target_arn}-drill-{state.operation_id}",)
    assert state.retry_from is Step.RESTORE_SNAPSHOT
    steps = [row.step for row in rig.table.list_rows(state.operation_id or "")]
    assert Housekeeping.REMOVE_LEFTOVERS in steps
    assert not {Step.DELETE_RDS, Step.SWAP_CLUSTERS, Step.REMOVE_DRILL} & set(steps)
