"""sns-notification and open-operation: the night's last word and its number."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from activities.notifications import NotificationActivities
from activities.operations import OperationActivities
from audit.numbers import OperationNumbersTable
from audit.setup import create_operations_table
from errors import AwsUnavailable, Fault, StepFailed, TrailUnavailable
from models.notifications import NotificationInput
from models.operation import OpenOperationInput, RestoreState, StepState
from models.request import Notification
from models.steps import Outcome, Status, Step
from tests.rigs.activities import TARGET_REGION, Night

FAULT = Fault(
    type="StepFailed",
    short="Invalid snapshot ID",
    message="CopyDBClusterSnapshot answered DBClusterSnapshotNotFoundFault: gone.",
    code="DBClusterSnapshotNotFoundFault",
    request_id="11111111-2222",
)

Inbox = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def topics(night: Night) -> tuple[Notification, dict[str, Inbox]]:
    """A topic for everything, a quieter one for success, and what their subscribers get."""
    sns = night.aws.sns(night.target, "owner", f"arn:aws:sns:{TARGET_REGION}:1:x")
    arns, inboxes = {}, {}
    for name in ("errors", "success"):
        arns[name] = sns.create_topic(Name=f"{name}-{night.number}")["TopicArn"]
        inboxes[name] = subscribed(night, sns, arns[name])
    return Notification(topic_arn=arns["errors"], success_topic_arn=arns["success"]), inboxes


def subscribed(night: Night, sns: Any, topic: str) -> Inbox:
    sqs = night.aws._client("sqs", TARGET_REGION, None, None, "owner")
    name = topic.rpartition(":")[2]
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def inbox() -> list[dict[str, Any]]:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]

    return inbox


def told(night: Night, outcome: Outcome, *steps: StepState, fault: Fault | None = None) -> RestoreState:
    return RestoreState(
        operation_id=night.operation_id,
        outcome=outcome,
        source_arn=night.source.arn,
        target_arn=night.target.arn,
        started_at=night.now,
        steps=steps,
        fault=fault,
        warnings=("The copy has the status pondering.",),
    )


def step(night: Night, name: Step, status: Status, details: str) -> StepState:
    return StepState(step=name, status=status, details=details, started_at=night.now)


def notify(night: Night, notification: Notification, state: RestoreState) -> Any:
    step_input = NotificationInput(
        operation_id=night.operation_id,
        step_started_at=night.now,
        notification=notification,
        target=night.target,
        workflow_id=night.target.workflow_id,
        state=state,
    )
    return night.run(NotificationActivities(night.aws).sns_notification, step_input)


def success(night: Night) -> RestoreState:
    done = step(night, Step.SNAPSHOT_CHECK, Status.SUCCESS, "Found snapshot: nightly")
    return told(night, Outcome.SUCCEEDED, done)


def failure(night: Night) -> RestoreState:
    done = step(night, Step.SNAPSHOT_CHECK, Status.SUCCESS, "Found snapshot: nightly")
    failed = step(night, Step.COPY_SNAPSHOT, Status.FAILED, "Invalid snapshot ID")
    return told(night, Outcome.FAILED, done, failed, fault=FAULT)


def test_success_goes_to_the_quieter_topic(night: Night, topics: Any) -> None:
    """With a topic for success, the one for errors stays silent."""
    notification, inboxes = topics
    answer = notify(night, notification, success(night))
    assert (answer.details, answer.resource_arns) == (
        "Success notification sent",
        (notification.success_topic_arn,),
    )
    (message,) = inboxes["success"]()
    assert message["MessageId"] == answer.message_id
    assert message["Subject"] == f"{night.operation_id} succeeded: restore of {night.target.cluster}"
    assert inboxes["errors"]() == []


def test_success_goes_to_the_one_topic_there_is(night: Night, topics: Any) -> None:
    """Without one, both go to the same."""
    notification, inboxes = topics
    notification = notification.model_copy(update={"success_topic_arn": None})
    answer = notify(night, notification, success(night))
    assert (answer.details, answer.resource_arns) == ("Notification sent", (notification.topic_arn,))
    assert len(inboxes["errors"]()) == 1


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED])
def test_what_went_wrong_goes_to_the_topic_for_errors(night: Night, topics: Any, outcome: Outcome) -> None:
    """Also a cancellation: somebody waits for a staging that will not come."""
    notification, inboxes = topics
    state = failure(night).model_copy(update={"outcome": outcome})
    answer = notify(night, notification, state)
    assert (answer.details, answer.resource_arns) == ("Error notification sent", (notification.topic_arn,))
    assert inboxes["success"]() == []
    (message,) = inboxes["errors"]()
    assert message["Subject"] == (f"{night.operation_id} {outcome} at copy-snapshot: restore of {night.target.cluster}")


def test_the_message_says_what_to_do(night: Night, topics: Any) -> None:
    """Fault, code and request id, every step, the runbook's section, and where the trail is; see test_message.py."""
    notification, inboxes = topics
    notify(night, notification, failure(night))
    (message,) = inboxes["errors"]()
    text = message["Message"]
    for part in (
        f"the restore of {night.target.arn} from {night.source.arn} failed.",
        "Invalid snapshot ID (DBClusterSnapshotNotFoundFault, request 11111111-2222)",
        FAULT.message,
        "docs/runbook.md, section copy-snapshot",
        "snapshot-check: SUCCESS, Found snapshot: nightly",
        "WARNINGS\nThe copy has the status pondering.",
        f"python starter.py audit {night.operation_id}",
        night.target.workflow_id,
    ):
        assert part in text
    assert {name: value["Value"] for name, value in message["MessageAttributes"].items()} == {
        "operation_id": night.operation_id,
        "outcome": "failed",
        "target": night.target.arn,
    }


