"""Workers as versions of a Worker Deployment: which worker continues a running restore, and how an operator moves it."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle

import worker
from devstack.demo_environment import DemoEnvironment, environment
from devstack.pipeline import own_environment, start_worker
from devstack.processes import Scratch
from devstack.temporal_server import TemporalServer
from models.request import RestoreRequest
from models.restore_state import RestoreState
from models.search_attributes import ALL
from models.steps import Step
from models.workflow_names import RESTORE_WORKFLOW, STATE_QUERY
from runs.resets import Resets
from settings import PREFIX
from tests.integration.versions.deployment import Deployment, worker_identities
from tests.rigs import warm
from tests.rigs.cli import WORKER
from tests.rigs.durations import AT_ONCE
from tests.rigs.emulator import demo_without_databases, prepare_first_restore
from tests.rigs.failing_calls import fail_step
from tests.rigs.requests import quick_request
from tests.rigs.restores import TIMERS_AT_ONCE, worker_parts
from tests.rigs.resumed_restores import is_at, wait_for_failure, wait_for_state
from workflows.aurora_restore import AuroraRestoreWorkflow

PINNED = "VERSIONING_BEHAVIOR_PINNED"
DRAINED_SOON = (
    "matching.wv.VersionDrainageStatusVisibilityGracePeriod",
    "matching.wv.VersionDrainageStatusRefreshInterval",
)
REPORTED_AFTER = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute"


@pytest.fixture(scope="module")
def temporal() -> Iterator[TemporalServer]:
    attributes = {key.name: "Keyword" for key in ALL}
    values = [*(f'{name}="1s"' for name in DRAINED_SOON), f"{REPORTED_AFTER}=1", TIMERS_AT_ONCE]
    with TemporalServer(headless=True, search_attributes=attributes, dynamic_config_values=values) as server:
        yield server


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoEnvironment]:
    with demo_without_databases(AT_ONCE) as demo:
        yield demo


@pytest.fixture
async def deployment(
    temporal: TemporalServer, demo: DemoEnvironment, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Deployment]:
    demo.emulator.durations = AT_ONCE
    prepare_first_restore(demo)
    name = f"restore-{abs(hash(request.node.name)) % 10**6}"
    deployment = Deployment(name, temporal, demo, worker_parts(demo, name), monkeypatch)
    yield deployment
    await deployment.terminate_running()


def slow_copy(demo: DemoEnvironment, seconds: float) -> RestoreRequest:
    """A request, after the copy is made to take so long."""
    demo.emulator.durations = replace(AT_ONCE, copy=seconds)
    return quick_request()


async def test_a_version_waits_until_it_is_made_current(deployment: Deployment) -> None:
    """worker.py logs the command that makes it current; until then a restore waits, and then this version runs it."""
    settings = deployment.parts.settings
    variables = {
        **environment(deployment.demo.emulator.endpoint_url),
        "TEMPORAL_ADDRESS": deployment.temporal.address,
        f"{PREFIX}AUDIT_REGION": settings.audit_region,
        f"{PREFIX}AUDIT_TABLE": settings.audit_table,
        f"{PREFIX}OPERATIONS_TABLE": settings.operations_table,
        f"{PREFIX}TASK_QUEUE": settings.task_queue,
        f"{PREFIX}DATABASE_TLS": "disable",
        f"{PREFIX}DEPLOYMENT_NAME": deployment.name,
        f"{PREFIX}BUILD_ID": "0.1.0",
        f"{PREFIX}LOG_FORMAT": "json",
    }
    with Scratch("deployment") as scratch:
        start_worker(scratch, variables, "first", warm.command(WORKER))
        logged = await log_line(scratch.path / "first.log", "this version is not current: no new restore runs on it")
        assert (logged["level"], logged["deployment"], logged["build_id"], logged["current"]) == (
            "warning",
            deployment.name,
            "0.1.0",
            "none",
        )

        handle = await deployment.start()
        await asyncio.sleep(2)
        events = (await handle.fetch_history()).events
        assert not [event for event in events if event.HasField("workflow_task_started_event_attributes")]

        await deployment.command(logged["command"])
        assert (await handle.result()).outcome == "succeeded"
        assert await deployment.version_of(handle) == (PINNED, "0.1.0")

        start_worker(scratch, variables, "second", warm.command(WORKER))
        logged = await log_line(scratch.path / "second.log", "this version is current")
        assert (logged["level"], logged["build_id"]) == ("info", "0.1.0")


async def log_line(log: Path, event: str) -> dict[str, Any]:
    """The line of this event in a worker's log."""
    for _ in range(100):
        lines = (await asyncio.to_thread(log.read_text, "utf-8")).splitlines()
        matching: list[dict[str, Any]] = [json.loads(line) for line in lines if event in line]
        if matching:
            return matching[0]
        await asyncio.sleep(0.1)
    raise AssertionError("\n".join(lines))


