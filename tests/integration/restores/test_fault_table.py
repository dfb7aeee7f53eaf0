"""Rows of the fault table in whole restores: the restore goes on, or it fails with the row's own text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from types import SimpleNamespace

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from activities.rds.fault_table import ANY, TABLE, Action, FaultRule
from activities.rds.statuses import NOT_RUNNING
from audit.plugin import AuroraRestorePlugin
from devstack.aws.rds import clusters, roles
from devstack.demo_environment import TARGET, DemoEnvironment
from models.request import RestoreRequest
from tests.rigs.durations import AT_ONCE
from tests.rigs.emulator import demo_without_databases, prepare_next_restore
from tests.rigs.requests import request
from tests.rigs.restores import RestoreRig, run_worker, time_skipping_client, worker_parts

SCALING = "application-autoscaling"
SERVICES = {
    **dict.fromkeys(("RegisterScalableTarget", "PutScalingPolicy", "PutScheduledAction"), SCALING),
    "DescribeKey": "kms",
    "DescribeSecret": "secretsmanager",
    "GetSecretValue": "secretsmanager",
    "DescribeSecurityGroups": "ec2",
    "GetTopicAttributes": "sns",
    "Publish": "sns",
}
PROXY_ROLE = "arn:aws:iam::111122223333:role/proxy"
PREREQUISITES = {
    "DescribeDBSubnetGroups",
    "DescribeDBClusterParameterGroups",
    "DescribeDBParameterGroups",
    "DescribeSecurityGroups",
    "DescribeKey",
    "DescribeSecret",
    "GetTopicAttributes",
}
"""What the preflight reads and a restore needs: its absence fails the restore."""
SURROUNDINGS = {
    "DescribeDBProxyTargets",
    "PutScalingPolicy",
    "PutScheduledAction",
    "RegisterDBProxyTargets",
    "RegisterScalableTarget",
}
"""What a restored cluster is complete without: a refusal is reported (tests/integration/activities/test_what_is_kept.py)."""
AT_THE_END = {"CreateDBClusterSnapshot", "ModifyDBClusterSnapshotAttribute", "RebootDBInstance"}
"""What this request does not cause: tests/integration/activities/test_archive_masked.py and test_quarantine.py do."""
RULES = [rule for rule in TABLE if rule.operation not in AT_THE_END]
REPORTED = [rule for rule in RULES if rule.action is Action.FAIL and rule.operation in SURROUNDINGS]
TRACK_CPU = {
    "TargetValue": 60.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "RDSReaderAverageCPUUtilization"},
}
FAILING = [
    rule
    for rule in RULES
    if rule not in REPORTED
    and (
        rule.action in (Action.FAIL, Action.REFUSE)
        or (rule.action is Action.ABSENT and rule.operation in PREREQUISITES)
    )
]
ONE_OF_EACH_OPERATION = list({rule.operation: rule for rule in reversed(FAILING)}.values())
"""What a row means is the same for every row of its action (tests/integration/activities/test_aws_errors.py)."""
MISSING = [rule for rule in ONE_OF_EACH_OPERATION if rule.operation in PREREQUISITES]
"""One refusal names them all; what it says of each is in tests/integration/activities/test_prerequisites.py."""
FAILING_ALONE = [rule for rule in ONE_OF_EACH_OPERATION if rule not in MISSING]
PASSING = [rule for rule in RULES if rule not in (*FAILING, *REPORTED)]
PASSING_BY_ACTION = {
    action.value: [rule for rule in PASSING if rule.action is action]
    for action in Action
    if any(rule.action is action for rule in PASSING)
}


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoEnvironment]:
    with demo_without_databases(AT_ONCE) as demo:
        rds = demo.client("rds")
        family = {"DBParameterGroupFamily": "aurora-postgresql16", "Description": "-"}
        rds.create_db_cluster_parameter_group(DBClusterParameterGroupName="tuned", **family)
        rds.create_db_parameter_group(DBParameterGroupName="tuned", **family)
        rds.create_db_proxy(
            DBProxyName="pool", EngineFamily="POSTGRESQL", RoleArn=PROXY_ROLE, VpcSubnetIds=["subnet-01", "subnet-02"]
        )
        demo.client("secretsmanager").create_secret(Name="master", SecretString='{"password": "long-enough"}')
        yield demo


def prepare(demo: DemoEnvironment) -> None:
    """A stopped target, which the next restore must start; the last one has stopped what it restored."""
    rds = demo.client("rds")
    for cluster in rds.describe_db_clusters(Filters=[{"Name": "db-cluster-id", "Values": [TARGET]}])["DBClusters"]:
        if cluster["Status"] in NOT_RUNNING:
            rds.start_db_cluster(DBClusterIdentifier=TARGET)
            demo.emulator.clock.set(demo.emulator.clock.now() + timedelta(minutes=1))
    prepare_next_restore(demo)
    rds.stop_db_cluster(DBClusterIdentifier=TARGET)
    demo.emulator.clock.set(demo.emulator.clock.now() + timedelta(minutes=1))


@pytest.fixture(scope="module")
async def shared_rig(demo: DemoEnvironment) -> AsyncIterator[RestoreRig]:
    """After two restores: then there is a copy that can be removed to make room."""
    parts = worker_parts(demo, "faults")
    async with time_skipping_client(AuroraRestorePlugin()) as client, run_worker(client, demo, parts) as rig:
        for _ in range(2):
            prepare(demo)
            await (await rig.start(every_prerequisite())).result()
        yield rig


@pytest.fixture(autouse=True)
def _restore_ignores_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    """As RDS did before the restore took AssociatedRoles: the pipeline then adds each role with a call of its own."""
    monkeypatch.setattr(clusters, "roles", SimpleNamespace(**vars(roles) | {"associate": lambda *_: None}))


@pytest.fixture(autouse=True)
def _next_restore(demo: DemoEnvironment) -> Iterator[None]:
    demo.emulator.clock.set(demo.emulator.clock.now() + timedelta(hours=1))
    prepare(demo)
    yield
    demo.emulator.faults.clear()


def every_prerequisite() -> RestoreRequest:
    """A request without users that needs every prerequisite and every call of a restore."""
    instance = {"instance_class": "db.r6g.large", "db_parameter_group_name": "tuned"}
    target = {
        "instances": [instance],
        "db_cluster_parameter_group_name": "tuned",
        "master_user_secret_id": "master",
        "associated_roles": [{"role_arn": "arn:aws:iam::111122223333:role/import", "feature_name": "s3Import"}],
        "http_endpoint": True,
        "custom_endpoints": [{"identifier": "orders-analytics"}],
        "proxy_targets": [{"proxy_name": "pool"}],
        "scalable_target": {
            "min_capacity": 0,
            "max_capacity": 2,
            "policies": [{"name": "busy", "configuration": TRACK_CPU}],
            "scheduled_actions": [{"name": "morning", "schedule": "cron(0 6 * * ? *)", "min_capacity": 1}],
        },
        "missing": "create",
        "when_stopped": "start",
        "after": "stop",
    }
    return request(users=[], target=target)


def provoke(demo: DemoEnvironment, rule: FaultRule, times: int = 1) -> None:
    """Let the next calls of the rule's operation fail with the rule's code and text."""
    operation = "DescribeDBClusters" if rule.operation == ANY else rule.operation
    # The first call lists snapshots, and a list never fails with NotFound.
    skip = 1 if operation == "DescribeDBClusterSnapshots" else 0
    demo.emulator.faults.add(
        SERVICES.get(operation, "rds"),
        operation,
        "error",
        code=rule.code,
        message=f"As AWS says it: {rule.fragment}.",
        # A code that botocore's model lacks needs its HTTP status.
        status=400,
        count=times,
        skip=skip,
    )


async def run_to_failure(rig: RestoreRig) -> tuple[str, str]:
    """The restore's error, and the details of the step that failed."""
    handle = await rig.start(every_prerequisite())
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    state = await rig.state(handle)
    assert state.operation_id is not None
    rows = [row for row in rig.table.list_rows(state.operation_id) if row.phase == "outcome"]
    return cause.message, next(row.details for row in rows if row.status == "FAILED")