def test_a_subject_is_what_sns_takes(night: Night, topics: Any) -> None:
    """ASCII, one line, at most 100 characters, also for the longest cluster name and the longest step."""
    notification, _ = topics
    night.target = night.target.model_copy(update={"cluster": "x" * 63})
    late = step(night, Step.CHECK_RESTORE_STATUS, Status.FAILED, "…")
    notify(night, notification, told(night, Outcome.CANCELLED, late, fault=FAULT))
    (call,) = night.calls("Publish")
    subject = call.parameters["Subject"]
    assert len(subject) == 100
    assert subject.isascii()
    assert subject.isprintable()


def test_a_message_that_is_too_long_is_cut(night: Night, topics: Any) -> None:
    """A fault of any length is told; SNS takes 256 KiB."""
    notification, _ = topics
    long = FAULT.model_copy(update={"message": "ä" * 300_000})
    notify(night, notification, failure(night).model_copy(update={"fault": long}))
    (call,) = night.calls("Publish")
    assert len(call.parameters["Message"].encode()) <= 200_000


def test_run_twice_it_is_told_twice(night: Night, topics: Any) -> None:
    """SNS delivers at least once and knows no condition; both messages carry the operation's id."""
    notification, inboxes = topics
    for _ in range(2):
        notify(night, notification, success(night))
    ids = [message["MessageAttributes"]["operation_id"]["Value"] for message in inboxes["success"]()]
    assert ids == [night.operation_id] * 2


def test_a_topic_that_is_not_there_is_told(night: Night, topics: Any) -> None:
    """The operator learns which topic is missing."""
    notification, _ = topics
    gone = notification.model_copy(update={"success_topic_arn": None, "topic_arn": notification.topic_arn + "-gone"})
    with pytest.raises(StepFailed, match="Topic not found"):
        notify(night, gone, success(night))


def test_bad_weather_is_transient(night: Night, topics: Any) -> None:
    """An SNS that fails inside is asked again by Temporal."""
    notification, _ = topics
    night.emulator.faults.add("sns", "Publish", "http500", count=3)
    with pytest.raises(AwsUnavailable):
        notify(night, notification, success(night))


# open-operation


@pytest.fixture
def numbers(night: Night) -> OperationActivities:
    """A table of numbers of the test's own."""
    dynamodb = night.aws.dynamodb(TARGET_REGION)
    table = f"operations-{night.number}"
    create_operations_table(dynamodb, table)
    return OperationActivities(OperationNumbersTable(dynamodb, table))


def wanted(night: Night, run: str) -> OpenOperationInput:
    return OpenOperationInput(
        workflow_id=night.target.workflow_id, first_run_id=run, target_arn=night.target.arn, opened_at=night.now
    )


def test_operations_are_numbered_in_order(night: Night, numbers: OperationActivities) -> None:
    """op-001, op-002 …; run twice for one workflow, it is the same number and the same time."""
    first = night.run(numbers.open_operation, wanted(night, "run-a"))
    night.later()
    second = night.run(numbers.open_operation, wanted(night, "run-b"))
    again = night.run(numbers.open_operation, wanted(night, "run-a"))
    assert (first.operation_id, second.operation_id) == ("op-001", "op-002")
    assert again == first


@pytest.mark.parametrize("kind", ["reset-before", "reset-after", "http500"])
def test_a_lost_answer_takes_no_second_number(night: Night, numbers: OperationActivities, kind: Any) -> None:
    """No gap and no double, whatever becomes of the answer."""
    night.emulator.faults.add("dynamodb", "TransactWriteItems", kind)
    first = night.run(numbers.open_operation, wanted(night, "run-a"))
    assert first.operation_id == "op-001"
    assert night.run(numbers.open_operation, wanted(night, "run-b")).operation_id == "op-002"


def test_many_at_once_get_one_number_each(night: Night, numbers: OperationActivities) -> None:
    """Six nights that begin in one moment have six numbers without a gap."""
    with ThreadPoolExecutor(6) as threads:
        opened = threads.map(
            lambda run: night.run(numbers.open_operation, wanted(night, run)).operation_id,
            [f"run-{place}" for place in range(6)],
        )
    assert sorted(opened) == [f"op-{place:03d}" for place in range(1, 7)]


def test_without_the_table_no_night_begins(night: Night, numbers: OperationActivities) -> None:
    """A DynamoDB that does not answer is transient; the night waits for its number."""
    night.emulator.faults.add("dynamodb", "*", "http500", count=None)
    with pytest.raises(TrailUnavailable):
        night.run(numbers.open_operation, wanted(night, "run-a"))
