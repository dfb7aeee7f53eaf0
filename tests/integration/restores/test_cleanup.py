"""`starter.py cleanup`: dry by default, with --delete a workflow under the target's id, never beside a night."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit.report import report_rows
from devstack.aws import Durations
from models.workflow_names import CLEANUP_WORKFLOW
from tests.rigs.restores import Bench
from tests.rigs.resumed_restores import GoingOn, Said, asked, ended

RESTORE = "aurora-restore:111122223333:eu-central-1:orders-staging"
CHANGING = ("Delete", "Restore", "Create", "Copy", "Modify", "AddTags", "RemoveTags")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The request's file; one good copy is kept."""
    path = tmp_path / "night.json"
    path.write_text(asked(archive={"keep": 1}).model_dump_json(exclude_none=True))
    return path


@pytest.fixture
def slow_copies(on: GoingOn) -> Any:
    """A copy takes 3 seconds."""
    emulator = on.bench.demo.emulator
    before = emulator.durations
    emulator.durations = Durations(**vars(before) | {"copy": 3.0})
    yield
    emulator.durations = before


@pytest.fixture
async def orphan(on: GoingOn) -> str:
    """A copy that op-001 made and that failed; its name."""
    rds = on.bench.demo.client("rds")
    for copy in copies(on.bench):
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copy)
    on.failing("restore-snapshot")
    await on.failed(asked())
    [name] = copies(on.bench)
    fails(on.bench, name)
    return name


def fails(bench: Bench, copy: str) -> None:
    arn = f"arn:aws:rds:eu-central-1:111122223333:cluster-snapshot:{copy}"
    bench.demo.control("POST", "/_devstack/rds/status", {"arn": arn, "status": "failed"})


def copies(bench: Bench) -> list[str]:
    found = bench.demo.client("rds").describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"]
    return [each["DBClusterSnapshotIdentifier"] for each in found]


def plain(said: Said) -> str:
    """What a command said, without what the worker beside it logs to the same stdout."""
    return "\n".join(line for line in said.out.splitlines() if "attempt " not in line)


async def test_dry_it_lists_and_changes_nothing(on: GoingOn, orphan: str, file: Path) -> None:
    """By default: the orphans on stdout, how to remove them, and not one call that changes anything, nor a number taken."""
    on.bench.demo.emulator.calls.clear()
    said = await on.operator("cleanup", str(file))
    assert said.code == 0, said
    assert plain(said).splitlines() == [
        f"{orphan}: failed (failed), of op-001",
        "Nothing was changed. To remove this copy:",
        f"    python starter.py cleanup {file} --delete",
    ]
    calls = on.bench.demo.emulator.calls
    assert not [call for call in calls if call.service == "rds" and call.operation.startswith(CHANGING)]
    assert not [call for call in calls if call.service == "dynamodb"]
    assert orphan in copies(on.bench)


async def test_with_delete_they_go_under_a_number_of_their_own(on: GoingOn, orphan: str, file: Path) -> None:
    """What was removed is told; the trail has intent and outcome, sealed, and verify finds it true."""
    said = await on.operator("cleanup", str(file), "--delete")
    assert (said.code, plain(said).splitlines()) == (
        0,
        [
            "op-002 cleanup succeeded: Orphans removed",
            f"removed arn:aws:rds:eu-central-1:111122223333:cluster-snapshot:{orphan}",
        ],
    )
    assert orphan not in copies(on.bench)
    assert on.trail("op-002") == [("remove-orphans", "SUCCESS", "Orphans removed")]
    verified = await on.operator("audit", "verify", "op-002")
    assert (verified.code, "op-002 (ended): the trail is what the history" in verified.out) == (0, True), verified
    shown = await on.operator("audit", "op-002")
    assert "remove-orphans" in shown.out
    assert (await on.operator("audit", "verify", "--days", "1")).code == 0

    again = await on.operator("cleanup", str(file), "--delete")
    assert (again.code, plain(again)) == (0, "op-003 cleanup succeeded: Nothing to remove")
    dry = await on.operator("cleanup", str(file))
    assert plain(dry) == f"No orphans of {asked().target.arn}."


async def test_a_cleanup_is_refused_while_a_night_runs(on: GoingOn, orphan: str, file: Path, slow_copies: None) -> None:
    """The sentence names the night and its step; dry, the running night's own copy is no orphan."""
    on.bench.demo.take_automated_snapshot()
    handle = await on.start(asked())
    await on.until(handle, lambda state: bool(state.steps) and state.steps[-1].step == "check-copy-status")
    refused = await on.operator("cleanup", str(file), "--delete")
    assert refused.code == 3
    assert f"A restore of this target is already running: {RESTORE}, operation op-002, at step 3 of 9" in refused.err
    dry = await on.operator("cleanup", str(file))
    assert dry.code == 0
    assert "op-002 is running: its copy is not listed, and --delete is refused until it ends." in dry.err
    assert plain(dry).splitlines()[0] == f"{orphan}: failed (failed), of op-001"
    assert len(plain(dry).splitlines()) == 3
    assert (await handle.result()).outcome == "succeeded"


async def held(on: GoingOn, file: Path) -> Any:
    """A cleanup that runs, and cannot go on: RDS does not answer it."""
    on.bench.demo.emulator.faults.add("rds", "DescribeDBClusterSnapshots", "http500", count=None)
    started = await on.bench.client.start_workflow(
        CLEANUP_WORKFLOW,
        asked(archive={"keep": 1}),
        id=RESTORE,
        task_queue=on.bench.settings.task_queue,
    )
    while "remove-orphans" not in await standing(started):
        pass
    return started