@pytest.mark.parametrize("rule", FAILING_ALONE, ids=lambda rule: f"{rule.operation}-{rule.code}-{rule.fragment[:8]}")
async def test_a_fault_that_fails_the_restore(shared_rig: RestoreRig, rule: FaultRule) -> None:
    """The restore fails with the row's text at the step that met the fault, and the trail has the same text."""
    # Twice, because a master password that is refused before there is a writer is set again once there is one.
    provoke(shared_rig.demo, rule, times=2)
    message, details = await run_to_failure(shared_rig)
    assert rule.short in message
    assert details.startswith(rule.short)


async def test_missing_prerequisites_fail_the_restore_at_once(shared_rig: RestoreRig) -> None:
    """All of them in one refusal, which has a line for each and begins with the row's text of one."""
    for rule in MISSING:
        provoke(shared_rig.demo, rule)
    message, details = await run_to_failure(shared_rig)
    assert message.count("\n[") + 1 == len(MISSING)
    assert details.endswith(f" (and {len(MISSING) - 1} more)")
    assert details.startswith(tuple(rule.short for rule in MISSING))
    assert all(fault.fired for fault in shared_rig.demo.emulator.faults)


@pytest.mark.parametrize("action", PASSING_BY_ACTION)
async def test_faults_that_pass(shared_rig: RestoreRig, action: str) -> None:
    """All rows of one action in one restore: it waits, reads again, adopts or makes room, and succeeds."""
    for rule in PASSING_BY_ACTION[action]:
        provoke(shared_rig.demo, rule)
    state = await (await shared_rig.start(every_prerequisite())).result()
    assert state.outcome == "succeeded"
    unmet = [fault for fault in shared_rig.demo.emulator.faults if not fault.fired]
    assert not unmet
