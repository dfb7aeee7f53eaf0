"""The preflight's check `permissions`: IAM is asked beforehand whether it will allow the calls of the restore."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from activities.preflight import permissions, preflight
from activities.preflight.accesses import Access
from activities.preflight.plan import CheckStatus
from errors import Refused
from tests.integration.iam.test_plan import plan_as
from tests.rigs.iam.deployments import Deployment, parsed_policy
from tests.rigs.iam.gateway import Evaluation
from tests.rigs.iam.restores import AuthorizedRestore
from tests.rigs.iam.scenarios import run_all_steps

NOT_ASKED = ("Describe", "List", "GetTopicAttributes", "SimulatePrincipalPolicy")
"""The preflight has made these calls itself by then; kms: see activities/preflight/accesses.py."""
SURROUNDINGS = {"RegisterWithProxies", "PutBackAutoScaling", "LetPoliciesWatch"}
"""Statements for what is put back around the cluster: a refusal there is a warning, and fails no restore."""


@contextmanager
def without_statement(deployment: Deployment, sid: str) -> Iterator[None]:
    """Take a statement out of the policy of the target's role, as the emulator's IAM has it for the simulation."""
    iam, name = deployment.owner("iam"), "aurora-restore-target"
    stored = parsed_policy(iam.get_role_policy(RoleName=name, PolicyName=name)["PolicyDocument"])
    others = [statement for statement in stored["Statement"] if statement["Sid"] != sid]
    assert len(others) == len(stored["Statement"]) - 1

    def put(policy: dict[str, Any]) -> None:
        iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(policy))

    put({**stored, "Statement": others})
    try:
        yield
    finally:
        put(stored)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Access]:
    """Everything that the preflight asks."""
    asked: list[Access] = []
    find = permissions.find_missing_permissions

    def record(aws: Any, location: Any, operation_id: str, accesses: Any) -> Any:
        asked.extend(accesses)
        return find(aws, location, operation_id, accesses)

    monkeypatch.setattr(preflight, "find_missing_permissions", record)
    return asked


def key_of(action: str, resource: str) -> tuple[str, str]:
    """A secret's ARN without the six characters that Secrets Manager or RDS chooses."""
    return action, re.sub(r"(:secret:(?:rds!cluster|.+))-[^:/]+$", r"\1", resource)


def needs_asking(evaluation: Evaluation) -> bool:
    """Whether the target's role changed something or read a secret."""
    service, _, operation = evaluation.request.action.partition(":")
    is_asked = service != "kms" and not operation.startswith(NOT_ASKED) and evaluation.decision.sid not in SURROUNDINGS
    return evaluation.role == "target" and is_asked


def rich_target(deployment: Deployment) -> AuthorizedRestore:
    """Roles, endpoints, instances with names of their own, a reader of Application Auto Scaling, a managed secret."""
    restore = AuthorizedRestore(deployment, instances=None, kms_key_id=None)
    restore.owners.create_rich_target()
    return restore


def target_with_a_master_secret(deployment: Deployment) -> AuthorizedRestore:
    """The owner sets the master password; the pipeline creates instances with its own names."""
    restore = AuthorizedRestore(deployment)
    restore.owners.create_target()
    restore.set_master_secret(restore.owners.create_secret("master", "long-enough"))
    return restore


@pytest.mark.parametrize("make", [rich_target, target_with_a_master_secret])
def test_everything_that_the_restore_asks_of_iam_was_asked_before(
    separate_accounts: Deployment, asked: list[Access], make: Any
) -> None:
    """The same action, resource and tags, and the statement that the message names is the one that decides."""
    restore, iam = make(separate_accounts), separate_accounts.iam
    before = len(iam.evaluations)
    run_all_steps(restore)
    questions = {(*key_of(access.action, access.resource), access.statement) for access in asked}
    made = [evaluation for evaluation in iam.evaluations[before:] if needs_asking(evaluation)]
    assert len(made) > 20
    answered = {(*key_of(each.request.action, each.request.resource), each.decision.sid) for each in made}
    assert answered - questions == set(), "not asked"
    # What is asked although nothing was pruned, and RDS's own secret by a name that nobody knows before.
    assert {action for action, _, _ in questions - answered} <= {
        "rds:DeleteDBClusterSnapshot",
        "secretsmanager:GetSecretValue",
    }


@pytest.mark.parametrize("sid", ["CreateTheCopy", "ReplaceWhatOptedIn", "CreateInstances", "PublishNotifications"])
def test_a_missing_permission_is_refused_before_anything_is_copied(restore: AuthorizedRestore, sid: str) -> None:
    """One message names what is missing, the resource, and the statement of deploy/."""
    restore.owners.create_target()
    restore.open_operation()
    restore.owners.create_snapshot()
    calls = restore.deployment.emulator.calls
    with without_statement(restore.deployment, sid):
        calls.clear()
        with pytest.raises(Refused, match="Permissions missing") as refused:
            restore.check_snapshot()
        [failed] = plan_as("worker", restore).failed_checks
    assert failed.rule == "permissions"
    assert failed.message in refused.value.fault.message
    assert f"(statement {sid})" in failed.message
    assert str(restore.request.target.role_arn) in failed.message
    assert not [call for call in calls if call.operation.startswith(("Copy", "Create", "Delete", "Modify", "Add"))]


def test_a_role_that_may_not_ask_is_not_refused(restore: AuthorizedRestore) -> None:
    """The plan says that nothing was checked; snapshot-check goes on."""
    restore.owners.create_target()
    restore.open_operation()
    restore.owners.create_snapshot()
    faults = restore.deployment.emulator.faults
    faults.add("iam", "SimulatePrincipalPolicy", "error", code="AccessDenied", status=403, count=2)
    try:
        restore.check_snapshot()
        results = {result.rule: result for result in plan_as("worker", restore).results}
    finally:
        faults.clear()
    assert results["permissions"].status is CheckStatus.SKIPPED
    assert results["permissions"].message == "permissions were not checked: IAM answered AccessDenied"
