"""A restore under another id, as a schedule starts it, runs as a child under the target's canonical id."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import CancelledError

from models.steps import Step
from models.workflow_names import SCHEDULED_ID_PREFIX
from tests.rigs.durations import AT_ONCE
from tests.rigs.requests import CANONICAL_ID, quick_request
from tests.rigs.restores import ERROR_NOTIFICATION_SENT
from tests.rigs.resumed_restores import ResumedRestores, is_at, wait_for_failure, wait_for_state


def scheduled_id(day: int) -> str:
    """The workflow id of a scheduled run."""
    return f"{SCHEDULED_ID_PREFIX}orders-staging-2026-11-{day}T00:05:00Z"


async def test_scheduled_restores_follow_each_other(resumed: ResumedRestores) -> None:
    """The child of the second run reuses the canonical id of the first one's, which has succeeded."""
    for day in (23, 24):
        state = await (await resumed.start(quick_request(), scheduled_id(day))).result()
        assert (state.outcome, state.operation_id) == ("succeeded", f"op-{day - 22:03d}")
        resumed.rig.demo.take_automated_snapshot()


async def test_an_id_that_begins_with_the_canonical_one_is_another_id(resumed: ResumedRestores) -> None:
    """It runs as a child too."""
    handle = await resumed.start(quick_request(), f"{CANONICAL_ID}-again")
    assert (await handle.result()).outcome == "succeeded"
    child = await resumed.rig.client.get_workflow_handle(CANONICAL_ID).describe()
    assert child.status is WorkflowExecutionStatus.COMPLETED


@pytest.fixture
async def copying(resumed: ResumedRestores) -> tuple[WorkflowHandle[Any, Any], WorkflowHandle[Any, Any]]:
    """A scheduled run and its child, which waits for its copy."""
    resumed.rig.demo.emulator.durations = replace(AT_ONCE, copy=60.0)
    parent = await resumed.start(quick_request(), scheduled_id(23))
    child = resumed.rig.client.get_workflow_handle(CANONICAL_ID)
    while not (await is_running(child)):
        pass
    await wait_for_state(child, is_at(Step.CHECK_COPY_STATUS))
    return parent, child


async def is_running(handle: WorkflowHandle[Any, Any]) -> bool:
    """Whether the latest run of this id runs; an id without a run does not."""
    query = f"WorkflowId = '{handle.id}' AND ExecutionStatus = 'Running'"
    return [run async for run in handle._client.list_workflows(query)] != []


async def test_a_cancelled_parent_ends_after_its_child(
    resumed: ResumedRestores, copying: tuple[WorkflowHandle[Any, Any], WorkflowHandle[Any, Any]]
) -> None:
    """The child ends in order, with a notification, before the parent ends as cancelled."""
    parent, child = copying
    await parent.cancel()
    assert isinstance(await wait_for_failure(parent), CancelledError)
    assert (await child.describe()).status is WorkflowExecutionStatus.CANCELED
    assert resumed.rig.trail()[-1] == ERROR_NOTIFICATION_SENT


async def test_a_terminated_parent_cancels_its_child(
    resumed: ResumedRestores, copying: tuple[WorkflowHandle[Any, Any], WorkflowHandle[Any, Any]]
) -> None:
    """The child is not left to run alone: it ends as cancelled, with a notification."""
    parent, child = copying
    await parent.terminate("a test")
    assert isinstance(await wait_for_failure(child), CancelledError)
    assert resumed.rig.trail()[-1] == ERROR_NOTIFICATION_SENT
