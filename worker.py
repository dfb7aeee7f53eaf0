"""The worker's program: connects to Temporal and polls, with what registrations.py gives it, until a signal stops it."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, NoReturn

import structlog
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Interceptor, Worker, WorkerDeploymentConfig

from audit.interceptor import AuditInterceptor
from audit.numbers import OperationNumbersTable
from audit.plugin import AuroraRestorePlugin
from audit.table import AuditTable
from audit.writer import TrailWriter
from clients.aws import AwsClients
from clients.temporal import connect, exit_process, explain_end_of_polls
from commands.exit_codes import FAILED, FINE, MISTAKE
from commands.failures import describe, exit_code_for
from events import reading_events
from heartbeat import HeartbeatInterceptor
from logs import LogInterceptor, configure_logs
from metrics import MetricsInterceptor, count_aws_calls, count_events, create_runtime, measure_last_successes
from registrations import WORKFLOWS, create_activities
from runs.deployments import log_whether_current
from runs.workers import polls_from_this_host
from settings import Settings, load_settings
from traces import traced
from version import NAME, VERSION
from waiting.watching import WatchInterceptor

log = structlog.stdlib.get_logger("worker")

EPILOG = """\
exit codes:
  0  run: stopped by a signal; check: a worker is alive
  1  Temporal is unavailable, or refused the worker; check: no running worker has polled lately
  2  a mistake in the arguments or the settings
"""

WORKFLOW_TASKS = 20
"""How many workflow tasks the worker takes at the same time: docs/decisions/0038-a-thousand-restores-in-memory.md. Python
computes one of them at a time, so that the last of a hundred, the SDK's default, would wait for longer than the five seconds
of which the SDK warns. Some wait for the trail, up to 8 s, which is why it is not two."""


def plugin(settings: Settings, aws: AwsClients) -> tuple[AuroraRestorePlugin, AuditTable]:
    """The plugin for client and worker, and the audit trail's table that it writes to."""
    table = AuditTable(aws.dynamodb(settings.audit_region), settings.audit_table, settings.audit_retention)
    return AuroraRestorePlugin(AuditInterceptor(TrailWriter(table))), table


def build_worker(
    client: Client,
    settings: Settings,
    aws: AwsClients,
    table: AuditTable,
    *,
    extra_interceptors: Sequence[Interceptor] = (),
    **options: Any,
) -> Worker:
    """The worker on a client that was connected with the same plugin.

    `extra_interceptors` wrap the activities most closely; `options` are passed to `temporalio.worker.Worker`.
    """
    threads, most_activities = settings.activity_threads, settings.activity_threads + settings.watching_activities
    return Worker(
        client,
        task_queue=settings.task_queue,
        workflows=WORKFLOWS,
        activities=create_activities(settings, aws, table),
        # Of these threads only as many are started as `WatchInterceptor` lets call at the same time.
        activity_executor=ThreadPoolExecutor(most_activities, thread_name_prefix="activity"),
        max_concurrent_activities=most_activities,
        # The default delays a heartbeat by most of its timeout, so that a killed worker's last one would be lost.
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        interceptors=[
            HeartbeatInterceptor(),
            MetricsInterceptor(),
            LogInterceptor(log_sql_errors=settings.log_sql_errors),
            WatchInterceptor(threads),
            *extra_interceptors,
        ],
        deployment_config=deployment(settings),
        graceful_shutdown_timeout=timedelta(seconds=settings.graceful_shutdown_seconds),
        identity=identity(),
        **{"max_concurrent_workflow_tasks": WORKFLOW_TASKS, **options},
    )


def deployment(settings: Settings) -> WorkerDeploymentConfig | None:
    """The Worker Deployment version, to which every restore that starts on it is pinned; None without versioning.

    The behaviour is set here and not on the workflow, because a worker without versioning refuses such a workflow.
    """
    if settings.deployment_name is None or settings.build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(settings.deployment_name, settings.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


def identity() -> str:
    """This process's name in Temporal: the SDK's default, set here because `check` searches for it."""
    return f"{os.getpid()}@{socket.gethostname()}"


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then let running activities finish.

    Raises `TemporalUnreachable`, and `RPCError` if Temporal refuses the worker.
    """
    aws = AwsClients(environment=settings.environment)
    runtime = create_runtime(settings.metrics_address, settings.metrics_otlp_url)
    if runtime is not None:
        count_aws_calls(aws, runtime.metric_meter)
    own_plugin, table = plugin(settings, aws)
    async with traced(settings.traces_otlp_url) as trace_plugins:
        client = await connect(own_plugin, *trace_plugins, runtime=runtime)
        # The SDK's worker asks this too, but answers with a RuntimeError, after "worker started".
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
        if runtime is not None:
            numbers = OperationNumbersTable(aws.dynamodb(settings.audit_region), settings.operations_table)
            await measure_last_successes(runtime.metric_meter, client.namespace, settings.task_queue, table, numbers)
        count = count_events(runtime)
        try:
            async with reading_events(settings.events_queues, aws, client, settings.task_queue, count):
                await _poll(build_worker(client, settings, aws, table), client, settings)
        except RuntimeError as error:
            raise explain_end_of_polls(error) or error from error
    log.info("worker stopped")


async def _poll(worker: Worker, client: Client, settings: Settings) -> None:
    stop = asyncio.Event()
    for received in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(received, stop.set)
    async with worker:
        log.info("worker started", task_queue=settings.task_queue, namespace=client.namespace, identity=identity())
        if version := deployment(settings):
            await log_whether_current(client, version.version, log)
        await stop.wait()
        log.info("worker stopping", graceful_shutdown_seconds=settings.graceful_shutdown_seconds)


async def check(settings: Settings) -> bool:
    """The health check: whether a worker process that runs on this host has polled the task queue lately.

    Raises `TemporalUnreachable`, and `RPCError` if Temporal refuses the request.
    """
    return await polls_from_this_host(await connect(AuroraRestorePlugin()), settings.task_queue)


def parser() -> argparse.ArgumentParser:
    """The arguments of the program."""
    root = argparse.ArgumentParser(
        prog="worker.py",
        description="Run workflows and activities until SIGTERM or SIGINT.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"{NAME} {VERSION}")
    root.add_argument(
        "verb",
        nargs="?",
        choices=["run", "check"],
        default="run",
        help="run: the worker; check: exit 0 if a worker that runs on this host has polled Temporal lately; default: run",
    )
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker or the health check and return the exit code; `EPILOG` explains the codes."""
    verb = parser().parse_args(arguments).verb
    try:
        settings = load_settings(Settings)
        configure_logs(settings.log_format, settings.log_level)
        if verb == "check":
            return _report_health(settings, healthy=asyncio.run(check(settings)))
        asyncio.run(run(settings))
    except Exception as error:
        failed = exit_code_for(error)
        if failed is None:
            raise
        print(describe(error), file=sys.stderr)
        return MISTAKE if failed == MISTAKE else FAILED
    return FINE


def _report_health(settings: Settings, *, healthy: bool) -> int:
    if not healthy:
        here, queue = socket.gethostname(), settings.task_queue
        print(f"No worker that runs on host {here} has polled task queue {queue} lately. Start one:", file=sys.stderr)
        print("    python worker.py", file=sys.stderr)
    return FINE if healthy else FAILED


def run_program() -> NoReturn:
    """`main` as a program: the entry point of the script `aurora-restore-worker`."""
    exit_process(main())


if __name__ == "__main__":
    run_program()
