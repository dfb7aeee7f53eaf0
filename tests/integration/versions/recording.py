"""Where nights are recorded: the real Temporal server, with time that is skipped and time that is not, and the emulator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

import worker
from audit.plugin import AuroraRestorePlugin
from devstack.aws import Durations
from devstack.demo_environment import REPLACED_BY, TARGET, DemoEnvironment
from models.decisions import Decision, OperatorDecision
from models.operation import RestoreState
from models.request import RestoreRequest
from models.steps import Step
from models.workflow_names import RESTORE_WORKFLOW, STATE_QUERY
from runs.resets import Resets
from tests.rigs.emulator import AT_ONCE, clusters_alone
from tests.rigs.restores import Between, parts, request, skipped_time
from tests.rigs.resumed_restores import told
from workflows.aurora_restore import AuroraRestoreWorkflow

SHORT = {"deadline": "PT1M", "first_interval": "PT0.2S", "maximum_interval": "PT0.2S"}
Happening = Callable[[], Awaitable[Any]]


class During(Interceptor):
    """What happens while an activity runs, by its name and how often it was called."""

    def __init__(self) -> None:
        self.happenings: dict[tuple[str, int], Happening] = {}
        self.calls: dict[str, int] = {}

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _During(next, self)


class _During(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, during: During) -> None:
        super().__init__(next)
        self._during = during

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        name = activity.info().activity_type
        self._during.calls[name] = self._during.calls.get(name, 0) + 1
        if happening := self._during.happenings.pop((name, self._during.calls[name]), None):
            await happening()
            await asyncio.sleep(0.2)  # the workflow hears of it before this activity ends
        return await self.next.execute_activity(input)


@dataclass
class Studio:
    """A worker and a world for one scenario."""

    skipping: Client
    """Whose nights skip their waits."""
    waiting: Client
    """Whose nights wait them out."""
    demo: DemoEnvironment
    task_queue: str
    during: During
    handles: dict[str, WorkflowHandle[Any, Any]] = field(default_factory=dict)
    """The runs of the scenario by the name under which each is kept; "" is the scenario's own."""

    async def start(
        self, asked: Any, *more: Any, skip: bool = True, workflow_id: str = "", name: str = "", type: str = ""
    ) -> WorkflowHandle[Any, Any]:
        """Start a night, or a workflow of another type; it is kept under this name."""
        client = self.skipping if skip else self.waiting
        ahead = self.demo.emulator.clock.now() + timedelta(minutes=1) - datetime.now(UTC)
        handle = await client.start_workflow(
            type or RESTORE_WORKFLOW,
            args=[asked, *more] if asked is not None else [],
            id=workflow_id or request().target.workflow_id,
            task_queue=self.task_queue,
            start_delay=ahead if skip and ahead > timedelta(0) else None,
        )
        self.handles[name] = handle
        return handle

    async def night(self, asked: Any = None, **options: Any) -> WorkflowHandle[Any, Any]:
        """A whole night, however it ends."""
        return await self.ended(await self.start(asked or wish(), **options))

    async def ended(self, handle: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any]:
        """Wait for its end."""
        with suppress(WorkflowFailureError):
            await handle.result(follow_runs=False)
        return handle

    async def state(self, handle: WorkflowHandle[Any, Any], there: Callable[[RestoreState], bool]) -> RestoreState:
        """Wait until a night stands so."""
        for _ in range(400):
            state: RestoreState | None = await handle.query(STATE_QUERY, result_type=RestoreState)
            if state and there(state):
                return state
            await asyncio.sleep(0.05)
        raise AssertionError(f"it did not come so far: {state}")

    async def waits_at(self, handle: WorkflowHandle[Any, Any], step: Step) -> None:
        """Wait until a night has looked at this step and waits."""
        await self.state(handle, lambda state: _looked(state, step))

    async def asks(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Wait until a night waits for its operator, who has been told."""
        await self.state(handle, lambda state: state.waiting_until is not None and told(state))

    async def decide(self, handle: WorkflowHandle[Any, Any], decision: Decision) -> None:
        """What an operator says to it; a refusal is an answer too."""
        decided = OperatorDecision(decision=decision, by="kim@ops", reason="recorded")
        with suppress(WorkflowUpdateFailedError):
            await handle.execute_update(AuroraRestoreWorkflow.decide, decided)

    async def goes_on(self, handle: WorkflowHandle[Any, Any], step: Step | None = None) -> None:
        """Reset a night that ended, as `starter.py retry` does, and wait for its end."""
        resets = Resets(self.waiting)
        state = await handle.query(STATE_QUERY, result_type=RestoreState)
        ended = await resets.find_ended(handle.id, state.operation_id)
        run_id = await resets.reset(ended, ended.reset_point(step), "recorded")
        self.handles[""] = await self.ended(self.waiting.get_workflow_handle(handle.id, run_id=run_id))

    def fails(self, service: str, operation: str, code: str, *, count: int | None = 1, skip: int = 0) -> None:
        """Let a call of AWS go wrong."""
        faults = self.demo.emulator.faults
        faults.add(service, operation, "error", code=code, message="as AWS says it", status=400, count=count, skip=skip)

    def cancels(self, activity_type: str, call: int = 1) -> None:
        """Cancel the night while it is in this call."""
        self.during.happenings[activity_type, call] = self._cancel

    async def _cancel(self) -> None:
        await self.waiting.get_workflow_handle(request().target.workflow_id).cancel()

    def takes(self, **seconds: float) -> None:
        """From now on RDS takes so long; everything else happens at once."""
        self.demo.emulator.durations = Durations(**vars(AT_ONCE) | seconds)

    async def breaks_the_copy(self) -> None:
        """The copy that is under way fails."""
        rds = self.demo.client("rds")
        found = await asyncio.to_thread(rds.describe_db_cluster_snapshots, SnapshotType="manual")
        for snapshot in found["DBClusterSnapshots"]:
            body = {"arn": snapshot["DBClusterSnapshotArn"], "status": "failed"}
            await asyncio.to_thread(self.demo.control, "POST", "/_devstack/rds/status", body)


def wish(*, patient: bool = False, **changed: Any) -> RestoreRequest:
    """A request without users, whose waits are short unless it is patient.

    Top-level fields may be replaced, those of source, target and waits are added to.
    """
    plain = json.loads(request(users=[]).model_dump_json(exclude_none=True))
    if not patient:
        plain["waits"] = dict.fromkeys(plain["waits"], SHORT)
    for name in ("source", "target", "waits"):
        plain[name] |= changed.pop(name, {})
    return RestoreRequest.model_validate_json(json.dumps(plain | changed))


def _looked(state: RestoreState, step: Step) -> bool:
    return bool(state.steps) and state.steps[-1].step is step and state.steps[-1].details != "Started"


@asynccontextmanager
async def studios() -> AsyncIterator[Callable[[str], Any]]:
    """The servers; each scenario gets a studio of its own from them."""
    with clusters_alone(AT_ONCE) as demo:
        async with skipped_time(AuroraRestorePlugin()) as skipping:
            address = skipping.service_client.config.target_host
            waiting = await Client.connect(address, plugins=[AuroraRestorePlugin()])

            @asynccontextmanager
            async def studio(name: str) -> AsyncIterator[Studio]:
                clean(demo)
                plugin, table, settings, aws = parts(demo, name)
                client = await Client.connect(address, plugins=[plugin])
                during = During()
                extra = [Between(demo), during]
                async with worker.build_worker(
                    client,
                    settings,
                    aws,
                    table,
                    extra_interceptors=extra,
                    max_concurrent_workflow_tasks=5,
                ):
                    try:
                        yield Studio(skipping, waiting, demo, settings.task_queue, during)
                    finally:
                        await _end(waiting)

            yield studio


async def _end(client: Client) -> None:
    """A scenario that failed leaves its night to nobody."""
    with suppress(RPCError):
        await client.get_workflow_handle(request().target.workflow_id).terminate("the scenario failed")


def clean(demo: DemoEnvironment) -> None:
    """As on the first evening: no fault, no copy, a target that has opted in, a new snapshot of the source."""
    demo.emulator.faults.clear()
    demo.emulator.durations = AT_ONCE
    remove_target(demo)
    rds = demo.client("rds")
    for snapshot in rds.describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"]:
        _force(demo, snapshot["DBClusterSnapshotArn"])
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=snapshot["DBClusterSnapshotIdentifier"])
    demo.make_target()
    demo.take_automated_snapshot()


def remove_target(demo: DemoEnvironment) -> None:
    """There is no target."""
    rds = demo.client("rds")
    for cluster in rds.describe_db_clusters()["DBClusters"]:
        if cluster["DBClusterIdentifier"] != TARGET:
            continue
        for member in cluster["DBClusterMembers"]:
            rds.delete_db_instance(DBInstanceIdentifier=member["DBInstanceIdentifier"])
        _force(demo, cluster["DBClusterArn"])
        rds.delete_db_cluster(DBClusterIdentifier=TARGET, SkipFinalSnapshot=True)
    demo.wait_until(lambda: all(of["DBClusterIdentifier"] != TARGET for of in rds.describe_db_clusters()["DBClusters"]))


def opt_in_to(demo: DemoEnvironment, source_arn: str) -> None:
    """The target may be replaced by another source."""
    tag = {"Key": REPLACED_BY, "Value": source_arn}
    demo.client("rds").add_tags_to_resource(ResourceName=demo.target_arn, Tags=[tag])


def _force(demo: DemoEnvironment, arn: str) -> None:
    demo.control("POST", "/_devstack/rds/status", {"arn": arn, "status": "available"})