async def test_a_restore_ends_on_the_version_that_it_started_on(deployment: Deployment) -> None:
    """Although another version is current since; the next restore starts on that one, and the old one is drained."""
    async with deployment.worker("1.0"):
        await deployment.make_current("1.0")
        first = await deployment.start(slow_copy(deployment.demo, 6))
        await wait_for_state(first, is_at(Step.CHECK_COPY_STATUS))
        async with deployment.worker("2.0"):
            await deployment.make_current("2.0")
            assert "draining" in await deployment.describe_version("1.0")
            assert (await first.result()).outcome == "succeeded"
            assert await worker_identities(first) == {"1.0@test"}
            assert await deployment.version_of(first) == (PINNED, "1.0")

            deployment.demo.emulator.durations = AT_ONCE
            second = await deployment.start()
            assert (await second.result()).outcome == "succeeded"
            assert await worker_identities(second) == {"2.0@test"}
            assert await deployment.version_of(second) == (PINNED, "2.0")
            await wait_until_drained(deployment, "1.0")


async def wait_until_drained(deployment: Deployment, build_id: str) -> None:
    """Wait until Temporal says that no restore of a version runs."""
    for _ in range(60):
        described = await deployment.describe_version(build_id)
        if "drained" in described:
            return
        await asyncio.sleep(0.5)
    raise AssertionError(described)


async def test_a_restore_whose_version_has_no_worker_waits_for_one(deployment: Deployment) -> None:
    """It does not move to the current version by itself; an operator can move it."""
    async with deployment.worker("1.0"):
        await deployment.make_current("1.0")
        handle = await deployment.start(slow_copy(deployment.demo, 3))
        await wait_for_state(handle, is_at(Step.CHECK_COPY_STATUS))
    async with deployment.worker("2.0"):
        await deployment.make_current("2.0")
        await asyncio.sleep(4)
        assert await worker_identities(handle) == {"1.0@test"}
        await deployment.command(
            f"temporal workflow update-options --workflow-id {handle.id} --versioning-override-behavior pinned "
            f"--versioning-override-deployment-name {deployment.name} --versioning-override-build-id 2.0"
        )
        assert (await handle.result()).outcome == "succeeded"
        assert await worker_identities(handle) == {"1.0@test", "2.0@test"}


async def test_a_retry_runs_on_the_version_of_the_failed_restore(deployment: Deployment) -> None:
    """A restore that failed on one version and is reset, as `starter.py retry` does, continues on that version."""
    fail_step(deployment.demo.emulator.faults, Step.RESTORE_SNAPSHOT)
    async with deployment.worker("1.0") as rig, deployment.worker("2.0"):
        await deployment.make_current("1.0")
        failed = await deployment.start()
        await wait_for_failure(failed)
        await deployment.make_current("2.0")
        retried = await reset(rig.client, failed)
        assert (await retried.result()).outcome == "succeeded"
        assert await deployment.version_of(retried) == (PINNED, "1.0")


