"""A whole restore under test: the real Temporal server, a worker, and the emulator on Temporal's clock."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import structlog
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

import worker
from audit import intents
from audit.plugin import AuroraRestorePlugin
from audit.report import report_rows
from audit.seal_rows import SealRow, from_seal_item, is_seal
from audit.setup import create_audit_table, create_operations_table
from audit.table import AuditTable
from clients.aws import AwsClients
from clients.region_lists import RegionLists
from devstack.demo_environment import TARGET_REGION, DemoEnvironment, environment
from models import search_attributes
from models.identifiers import DEFAULT_ENVIRONMENT
from models.request import RestoreRequest
from models.restore_state import RestoreState
from settings import Settings, load_settings
from tests.rigs.emulator import environment_variables
from tests.rigs.skipped_time import SkippedTime, skip_waits_of_activities, wait_by_timers_only
from waiting import clock
from workflows.aurora_restore import AuroraRestoreWorkflow

WITHOUT_CACHE: dict[str, Any] = {"max_cached_workflows": 0, "max_concurrent_workflow_tasks": 1}
"""A worker that replays the history at every task, as a worker does that has just been started.

Without a cache, two workflow tasks at a time keep each other's local activities waiting until they time out.
"""
WORKER_OPTIONS = WITHOUT_CACHE if os.environ.get("TESTS_WITHOUT_CACHE") else {}
"""The options of every worker under test, unless the test sets others."""
TIMERS_AT_ONCE = 'history.timerProcessorMaxTimeShift="10ms"'
"""For a Temporal server under test, which would let each timer wait for up to a second more."""
TEMPORAL_BINARY = str(Path(sys.executable).parent / "temporal")

TrailRow = tuple[str, str, str]
"""The step, the status and the details of a row of the report."""
ERROR_NOTIFICATION_SENT: TrailRow = ("sns-notification", "SUCCESS", "Error notification sent")


def dynamic_config(*values: str) -> list[str]:
    """Arguments of the dev server."""
    return [word for value in values for word in ("--dynamic-config-value", value)]


@dataclass
class ActivityHooks(Interceptor):
    """Sets the emulator's clock to Temporal's, records each activity that ends, and runs what a test hooks in.

    On Temporal's clock a copy of ten minutes takes ten of the skipped minutes.
    """

    demo: DemoEnvironment
    after: dict[str, Callable[[], None]] = field(default_factory=dict)
    """By activity type: runs once, when the activity is done."""
    ended: list[str] = field(default_factory=list)
    """The types of the activities that returned, polls included."""
    skipped: SkippedTime = field(default_factory=SkippedTime)
    real_seconds: dict[str, float] = field(default_factory=dict)
    """By activity type: how long everyone else can use what AWS has finished, before the activity runs."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _HookedActivity(next, self)


class _TimeOutbound(ActivityOutboundInterceptor):
    def __init__(self, next: ActivityOutboundInterceptor, skipped: SkippedTime) -> None:
        super().__init__(next)
        self._skipped = skipped

    def info(self) -> activity.Info:
        return self._skipped.shifted(super().info())


class _HookedActivity(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, hooks: ActivityHooks) -> None:
        super().__init__(next)
        self._hooks = hooks

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        super().init(_TimeOutbound(outbound, self._hooks.skipped))

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        if not info.is_local:  # a local activity's times are not on the skipped clock
            self._hooks.demo.emulator.clock.set(clock.now())
            await asyncio.sleep(self._hooks.real_seconds.get(info.activity_type, 0.0))
        try:
            result = await self.next.execute_activity(input)
        finally:  # a poll that leaves a change to the next one raises
            self._hooks.skipped.add(info.workflow_run_id or "")
        self._hooks.ended.append(info.activity_type)
        if getattr(result, "done", True) and (hook := self._hooks.after.pop(info.activity_type, None)):
            hook()
        return result


class WorkerParts(NamedTuple):
    """What a worker is built from."""

    plugin: AuroraRestorePlugin
    table: AuditTable
    settings: Settings
    aws: AwsClients


@cache
def _clients(_endpoint_url: str) -> AwsClients:
    """The clients of every worker of an emulator, which botocore's variables name: they take longer than a step."""
    return AwsClients()


