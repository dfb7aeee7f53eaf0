"""sns-notification: publishes how a restore ended, or that it waits for a decision, to a topic, a webhook or both."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from temporalio import activity

from activities.notifications.chat import write_chat_message
from activities.notifications.facts import Pages, list_attributes
from activities.notifications.text import write_message, write_subject
from activities.notifications.webhook import post_to_webhook, write_webhook_message
from activities.rds.aws_errors import pipeline_error_for
from activities.step import step_activity
from clients.aws import AwsClients
from clients.secret_urls import SecretUrlClient, read_webhook
from errors import PipelineError, Transient
from limits import MAX_NOTIFICATION_BYTES, shorten_in_json
from models.notifications import NotificationInput, NotificationOutcome
from models.steps import Outcome, Step

if TYPE_CHECKING:
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef

NO_PAGES = Pages()
ATTEMPTS_BESIDE = 6
"""How often what is unavailable is tried while the other one has the message: two minutes by the step's policy."""


@dataclass
class Deliveries:
    """What the attempts of this activity have delivered: kept in the heartbeat, so that none is delivered again."""

    message_ids: dict[str, str] = field(default_factory=dict)
    """By SNS or webhook: the message's id, empty for a webhook."""
    failures: dict[str, PipelineError] = field(default_factory=dict)

    @classmethod
    def of_earlier_attempts(cls) -> Deliveries:
        """What the last heartbeat says."""
        details = activity.info().heartbeat_details
        if details and isinstance(details[0], dict) and isinstance(delivered := details[0].get("delivered"), dict):
            return cls(dict(delivered))
        return cls()

    def deliver(self, where: str, send: Callable[[], str]) -> None:
        """Send the message, unless an earlier attempt has; keep the failure, because the other one is to get it too."""
        if where in self.message_ids:
            return
        try:
            self.message_ids[where] = send()
        except (ClientError, BotoCoreError) as error:
            self.failures[where] = pipeline_error_for(error)
        except PipelineError as error:
            self.failures[where] = error
        else:
            activity.heartbeat({"delivered": self.message_ids})

    def raise_if_retried(self) -> None:
        """Raise the failure that a retry may overcome, or the only one there is; the others are warnings."""
        transient = [error for error in self.failures.values() if isinstance(error, Transient)]
        if transient and (not self.message_ids or activity.info().attempt < ATTEMPTS_BESIDE):
            raise transient[0]
        if self.failures and not self.message_ids:
            raise next(iter(self.failures.values()))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was not delivered."""
        return tuple(
            f"Not notified by {where}: {error.fault.short}: {error.fault.message}"
            for where, error in self.failures.items()
        )


class NotificationActivities:
    """Publishes the outcome."""

    def __init__(self, aws: AwsClients, pages: Pages = NO_PAGES) -> None:
        """`aws` has the clients, `pages` what the message links to."""
        self._aws = aws
        self._pages = pages
        self._http = SecretUrlClient(read_seconds=10)

    @step_activity(Step.SNS_NOTIFICATION)
    def sns_notification(self, step_input: NotificationInput) -> NotificationOutcome:
        """Publish how the restore ended, or that it waits for a decision.

        Raises `StepFailed` if neither a topic nor a webhook takes it, `AwsUnavailable` and `WebhookUnavailable` to be
        retried; what one of two does not take is a warning.
        Run twice: two messages. SNS delivers at least once and has no conditional publish; all carry the operation id.
        """
        attributes = list_attributes(step_input, self._aws.environment)
        topic, details = _topic(step_input)
        deliveries = Deliveries.of_earlier_attempts()
        if topic is not None:
            deliveries.deliver("SNS", lambda: self._publish(step_input, topic, attributes))
        if secret_id := step_input.notification.webhook_secret_id:
            deliveries.deliver("webhook", lambda: self._post(step_input, secret_id, attributes))
        deliveries.raise_if_retried()
        return NotificationOutcome(
            details=details,
            resource_arns=(topic,) if topic else (),
            message_id=deliveries.message_ids.get("SNS"),
            warnings=deliveries.warnings,
        )

    def _publish(self, step_input: NotificationInput, topic: str, attributes: dict[str, str]) -> str:
        """Returns SNS's id of the message."""
        sns = self._aws.sns(step_input.target, step_input.operation_id, topic)
        published = sns.publish(
            TopicArn=topic,
            Subject=write_subject(step_input),
            MessageStructure="json",
            Message=self._texts(step_input, attributes),
            MessageAttributes={name: _attribute(value) for name, value in attributes.items()},
        )
        return published["MessageId"]

    def _texts(self, step_input: NotificationInput, attributes: dict[str, str]) -> str:
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

    def _post(self, step_input: NotificationInput, secret_id: str, attributes: dict[str, str]) -> str:
        """Returns no id: a webhook has none."""
        secrets = self._aws.secretsmanager(step_input.target, step_input.operation_id)
        url = read_webhook(secrets, secret_id)
        message = write_webhook_message(step_input, self._pages, attributes)
        post_to_webhook(self._http, url, secret_id, _json(message).encode())
        return ""


def _topic(step_input: NotificationInput) -> tuple[str | None, str]:
    """The topic, and the trail's words."""
    notification, success = step_input.notification, step_input.state.outcome is Outcome.SUCCEEDED
    topic = notification.topic_for(success=success)
    if not success:
        return topic, "Error notification sent"
    return topic, "Success notification sent" if notification.success_topic_arn else "Notification sent"


def _attribute(value: str) -> MessageAttributeValueTypeDef:
    return {"DataType": "String", "StringValue": value}


def _json(value: object) -> str:
    """Not in ASCII, since SNS counts bytes."""
    return json.dumps(value, ensure_ascii=False)
