"""What the worker registers with Temporal: every workflow, and every activity with its clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from activities.clusters.drill import DrillActivities
from activities.clusters.replacement import ClusterActivities
from activities.clusters.restored import RestoredClusterActivities
from activities.clusters.swap import SwapActivities
from activities.database_users import DatabaseUserActivities
from activities.databases.closing import DatabaseCloser
from activities.databases.connectors import DatabaseConnectors
from activities.inventory import InventoryActivities
from activities.leftovers import LeftoverActivities
from activities.notifications.delivery import NotificationActivities
from activities.notifications.facts import Pages
from activities.notifications.pings import PingActivities
from activities.notifications.summary import SummaryActivities
from activities.operations import OperationActivities
from activities.plans import PlanActivities
from activities.snapshots import SnapshotActivities
from audit.activities import DecisionActivities, OutcomeActivities, SealActivities
from audit.chain import SealChains
from audit.durations import EarlierRestores
from audit.health import FleetHealths
from audit.intents import TrailIntents
from audit.numbers import OperationNumbersTable
from audit.table import AuditTable
from audit.verify.repairs import RepairActivities
from audit.writer import TrailWriter
from clients.aws import AwsClients
from clients.mysql import MysqlConnector
from clients.postgres import PostgresConnector
from settings import DatabaseTls, Settings
from workflows.aurora_restore import AuroraRestoreWorkflow
from workflows.cleanup import AuroraCleanupWorkflow
from workflows.summary import AuroraSummaryWorkflow
from workflows.worker_calls import (
    AuroraDecisionWorkflow,
    AuroraOrphansWorkflow,
    AuroraPlanWorkflow,
    AuroraRepairWorkflow,
    AuroraSchemaWorkflow,
)

WORKFLOWS: tuple[type, ...] = (
    AuroraRestoreWorkflow,
    AuroraCleanupWorkflow,
    AuroraPlanWorkflow,
    AuroraOrphansWorkflow,
    AuroraDecisionWorkflow,
    AuroraRepairWorkflow,
    AuroraSchemaWorkflow,
    AuroraSummaryWorkflow,
)
"""Every workflow type that the worker runs."""


def create_activities(settings: Settings, aws: AwsClients, table: AuditTable) -> list[Callable[..., Any]]:
    """Every activity type that the worker runs, each with its clients."""
    dynamodb = aws.dynamodb(settings.audit_region)
    numbers = OperationNumbersTable(dynamodb, settings.operations_table)
    intents = TrailIntents(table, numbers)
    postgres = PostgresConnector(
        settings.database_tls.value, settings.database_tls_ca_file, settings.database_connect_seconds
    )
    mysql = MysqlConnector(
        settings.database_tls is DatabaseTls.VERIFY_FULL,
        settings.database_tls_ca_file,
        settings.database_connect_seconds,
    )
    connectors = DatabaseConnectors(aws, postgres, mysql)
    snapshots, clusters = SnapshotActivities(aws, intents, settings.sql_directory), ClusterActivities(aws, intents)
    leftovers, swap = LeftoverActivities(aws, intents), SwapActivities(aws, intents, connectors)
    users = DatabaseUserActivities(aws, connectors, settings.sql_directory)
    chains = SealChains(dynamodb, settings.audit_table, settings.operations_table, settings.audit_retention)
    return [
        OperationActivities(numbers, EarlierRestores(table, numbers)).open_operation,
        snapshots.snapshot_check,
        snapshots.copy_snapshot,
        snapshots.check_copy_status,
        clusters.delete_rds,
        clusters.restore_snapshot,
        RestoredClusterActivities(aws, DatabaseCloser(connectors, settings.sql_directory)).check_restore_status,
        users.setup_db_users,
        users.read_schema,
        swap.swap_clusters,
        swap.swap_back,
        DrillActivities(aws, intents).remove_drill,
        snapshots.archive_snapshot,
        leftovers.remove_leftovers,
        InventoryActivities(aws, intents).take_inventory,
        NotificationActivities(aws, Pages(settings.web_ui_url, settings.runbook_url)).sns_notification,
        PingActivities(aws).ping_monitor,
        OutcomeActivities(TrailWriter(table)).record_outcome,
        SealActivities(chains).seal_trail,
        leftovers.remove_orphans,
        leftovers.list_orphans,
        PlanActivities(aws, intents, settings.sql_directory).plan_restore,
        DecisionActivities(table).record_decision,
        RepairActivities(table, numbers, chains).repair_trail,
        SummaryActivities(aws, FleetHealths(table, numbers)).publish_summary,
    ]
