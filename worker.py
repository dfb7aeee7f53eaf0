"""The worker: everything is put together here, and nowhere else."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import structlog
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeWorkerDeploymentRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Interceptor, Worker, WorkerDeploymentConfig

from activities.clusters import ClusterActivities
from activities.database_users import DatabaseUserActivities
from activities.inventory import InventoryActivities
from activities.leftovers import LeftoverActivities
from activities.notifications import NotificationActivities
from activities.operations import OperationActivities
from activities.restored_cluster import RestoredClusterActivities
from activities.snapshots import SnapshotActivities
from audit.activities import OutcomeActivities, SealActivities
from audit.chain import SealChains
from audit.intents import TrailIntents
from audit.interceptor import AuditInterceptor
from audit.numbers import OperationNumbersTable
from audit.plugin import AuroraRestorePlugin
from audit.table import AuditTable
from audit.writer import TrailWriter
from clients.aws import AwsClients, WrongEndpoint
from clients.mysql import MysqlConnector
from clients.postgres import PostgresConnector
from clients.temporal import TemporalUnreachable, connect, exit_process
from heartbeat import HeartbeatInterceptor
from logs import LogInterceptor, configure_logs
from settings import DatabaseTls, Settings, WrongSettings, load_settings
from workflows.aurora_restore import AuroraRestoreWorkflow
from workflows.cleanup import AuroraCleanupWorkflow

log = structlog.stdlib.get_logger("worker")

WORKFLOWS: tuple[type, ...] = (AuroraRestoreWorkflow, AuroraCleanupWorkflow)
"""Every workflow that the worker takes."""


def activities(settings: Settings, aws: AwsClients, table: AuditTable) -> list[Callable[..., Any]]:
    """Every activity with its clients."""
    intents = TrailIntents(table)
    numbers = OperationNumbersTable(aws.dynamodb(settings.audit_region), settings.operations_table)
    postgres = PostgresConnector(
        settings.database_tls.value, settings.database_tls_ca_file, settings.database_connect_seconds
    )
    mysql = MysqlConnector(
        settings.database_tls is DatabaseTls.VERIFY_FULL,
        settings.database_tls_ca_file,
        settings.database_connect_seconds,
    )
    snapshots, clusters = SnapshotActivities(aws, intents, settings.sql_directory), ClusterActivities(aws, intents)
    leftovers = LeftoverActivities(aws, intents)
    chains = SealChains(
        aws.dynamodb(settings.audit_region), settings.audit_table, settings.operations_table, settings.audit_retention
    )
    return [
        OperationActivities(numbers).open_operation,
        snapshots.snapshot_check,
        snapshots.copy_snapshot,
        snapshots.check_copy_status,
        clusters.delete_rds,
        clusters.restore_snapshot,
        RestoredClusterActivities(aws).check_restore_status,
        DatabaseUserActivities(aws, postgres, mysql, settings.sql_directory).setup_db_users,
        snapshots.archive_snapshot,
        leftovers.remove_leftovers,
        InventoryActivities(aws).take_inventory,
        NotificationActivities(aws).sns_notification,
        OutcomeActivities(TrailWriter(table)).record_outcome,
        SealActivities(chains).seal_trail,
        leftovers.remove_orphans,
    ]


def plugin(settings: Settings, aws: AwsClients) -> tuple[AuroraRestorePlugin, AuditTable]:
    """The plugin with the trail's table."""
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
    """The worker on a client that was made with the same plugin.

    `extra_interceptors` come closest to the activities; `options` go to `temporalio.worker.Worker`.
    """
    threads = settings.activity_threads
    return Worker(
        client,
        task_queue=settings.task_queue,
        workflows=WORKFLOWS,
        activities=activities(settings, aws, table),
        activity_executor=ThreadPoolExecutor(threads, thread_name_prefix="activity"),
        max_concurrent_activities=threads,
        # What an attempt says of itself stays if its worker is killed: by default it waits for most of the timeout.
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        interceptors=[HeartbeatInterceptor(), LogInterceptor(), *extra_interceptors],
        deployment_config=deployment(settings),
        graceful_shutdown_timeout=timedelta(seconds=settings.graceful_shutdown_seconds),
        identity=identity(),
        **options,
    )


def deployment(settings: Settings) -> WorkerDeploymentConfig | None:
    """The Worker Deployment version, to which every night stays pinned that begins on it; None if there is none.

    The behaviour stands here and not on the workflow: a worker without versioning would refuse such a workflow.
    """
    if settings.deployment_name is None or settings.build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(settings.deployment_name, settings.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


def identity() -> str:
    """How Temporal names this process: the same as the SDK's default, said here because `check` looks for it."""
    return f"{os.getpid()}@{socket.gethostname()}"


async def run(settings: Settings) -> None:
    """Take work until SIGTERM or SIGINT, then let running activities finish.

    Raises `TemporalUnreachable`.
    """
    aws = AwsClients()
    own_plugin, table = plugin(settings, aws)
    client = await connect(own_plugin)
    stop = asyncio.Event()
    for received in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(received, stop.set)
    async with build_worker(client, settings, aws, table):
        log.info("worker started", task_queue=settings.task_queue, namespace=client.namespace, identity=identity())
        if version := deployment(settings):
            await say_whether_current(client, version.version)
        await stop.wait()
        log.info("worker stopping", running_activities_may_take=settings.graceful_shutdown_seconds)
    log.info("worker stopped")


async def say_whether_current(client: Client, version: WorkerDeploymentVersion) -> None:
    """Log whether new nights come to this version: a worker that nobody made current waits in silence for ever.

    It cannot refuse to start instead, because Temporal makes no version current that no worker has polled for.
    Source: Temporal docs, Worker Versioning.
    """
    name, build_id = version.deployment_name, version.build_id
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=name)
    try:
        answer = await client.workflow_service.describe_worker_deployment(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            log.warning("it is not known whether this version is current", because=error.message)
            return
        current = ""  # no worker of this deployment has been heard of before
    else:
        current = answer.worker_deployment_info.routing_config.current_deployment_version.build_id
    if current == build_id:
        log.info("new nights come to this version", deployment=name, build_id=build_id)
        return
    log.warning(
        "no new night comes to this version until it is made current",
        deployment=name,
        build_id=build_id,
        current=current or "none",
        run=f"temporal worker deployment set-current-version --deployment-name {shlex.quote(name)} "
        f"--build-id {shlex.quote(build_id)} --yes",
    )


async def check(settings: Settings) -> bool:
    """Whether Temporal has heard of a worker on this host and task queue in the last minute: the health check."""
    client = await connect(AuroraRestorePlugin())
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=settings.task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
    )
    here = f"@{socket.gethostname()}"
    return any(poller.identity.endswith(here) for poller in answer.pollers)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 stopped as asked, 1 not healthy or Temporal not reachable, 2 wrong settings."""
    parser = argparse.ArgumentParser(prog="worker.py", description="Take work from Temporal until SIGTERM.")
    parser.add_argument(
        "verb", nargs="?", choices=["run", "check"], default="run", help="check: is a worker here alive?"
    )
    verb = parser.parse_args(arguments).verb
    try:
        settings = load_settings(Settings)
        configure_logs(settings.log_format, settings.log_level)
        if verb == "check":
            return 0 if asyncio.run(check(settings)) else 1
        asyncio.run(run(settings))
    except (WrongSettings, WrongEndpoint) as error:
        print(f"The settings are wrong:\n{error}", file=sys.stderr)
        return 2
    except TemporalUnreachable as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    exit_process(main())
