"""An answer that is not AWS's proves nothing: no call succeeds by it, and nothing is absent because of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from activities.notifications.delivery import NotificationActivities
from clients import answer_check
from clients.answer_check import NotAwsAnswer
from clients.aws import AwsClients
from devstack.aws.fault_injection import FOREIGN_ANSWERS, Kind
from errors import AwsUnavailable, TrailUnavailable, Transient
from models.archive import Notification
from models.notifications import NotificationInput
from models.restore_state import RestoreState
from models.snapshots import SourceSnapshot
from models.source import Source
from models.steps import Outcome
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import ACCOUNT, OTHER_ACCOUNT, TARGET_REGION, TRAIL, Shared, session_of

TOPIC = f"arn:aws:sns:{TARGET_REGION}:{ACCOUNT}:outcomes"
ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/restore"
ATTEMPTS = 3
"""How often a client of the pipeline sends a call; the trail's clients send it twice."""

Prepared = tuple[Callable[[Any], Any], Any]
Clients = Callable[[str], Any]

CALLS: list[tuple[str, str, Callable[[Clients], Any]]] = [
    ("rds", "DescribeDBClusters", lambda clients: clients("rds").describe_db_clusters()),
    ("rds", "DescribeDBInstances", lambda clients: clients("rds").describe_db_instances()),
    ("rds", "DescribeDBClusterSnapshots", lambda clients: clients("rds").describe_db_cluster_snapshots()),
    ("rds", "RemoveTagsFromResource", lambda clients: clients("rds").remove_tags_from_resource(
        ResourceName=f"arn:aws:rds:{TARGET_REGION}:{ACCOUNT}:subgrp:staging", TagKeys=["none"])),
    ("sts", "GetCallerIdentity", lambda clients: clients("sts").get_caller_identity()),
    ("ec2", "DescribeSecurityGroups", lambda clients: clients("ec2").describe_security_groups()),
    ("kms", "DescribeKey", lambda clients: clients("kms").describe_key(KeyId="alias/staging")),
    ("secretsmanager", "ListSecrets", lambda clients: clients("secretsmanager").list_secrets()),
    ("sns", "GetTopicAttributes", lambda clients: clients("sns").get_topic_attributes(TopicArn=TOPIC)),
    ("dynamodb", "Query", lambda clients: clients("dynamodb").query(
        TableName=TRAIL, KeyConditionExpression="operation_id = :id", ExpressionAttributeValues={":id": {"S": "none"}})),
    ("dynamodb", "PutItem", lambda clients: clients("dynamodb").put_item(
        TableName=TRAIL, Item={"operation_id": {"S": "foreign"}, "event_key": {"S": "none"}})),
]  # fmt: skip


def clients_of(rig: ActivityRig) -> Clients:
    """The pipeline's client of a service, as its activities get it."""

    def client(service: str) -> Any:
        if service == "sns":
            return rig.aws.sns(rig.target, rig.operation_id, TOPIC)
        if service == "dynamodb":
            return rig.aws.dynamodb(TARGET_REGION)
        return getattr(rig.aws, service)(rig.target, rig.operation_id)

    return client


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here is about the wait between two attempts."""
    monkeypatch.setattr(answer_check, "FIRST_DELAY_SECONDS", 0)


@pytest.fixture
def topic(rig: ActivityRig) -> str:
    arn: str = rig.aws.sns(rig.target, "owner", TOPIC).create_topic(Name="outcomes")["TopicArn"]
    assert arn == TOPIC
    return arn


@pytest.mark.parametrize(
    ("service", "operation", "call"), CALLS, ids=lambda value: value if isinstance(value, str) else ""
)
@pytest.mark.usefixtures("topic")
def test_no_client_believes_an_answer_that_is_not_aws_s(
    rig: ActivityRig, service: str, operation: str, call: Callable[[Clients], Any]
) -> None:
    """Of any kind, to any service; AWS's own answer to the same call is believed, moto's too."""
    clients = clients_of(rig)
    call(clients)
    for kind in FOREIGN_ANSWERS:
        fault = rig.emulator.faults.add(service, operation, kind, count=None)
        with pytest.raises(NotAwsAnswer, match=f"{operation} got HTTP 200 with "):
            call(clients)
        rig.emulator.faults.remove(fault)
        assert fault.fired == (2 if service == "dynamodb" else ATTEMPTS), kind
    call(clients)


@pytest.mark.parametrize("kind", FOREIGN_ANSWERS)
def test_credentials_that_are_not_sts_s_are_not_used(rig: ActivityRig, kind: Kind) -> None:
    """The client that assumes roles checks as every other does."""
    target = rig.target.model_copy(update={"account_id": OTHER_ACCOUNT, "role_arn": ROLE})
    fault = rig.emulator.faults.add("sts", "AssumeRole", kind, count=None)
    aws = AwsClients(session_of(ACCOUNT))
    with pytest.raises(NotAwsAnswer, match="AssumeRole got HTTP 200 with "):
        aws.rds(target, rig.operation_id).describe_db_clusters()
    rig.emulator.faults.remove(fault)
    assert aws.rds(target, rig.operation_id).describe_db_clusters()["DBClusters"] == []


def prepare_snapshot_check(rig: ActivityRig) -> Prepared:
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_target()
    return rig.snapshots.snapshot_check, rig.check_input(source=source_with(rig, snapshot))


def source_with(rig: ActivityRig, snapshot: SourceSnapshot) -> Source:
    """The source, restored from this snapshot: the tests' snapshots are manual ones."""
    selector = rig.source.snapshot.model_copy(update={"identifier": snapshot.arn.rpartition(":")[2]})
    return rig.source.model_copy(update={"snapshot": selector})


