"""The rig that records histories: the real Temporal server in skipped and in real time, a worker, and the emulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

import worker
from audit.plugin import AuroraRestorePlugin
from devstack.demo_environment import DemoEnvironment
from models.decisions import Decision, OperatorDecision
from models.request import RestoreRequest
from models.restore_state import RestoreState
from models.steps import Step
from models.workflow_names import DECIDE_UPDATE, RESTORE_WORKFLOW, SCHEDULED_ID_PREFIX, STATE_QUERY
from runs.resets import Resets
from tests.rigs.durations import AT_ONCE
from tests.rigs.emulator import demo_without_databases, manual_snapshots, prepare_first_restore, set_status
from tests.rigs.failing_calls import fail_step, refuse
from tests.rigs.requests import CANONICAL_ID, quick_request, wait
from tests.rigs.restores import ActivityHooks, time_skipping_client, worker_parts

OTHER_ID = f"{SCHEDULED_ID_PREFIX}orders-staging-2026-11-23T00:05:00Z"
QUARTERS = wait("PT1H", "PT15M")
HOUR = wait("PT1H", "PT1M")
WAITS = {
    Step.CHECK_COPY_STATUS: ("copy_snapshot", "copy"),
    Step.DELETE_RDS: ("delete_rds", "cluster_delete"),
    Step.CHECK_RESTORE_STATUS: ("restore_snapshot", "cluster_restore"),
}
"""The wait of each step that polls, and the duration of what it waits for."""
REMOVE = {"unfinished_copy": "remove", "half_restored_target": "remove"}
Incident = Callable[[], Awaitable[Any]]


class Incidents(Interceptor):
    """Causes an incident while an activity runs, by the activity's type and the number of the call."""

    def __init__(self) -> None:
        self.during: dict[tuple[str, int], Incident] = {}
        self.calls: dict[str, int] = {}

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _ActivityWithIncidents(next, self)


class _ActivityWithIncidents(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, incidents: Incidents) -> None:
        super().__init__(next)
        self._incidents = incidents

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        name, calls = activity.info().activity_type, self._incidents.calls
        calls[name] = calls.get(name, 0) + 1
        if incident := self._incidents.during.pop((name, calls[name]), None):
            await incident()
            await asyncio.sleep(0.2)  # the incident reaches the workflow before this activity ends
        return await self.next.execute_activity(input)


