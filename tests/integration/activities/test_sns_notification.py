"""sns-notification publishes the outcome of a restore, and open-operation gives it its number."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from activities.notifications.delivery import NotificationActivities
from activities.operations import OperationActivities
from audit.numbers import OperationNumbersTable
from audit.setup import create_operations_table
from errors import AwsUnavailable, Fault, StepFailed, TrailUnavailable
from models.archive import Notification
from models.notifications import NotificationInput
from models.operation import Earlier, OpenOperationInput, Operation
from models.restore_state import RestoreState, StepState
from models.steps import Outcome, Status, Step
from tests.rigs.activities import ActivityRig, temporal_environment
from tests.rigs.activity_resources import TARGET_REGION

FAULT = Fault(
    type="StepFailed",
    short="Invalid snapshot ID",
    message="CopyDBClusterSnapshot answered DBClusterSnapshotNotFoundFault: gone.",
    code="DBClusterSnapshotNotFoundFault",
    request_id="11111111-2222",
)

Inbox = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def topics(rig: ActivityRig) -> tuple[Notification, dict[str, Inbox]]:
    """A topic for errors, one for successes, and what their subscribers get."""
    sns = rig.aws.sns(rig.target, "owner", f"arn:aws:sns:{TARGET_REGION}:1:x")
    arns, inboxes = {}, {}
    for name in ("errors", "success"):
        arns[name] = sns.create_topic(Name=f"{name}-{rig.number}")["TopicArn"]
        inboxes[name] = subscribe(rig, sns, arns[name])
    return Notification(topic_arn=arns["errors"], success_topic_arn=arns["success"]), inboxes


def subscribe(rig: ActivityRig, sns: Any, topic: str) -> Inbox:
    sqs = rig.aws._client("sqs", TARGET_REGION, None, None, "owner")
    name = topic.rpartition(":")[2]
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def inbox() -> list[dict[str, Any]]:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]

    return inbox


def restore_state(rig: ActivityRig, outcome: Outcome, *steps: StepState, fault: Fault | None = None) -> RestoreState:
    return RestoreState(
        operation_id=rig.operation_id,
        outcome=outcome,
        source_arn=rig.source.arn,
        target_arn=rig.target.arn,
        started_at=rig.now,
        steps=steps,
        fault=fault,
        warnings=("The copy has the status unknown-status.",),
    )


def step(rig: ActivityRig, name: Step, status: Status, details: str) -> StepState:
    return StepState(step=name, status=status, details=details, started_at=rig.now)


def notify(rig: ActivityRig, notification: Notification, state: RestoreState) -> Any:
    step_input = NotificationInput(
        operation_id=rig.operation_id,
        step_started_at=rig.now,
        notification=notification,
        target=rig.target,
        workflow_id=rig.target.workflow_id,
        state=state,
    )
    return rig.run(NotificationActivities(rig.aws).sns_notification, step_input)


def success(rig: ActivityRig) -> RestoreState:
    completed = step(rig, Step.SNAPSHOT_CHECK, Status.SUCCESS, "Found snapshot: nightly")
    return restore_state(rig, Outcome.SUCCEEDED, completed)


def failure(rig: ActivityRig) -> RestoreState:
    completed = step(rig, Step.SNAPSHOT_CHECK, Status.SUCCESS, "Found snapshot: nightly")
    failed = step(rig, Step.COPY_SNAPSHOT, Status.FAILED, "Invalid snapshot ID")
    return restore_state(rig, Outcome.FAILED, completed, failed, fault=FAULT)


def test_success_goes_to_its_own_topic(rig: ActivityRig, topics: Any) -> None:
    """The topic for errors gets nothing."""
    notification, inboxes = topics
    published = notify(rig, notification, success(rig))
    assert (published.details, published.resource_arns) == (
        "Success notification sent",
        (notification.success_topic_arn,),
    )
    (message,) = inboxes["success"]()
    assert message["MessageId"] == published.message_id
    assert message["Subject"] == f"{rig.operation_id} succeeded: restore of {rig.target.cluster}"
    assert inboxes["errors"]() == []


def test_success_goes_to_the_only_topic(rig: ActivityRig, topics: Any) -> None:
    """If the request names no topic for success."""
    notification, inboxes = topics
    notification = notification.model_copy(update={"success_topic_arn": None})
    published = notify(rig, notification, success(rig))
    assert (published.details, published.resource_arns) == ("Notification sent", (notification.topic_arn,))
    assert len(inboxes["errors"]()) == 1


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED])
def test_failure_and_cancellation_go_to_the_topic_for_errors(rig: ActivityRig, topics: Any, outcome: Outcome) -> None:
    """Somebody may wait for a target that will not come."""
    notification, inboxes = topics
    state = failure(rig).model_copy(update={"outcome": outcome})
    published = notify(rig, notification, state)
    assert (published.details, published.resource_arns) == (
        "Error notification sent",
        (notification.topic_arn,),
    )
    assert inboxes["success"]() == []
    (message,) = inboxes["errors"]()
    assert message["Subject"] == (f"{rig.operation_id} {outcome} at copy-snapshot: restore of {rig.target.cluster}")


def test_the_message_has_fault_steps_runbook_and_commands(rig: ActivityRig, topics: Any) -> None:
    """test_notification_text.py has the whole text."""
    notification, inboxes = topics
    notify(rig, notification, failure(rig))
    (message,) = inboxes["errors"]()
    text = message["Message"]
    for part in (
        f"The restore of {rig.target.cluster} failed at copy-snapshot, step 2 of 9.",
        f"Target: {rig.target.arn}\nSource: {rig.source.arn}\n",
        "Invalid snapshot ID (DBClusterSnapshotNotFoundFault, request 11111111-2222)",
        FAULT.message,
        "docs/runbook.md, section copy-snapshot",
        "snapshot-check: SUCCESS, Found snapshot: nightly",
        "WARNINGS\n- The copy has the status unknown-status.",
        f"python starter.py audit {rig.operation_id}",
        rig.target.workflow_id,
    ):
        assert part in text
    assert message["MessageAttributes"]["step"] == {"Type": "String", "Value": "copy-snapshot"}


def test_the_subject_keeps_to_the_limits_of_sns(rig: ActivityRig, topics: Any) -> None:
    """ASCII, one line, at most 100 characters, also for the longest cluster name and the longest step."""
    notification, _ = topics
    rig.target = rig.target.model_copy(update={"cluster": "x" * 63})
    late = step(rig, Step.CHECK_RESTORE_STATUS, Status.FAILED, "…")
    notify(rig, notification, restore_state(rig, Outcome.CANCELLED, late, fault=FAULT))
    (call,) = rig.calls("Publish")
    subject = call.parameters["Subject"]
    assert len(subject) == 100
    assert subject.isascii()
    assert subject.isprintable()


def test_a_second_run_publishes_again_with_the_same_operation_id(rig: ActivityRig, topics: Any) -> None:
    """SNS delivers at least once and has no condition."""
    notification, inboxes = topics
    for _ in range(2):
        notify(rig, notification, success(rig))
    ids = [message["MessageAttributes"]["operation_id"]["Value"] for message in inboxes["success"]()]
    assert ids == [rig.operation_id] * 2


def test_a_missing_topic_fails_the_step(rig: ActivityRig, topics: Any) -> None:
    """The operator reads which one."""
    notification, _ = topics
    missing = notification.model_copy(update={"success_topic_arn": None, "topic_arn": notification.topic_arn + "-gone"})
    with pytest.raises(StepFailed, match="Topic not found"):
        notify(rig, missing, success(rig))


def test_an_internal_error_of_sns_is_transient(rig: ActivityRig, topics: Any) -> None:
    """Temporal repeats the activity."""
    notification, _ = topics
    rig.emulator.faults.add("sns", "Publish", "http500", count=3)
    with pytest.raises(AwsUnavailable):
        notify(rig, notification, success(rig))


# open-operation


@pytest.fixture
def numbers(rig: ActivityRig) -> OperationActivities:
    """An operations table of the test's own."""
    dynamodb = rig.aws.dynamodb(TARGET_REGION)
    table = f"operations-{rig.number}"
    create_operations_table(dynamodb, table)
    return OperationActivities(OperationNumbersTable(dynamodb, table), SimpleNamespace(read=lambda _: Earlier({}, {})))


