"""What sns-notification publishes about a restore that ended in some way, checked against the limits of SNS and of chat."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

from activities.notifications.delivery import NotificationActivities
from activities.notifications.facts import Pages
from errors import Fault
from models.archive import Notification
from models.inventory import Inventory, Orphan, OrphanReason, Resource
from models.notifications import NotificationInput
from models.request import Target
from models.restore_state import RestoreState, StepState
from models.steps import STEPS, Outcome, Replacement, Status, Step
from tests.rigs.activities import temporal_environment

AT = datetime(2026, 11, 25, 3, 2, 11, tzinfo=UTC)


TARGET = Target(account_id="111122223333", region="eu-central-1", cluster="orders-staging")


COPY = "aurora-restore-orders-staging-20261124-0123456789"


COPY_ARN = f"arn:aws:rds:eu-central-1:111122223333:cluster-snapshot:{COPY}"


FAULT = Fault(
    type="Refused",
    short="Deletion protection is on",
    message="[deletion-protection] orders-staging is protected from deletion.",
)


CLUSTER_COMMAND = "aws rds describe-db-clusters --region eu-central-1 --db-cluster-identifier orders-staging"


INSTANCES_COMMAND = (
    "aws rds describe-db-instances --region eu-central-1 --filters Name=db-cluster-id,Values=orders-staging"
)


COPY_COMMAND = f"aws rds describe-db-cluster-snapshots --region eu-central-1 --db-cluster-snapshot-identifier {COPY}"


DATA: dict[str, Any] = {"snapshot_created_at": AT - timedelta(hours=2, minutes=31)}


PAGE = "https://temporal.example.com/namespaces/default/workflows/aurora-restore%3Atest/run-1/history"


ORPHAN = Orphan(
    arn="a", identifier="aurora-restore-x", reason=OrphanReason.FAILED, status="failed", operation_id="op-003"
)


def inventory(target: str = "available, restored by this operation", copy: str = "available", **more: Any) -> Inventory:
    resources = (
        Resource(kind="copy", name=COPY, state=copy, command=COPY_COMMAND),
        Resource(kind="target cluster", name="orders-staging", state=target, command=CLUSTER_COMMAND),
        Resource(kind="instance", name="orders-staging-1", state="creating", command=INSTANCES_COMMAND),
        Resource(kind="instance", name="orders-staging-2", state="creating", command=INSTANCES_COMMAND),
    )
    return Inventory(**{"taken_at": AT, "resources": resources, **more})


def restore_state(failed: Step | None = Step.CHECK_RESTORE_STATUS, **changed: Any) -> RestoreState:
    """A restore that failed at a step, or that succeeded."""
    own = {Step.SWAP_CLUSTERS: Replacement.SWAP, Step.REMOVE_DRILL: Replacement.DRILL}
    replacement = own.get(failed, Replacement.DELETE_FIRST) if failed else Replacement.DELETE_FIRST
    order = STEPS[replacement]
    completed = order[: order.index(failed)] if failed else order[:-1]
    steps = [StepState(step=step, status=Status.SUCCESS, details="done", started_at=AT) for step in completed]
    if failed:
        steps.append(StepState(step=failed, status=Status.FAILED, details=FAULT.short, started_at=AT))
    return RestoreState(
        **{
            "operation_id": "op-007",
            "outcome": Outcome.FAILED if failed else Outcome.SUCCEEDED,
            "replacement": replacement,
            "source_arn": "arn:aws:rds:eu-west-1:111122223333:cluster:orders",
            "target_arn": TARGET.arn,
            "started_at": AT,
            "steps": tuple(steps),
            "fault": FAULT if failed else None,
            "snapshot_copy_arn": COPY_ARN,
            "cluster_arn": TARGET.arn if failed and failed.number > Step.RESTORE_SNAPSHOT.number else None,
            "inventory": inventory(),
            **changed,
        }
    )


class PublishedMessage:
    """An SNS client that keeps what was published."""

    environment = "aurora-restore"

    def __init__(self) -> None:
        self.published: dict[str, Any] = {}

    def sns(self, *_: object) -> Any:
        return self

    def publish(self, **message: Any) -> dict[str, str]:
        self.published = message
        return {"MessageId": "1"}


def published_of(state: RestoreState, target: Target = TARGET) -> dict[str, Any]:
    """What is published, checked against SNS's limits. Source: SNS API Reference, Publish."""
    sns: Any = PublishedMessage()
    step_input = NotificationInput(
        operation_id=state.operation_id or "unnumbered",
        step_started_at=AT,
        notification=Notification(topic_arn="arn:aws:sns:eu-central-1:111122223333:outcomes"),
        target=target,
        workflow_id=TARGET.workflow_id,
        state=state,
    )
    pages = Pages("https://temporal.example.com/", "https://wiki.example.com/runbook")
    temporal_environment(AT).run(NotificationActivities(sns, pages).sns_notification, step_input)
    published: dict[str, Any] = sns.published
    subject, attributes = published["Subject"], published["MessageAttributes"]
    assert len(published["Message"].encode()) + len(json.dumps(attributes)) <= 256 * 1024
    assert len(attributes) <= 10
    assert len(subject) <= 100
    assert subject.isascii()
    assert subject.isprintable()
    return published


def message_of(state: RestoreState, target: Target = TARGET) -> str:
    """The text of e-mails, and of every protocol that has none of its own."""
    return str(json.loads(published_of(state, target)["Message"])["default"])


def chat_of(state: RestoreState) -> dict[str, Any]:
    """The chat message, checked against the schema's limits. Source: Amazon Q Developer, "Custom notifications"."""
    chat: dict[str, Any] = json.loads(json.loads(published_of(state)["Message"])["https"])
    content = chat["content"]
    assert (chat["version"], chat["source"], content["textType"]) == ("1.0", "custom", "client-markdown")
    assert 0 < len(content["title"]) <= 250
    assert 0 < len(content["description"]) <= 8_000
    assert all(0 < len(step) <= 350 for step in content["nextSteps"])
    assert all(0 < len(keyword) <= 75 for keyword in content["keywords"])
    assert all(isinstance(value, str) for value in chat["metadata"]["additionalContext"].values())
    return chat


def commands(message: str) -> list[list[str]]:
    """The words of each starter command in a message."""
    return [shlex.split(offered) for offered in re.findall(r"^ +python starter\.py (.+)$", message, re.MULTILINE)]
