"""`starter.py plan` under the policies: the worker's role may read everything that a plan needs, the operator's may not."""

from __future__ import annotations

from activities.preflight.plan import plan_restore
from audit.intents import TrailIntents
from audit.numbers import OperationNumbersTable
from models.plan import CheckStatus, Plan
from tests.rigs.iam.restores import AuthorizedRestore


def plan_as(role: str, restore: AuthorizedRestore) -> Plan:
    clients, settings = restore.deployment.clients(role), restore.deployment.settings
    numbers = OperationNumbersTable(clients.dynamodb(settings.audit_region), settings.operations_table)
    intents = TrailIntents(restore.table_as(role), numbers)
    return plan_restore(clients, intents, restore.request, restore.owners.now)


def test_the_workers_role_may_read_everything_that_a_plan_needs(restore: AuthorizedRestore) -> None:
    """With several accounts and regions, every check runs and passes."""
    restore.owners.create_target()
    restore.owners.create_snapshot()
    plan = plan_as("worker", restore)
    assert [result for result in plan.results if result.status is not CheckStatus.PASSED] == []
    rules = {result.rule for result in plan.results}
    assert {"snapshot-share", "snapshot-key", "opt-in-tag", "secret", "trail"} <= rules


def test_the_operators_role_cannot_assume_the_targets_role(restore: AuthorizedRestore) -> None:
    """Anyone who can assume the target's role can delete the target, and a plan is no reason to allow that."""
    restore.owners.create_target()
    restore.owners.create_snapshot()
    messages = {result.rule: result.message for result in plan_as("operator", restore).failed_checks}
    assert "AssumeRole" in messages["source-account"]
    assert "AssumeRole" in messages["target-account"]
    assert set(messages) == {"source-account", "target-account"}
