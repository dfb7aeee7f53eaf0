"""A night under test: the real Temporal server, whose time may be skipped, the emulator on the same time, real PostgreSQL."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

import worker
from audit.plugin import AuroraRestorePlugin
from audit.setup import create_audit_table, create_operations_table
from audit.table import AuditTable
from clients.aws import AwsClients
from devstack.demo_environment import ACCOUNT, SOURCE_REGION, TARGET_REGION, USERS, DemoEnvironment, environment
from models import search_attributes
from models.operation import RestoreState
from models.request import RestoreRequest
from settings import Settings, load_settings
from workflows.aurora_restore import AuroraRestoreWorkflow

WITHOUT_CACHE: dict[str, Any] = {"max_cached_workflows": 0, "max_concurrent_workflow_tasks": 1}
"""A worker that replays the history at every task, as one does that has just been started.

Two workflow tasks at a time without a cache keep each other's local activities waiting until they time out.
"""
WORKER_OPTIONS = WITHOUT_CACHE if os.environ.get("TESTS_WITHOUT_CACHE") else {}
"""What every worker under test is built with, unless the test says something else."""
TIMERS_AT_ONCE = 'history.timerProcessorMaxTimeShift="10ms"'
"""For a Temporal server under test, which would let each timer wait for up to a second more."""
TEMPORAL_BINARY = str(Path(sys.executable).parent / "temporal")


def dynamic_config(*values: str) -> list[str]:
    """Arguments of the dev server."""
    return [word for value in values for word in ("--dynamic-config-value", value)]


def request_json(**changed: Any) -> dict[str, Any]:
    """The request of the devstack's world; top-level fields may be replaced."""
    grants = {"orders_app": "read-write", "orders_report": "read-only"}
    users = [
        {"name": user, "secret_id": secret, "grants": [{"database": "orders", "access": grants[user]}]}
        for user, secret in USERS.items()
    ]
    request = {
        "source": {"account_id": ACCOUNT, "region": SOURCE_REGION, "cluster": "orders"},
        "target": {
            "account_id": ACCOUNT,
            "region": TARGET_REGION,
            "cluster": "orders-staging",
            "instances": [{"instance_class": "db.r6g.large"}],
            "db_subnet_group_name": "staging",
            "vpc_security_group_ids": ["sg-0123456789abcdef0"],
            "kms_key_id": "alias/staging",
        },
        "users": users,
        "notification": {"topic_arn": f"arn:aws:sns:{TARGET_REGION}:{ACCOUNT}:aurora-restore"},
    }
    if changed.get("users") == []:
        changed.setdefault("other_logins", "keep")  # then nothing is asked of a database, which not every world has
    return request | changed


def request(**changed: Any) -> RestoreRequest:
    """As `request_json`, validated as the workflow does it."""
    return RestoreRequest.model_validate_json(json.dumps(request_json(**changed)))


@contextmanager
def environment_variables(variables: dict[str, str]) -> Iterator[None]:
    """Set them, and put back what was there."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@dataclass
class Between(Interceptor):
    """What happens in the world after a step is done, and what time it is there.

    The emulator's clock follows Temporal's, so that a copy of ten minutes takes ten of the skipped minutes.
    """

    demo: DemoEnvironment
    after: dict[str, Callable[[], None]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Between(next, self)


class _Between(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, between: Between) -> None:
        super().__init__(next)
        self._between = between

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        if not info.is_local:  # a local activity's times are not on the skipped clock
            self._between.demo.emulator.clock.set(info.current_attempt_scheduled_time)
        result = await self.next.execute_activity(input)
        self._between.seen.append(info.activity_type)
        if getattr(result, "done", True) and (happening := self._between.after.pop(info.activity_type, None)):
            happening()
        return result


@dataclass
class Bench:
    """Temporal, the world, and a worker that takes work."""

    client: Client
    demo: DemoEnvironment
    settings: Settings
    table: AuditTable
    between: Between
    plugin: AuroraRestorePlugin

    async def start(self, asked: RestoreRequest, *, workflow_id: str | None = None, at: datetime | None = None) -> Any:
        """Start a night at a time that is to come; by default just after whatever happened in the world before.

        Every workflow has a clock of its own, which begins at the real time: without the delay the world would go back.
        """
        at = at or self.demo.emulator.clock.now() + timedelta(minutes=1)
        delay = max(at - datetime.now(UTC), timedelta(0))
        return await self.client.start_workflow(
            AuroraRestoreWorkflow.run,
            asked,
            id=workflow_id or asked.target.workflow_id,
            task_queue=self.settings.task_queue,
            start_delay=delay or None,
        )

    async def state(self, handle: WorkflowHandle[Any, Any]) -> RestoreState:
        """How a night stands or stood."""
        state = await handle.query(AuroraRestoreWorkflow.state)
        assert state is not None
        return state


@asynccontextmanager
async def bench(
    client: Client,
    demo: DemoEnvironment,
    plugin_settings: tuple[Any, AuditTable, Settings, AwsClients],
    **worker_options: Any,
) -> AsyncIterator[Bench]:
    """A worker on this client."""
    # To where a command that runs in this process too, with its streams redirected, does not look for its own answer.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
    plugin, table, settings, aws = plugin_settings
    between = Between(demo)
    built = worker.build_worker(
        client, settings, aws, table, extra_interceptors=[between], **(WORKER_OPTIONS | worker_options)
    )
    async with built:
        yield Bench(client, demo, settings, table, between, plugin)


def parts(demo: DemoEnvironment, tables: str) -> tuple[AuroraRestorePlugin, AuditTable, Settings, AwsClients]:
    """Plugin, trail, settings and clients on tables of their own."""
    variables = {
        **environment(demo.emulator.endpoint_url),
        "AURORA_RESTORE_AUDIT_REGION": TARGET_REGION,
        "AURORA_RESTORE_AUDIT_TABLE": f"{tables}-audit",
        "AURORA_RESTORE_OPERATIONS_TABLE": f"{tables}-operations",
        "AURORA_RESTORE_TASK_QUEUE": tables,
        "AURORA_RESTORE_DATABASE_TLS": "disable",
        "AURORA_RESTORE_DATABASE_CONNECT_SECONDS": "2",
    }
    with environment_variables(variables):
        settings = load_settings(Settings)
    aws = AwsClients()
    dynamodb = aws.dynamodb(settings.audit_region)
    create_audit_table(dynamodb, settings.audit_table)
    create_operations_table(dynamodb, settings.operations_table)
    plugin, table = worker.plugin(settings, aws)
    return plugin, table, settings, aws


@asynccontextmanager
async def skipped_time(plugin: AuroraRestorePlugin, *, real_databases: bool = False) -> AsyncIterator[Client]:
    """The real server with a clock of each workflow's own, which jumps over waits.

    Real databases start in real time: for them each wait leaves a second, or a slow start would look like an hour's restore.
    """
    timers = () if real_databases else (TIMERS_AT_ONCE,)
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=TEMPORAL_BINARY,
        dev_server_log_level="error",
        search_attributes=list(search_attributes.ALL),
        dev_server_extra_args=dynamic_config("frontend.WorkflowTimeSkippingEnabled=true", *timers),
        plugins=[plugin],
    ) as environment_:
        yield environment_.client
