"""A worker as one version of a Worker Deployment, on the real server and with the real command line."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle

import worker
from devstack.aws import Durations
from devstack.demo_environment import DemoEnvironment, environment
from devstack.pipeline import ROOT, own_environment, start_worker
from devstack.processes import Scratch
from devstack.temporal_server import TemporalServer
from models.operation import RestoreState
from models.request import RestoreRequest
from models.search_attributes import ALL
from models.workflow_names import RESTORE_WORKFLOW, STATE_QUERY
from runs.resets import Resets
from settings import PREFIX
from tests.integration.versions.recording import SHORT, clean, wish
from tests.rigs.emulator import AT_ONCE, clusters_alone
from tests.rigs.restores import TIMERS_AT_ONCE, Bench, bench, parts
from workflows.aurora_restore import AuroraRestoreWorkflow

PINNED = "VERSIONING_BEHAVIOR_PINNED"
BIN = Path(sys.executable).parent
DRAINS_SOON = (
    "matching.wv.VersionDrainageStatusVisibilityGracePeriod",
    "matching.wv.VersionDrainageStatusRefreshInterval",
)

REPORTS_AFTER = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute"


@pytest.fixture(scope="module")
def temporal() -> Iterator[TemporalServer]:
    attributes = {key.name: "Keyword" for key in ALL}
    soon = [*(f'{name}="1s"' for name in DRAINS_SOON), f"{REPORTS_AFTER}=1", TIMERS_AT_ONCE]
    with TemporalServer(headless=True, search_attributes=attributes, dynamic_config_values=soon) as server:
        yield server


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoEnvironment]:
    with clusters_alone(AT_ONCE) as demo:
        yield demo


@dataclass
class Deployment:
    """A deployment of its own for each test, its task queue, and its operator."""

    name: str
    temporal: TemporalServer
    demo: DemoEnvironment
    parts: Any
    patch: pytest.MonkeyPatch
    started: list[WorkflowHandle[Any, Any]] = field(default_factory=list)

    @asynccontextmanager
    async def worker(self, build_id: str | None) -> AsyncIterator[Bench]:
        """A worker of this version, which signs with its build id; None is one without versions."""
        plugin, table, settings, aws = self.parts
        versioned = {"deployment_name": self.name, "build_id": build_id} if build_id else {}
        self.patch.setattr(worker, "identity", lambda: f"{build_id}@test")
        client = await Client.connect(self.temporal.address, plugins=[plugin])
        async with bench(client, self.demo, (plugin, table, settings.model_copy(update=versioned), aws)) as on:
            yield on

    async def start(self, asked: RestoreRequest | None = None) -> WorkflowHandle[Any, RestoreState]:
        """Start a night now."""
        client = await Client.connect(self.temporal.address, plugins=[self.parts[0]])
        wanted, queue = asked or wish(), self.parts[2].task_queue
        handle: WorkflowHandle[Any, RestoreState] = await client.start_workflow(
            RESTORE_WORKFLOW, wanted, id=wanted.target.workflow_id, task_queue=queue, result_type=RestoreState
        )
        self.started.append(handle)
        return handle

    async def command(self, line: str) -> str:
        """A command of the operator's, as it would be typed."""
        return await asyncio.to_thread(self._command, shlex.split(line))

    def _command(self, words: list[str]) -> str:
        env = own_environment({"TEMPORAL_ADDRESS": self.temporal.address})
        done = subprocess.run(
            [str(BIN / words[0]), *words[1:]],
            env=env,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    async def make_current(self, build_id: str) -> None:
        """As docs/upgrading.md has it; Temporal refuses it until a worker of the version has polled."""
        for _ in range(50):
            try:
                await self.command(
                    f"temporal worker deployment set-current-version --deployment-name {self.name} --build-id {build_id} --yes"
                )
            except AssertionError as error:
                refused = error
                await asyncio.sleep(0.2)
            else:
                return
        raise refused

    async def version_of(self, handle: WorkflowHandle[Any, Any]) -> tuple[str, str]:
        """How Temporal says that a night is versioned: behaviour and build id."""
        told = json.loads(
            await self.command(
                f"temporal workflow describe --workflow-id {handle.id} --run-id {handle.result_run_id} --output json"
            )
        )
        of = told["workflowExecutionInfo"].get("versioningInfo", {})
        return of.get("behavior", ""), of.get("deploymentVersion", {}).get("buildId", "")


@pytest.fixture
async def of(
    temporal: TemporalServer, demo: DemoEnvironment, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Deployment]:
    clean(demo)
    name = f"restore-{abs(hash(request.node.name)) % 10**6}"
    built = Deployment(name, temporal, demo, parts(demo, name), monkeypatch)
    yield built
    for handle in built.started:
        if (await handle.describe()).status == 1:
            await handle.terminate("the test is over")


async def workers(handle: WorkflowHandle[Any, Any]) -> set[str]:
    """Who did the work of a night, workflow tasks and activities."""
    events = (await handle.fetch_history()).events
    did = [event.workflow_task_completed_event_attributes.identity for event in events]
    did += [event.activity_task_completed_event_attributes.identity for event in events]
    return set(did) - {""}


async def comes_to(handle: WorkflowHandle[Any, Any], step: str) -> None:
    """Wait until a night is at this step."""
    for _ in range(200):
        state = await handle.query(STATE_QUERY, result_type=RestoreState)
        if state.steps and state.steps[-1].step == step and state.steps[-1].details != "Started":
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"the night did not come to {step}: {state}")


