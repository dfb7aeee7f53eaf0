"""What the worker's options bound."""

from __future__ import annotations

from typing import Any

import pytest

import worker
from audit.table import AuditTable
from clients.aws import AwsClients
from settings import Settings

SLOW_TASK_SECONDS = 5.0
"""From this duration on the SDK warns of a workflow task (TMPRL1104)."""
TASK_SECONDS = 0.2
"""The processor time of a workflow task on a busy machine; on an idle one it is a tenth."""


def test_a_workflow_task_does_not_wait_for_a_hundred_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker takes only as many workflow tasks as it can compute one after the other before the SDK warns."""
    options: dict[str, Any] = {}
    monkeypatch.setattr(worker, "Worker", lambda _client, **given: options.update(given))
    settings = Settings.model_validate({"audit_region": "eu-central-1", "database_tls": "disable"})
    aws = AwsClients(environment=settings.environment)
    table = AuditTable(aws.dynamodb(settings.audit_region), settings.audit_table, None)
    client: Any = None
    worker.build_worker(client, settings, aws, table)
    assert 2 <= options["max_concurrent_workflow_tasks"] <= SLOW_TASK_SECONDS / TASK_SECONDS