@dataclass
class ScenarioRig:
    """A worker and a demo environment for one scenario."""

    skipping: Client
    """Starts restores whose time is skipped."""
    real_time: Client
    """Starts restores in real time."""
    demo: DemoEnvironment
    task_queue: str
    incidents: Incidents
    handles: dict[str, WorkflowHandle[Any, Any]] = field(default_factory=dict)
    """The runs whose histories are kept, by the suffix of the file's name; "" is the scenario's own."""

    async def start(
        self, *args: Any, skip: bool = True, workflow_id: str = "", name: str = "", workflow_type: str = ""
    ) -> WorkflowHandle[Any, Any]:
        """Start a restore, or a workflow of another type; its history is kept under this name."""
        client = self.skipping if skip else self.real_time
        ahead = self.demo.emulator.clock.now() + timedelta(minutes=1) - datetime.now(UTC)
        handle = await client.start_workflow(
            workflow_type or RESTORE_WORKFLOW,
            args=args,
            id=workflow_id or CANONICAL_ID,
            task_queue=self.task_queue,
            start_delay=ahead if skip and ahead > timedelta(0) else None,
        )
        self.handles[name] = handle
        return handle

    async def run(self, *args: Any, **options: Any) -> WorkflowHandle[Any, Any]:
        """Start a workflow, by default with `quick_request`, and wait for its end."""
        return await self.wait_for_end(await self.start(*(args or (quick_request(),)), **options))

    async def wait_for_end(self, handle: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any]:
        """Wait for the end of a run, however it ends."""
        with suppress(WorkflowFailureError):
            await handle.result(follow_runs=False)
        return handle

    async def decide(self, handle: WorkflowHandle[Any, Any], decision: Decision) -> None:
        """Send an operator's decision, which the workflow may refuse."""
        sent = OperatorDecision(decision=decision, by="kim@ops", reason="recorded")
        with suppress(WorkflowUpdateFailedError):
            await handle.execute_update(DECIDE_UPDATE, sent)

    async def retry(self, handle: WorkflowHandle[Any, Any], step: Step | None = None) -> None:
        """Reset a restore that ended, as `starter.py retry` does, and wait for its end."""
        resets = Resets(self.real_time)
        state = await handle.query(STATE_QUERY, result_type=RestoreState)
        ended = await resets.find_ended(handle.id, state.operation_id)
        run_id = await resets.reset(ended, ended.reset_point(step), "recorded")
        self.handles[""] = await self.wait_for_end(self.real_time.get_workflow_handle(handle.id, run_id=run_id))

    def fail_step(self, step: Step, count: int | None = 1) -> None:
        """Let a step fail for good."""
        fail_step(self.demo.emulator.faults, step, count)

    def refuse(self, service: str, operation: str, code: str, *, count: int | None = 1, skip: int = 0) -> None:
        """Let a call of AWS fail for good."""
        refuse(self.demo.emulator.faults, service, operation, code, count, skip)

    def cancel_during(self, activity_type: str) -> None:
        """Cancel the restore while this activity runs for the first time."""
        self.incidents.during[activity_type, 1] = self.real_time.get_workflow_handle(CANONICAL_ID).cancel

    def set_durations(self, **seconds: float) -> None:
        """From now on RDS takes so long; everything else happens at once."""
        self.demo.emulator.durations = replace(AT_ONCE, **seconds)

    async def fail_copies(self) -> None:
        """Let the copy fail that RDS is making."""
        for snapshot in await asyncio.to_thread(manual_snapshots, self.demo):
            await asyncio.to_thread(set_status, self.demo, snapshot["DBClusterSnapshotArn"], "failed")


Scenario = Callable[[ScenarioRig], Awaitable[Any]]


def add_scenario(scenarios: dict[str, Scenario], run: Scenario) -> Scenario:
    """Keep the history of this run, under the name of the function."""
    scenarios[run.__name__.replace("_", "-")] = run
    return run


def waiting_for_operator() -> RestoreRequest:
    """A request whose failed step waits an hour for an operator."""
    return quick_request(on_failure={"wait_for_operator": "PT1H"})


@asynccontextmanager
async def scenario_rigs() -> AsyncIterator[Callable[[str], AbstractAsyncContextManager[ScenarioRig]]]:
    """The servers, and a function that makes a rig on them for each scenario."""
    with demo_without_databases(AT_ONCE) as demo:
        async with time_skipping_client(AuroraRestorePlugin()) as skipping:
            address = skipping.service_client.config.target_host
            real_time = await Client.connect(address, plugins=[AuroraRestorePlugin()])

            @asynccontextmanager
            async def scenario_rig(name: str) -> AsyncIterator[ScenarioRig]:
                demo.emulator.durations = AT_ONCE
                prepare_first_restore(demo)
                parts, incidents = worker_parts(demo, name), Incidents()
                built = worker.build_worker(
                    await Client.connect(address, plugins=[parts.plugin]),
                    parts.settings,
                    parts.aws,
                    parts.table,
                    extra_interceptors=[ActivityHooks(demo), incidents],
                    max_concurrent_workflow_tasks=5,
                )
                async with built:
                    try:
                        yield ScenarioRig(skipping, real_time, demo, parts.settings.task_queue, incidents)
                    finally:
                        await _terminate_restore(real_time)

            yield scenario_rig


async def _terminate_restore(client: Client) -> None:
    """A scenario that failed must not leave a running restore to the next one."""
    with suppress(RPCError):
        await client.get_workflow_handle(CANONICAL_ID).terminate("the scenario failed")