def copying(demo: DemoEnvironment, seconds: float) -> RestoreRequest:
    """A request whose night waits for its copy so long."""
    demo.emulator.durations = Durations(**vars(AT_ONCE) | {"copy": seconds})
    return wish(waits={"copy_snapshot": SHORT})


async def test_a_version_waits_until_it_is_made_current(deployment: Deployment) -> None:
    """worker.py says so, with the very command; until then a night waits for a worker, and then it comes to this one."""
    settings = deployment.parts[2]
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
        start_worker(scratch, variables, "first")
        said = await log_line(scratch.path / "first.log", "no new night comes to this version until it is made current")
        assert (said["level"], said["deployment"], said["build_id"], said["current"]) == (
            "warning",
            deployment.name,
            "0.1.0",
            "none",
        )

        handle = await deployment.start()
        await asyncio.sleep(2)
        events = (await handle.fetch_history()).events
        assert not [event for event in events if event.HasField("workflow_task_started_event_attributes")]

        await deployment.command(said["run"])
        assert (await handle.result()).outcome == "succeeded"
        assert await deployment.version_of(handle) == (PINNED, "0.1.0")

        start_worker(scratch, variables, "second")
        said = await log_line(scratch.path / "second.log", "new nights come to this version")
        assert (said["level"], said["build_id"]) == ("info", "0.1.0")


async def log_line(log: Path, event: str) -> dict[str, Any]:
    """The line of this event in a worker's log."""
    for _ in range(100):
        lines = (await asyncio.to_thread(log.read_text, "utf-8")).splitlines()
        found: list[dict[str, Any]] = [json.loads(line) for line in lines if event in line]
        if found:
            return found[0]
        await asyncio.sleep(0.1)
    raise AssertionError("\n".join(lines))


async def test_a_night_ends_on_the_version_that_it_began_on(deployment: Deployment) -> None:
    """Although another is current since; the next night begins on that one, and the old one is drained."""
    async with deployment.worker("1.0"):
        await deployment.make_current("1.0")
        first = await deployment.start(copying(deployment.demo, 6))
        await comes_to(first, "check-copy-status")
        async with deployment.worker("2.0"):
            await deployment.make_current("2.0")
            described = await deployment.command(
                f"temporal worker deployment describe-version --deployment-name {deployment.name} --build-id 1.0"
            )
            assert "draining" in described
            assert (await first.result()).outcome == "succeeded"
            assert await workers(first) == {"1.0@test"}
            assert await deployment.version_of(first) == (PINNED, "1.0")

            deployment.demo.emulator.durations = AT_ONCE
            second = await deployment.start()
            assert (await second.result()).outcome == "succeeded"
            assert await workers(second) == {"2.0@test"}
            assert await deployment.version_of(second) == (PINNED, "2.0")
            await drained(deployment, "1.0")


async def drained(deployment: Deployment, build_id: str) -> None:
    """Wait until Temporal says that no night of a version is left."""
    for _ in range(60):
        told = await deployment.command(
            f"temporal worker deployment describe-version --deployment-name {deployment.name} --build-id {build_id}"
        )
        if "drained" in told:
            return
        await asyncio.sleep(0.5)
    raise AssertionError(told)


async def test_a_night_whose_version_has_no_worker_waits_for_one(deployment: Deployment) -> None:
    """It does not go over to the current version by itself; an operator can move it."""
    async with deployment.worker("1.0"):
        await deployment.make_current("1.0")
        night = await deployment.start(copying(deployment.demo, 3))
        await comes_to(night, "check-copy-status")
    async with deployment.worker("2.0"):
        await deployment.make_current("2.0")
        await asyncio.sleep(4)
        assert await workers(night) == {"1.0@test"}
        await deployment.command(
            f"temporal workflow update-options --workflow-id {night.id} --versioning-override-behavior pinned "
            f"--versioning-override-deployment-name {deployment.name} --versioning-override-build-id 2.0"
        )
        assert (await night.result()).outcome == "succeeded"
        assert await workers(night) == {"1.0@test", "2.0@test"}


