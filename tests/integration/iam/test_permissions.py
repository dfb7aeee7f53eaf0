"""The checks `target-permissions` and `worker-permissions`: IAM is asked before whether it will allow the calls."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from activities.preflight import permissions, preflight
from activities.preflight.access import Access
from errors import Refused
from models.plan import CheckStatus
from tests.integration.iam.test_plan import plan_as
from tests.rigs.iam.deployments import Deployment, parsed_policy
from tests.rigs.iam.gateway import Evaluation, IamState
from tests.rigs.iam.restores import AuthorizedRestore
from tests.rigs.iam.whole_restores import run_all_steps

NOT_ASKED = ("Describe", "List", "Query", "GetItem", "GetTopicAttributes", "AssumeRole", "SimulatePrincipalPolicy")
"""The preflight has made these calls itself by then; kms: see activities/preflight/accesses.py."""
SURROUNDINGS = {"RegisterWithProxies", "PutBackAutoScaling", "LetPoliciesWatch"}
"""Statements for what is put back around the cluster: a refusal there is a warning, and fails no restore."""


Change = Callable[[dict[str, Any]], list[dict[str, Any]]]


def only_from_a_vpc(statement: dict[str, Any]) -> list[dict[str, Any]]:
    """The statement with a condition on what the call comes through."""
    condition = {**statement.get("Condition", {}), "StringLike": {"aws:SourceVpce": "vpce-*"}}
    return [{**statement, "Condition": condition}]


def removed(_: dict[str, Any]) -> list[dict[str, Any]]:
    """Nothing in its place."""
    return []


@contextmanager
def changed_statement(deployment: Deployment, role: str, sid: str, change: Change) -> Iterator[None]:
    """Replace a statement of a role's policy by others, as the emulator's IAM has it for the simulation."""
    iam, name = deployment.owner("iam", role), f"aurora-restore-{role}"
    stored = parsed_policy(iam.get_role_policy(RoleName=name, PolicyName=name)["PolicyDocument"])
    [changed] = [statement for statement in stored["Statement"] if statement["Sid"] == sid]
    others = [statement for statement in stored["Statement"] if statement["Sid"] != sid]

    def put(policy: dict[str, Any]) -> None:
        iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(policy))

    put({**stored, "Statement": [*others, *change(changed)]})
    try:
        yield
    finally:
        put(stored)


@contextmanager
def refused_role(iam: IamState, arn: str, sid: str) -> Iterator[None]:
    """Let the gateway refuse what only one statement of a role allows."""
    own, sessions = iam.roles[arn], iam.sessions
    limited = replace(own, policy=tuple(statement for statement in own.policy if statement.sid != sid))
    iam.roles[arn] = limited
    iam.sessions = {key: limited if role.arn == arn else role for key, role in sessions.items()}
    try:
        yield
    finally:
        iam.roles[arn] = own
        iam.sessions = {key: own if role.arn == arn else role for key, role in iam.sessions.items()}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Access]:
    """Everything that the preflight asks."""
    asked: list[Access] = []
    find = permissions.find_missing_permissions

    def record(identity: permissions.Identity, accesses: Any) -> Any:
        listed = list(accesses)
        asked.extend(listed)
        return find(identity, listed)

    monkeypatch.setattr(preflight, "find_missing_permissions", record)
    return asked


def key_of(action: str, resource: str) -> tuple[str, str]:
    """A secret's ARN without the six characters that Secrets Manager or RDS chooses."""
    return action, re.sub(r"(:secret:(?:rds!cluster|.+))-[^:/]+$", r"\1", resource)


def calls_of(role: str, evaluations: list[Evaluation]) -> set[str]:
    """The actions that a role asked for."""
    return {evaluation.request.action for evaluation in evaluations if evaluation.role == role}


