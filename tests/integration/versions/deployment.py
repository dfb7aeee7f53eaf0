"""A rig for workers as versions of a Worker Deployment: the real server in real time, and Temporal's command line."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle

import worker
from devstack.demo_environment import DemoEnvironment
from devstack.pipeline import own_environment
from devstack.temporal_server import TemporalServer
from models.request import RestoreRequest
from models.restore_state import RestoreState
from models.workflow_names import RESTORE_WORKFLOW
from tests.rigs.requests import quick_request
from tests.rigs.restores import RestoreRig, WorkerParts, run_worker

BIN = Path(sys.executable).parent


@dataclass
class Deployment:
    """The deployment of one test, its task queue, and its operator."""

    name: str
    temporal: TemporalServer
    demo: DemoEnvironment
    parts: WorkerParts
    patch: pytest.MonkeyPatch
    started: list[WorkflowHandle[Any, Any]] = field(default_factory=list)

    @asynccontextmanager
    async def worker(self, build_id: str | None) -> AsyncIterator[RestoreRig]:
        """Run a worker of this version, whose identity begins with its build id; None: without a version."""
        versioned = {"deployment_name": self.name, "build_id": build_id} if build_id else {}
        self.patch.setattr(worker, "identity", lambda: f"{build_id}@test")
        parts = self.parts._replace(settings=self.parts.settings.model_copy(update=versioned))
        client = await Client.connect(self.temporal.address, plugins=[parts.plugin])
        async with run_worker(client, self.demo, parts) as rig:
            yield rig

    async def start(self, request: RestoreRequest | None = None) -> WorkflowHandle[Any, RestoreState]:
        """Start a restore now."""
        client = await Client.connect(self.temporal.address, plugins=[self.parts.plugin])
        request = request or quick_request()
        handle: WorkflowHandle[Any, RestoreState] = await client.start_workflow(
            RESTORE_WORKFLOW,
            request,
            id=request.target.workflow_id,
            task_queue=self.parts.settings.task_queue,
            result_type=RestoreState,
        )
        self.started.append(handle)
        return handle

    async def command(self, line: str) -> str:
        """Run a command as an operator types it; returns what it prints."""
        return await asyncio.to_thread(self._run, shlex.split(line))

    def _run(self, words: list[str]) -> str:
        done = subprocess.run(
            [str(BIN / words[0]), *words[1:]],
            env=own_environment({"TEMPORAL_ADDRESS": self.temporal.address}),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    async def make_current(self, build_id: str) -> None:
        """As in docs/upgrading.md; Temporal refuses it until a worker of the version has polled."""
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

    async def describe_version(self, build_id: str) -> str:
        """What Temporal prints about a version."""
        return await self.command(
            f"temporal worker deployment describe-version --deployment-name {self.name} --build-id {build_id}"
        )

    async def version_of(self, handle: WorkflowHandle[Any, Any]) -> tuple[str, str]:
        """The versioning behavior of a restore and the build id that it is pinned to, as Temporal describes them."""
        described = json.loads(
            await self.command(
                f"temporal workflow describe --workflow-id {handle.id} --run-id {handle.result_run_id} --output json"
            )
        )
        info = described["workflowExecutionInfo"].get("versioningInfo", {})
        return info.get("behavior", ""), info.get("deploymentVersion", {}).get("buildId", "")

    async def terminate_running(self) -> None:
        """Terminate what the test has left running."""
        for handle in self.started:
            if (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
                await handle.terminate("the test is over")


async def worker_identities(handle: WorkflowHandle[Any, Any]) -> set[str]:
    """The identities of the workers that completed the tasks and activities of a run."""
    events = (await handle.fetch_history()).events
    identities = [event.workflow_task_completed_event_attributes.identity for event in events]
    identities += [event.activity_task_completed_event_attributes.identity for event in events]
    return set(identities) - {""}