async def test_a_retry_goes_on_where_the_night_was(deployment: Deployment) -> None:
    """A night that failed on one version and is reset, as `starter.py retry` does, goes on on that version."""
    deployment.demo.emulator.faults.add(
        "rds", "RestoreDBClusterFromSnapshot", "error", code="InvalidVPCNetworkStateFault", message="-", status=400
    )
    async with deployment.worker("1.0") as on, deployment.worker("2.0"):
        await deployment.make_current("1.0")
        failed = await deployment.start()
        with pytest.raises(Exception, match="Workflow execution failed"):
            await failed.result()
        await deployment.make_current("2.0")
        again = await reset(on.client, failed)
        assert (await again.result()).outcome == "succeeded"
        assert await deployment.version_of(again) == (PINNED, "1.0")


async def reset(client: Client, failed: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, RestoreState]:
    """What `starter.py retry` does to a night that ended; the new run."""
    state = await failed.query(STATE_QUERY, result_type=RestoreState)
    resets = Resets(client)
    ended = await resets.find_ended(failed.id, state.operation_id)
    run_id = await resets.reset(ended, ended.reset_point(None), "a test")
    handle: WorkflowHandle[Any, RestoreState] = client.get_workflow_handle(
        failed.id, run_id=run_id, result_type=RestoreState
    )
    handle._result_run_id = run_id
    return handle


async def test_a_worker_without_versions_goes_on_as_before(deployment: Deployment) -> None:
    """No deployment, no behaviour: any worker of the task queue takes up any night."""
    async with deployment.worker(None):
        night = await deployment.start(copying(deployment.demo, 2))
        await comes_to(night, "check-copy-status")
    async with deployment.worker(None):
        assert (await night.result()).outcome == "succeeded"
        assert await deployment.version_of(night) == ("", "")


async def test_from_workers_without_versions_to_one_with(deployment: Deployment) -> None:
    """Once a version is current it gets every task: also those of a night that began without one."""
    async with deployment.worker(None):
        night = await deployment.start(copying(deployment.demo, 6))
        await comes_to(night, "check-copy-status")
        async with deployment.worker("1.0"):
            await deployment.make_current("1.0")
            assert (await night.result()).outcome == "succeeded"
            assert await workers(night) == {"None@test", "1.0@test"}


@workflow.defn(name=RESTORE_WORKFLOW, sandboxed=False)
class Hasty(AuroraRestoreWorkflow):
    """As somebody might deploy it: with a wait that no night had that is running."""

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> RestoreState:
        await workflow.sleep(1)
        return await super().run(request)


async def test_a_night_that_does_not_replay_waits_for_the_code_that_does(deployment: Deployment) -> None:
    """It is not failed: Temporal reports it, its history says why, and with the old code it goes on to its good end."""
    async with deployment.worker(None):
        night = await deployment.start(copying(deployment.demo, 3))
        await comes_to(night, "check-copy-status")
    with pytest.MonkeyPatch.context() as deployed:
        deployed.setattr(worker, "WORKFLOWS", (Hasty,))
        async with deployment.worker(None):
            await reported(deployment, night.id)
            history = await deployment.command(f"temporal workflow show --workflow-id {night.id} --output json")
            assert "TMPRL1100" in history
    async with deployment.worker(None):
        assert (await night.result()).outcome == "succeeded"


async def reported(deployment: Deployment, workflow_id: str) -> None:
    """Wait until the list of nights with problems has this one."""
    query = '\'TemporalReportedProblems IN ("category=WorkflowTaskFailed", "category=WorkflowTaskTimedOut")\''
    for _ in range(120):
        listed = await deployment.command(f"temporal workflow list --query {query}")
        if workflow_id in listed:
            return
        await asyncio.sleep(0.5)
    raise AssertionError(listed)


@pytest.mark.parametrize(("given", "missing"), [("DEPLOYMENT_NAME", "BUILD_ID"), ("BUILD_ID", "DEPLOYMENT_NAME")])
def test_half_a_version_is_refused(given: str, missing: str) -> None:
    """At the start, with exit code 2 and a sentence that names both variables."""
    variables = {f"{PREFIX}AUDIT_REGION": "eu-central-1", f"{PREFIX}DATABASE_TLS": "disable", f"{PREFIX}{given}": "one"}
    done = subprocess.run(
        [sys.executable, ROOT / "worker.py"],
        env=own_environment(variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"needs both or neither: {PREFIX}{given} is set, {PREFIX}{missing} is not" in done.stderr