def worker_parts(demo: DemoEnvironment, table_prefix: str) -> WorkerParts:
    """The parts of a worker with a trail, a counter of operations and a task queue of its own."""
    variables = {
        **environment(demo.emulator.endpoint_url),
        "AURORA_RESTORE_AUDIT_REGION": TARGET_REGION,
        "AURORA_RESTORE_ENVIRONMENT": DEFAULT_ENVIRONMENT,
        "AURORA_RESTORE_AUDIT_TABLE": f"{table_prefix}-audit",
        "AURORA_RESTORE_OPERATIONS_TABLE": f"{table_prefix}-operations",
        "AURORA_RESTORE_TASK_QUEUE": table_prefix,
        "AURORA_RESTORE_DATABASE_TLS_CA_FILE": str(demo.certificate_bundle),
        "AURORA_RESTORE_DATABASE_CONNECT_SECONDS": "2",
    }
    with environment_variables(variables):
        settings = load_settings(Settings)
    aws = _clients(demo.emulator.endpoint_url)
    aws.lists = RegionLists(max_age_seconds=-1)  # a minute of skipped time is no time here
    dynamodb = aws.dynamodb(settings.audit_region)
    create_audit_table(dynamodb, settings.audit_table)
    create_operations_table(dynamodb, settings.operations_table)
    plugin, table = worker.plugin(settings, aws)
    return WorkerParts(plugin, table, settings, aws)


@dataclass
class RestoreRig:
    """A Temporal client, the demo environment, and a worker that runs."""

    client: Client
    demo: DemoEnvironment
    parts: WorkerParts
    hooks: ActivityHooks

    @property
    def settings(self) -> Settings:
        """The worker's settings."""
        return self.parts.settings

    @property
    def table(self) -> AuditTable:
        """The trail."""
        return self.parts.table

    async def start(
        self,
        request: RestoreRequest,
        *,
        workflow_id: str | None = None,
        at: datetime | None = None,
        **options: Any,
    ) -> WorkflowHandle[Any, Any]:
        """Start a restore at a time in the future; by default a minute after the emulator's present.

        Every workflow has a clock of its own, which begins at the real time: without the delay the emulator's clock
        would go back.
        """
        at = at or self.demo.emulator.clock.now() + timedelta(minutes=1)
        delay = max(at - datetime.now(UTC), timedelta(0))
        return await self.client.start_workflow(
            AuroraRestoreWorkflow.run,
            request,
            id=workflow_id or request.target.workflow_id,
            task_queue=self.settings.task_queue,
            start_delay=delay or None,
            **options,
        )

    async def state(self, handle: WorkflowHandle[Any, Any]) -> RestoreState:
        """The state of a restore."""
        state = await handle.query(AuroraRestoreWorkflow.state)
        assert state is not None
        return state

    def trail(self, operation_id: str = "op-001") -> list[TrailRow]:
        """The rows of the report."""
        rows = report_rows(self.table.list_rows(operation_id))
        return [(row.step.value, row.status.value, row.details) for row in rows]

    def seals(self, operation_id: str = "op-001") -> list[SealRow]:
        """The seals of an operation, in their order."""
        rows = (from_seal_item(item) for item in self.table.list_items(operation_id) if is_seal(item))
        return [seal for seal in rows if seal is not None]


@asynccontextmanager
async def run_worker(
    client: Client, demo: DemoEnvironment, parts: WorkerParts, **worker_options: Any
) -> AsyncIterator[RestoreRig]:
    """A rig whose worker runs on this client.

    The worker searches three days of the trail for an earlier deletion, not 45: each day is a query, and a test's trail is
    hardly older than the test.
    """
    # Not to stdout: a command that runs in this process would find the worker's log among its own results.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
    hooks = ActivityHooks(demo)
    built = worker.build_worker(
        client,
        parts.settings,
        parts.aws,
        parts.table,
        extra_interceptors=[hooks],
        **(WORKER_OPTIONS | worker_options),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intents, "SETTINGS_DAYS", 3)
        async with built:
            yield RestoreRig(client, demo, parts, hooks)


@asynccontextmanager
async def time_skipping_client(
    plugin: AuroraRestorePlugin, *, real_databases: bool = False, watching: bool = False
) -> AsyncIterator[Client]:
    """A client of the real server, on which each workflow has a clock of its own that skips waits.

    Real databases start in real time. For them each timer takes a second, or a slow start would seem to be a restore
    of an hour. With `watching` activities poll by themselves, as they do in the field.
    """
    timers = () if real_databases else (TIMERS_AT_ONCE,)
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=TEMPORAL_BINARY,
        dev_server_log_level="error",
        search_attributes=list(search_attributes.ALL),
        dev_server_extra_args=dynamic_config("frontend.WorkflowTimeSkippingEnabled=true", *timers),
        plugins=[plugin],
    ) as server:
        with skip_waits_of_activities() if watching else wait_by_timers_only():
            yield server.client