async def reset(client: Client, failed: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, RestoreState]:
    """Reset a failed restore as `starter.py retry` does; returns the new run."""
    state = await failed.query(STATE_QUERY, result_type=RestoreState)
    resets = Resets(client)
    ended = await resets.find_ended(failed.id, state.operation_id)
    run_id = await resets.reset(ended, ended.reset_point(None), "a test")
    handle: WorkflowHandle[Any, RestoreState] = client.get_workflow_handle(
        failed.id, run_id=run_id, result_type=RestoreState
    )
    handle._result_run_id = run_id
    return handle


async def test_workers_without_versions_continue_any_restore(deployment: Deployment) -> None:
    """Without a deployment there is no pinning: any worker of the task queue continues a restore."""
    async with deployment.worker(None):
        handle = await deployment.start(slow_copy(deployment.demo, 2))
        await wait_for_state(handle, is_at(Step.CHECK_COPY_STATUS))
    async with deployment.worker(None):
        assert (await handle.result()).outcome == "succeeded"
        assert await deployment.version_of(handle) == ("", "")


async def test_from_workers_without_versions_to_one_with_a_version(deployment: Deployment) -> None:
    """Once a version is current it gets every task, also of a restore that started without one."""
    async with deployment.worker(None):
        handle = await deployment.start(slow_copy(deployment.demo, 6))
        await wait_for_state(handle, is_at(Step.CHECK_COPY_STATUS))
        async with deployment.worker("1.0"):
            await deployment.make_current("1.0")
            assert (await handle.result()).outcome == "succeeded"
            assert await worker_identities(handle) == {"None@test", "1.0@test"}


@workflow.defn(name=RESTORE_WORKFLOW, sandboxed=False)
class WithAnotherTimer(AuroraRestoreWorkflow):
    """A careless change: a timer that no running restore has in its history."""

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> RestoreState:
        await workflow.sleep(1)
        return await super().run(request)


async def test_a_restore_that_does_not_replay_waits_for_code_that_does(deployment: Deployment) -> None:
    """It does not fail: Temporal reports it, its history says why, and on the old code it continues and succeeds."""
    async with deployment.worker(None):
        handle = await deployment.start(slow_copy(deployment.demo, 3))
        await wait_for_state(handle, is_at(Step.CHECK_COPY_STATUS))
    with pytest.MonkeyPatch.context() as deployed:
        deployed.setattr(worker, "WORKFLOWS", (WithAnotherTimer,))
        async with deployment.worker(None):
            await wait_until_reported(deployment, handle.id)
            history = await deployment.command(f"temporal workflow show --workflow-id {handle.id} --output json")
            assert "TMPRL1100" in history
    async with deployment.worker(None):
        assert (await handle.result()).outcome == "succeeded"


async def wait_until_reported(deployment: Deployment, workflow_id: str) -> None:
    """Wait until Temporal lists this workflow among those with problems."""
    query = '\'TemporalReportedProblems IN ("category=WorkflowTaskFailed", "category=WorkflowTaskTimedOut")\''
    for _ in range(120):
        listed = await deployment.command(f"temporal workflow list --query {query}")
        if workflow_id in listed:
            return
        await asyncio.sleep(0.5)
    raise AssertionError(listed)


@pytest.mark.parametrize(("given", "missing"), [("DEPLOYMENT_NAME", "BUILD_ID"), ("BUILD_ID", "DEPLOYMENT_NAME")])
def test_half_a_version_is_refused(given: str, missing: str) -> None:
    """The worker exits with 2 at its start, and names both settings."""
    variables = {f"{PREFIX}AUDIT_REGION": "eu-central-1", f"{PREFIX}DATABASE_TLS": "disable", f"{PREFIX}{given}": "one"}
    done = subprocess.run(
        warm.command(WORKER),
        env=own_environment(variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"{PREFIX}{given} is set, but {PREFIX}{missing} is not; set both or neither" in done.stderr