def prepare_copy(rig: ActivityRig) -> Prepared:
    rig.make_source()
    return rig.snapshots.copy_snapshot, rig.copy_input(rig.make_snapshot())


def prepare_copy_check(rig: ActivityRig) -> Prepared:
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    return rig.snapshots.check_copy_status, rig.check_copy_input(snapshot)


def prepare_deletion(rig: ActivityRig) -> Prepared:
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    return rig.clusters.delete_rds, rig.delete_input(snapshot, rig.make_target(instances=1))


def prepare_last_deletion(rig: ActivityRig) -> Prepared:
    """A target whose instances are gone already."""
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    return rig.clusters.delete_rds, rig.delete_input(snapshot, rig.make_target(instances=0))


def prepare_restore(rig: ActivityRig) -> Prepared:
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    return rig.clusters.restore_snapshot, rig.restore_input(snapshot)


def prepare_restore_check(rig: ActivityRig) -> Prepared:
    activity, step_input = prepare_restore(rig)
    restored = rig.run(activity, step_input)
    rig.advance_clock()
    return rig.restored.check_restore_status, rig.check_restore_input(restored.cluster_resource_id)


def prepare_notification(rig: ActivityRig) -> Prepared:
    topic = rig.aws.sns(rig.target, "owner", TOPIC).create_topic(Name="outcomes")["TopicArn"]
    state = RestoreState(
        operation_id=rig.operation_id, outcome=Outcome.FAILED, source_arn=rig.source.arn, target_arn=rig.target.arn,
        started_at=rig.now,
    )  # fmt: skip
    step_input = NotificationInput(
        operation_id=rig.operation_id, step_started_at=rig.now, state=state, target=rig.target,
        notification=Notification(topic_arn=topic), workflow_id=rig.target.workflow_id,
    )  # fmt: skip
    return NotificationActivities(rig.aws).sns_notification, step_input


READS_AND_WRITES: list[tuple[Callable[[ActivityRig], Prepared], str, str]] = [
    (prepare_snapshot_check, "rds", "DescribeDBClusterSnapshots"),
    (prepare_snapshot_check, "rds", "DescribeDBClusters"),
    (prepare_snapshot_check, "rds", "DescribeDBInstances"),
    (prepare_snapshot_check, "kms", "DescribeKey"),
    (prepare_copy, "rds", "CopyDBClusterSnapshot"),
    (prepare_copy_check, "rds", "DescribeDBClusterSnapshots"),
    (prepare_deletion, "rds", "DescribeDBClusters"),
    (prepare_deletion, "rds", "DescribeDBClusterSnapshots"),
    (prepare_deletion, "dynamodb", "Query"),
    (prepare_deletion, "dynamodb", "PutItem"),
    (prepare_deletion, "rds", "DeleteDBInstance"),
    (prepare_last_deletion, "rds", "DeleteDBCluster"),
    (prepare_restore, "rds", "DescribeDBClusters"),
    (prepare_restore, "rds", "RestoreDBClusterFromSnapshot"),
    (prepare_restore_check, "rds", "DescribeDBClusters"),
    (prepare_restore_check, "rds", "DescribeDBInstances"),
    (prepare_restore_check, "rds", "CreateDBInstance"),
    (prepare_notification, "sns", "Publish"),
]
"""Each read that decides and each write that counts, in the step that makes it."""
BEFORE = [kind for kind in FOREIGN_ANSWERS if kind.endswith("-before")]
AFTER = [kind for kind in FOREIGN_ANSWERS if kind.endswith("-after")]


