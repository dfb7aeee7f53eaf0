"""`starter.py cleanup`: it lists by default; with --delete it runs under the target's id, never beside a restore."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle

from audit.report import report_rows
from models.request import RestoreRequest
from models.steps import Step
from models.workflow_names import CLEANUP_WORKFLOW, SCHEDULED_ID_PREFIX
from tests.rigs.cli import CommandResult
from tests.rigs.durations import AT_ONCE
from tests.rigs.emulator import copies, delete_copies, set_status
from tests.rigs.failing_calls import refuse
from tests.rigs.requests import CANONICAL_ID, quick_request
from tests.rigs.resumed_restores import ResumedRestores, is_at, wait_for_failure, wait_for_state

TARGET_ARN = quick_request().target.arn
CHANGING = ("Delete", "Restore", "Create", "Copy", "Modify", "AddTags", "RemoveTags")


def keeping_one_copy() -> RestoreRequest:
    return quick_request(archive={"keep": 1})


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    """A request that keeps one copy."""
    path = tmp_path / "restore.json"
    path.write_text(keeping_one_copy().model_dump_json(exclude_none=True))
    return path


@pytest.fixture
async def orphan(resumed: ResumedRestores) -> str:
    """The identifier of a copy that op-001 made and that has failed."""
    demo = resumed.rig.demo
    delete_copies(demo)
    resumed.fail_step(Step.RESTORE_SNAPSHOT)
    await resumed.run_to_failure(quick_request())
    [identifier] = copies(demo)
    set_status(demo, snapshot_arn(identifier), "failed")
    return identifier


def snapshot_arn(identifier: str) -> str:
    return f"arn:aws:rds:eu-central-1:111122223333:cluster-snapshot:{identifier}"


def results(said: CommandResult) -> list[str]:
    """The lines that a command printed, without what the worker in the same process logs to stdout."""
    return [line for line in said.out.splitlines() if "attempt " not in line]


async def test_a_list_and_a_failed_cleanup_remove_nothing(
    resumed: ResumedRestores, orphan: str, request_file: Path
) -> None:
    """By default it prints the orphans and the command that removes them, makes no call that changes anything, takes no
    number; a cleanup that fails exits with 1 and prints the reason and the runbook's section.
    """
    resumed.rig.demo.emulator.calls.clear()
    said = await resumed.operator("cleanup", str(request_file))
    assert said.code == 0, said
    assert results(said) == [
        f"{orphan}: failed (failed), of op-001",
        "Nothing was changed. To remove this orphan:",
        f"    python starter.py cleanup {request_file} --delete",
    ]
    calls = resumed.rig.demo.emulator.calls
    assert not [call for call in calls if call.service == "rds" and call.operation.startswith(CHANGING)]
    assert not [call for call in calls if call.service == "dynamodb"]
    assert orphan in copies(resumed.rig.demo)

    refuse(resumed.rig.demo.emulator.faults, "rds", "DeleteDBClusterSnapshot", "AccessDenied", count=None)
    said = await resumed.operator("cleanup", str(request_file), "--delete")
    resumed.rig.demo.emulator.faults.clear()
    assert said.code == 1
    assert "op-002 cleanup failed: Access denied" in said.out
    assert "docs/runbook.md#orphans-of-earlier-restores" in said.out
    assert orphan in copies(resumed.rig.demo)
    assert [row.details for row in report_rows(resumed.rows("op-002"))] == ["Access denied"]
    assert (await resumed.operator("audit", "verify", "op-002")).code == 0


async def test_with_delete_it_removes_them_as_an_operation_of_its_own(
    resumed: ResumedRestores, orphan: str, request_file: Path
) -> None:
    """It prints what it removed; the trail has intent and outcome, sealed, and `audit verify` confirms them.

    It has nothing to retry: retry, skip and abort are refused and say what to do instead; status shows how it ended.
    """
    said = await resumed.operator("cleanup", str(request_file), "--delete")
    assert said.code == 0, said
    assert results(said) == ["op-002 cleanup succeeded: Orphans removed", f"removed {snapshot_arn(orphan)}"]
    assert orphan not in copies(resumed.rig.demo)
    assert resumed.rig.trail("op-002") == [("remove-orphans", "SUCCESS", "Orphans removed")]
    verified = await resumed.operator("audit", "verify", "op-002")
    assert (verified.code, "op-002 (ended): the trail agrees with" in verified.out) == (0, True), verified
    report = await resumed.operator("audit", "op-002")
    assert "remove-orphans" in report.out
    assert (await resumed.operator("audit", "verify", "--days", "1")).code == 0

    for verb in ("retry", "skip", "abort"):
        said = await resumed.operator(verb, "op-002")
        assert said.code == 3
        assert "op-002 is a cleanup, which has no steps to retry. Run the cleanup again:" in said.err
    shown = await resumed.operator("status", "op-002")
    assert (shown.code, "op-002 cleanup succeeded: Orphans removed" in shown.out) == (0, True)
    refused = await resumed.operator("cancel", "op-002")
    assert (refused.code, "is not running" in refused.err) == (3, True)

    again = await resumed.operator("cleanup", str(request_file), "--delete")
    assert (again.code, results(again)) == (0, ["op-003 cleanup succeeded: Nothing to remove"])
    listed = await resumed.operator("cleanup", str(request_file))
    assert results(listed) == [f"No orphans of {TARGET_ARN}."]


async def test_it_is_refused_while_a_restore_runs(resumed: ResumedRestores, orphan: str, request_file: Path) -> None:
    """The refusal names the restore and its step; the copy of the running restore is not listed as an orphan."""
    resumed.rig.demo.emulator.durations = replace(AT_ONCE, copy=3.0)
    resumed.rig.demo.take_automated_snapshot()
    handle = await resumed.start(quick_request())
    await wait_for_state(handle, is_at(Step.CHECK_COPY_STATUS))
    refused = await resumed.operator("cleanup", str(request_file), "--delete")
    assert refused.code == 3
    assert (
        f"A restore of this target is already running: {CANONICAL_ID}, operation op-002, at step 3 of 9" in refused.err
    )
    listed = await resumed.operator("cleanup", str(request_file))
    assert listed.code == 0
    assert "op-002 is running: its copy is not listed, and --delete is refused until it ends." in listed.err
    assert results(listed)[0] == f"{orphan}: failed (failed), of op-001"
    assert len(results(listed)) == 3
    assert (await handle.result()).outcome == "succeeded"


@pytest.fixture
async def running_cleanup(resumed: ResumedRestores, orphan: str) -> WorkflowHandle[Any, Any]:
    """A cleanup that runs and does not end: RDS fails every read of its snapshots."""
    resumed.rig.demo.emulator.faults.add("rds", "DescribeDBClusterSnapshots", "http500", count=None)
    handle = await start_cleanup(resumed, keeping_one_copy(), workflow_id=CANONICAL_ID)
    while "remove-orphans" not in await search_attribute_values(handle):
        pass
    return handle


async def start_cleanup(resumed: ResumedRestores, *args: Any, workflow_id: str) -> WorkflowHandle[Any, Any]:
    return await resumed.rig.client.start_workflow(
        CLEANUP_WORKFLOW, args=args, id=workflow_id, task_queue=resumed.rig.settings.task_queue
    )


async def search_attribute_values(handle: WorkflowHandle[Any, Any]) -> list[str]:
    attributes = (await handle.describe()).typed_search_attributes
    return [str(pair.value) for pair in attributes.search_attributes]


async def test_nothing_begins_while_a_cleanup_runs(
    resumed: ResumedRestores, orphan: str, running_cleanup: WorkflowHandle[Any, Any], request_file: Path
) -> None:
    """start, schedule, retry and a second cleanup are refused and name it; status shows it, and cancel ends it."""
    for refused in (
        await resumed.operator("start", str(request_file)),
        await resumed.operator("cleanup", str(request_file), "--delete"),
    ):
        assert refused.code == 3, refused
        assert f"A cleanup of this target is running: {CANONICAL_ID}, operation op-002." in refused.err
    scheduled = await resumed.start(quick_request(), f"{SCHEDULED_ID_PREFIX}orders-staging-2026-11-25T00:05:00Z")
    assert f"the workflow {CANONICAL_ID} is running, a restore of" in str(await wait_for_failure(scheduled))
    retried = await resumed.operator("retry", "op-001")
    assert (retried.code, "op-002 is a cleanup and is running; retry when it has ended." in retried.err) == (3, True)
    for name in (CANONICAL_ID, "op-002", TARGET_ARN, "orders-staging"):
        shown = await resumed.operator("status", name)
        assert (shown.code, f"The cleanup {CANONICAL_ID} is running: " in shown.out) == (0, True), shown
    verified = await resumed.operator("audit", "verify", "op-002")
    assert verified.code == 0, verified
    assert "op-002 (running)" in verified.out

    cancelled = await resumed.operator("cancel", "orders-staging")
    assert cancelled.code == 0, cancelled
    assert "op-002 cleanup cancelled" in cancelled.out
    resumed.rig.demo.emulator.faults.clear()
    assert orphan in copies(resumed.rig.demo)
    assert (await running_cleanup.describe()).status is WorkflowExecutionStatus.CANCELED
    assert resumed.rig.trail("op-002") == [("remove-orphans", "FAILED", "Cancelled")]
    verified = await resumed.operator("audit", "verify", "op-002")
    assert verified.code == 0, verified


@pytest.mark.usefixtures("orphan")
async def test_after_a_cleanup_the_last_restore_is_still_the_targets_last(
    resumed: ResumedRestores, request_file: Path
) -> None:
    """Status of a target shows its last restore, also after a cleanup, and the restore can still be retried."""
    resumed.rig.demo.take_automated_snapshot()
    resumed.fail_step(Step.RESTORE_SNAPSHOT)
    failed = await resumed.run_to_failure(quick_request())
    assert (await resumed.operator("cleanup", str(request_file), "--delete")).code == 0
    for name in ("orders-staging", CANONICAL_ID, TARGET_ARN):
        assert f"{failed} failed" in (await resumed.operator("status", name)).out
    assert f"{failed} failed" in (await resumed.operator("status")).out
    assert f"{failed} failed" in (await resumed.operator("status", "--request", str(request_file))).out
    said = await resumed.operator("retry", failed, "--by", "kim@ops")
    assert said.code == 0, said
    assert f"{failed} succeeded" in said.out
    verified = await resumed.operator("audit", "verify", failed)
    assert verified.code == 0, verified.out


async def test_a_cleanup_under_another_id_is_refused(resumed: ResumedRestores) -> None:
    """It could remove a copy that a restore is about to adopt."""
    other_id = await start_cleanup(resumed, quick_request(), workflow_id="my-cleanup")
    assert f"a cleanup of this target runs under the id {CANONICAL_ID}" in str(await wait_for_failure(other_id))
    no_input = await start_cleanup(resumed, workflow_id="no-input")
    assert "no input was given" in str(await wait_for_failure(no_input))


async def test_an_invalid_request_is_a_usage_error(resumed: ResumedRestores, tmp_path: Path) -> None:
    """It exits with 2, and nothing begins."""
    path = tmp_path / "invalid.json"
    path.write_text(json.dumps({"target": {}}))
    for options in ([], ["--delete"]):
        assert (await resumed.operator("cleanup", str(path), *options)).code == 2
