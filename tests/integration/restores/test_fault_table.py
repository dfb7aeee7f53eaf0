"""Each row of the fault table, met by a whole night: it goes on, or it ends with the row's own text."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from activities.rds.aws_errors import ANY, TABLE, Action, FaultRule
from audit.plugin import AuroraRestorePlugin
from devstack.demo_environment import DemoEnvironment
from models.request import RestoreRequest
from tests.rigs.emulator import AT_ONCE, another_evening, clusters_alone
from tests.rigs.restores import Bench, bench, parts, request, skipped_time

SERVICES = {
    "DescribeKey": "kms",
    "DescribeSecret": "secretsmanager",
    "GetSecretValue": "secretsmanager",
    "DescribeSecurityGroups": "ec2",
    "GetTopicAttributes": "sns",
    "Publish": "sns",
}
MISSED = {
    "DescribeDBSubnetGroups",
    "DescribeDBClusterParameterGroups",
    "DescribeDBParameterGroups",
    "DescribeSecurityGroups",
    "DescribeKey",
    "DescribeSecret",
    "GetTopicAttributes",
}
"""What is looked for before the night and must be there: its absence ends the night."""
ENDING = [
    rule
    for rule in TABLE
    if rule.action in (Action.FAIL, Action.REFUSE) or (rule.action is Action.ABSENT and rule.operation in MISSED)
]
PASSING = [rule for rule in TABLE if rule not in ENDING]
GROUPS = {
    action.value: [rule for rule in PASSING if rule.action is action]
    for action in Action
    if any(rule.action is action for rule in PASSING)
}


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoEnvironment]:
    with clusters_alone(AT_ONCE) as demo:
        rds = demo.client("rds")
        family = {"DBParameterGroupFamily": "aurora-postgresql16", "Description": "-"}
        rds.create_db_cluster_parameter_group(DBClusterParameterGroupName="tuned", **family)
        rds.create_db_parameter_group(DBParameterGroupName="tuned", **family)
        demo.client("secretsmanager").create_secret(Name="master", SecretString='{"password": "long-enough"}')
        yield demo


@pytest.fixture(scope="module")
async def on(demo: DemoEnvironment) -> AsyncIterator[Bench]:
    made = parts(demo, "faults")
    async with skipped_time(AuroraRestorePlugin()) as client, bench(client, demo, made) as built:
        # Two nights before, so that there is a copy that room can be made of.
        for _ in range(2):
            another_evening(demo)
            await (await built.start(asked())).result()
        yield built


@pytest.fixture(autouse=True)
def _morning(demo: DemoEnvironment) -> Iterator[None]:
    demo.emulator.clock.set(demo.emulator.clock.now() + timedelta(hours=1))
    another_evening(demo)
    yield
    demo.emulator.faults.clear()


def asked() -> RestoreRequest:
    plain = json.loads(request(users=[]).model_dump_json(exclude_none=True))
    instance = {"instance_class": "db.r6g.large", "db_parameter_group_name": "tuned"}
    plain["target"] |= {
        "instances": [instance],
        "db_cluster_parameter_group_name": "tuned",
        "master_user_secret_id": "master",
        "missing": "create",
    }
    return RestoreRequest.model_validate_json(json.dumps(plain))


def provoke(demo: DemoEnvironment, rule: FaultRule) -> None:
    operation = "DescribeDBClusters" if rule.operation == ANY else rule.operation
    # The night's first look at snapshots is a list, to which AWS never answers that one is missing.
    skip = 1 if operation == "DescribeDBClusterSnapshots" else 0
    demo.emulator.faults.add(
        SERVICES.get(operation, "rds"),
        operation,
        "error",
        code=rule.code,
        message=f"As AWS says it: {rule.fragment}.",
        # An unmodelled code needs its HTTP status said.
        status=400,
        count=1,
        skip=skip,
    )


@pytest.mark.parametrize("rule", ENDING, ids=lambda rule: f"{rule.operation}-{rule.code}-{rule.fragment[:8]}")
async def test_a_fault_that_ends_the_night(on: Bench, rule: FaultRule) -> None:
    """The night fails with the row's text at the step that met it, the trail says the same, and people are told."""
    provoke(on.demo, rule)
    handle = await on.start(asked())
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    assert rule.short in cause.message
    state = await on.state(handle)
    assert state.operation_id is not None
    rows = [row for row in on.table.list_rows(state.operation_id) if row.phase == "outcome"]
    assert next(row.details for row in rows if row.status == "FAILED").startswith(rule.short)


@pytest.mark.parametrize("group", GROUPS)
async def test_faults_that_pass(on: Bench, group: str) -> None:
    """All rows of one kind in one night: it waits, looks again, adopts or makes room, and succeeds."""
    for rule in GROUPS[group]:
        provoke(on.demo, rule)
    state = await (await on.start(asked())).result()
    assert state.outcome == "succeeded"
    unmet = [fault for fault in on.demo.emulator.faults if not fault.fired]
    assert not unmet
