"""Calls outside the steps of a restore: those of the operator's commands, and of the worker that reads RDS's events."""

from __future__ import annotations

import asyncio

from audit.chain import SealChains
from audit.numbers import OperationNumbersTable
from audit.setup import create_audit_table, create_operations_table
from commands.diagnosis import Level, diagnose_aws
from events.messages import RdsResource, find_resource
from events.queue import EventQueue
from tests.rigs.iam.deployments import Deployment
from tests.rigs.iam.restores import AuthorizedRestore


def run_the_operators_verbs(deployment: Deployment) -> None:
    """What the verbs read that need AWS, under the operator's role: of the trail, the tables, the identity and the topics."""
    restore = AuthorizedRestore(deployment)
    settings = deployment.settings
    dynamodb = deployment.clients("operator").dynamodb(settings.audit_region)
    assert not create_audit_table(dynamodb, settings.audit_table)
    assert not create_operations_table(dynamodb, settings.operations_table)
    table, today = restore.table_as("operator"), restore.owners.now.date()
    table.list_rows("op-001")
    table.list_rows_by_day(today, today)
    numbers = OperationNumbersTable(dynamodb, settings.operations_table)
    numbers.list_targets()
    numbers.find("op-001")
    numbers.list_opened_since(restore.owners.now)
    SealChains(dynamodb, settings.audit_table, settings.operations_table).find_head(restore.request.target.arn)
    table.list_items("op-001")
    findings = diagnose_aws(settings, deployment.clients("operator"), [deployment.layout.topic_arn])
    wrong = [
        finding
        for finding in findings
        if finding.level is not Level.OK
        and finding.check != "clock"  # the emulator's clock is that of the tests
        and not finding.text.startswith("not checked, because it belongs to account")
    ]
    assert not wrong, wrong


def read_events(deployment: Deployment) -> None:
    """The worker reads what RDS says of a new target from the queue of the stack in the target's account."""
    restore = AuthorizedRestore.with_target(deployment)
    target = restore.request.target
    queue = EventQueue(deployment.clients("worker"), deployment.layout.queue_arn)
    created = RdsResource(target.account_id, target.region, "cluster", target.cluster)
    asyncio.run(_read_until(queue, created))


async def _read_until(queue: EventQueue, resource: RdsResource) -> None:
    """Read and delete messages; raises `TimeoutError` if none is about the resource."""
    async with asyncio.timeout(30):
        is_found = False
        while not is_found:
            messages = await queue.receive()
            is_found = resource in [find_resource(message["Body"]) for message in messages]
            await queue.delete(messages)
    queue.close()
