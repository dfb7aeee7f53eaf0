"""sns-notification: publishes how a restore ended, or that it waits for a decision."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from activities.notifications.chat import write_chat_message
from activities.notifications.facts import Pages, list_attributes
from activities.notifications.text import write_message, write_subject
from activities.step import step_activity
from clients.aws import AwsClients
from limits import MAX_NOTIFICATION_BYTES, shorten_in_json
from models.notifications import NotificationInput, NotificationOutcome
from models.steps import Outcome, Step

if TYPE_CHECKING:
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef


NO_PAGES = Pages()


class NotificationActivities:
    """Publishes the outcome."""

    def __init__(self, aws: AwsClients, pages: Pages = NO_PAGES) -> None:
        """`aws` has the clients, `pages` what the message links to."""
        self._aws = aws
        self._pages = pages

    @step_activity(Step.SNS_NOTIFICATION)
    def sns_notification(self, step_input: NotificationInput) -> NotificationOutcome:
        """Publish how the restore ended, or that it waits for a decision.

        Raises `StepFailed` if the topic does not exist or the role may not publish, `AwsUnavailable` to be retried.
        Run twice: two messages. SNS delivers at least once and has no conditional publish; both carry the operation id.
        """
        topic, details = _topic(step_input)
        attributes = list_attributes(step_input, self._aws.environment)
        sns = self._aws.sns(step_input.target, step_input.operation_id, topic)
        published = sns.publish(
            TopicArn=topic,
            Subject=write_subject(step_input),
            MessageStructure="json",
            Message=self._messages(step_input, attributes),
            MessageAttributes={name: _text(value) for name, value in attributes.items()},
        )
        return NotificationOutcome(details=details, resource_arns=(topic,), message_id=published["MessageId"])

    def _messages(self, step_input: NotificationInput, attributes: dict[str, str]) -> str:
        """One text for each protocol: AWS's chat service subscribes by https, everything else gets the default.

        Source: SNS API Reference, Publish, MessageStructure.
        """
        text = write_message(step_input, self._pages)
        chat = write_chat_message(step_input, self._pages, attributes)
        return _json(
            {
                "default": shorten_in_json(text, MAX_NOTIFICATION_BYTES),
                "https": _json(chat),
                "sms": write_subject(step_input),
            }
        )


def _topic(step_input: NotificationInput) -> tuple[str, str]:
    if step_input.state.outcome is not Outcome.SUCCEEDED:
        return step_input.notification.topic_arn, "Error notification sent"
    if step_input.notification.success_topic_arn:
        return step_input.notification.success_topic_arn, "Success notification sent"
    return step_input.notification.topic_arn, "Notification sent"


def _text(value: str) -> MessageAttributeValueTypeDef:
    return {"DataType": "String", "StringValue": value}


def _json(value: object) -> str:
    """Not in ASCII, since SNS counts bytes."""
    return json.dumps(value, ensure_ascii=False)