def needs_asking(evaluation: Evaluation) -> bool:
    """Whether a role changed something or read a secret."""
    service, _, operation = evaluation.request.action.partition(":")
    return service != "kms" and not operation.startswith(NOT_ASKED) and evaluation.decision.sid not in SURROUNDINGS


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
    assert {evaluation.role for evaluation in made} == {"target", "worker"}
    answered = {(*key_of(each.request.action, each.request.resource), each.decision.sid) for each in made}
    assert answered - questions == set(), "not asked"
    # What is asked although nothing was pruned, and RDS's own secret by a name that nobody knows before.
    assert {action for action, _, _ in questions - answered} <= {
        "rds:DeleteDBClusterSnapshot",
        "secretsmanager:GetSecretValue",
    }


def test_the_sources_role_makes_its_last_call_in_the_preflight(separate_accounts: Deployment) -> None:
    """So nothing of it is left to ask IAM about: a role that may not read the source is refused by the read itself."""
    restore, iam = rich_target(separate_accounts), separate_accounts.iam
    restore.open_operation()
    restore.owners.create_snapshot()
    before = len(iam.evaluations)
    checked = restore.check_snapshot()
    by_preflight = calls_of("source", iam.evaluations[before:])
    assert by_preflight >= {"rds:DescribeDBClusters", "rds:DescribeDBClusterSnapshotAttributes", "kms:DescribeKey"}
    after = len(iam.evaluations)
    copy = restore.copy_snapshot(checked)
    restore.delete_target(checked, copy)
    restore.restore_target(checked, copy)
    restore.archive_snapshot(checked, copy)
    restore.notify()
    assert calls_of("source", iam.evaluations[after:]) == set()


@pytest.mark.parametrize(
    ("role", "sid"),
    [
        ("target", "CreateTheCopy"),
        ("target", "ReplaceWhatOptedIn"),
        ("target", "CreateInstances"),
        ("target", "PublishNotifications"),
        ("worker", "WriteAndReadTheTrail"),
    ],
)
def test_a_missing_permission_is_refused_before_anything_is_copied(
    restore: AuthorizedRestore, role: str, sid: str
) -> None:
    """One message names what is missing, the resource, and the statement of deploy/."""
    restore.owners.create_target()
    restore.open_operation()
    restore.owners.create_snapshot()
    calls = restore.deployment.emulator.calls
    with changed_statement(restore.deployment, role, sid, removed):
        calls.clear()
        with pytest.raises(Refused, match="Permissions missing") as refused:
            restore.check_snapshot()
        [failed] = plan_as("worker", restore).failed_checks
    assert failed.rule == f"{role}-permissions"
    assert failed.message in refused.value.fault.message
    assert f"(statement {sid})" in failed.message
    assert failed.message.startswith(f"{restore.deployment.layout.role_arn(role)} lacks ")
    assert not [call for call in calls if call.operation.startswith(("Copy", "Create", "Delete", "Modify", "Add"))]


@pytest.mark.parametrize(
    ("role", "sid", "change", "reason"),
    [
        ("target", "AskWhatIsAllowed", None, "IAM answered AccessDenied"),
        ("worker", "AskWhatIsAllowed", None, "IAM answered AccessDenied"),
        ("target", "CreateTheCopy", only_from_a_vpc, "its policies depend on aws:SourceVpce, which only the call "),
        ("worker", "WriteAndReadTheTrail", only_from_a_vpc, "its policies depend on aws:SourceVpce, which only the "),
    ],
)
def test_a_role_that_may_not_ask_is_not_refused(
    restore: AuthorizedRestore, role: str, sid: str, change: Change | None, reason: str
) -> None:
    """The plan says whose permissions were not checked; snapshot-check goes on, and the other role is checked."""
    restore.owners.create_target()
    restore.open_operation()
    restore.owners.create_snapshot()
    with ExitStack() as changes:
        if change is None:
            changes.enter_context(refused_role(restore.deployment.iam, restore.deployment.layout.role_arn(role), sid))
        else:
            changes.enter_context(changed_statement(restore.deployment, role, sid, change))
        restore.check_snapshot()
        skipped = {
            result.rule: result.message
            for result in plan_as("worker", restore).results
            if result.status is CheckStatus.SKIPPED
        }
    whose = restore.request.target.role_arn if role == "target" else "the worker"
    assert list(skipped) == [f"{role}-permissions"]
    assert skipped[f"{role}-permissions"].startswith(f"the permissions of {whose} were not checked: {reason}")
