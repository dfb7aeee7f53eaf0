"""sns-notification: what people are told, once the night is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities.step import step_activity
from clients.aws import AwsClients
from models.notifications import NotificationInput, NotificationOutcome
from models.steps import Outcome, Step

if TYPE_CHECKING:
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef

SUBJECT_LIMIT = 100
"""Characters, ASCII, no line breaks. Source: SNS API Reference, Publish."""
MESSAGE_LIMIT = 200_000
"""Bytes; SNS takes 256 KiB, attributes included."""


class NotificationActivities:
    """Publishes the outcome."""

    def __init__(self, aws: AwsClients) -> None:
        """`aws` gives the clients."""
        self._aws = aws

    @step_activity(Step.SNS_NOTIFICATION)
    def sns_notification(self, of: NotificationInput) -> NotificationOutcome:
        """Tell the topic how the night ended.

        Run twice: two messages. SNS delivers at least once and knows no condition; both carry the operation id.
        """
        topic, details = _topic(of)
        sns = self._aws.sns(of.target, of.operation_id, topic)
        published = sns.publish(
            TopicArn=topic,
            Subject=_subject(of),
            Message=_message(of).encode()[:MESSAGE_LIMIT].decode(errors="ignore"),
            MessageAttributes={
                "operation_id": _text(of.operation_id),
                "outcome": _text(of.state.outcome),
                "target": _text(of.state.target),
            },
        )
        return NotificationOutcome(details=details, resource_arns=(topic,), message_id=published["MessageId"])


def _topic(of: NotificationInput) -> tuple[str, str]:
    if of.state.outcome is not Outcome.SUCCEEDED:
        return of.notification.topic_arn, "Error notification sent"
    if of.notification.success_topic_arn:
        return of.notification.success_topic_arn, "Success notification sent"
    return of.notification.topic_arn, "Notification sent"


def _text(value: str) -> MessageAttributeValueTypeDef:
    return {"DataType": "String", "StringValue": value}


def _subject(of: NotificationInput) -> str:
    failed = f" at {step}" if (step := of.state.failed_step) else ""
    text = f"{of.operation_id} {of.state.outcome}{failed}: restore of {of.target.cluster}"
    return text.encode("ascii", "replace").decode()[:SUBJECT_LIMIT]


def _message(of: NotificationInput) -> str:
    state = of.state
    lines = [
        f"{of.operation_id}: the restore of {state.target} from {state.source} {state.outcome}.",
        "",
        *_failure_lines(of),
        *(
            f"{step.step}: {step.status}, {step.details}"
            for step in state.steps
            if step.step is not Step.SNS_NOTIFICATION
        ),
        "",
        f"Snapshot: {state.snapshot or 'none'}",
        f"Copy: {state.snapshot_copy or 'none'}",
        f"Restored cluster: {state.cluster or 'none'}",
        *(f"Warning: {warning}" for warning in state.warnings),
        f"Workflow: {of.workflow_id}",
        *([f"Seal of the trail: {state.seal}"] if state.seal else []),
        f"The trail: python starter.py audit {of.operation_id}",
    ]
    return "\n".join(lines)


def _failure_lines(of: NotificationInput) -> list[str]:
    fault = of.state.fault
    if fault is None:
        return []
    code = f" ({fault.code}, request {fault.request_id})" if fault.code and fault.request_id else ""
    step = of.state.failed_step
    runbook = [f"What to do: docs/runbook.md, section {step}."] if step else []
    return [f"{fault.short}{code}", fault.message, *runbook, ""]