def open_input(rig: ActivityRig, run: str) -> OpenOperationInput:
    return OpenOperationInput(
        workflow_id=rig.target.workflow_id, first_run_id=run, target_arn=rig.target.arn, opened_at=rig.now
    )


def open_operation(rig: ActivityRig, numbers: OperationActivities, run: str) -> Operation:
    return asyncio.run(temporal_environment(rig.now).run(numbers.open_operation, open_input(rig, run)))


def test_operations_are_numbered_in_order(rig: ActivityRig, numbers: OperationActivities) -> None:
    """op-001, op-002 …; run twice for one workflow: the same number and the same time."""
    first = open_operation(rig, numbers, "run-a")
    rig.advance_clock()
    second = open_operation(rig, numbers, "run-b")
    repeated = open_operation(rig, numbers, "run-a")
    assert (first.operation_id, second.operation_id) == ("op-001", "op-002")
    assert repeated == first


@pytest.mark.parametrize("kind", ["reset-before", "reset-after", "http500"])
def test_a_lost_response_allocates_no_second_number(rig: ActivityRig, numbers: OperationActivities, kind: Any) -> None:
    """No gap and no duplicate, whatever happens to the response."""
    rig.emulator.faults.add("dynamodb", "TransactWriteItems", kind)
    first = open_operation(rig, numbers, "run-a")
    assert first.operation_id == "op-001"
    assert open_operation(rig, numbers, "run-b").operation_id == "op-002"


def test_restores_that_start_at_once_get_one_number_each(rig: ActivityRig, numbers: OperationActivities) -> None:
    """Twenty restores of one worker have twenty numbers without a gap, and none cancels another's transaction."""
    calls: list[str] = []
    events = rig.aws.dynamodb(TARGET_REGION).meta.events
    events.register("provide-client-params.dynamodb", lambda model, **_: calls.append(model.name), unique_id="count")

    async def open_all() -> list[Operation]:
        environment = temporal_environment(rig.now)
        runs = [open_input(rig, f"run-{number}") for number in range(20)]
        return await asyncio.gather(*(environment.run(numbers.open_operation, each) for each in runs))

    opened = asyncio.run(open_all())
    events.unregister("provide-client-params.dynamodb", unique_id="count")
    assert [operation.operation_id for operation in opened] == [f"op-{number:03d}" for number in range(1, 21)]
    assert calls.count("TransactWriteItems") == 20


def test_without_the_operations_table_no_operation_opens(rig: ActivityRig, numbers: OperationActivities) -> None:
    """A DynamoDB that does not answer is transient; the restore waits for its number."""
    rig.emulator.faults.add("dynamodb", "*", "http500", count=None)
    with pytest.raises(TrailUnavailable):
        open_operation(rig, numbers, "run-a")