@pytest.mark.parametrize(("prepare", "service", "operation"), READS_AND_WRITES)
def test_a_step_believes_nothing_of_a_call_that_was_not_carried_out(
    rig: ActivityRig, prepare: Callable[[ActivityRig], Prepared], service: str, operation: str
) -> None:
    """It ends with a transient error and has changed nothing; after the fault it completes."""
    activity, step_input = prepare(rig)
    rig.clear_calls()
    for kind in BEFORE:
        run_with_fault(rig, activity, step_input, service, operation, kind)
        assert rig.changes() == []
    assert rig.poll_until_done(activity, step_input).done


@pytest.mark.parametrize(("prepare", "service", "operation"), READS_AND_WRITES)
def test_a_step_believes_nothing_of_an_answer_that_was_lost(
    shared: Shared,
    rig: ActivityRig,
    prepare: Callable[[ActivityRig], Prepared],
    service: str,
    operation: str,
) -> None:
    """It ends with a transient error and does nothing that would come after the call; the next attempt goes on from there."""
    for kind in AFTER:
        rig = ActivityRig(shared)
        activity, step_input = prepare(rig)
        rig.clear_calls()
        run_with_fault(rig, activity, step_input, service, operation, kind)
        assert {change.partition(" ")[0] for change in rig.changes()} <= {operation}
        assert rig.poll_until_done(activity, step_input).done


def run_with_fault(
    rig: ActivityRig, activity: Callable[[Any], Any], step_input: Any, service: str, operation: str, kind: Kind
) -> None:
    fault = rig.emulator.faults.add(service, operation, kind, count=None)
    expected = TrailUnavailable if service == "dynamodb" else AwsUnavailable
    with pytest.raises(expected) as failure:
        rig.run(activity, step_input)
    rig.emulator.faults.remove(fault)
    assert fault.fired
    assert f"{operation} got HTTP 200 with " in failure.value.fault.message
    if expected is AwsUnavailable:
        assert failure.value.fault.short == "Answer is not from AWS"


@pytest.mark.parametrize("seed", range(3))
def test_a_restore_behind_a_proxy_that_spoils_a_fifth_of_the_answers_ends_right(rig: ActivityRig, seed: int) -> None:
    """One copy, one deletion with its intent, one restore, two instances."""
    rig.make_source()
    snapshot = rig.make_snapshot()
    resource_id = rig.make_target(instances=1)
    check_input = rig.check_input(source=source_with(rig, snapshot))
    rig.clear_calls()
    rig.emulator.faults.seed(seed)
    faults = [
        rig.emulator.faults.add("*", "*", kind, count=None, share=0.2 / len(FOREIGN_ANSWERS))
        for kind in FOREIGN_ANSWERS
    ]
    run_with_retries(rig, rig.snapshots.snapshot_check, check_input)
    copied = run_with_retries(rig, rig.snapshots.copy_snapshot, rig.copy_input(snapshot))
    run_with_retries(rig, rig.snapshots.check_copy_status, rig.check_copy_input(snapshot))
    run_with_retries(rig, rig.clusters.delete_rds, rig.delete_input(snapshot, resource_id))
    restored = run_with_retries(rig, rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    step_input = rig.check_restore_input(restored.cluster_resource_id)
    run_with_retries(rig, rig.restored.check_restore_status, step_input)
    run_with_retries(rig, rig.snapshots.archive_snapshot, rig.archive_input(copied.snapshot_copy, snapshot=snapshot))
    assert sum(fault.fired for fault in faults) > len(FOREIGN_ANSWERS)
    rig.emulator.faults.clear()
    cluster = rig.cluster()
    assert cluster is not None
    assert (cluster["Status"], cluster["DbClusterResourceId"]) == ("available", restored.cluster_resource_id)
    assert list(rig.instances().values()) == ["available"] * 2
    assert [copy["Status"] for copy in rig.copies().values()] == ["available"]
    assert rig.rows() == ["delete-rds intent"]
    counts = [change.partition(" ")[0] for change in rig.changes()]
    for operation in ("CopyDBClusterSnapshot", "DeleteDBCluster", "RestoreDBClusterFromSnapshot"):
        assert counts.count(operation) == 1, counts


def run_with_retries(rig: ActivityRig, activity: Callable[[Any], Any], step_input: Any) -> Any:
    """Repeat a transient error, as Temporal does."""
    for _ in range(100):
        try:
            return rig.poll_until_done(activity, step_input)
        except Transient:
            continue
    raise AssertionError("still failing after 100 attempts")
