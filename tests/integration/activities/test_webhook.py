"""sns-notification with a webhook: in place of a topic or beside one. The URL is a secret and is nowhere."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from activities.notifications.delivery import NotificationActivities
from activities.notifications.facts import Pages
from errors import PipelineError, StepFailed, WebhookUnavailable
from models.archive import Notification
from models.notifications import NotificationInput
from tests.rigs.activities import ActivityRig, temporal_environment
from tests.rigs.activity_resources import TARGET_REGION
from tests.rigs.ping_server import PingServer, ping_server
from tests.rigs.published_messages import restore_state

TOKEN = "T0K-secret"
PAGES = Pages("https://temporal.example.com")


@pytest.fixture
def server() -> Iterator[PingServer]:
    """The webhook."""
    with ping_server() as server:
        yield server


def webhook(rig: ActivityRig, url: str) -> str:
    return rig.make_secret("webhook", json.dumps({"url": url}))


def notify(rig: ActivityRig, notification: Notification, delivered: list[Any] | None = None, attempt: int = 1) -> Any:
    """One attempt; `delivered` is what the heartbeat keeps between attempts."""
    step_input = NotificationInput(
        operation_id="op-007",
        step_started_at=rig.now,
        notification=notification,
        target=rig.target,
        workflow_id=rig.target.workflow_id,
        state=restore_state(),
    )
    kept = delivered if delivered is not None else []
    environment = temporal_environment(rig.now, attempt)
    environment.info = replace(environment.info, heartbeat_details=list(kept))
    environment.on_heartbeat = lambda *details: kept.__setitem__(slice(None), details)
    return environment.run(NotificationActivities(rig.aws, PAGES).sns_notification, step_input)


def test_a_webhook_gets_the_message_in_fields(rig: ActivityRig, server: PingServer) -> None:
    """In place of a topic; a query may be part of the secret. The trail has the words of a topic."""
    notification = Notification(webhook_secret_id=webhook(rig, f"{server.url}/hook/{TOKEN}?sig=1"))
    outcome = notify(rig, notification)
    assert (outcome.details, outcome.resource_arns, outcome.message_id) == ("Error notification sent", (), None)
    assert server.paths == [f"/hook/{TOKEN}?sig=1"]
    message = json.loads(server.bodies[0])
    assert message.pop("text").startswith(
        "The restore of orders-staging failed at check-restore-status, step 6 of 9.\n"
    )
    assert message.pop("facts")["Operation"] == "op-007"
    assert message.pop("next_steps")[0] == {
        "what": "after fixing the cause, retry from check-restore-status",
        "command": "python starter.py retry op-007",
    }
    assert message == {
        "version": "1.0",
        "id": "run-1-test",
        "summary": "The restore of orders-staging failed at check-restore-status, step 6 of 9",
        "operation_id": "op-007",
        "outcome": "failed",
        "target": "arn:aws:rds:eu-central-1:111122223333:cluster:orders-staging",
        "cluster": "orders-staging",
        "source": "arn:aws:rds:eu-west-1:111122223333:cluster:orders",
        "environment": rig.aws.environment,
        "task_queue": "test",
        "step": "check-restore-status",
        "fault": "Deletion protection is on",
        "differences": [],
        "links": {
            "web_ui": "https://temporal.example.com/namespaces/default/workflows/aurora-restore%3Atest/run-1/history",
            "runbook": "docs/runbook.md, section check-restore-status",
        },
    }


@pytest.mark.parametrize(
    ("status", "error", "text"),
    [
        (
            503,
            WebhookUnavailable,
            "Webhook not reachable: The webhook of the secret SECRET answered with the status 503",
        ),
        (429, WebhookUnavailable, "Webhook not reachable"),
        (404, StepFailed, "Webhook refused: The webhook of the secret SECRET answered with the status 404"),
        (302, StepFailed, "Webhook redirects: The webhook of the secret SECRET answered with a redirection (302)"),
    ],
)
def test_what_a_webhook_does_not_take(
    rig: ActivityRig, server: PingServer, caplog: Any, status: int, error: type[PipelineError], text: str
) -> None:
    """It is asked once in each attempt; the step's policy repeats what may pass. Neither error nor log has the URL."""
    caplog.set_level(logging.INFO)
    server.statuses = [status]
    secret_id = webhook(rig, f"{server.url}/{TOKEN}")
    with pytest.raises(error) as failed:
        notify(rig, Notification(webhook_secret_id=secret_id))
    assert text.replace("SECRET", secret_id) in str(failed.value)
    assert len(server.paths) == 1
    assert TOKEN not in f"{failed.value} {failed.value.details} {failed.value.__cause__} {caplog.text}"


def test_a_webhook_that_does_not_answer_is_asked_later(rig: ActivityRig, caplog: Any) -> None:
    """Neither error nor log has the URL."""
    caplog.set_level(logging.INFO)
    with pytest.raises(WebhookUnavailable, match=r"did not answer \(NewConnectionError\)") as failed:
        notify(rig, Notification(webhook_secret_id=webhook(rig, f"http://127.0.0.1:1/{TOKEN}")))
    assert TOKEN not in f"{failed.value} {failed.value.details} {failed.value.__cause__} {caplog.text}"


@pytest.mark.parametrize("url", [f"http://example.com/{TOKEN}", "https://example.com:x/", "https://a/#b", "no URL"])
def test_only_https_is_posted_to(rig: ActivityRig, url: str) -> None:
    """The refusal does not quote the secret."""
    with pytest.raises(StepFailed, match='Secret not usable: .* is not JSON with an https URL under "url"') as failed:
        notify(rig, Notification(webhook_secret_id=webhook(rig, url)))
    assert TOKEN not in str(failed.value)


def test_of_a_topic_and_a_webhook_each_gets_it_once(rig: ActivityRig, server: PingServer) -> None:
    """While the webhook is unavailable the attempts are repeated without the topic, then it is a warning."""
    topic = rig.aws.sns(rig.target, "owner", f"arn:aws:sns:{TARGET_REGION}:1:x").create_topic(Name="both")["TopicArn"]
    notification = Notification(topic_arn=topic, webhook_secret_id=webhook(rig, f"{server.url}/{TOKEN}"))
    server.statuses = [503, 503, 200]
    delivered: list[Any] = []
    for attempt in (1, 2):
        with pytest.raises(WebhookUnavailable):
            notify(rig, notification, delivered, attempt)
    assert notify(rig, notification, delivered, 3).message_id == delivered[0]["delivered"]["SNS"]
    assert (len(rig.calls("Publish")), len(server.bodies)) == (1, 3)
    server.statuses = [503]
    [warning] = notify(rig, notification, [], 6).warnings
    assert warning.startswith("Not notified by webhook: Webhook not reachable: The webhook of the secret ")


def test_the_webhook_gets_it_if_the_topic_is_gone(rig: ActivityRig, server: PingServer) -> None:
    """That is a warning; if the webhook refuses too, the topic's failure is the step's."""
    topic = f"arn:aws:sns:{TARGET_REGION}:111122223333:gone"
    notification = Notification(topic_arn=topic, webhook_secret_id=webhook(rig, f"{server.url}/{TOKEN}"))
    [warning] = notify(rig, notification).warnings
    assert warning.startswith("Not notified by SNS: Topic not found: ")
    server.statuses = [404]
    with pytest.raises(StepFailed, match="Topic not found"):
        notify(rig, notification)