async def standing(handle: Any) -> str:
    attributes = (await handle.describe()).typed_search_attributes
    return " ".join(str(pair.value) for pair in attributes.search_attributes)


async def test_nothing_begins_while_a_cleanup_runs(on: GoingOn, orphan: str, file: Path) -> None:
    """Start, schedule, retry, a second cleanup: each refused with a sentence that names it; status tells of it, cancel ends it."""
    handle = await held(on, file)
    for refused in (
        await on.operator("start", str(file)),
        await on.operator("cleanup", str(file), "--delete"),
    ):
        assert refused.code == 3, refused
        assert f"A cleanup of this target is running: {RESTORE}, operation op-002." in refused.err
    scheduled = await on.start(asked(), "aurora-restore-orders-staging-2026-11-25T00:05:00Z")
    assert f"the workflow {RESTORE} is running, a restore of" in str(await ended(scheduled))
    retried = await on.operator("retry", "op-001")
    assert (retried.code, "op-002 is a cleanup and running; retry when it has ended." in retried.err) == (3, True)
    for name in (RESTORE, "op-002", asked().target.arn, "orders-staging"):
        shown = await on.operator("status", name)
        assert (shown.code, f"The cleanup {RESTORE} is running: " in shown.out) == (0, True), shown
    running = await on.operator("audit", "verify", "op-002")
    assert running.code == 0, running
    assert "op-002 (running)" in running.out

    cancelled = await on.operator("cancel", "orders-staging")
    assert cancelled.code == 0, cancelled
    assert "op-002 cleanup cancelled" in cancelled.out
    on.bench.demo.emulator.faults.clear()
    assert orphan in copies(on.bench)
    assert (await handle.describe()).status.name == "CANCELED"
    assert on.trail("op-002") == [("remove-orphans", "FAILED", "Cancelled")]
    verified = await on.operator("audit", "verify", "op-002")
    assert verified.code == 0, verified


async def test_a_cleanup_has_nothing_to_retry(on: GoingOn, orphan: str, file: Path) -> None:
    """Retry, skip and abort of one are refused with what to do instead; status shows how it ended."""
    await on.operator("cleanup", str(file), "--delete")
    for verb in ("retry", "skip", "abort"):
        said = await on.operator(verb, "op-002")
        assert said.code == 3
        assert "op-002 is a cleanup, which has no steps to retry. Run the cleanup again:" in said.err
    shown = await on.operator("status", "op-002")
    assert (shown.code, "op-002 cleanup succeeded: Orphans removed" in shown.out) == (0, True)
    refused = await on.operator("cancel", "op-002")
    assert (refused.code, "is not running" in refused.err) == (3, True)


async def test_a_cleanup_is_no_night(on: GoingOn, orphan: str, file: Path) -> None:
    """What is asked of a target is its last night, also after a cleanup, and that can still be gone on with."""
    on.bench.demo.take_automated_snapshot()
    on.failing("restore-snapshot")
    failed = await on.failed(asked())
    assert (await on.operator("cleanup", str(file), "--delete")).code == 0
    for name in ("orders-staging", RESTORE, asked().target.arn):
        assert f"{failed} failed" in (await on.operator("status", name)).out
    assert f"{failed} failed" in (await on.operator("status")).out
    assert f"{failed} failed" in (await on.operator("status", "--request", str(file))).out
    said = await on.operator("retry", failed, "--by", "kim@ops")
    assert said.code == 0, said
    assert f"{failed} succeeded" in said.out
    verified = await on.operator("audit", "verify", failed)
    assert verified.code == 0, verified.out


async def test_a_cleanup_that_fails_says_why(on: GoingOn, orphan: str, file: Path) -> None:
    """Exit code 1, the reason and the runbook's section; nothing is removed."""
    on.bench.demo.emulator.faults.add(
        "rds", "DeleteDBClusterSnapshot", "error", code="AccessDenied", message="no", status=400, count=None
    )
    said = await on.operator("cleanup", str(file), "--delete")
    on.bench.demo.emulator.faults.clear()
    assert said.code == 1
    assert "op-002 cleanup failed: Access denied" in said.out
    assert "docs/runbook.md#orphans-of-earlier-restores" in said.out
    assert orphan in copies(on.bench)
    assert [row.details for row in report_rows(on.rows("op-002"))] == ["Access denied"]
    assert (await on.operator("audit", "verify", "op-002")).code == 0


async def test_a_cleanup_under_another_id_is_refused(on: GoingOn) -> None:
    """It could remove what a night is about to adopt."""
    handle = await on.bench.client.start_workflow(
        CLEANUP_WORKFLOW, asked(), id="my-cleanup", task_queue=on.bench.settings.task_queue
    )
    assert f"a cleanup of this target runs under the id {RESTORE}" in str(await ended(handle))
    nothing = await on.bench.client.start_workflow(
        CLEANUP_WORKFLOW, id="no-input", task_queue=on.bench.settings.task_queue
    )
    assert "no input was given" in str(await ended(nothing))


async def test_a_request_that_is_none_is_the_users_mistake(on: GoingOn, tmp_path: Path) -> None:
    """Exit code 2, and nothing begins."""
    path = tmp_path / "none.json"
    path.write_text(json.dumps({"target": {}}))
    for options in ([], ["--delete"]):
        assert (await on.operator("cleanup", str(path), *options)).code == 2
