"""The message of sns-notification, which someone reads at 3 a.m.: what is wrong, how to continue, what exists now."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import starter
from activities.notifications.delivery import NotificationActivities
from activities.notifications.facts import Pages
from errors import Fault
from models.archive import Notification
from models.inventory import Inventory, Orphan, OrphanReason, Resource
from models.notifications import NotificationInput
from models.operation import RestoreState, StepState
from models.quarantine import Quarantine
from models.request import Target
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
    replacement = Replacement.SWAP if failed is Step.SWAP_CLUSTERS else Replacement.DELETE_FIRST
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


def test_the_message_of_a_failed_restore_word_for_word() -> None:
    """What went wrong, how to continue, what exists, what was done, what earlier restores left."""
    state = restore_state(
        inventory=inventory(orphans=(ORPHAN,)),
        seal_digest="ab12",
        differences=("port is 5432, expected 5433",),
        warnings=("Changed: port is 5432, expected 5433", "Leftovers were not removed: Snapshot is busy: x"),
        **DATA,
    )
    assert (
        message_of(state)
        == f"""\
The restore of orders-staging failed at check-restore-status, step 6 of 9.
The target now: available, restored by this operation.

WHAT WENT WRONG
Deletion protection is on
[deletion-protection] orders-staging is protected from deletion.
What to do: https://wiki.example.com/runbook#check-restore-status

HOW TO CONTINUE
- after fixing the cause, retry from check-restore-status:
    python starter.py retry op-007
- start a new restore, as the schedule does; it adopts an existing copy:
    python starter.py start REQUEST_FILE
- read the audit trail:
    python starter.py audit op-007

THE RESTORE
Operation: op-007
Target: {TARGET.arn}
Source: arn:aws:rds:eu-west-1:111122223333:cluster:orders
Data: of 2026-11-25 00:31 UTC, 2 h 31 min old
Time: 0:00:00
Quarantine: none; production's logins work from when the writer is up until they are locked
Web UI: {PAGE}
Workflow: {TARGET.workflow_id}
Seal of the audit trail: ab12

WHAT CHANGED
- port is 5432, expected 5433

WARNINGS
- Leftovers were not removed: Snapshot is busy: x

WHAT EXISTS NOW
Read from AWS at 2026-11-25 03:02:11 UTC:
- copy {COPY}: available
    {COPY_COMMAND}
- target cluster orders-staging: available, restored by this operation
    {CLUSTER_COMMAND}
- instance orders-staging-1: creating
    {INSTANCES_COMMAND}
- instance orders-staging-2: creating

WHAT WAS DONE
1 snapshot-check: SUCCESS, done
2 copy-snapshot: SUCCESS, done
3 check-copy-status: SUCCESS, done
4 delete-rds: SUCCESS, done
5 restore-snapshot: SUCCESS, done
6 check-restore-status: FAILED, Deletion protection is on
Not started: setup-db-users, archive-snapshot
Copy: {COPY_ARN}
Restored cluster: {TARGET.arn}

ORPHANS OF EARLIER RESTORES
- aurora-restore-x: failed (failed), of op-003
- list them again; with --delete the command removes them:
    python starter.py cleanup REQUEST_FILE"""
    )


def test_the_chat_message_of_a_failed_restore() -> None:
    """The same facts and commands, without ARNs of our own making; no text of AWS can mention a channel."""
    chat = chat_of(restore_state(fault=FAULT.model_copy(update={"message": "<!channel> & so on"}), **DATA))
    assert chat["content"] == {
        "textType": "client-markdown",
        "title": "❌ The restore of orders-staging failed at check-restore-status, step 6 of 9",
        "description": "Deletion protection is on: &lt;!channel&gt; &amp; so on\n"
        "The target now: available, restored by this operation.\n"
        "Operation: op-007\n"
        f"Target: {TARGET.arn}\n"
        "Source: arn:aws:rds:eu-west-1:111122223333:cluster:orders\n"
        "Data: of 2026-11-25 00:31 UTC, 2 h 31 min old\n"
        "Time: 0:00:00\n"
        f"Web UI: {PAGE}\n"
        "Runbook: https://wiki.example.com/runbook#check-restore-status",
        "nextSteps": [
            "After fixing the cause, retry from check-restore-status: `python starter.py retry op-007`",
            "Start a new restore, as the schedule does; it adopts an existing copy: `python starter.py start REQUEST_FILE`",
            "Read the audit trail: `python starter.py audit op-007`",
        ],
        "keywords": ["failed", "orders-staging", "aurora-restore", "check-restore-status"],
    }


@pytest.mark.parametrize("outcome", [Outcome.WAITING, Outcome.FAILED, Outcome.CANCELLED, Outcome.SUCCEEDED])
def test_an_operation_has_one_thread(outcome: Outcome) -> None:
    """Whatever happens to it, also after a retry; another operation has another one."""
    failed = None if outcome is Outcome.SUCCEEDED else Step.CHECK_RESTORE_STATUS
    metadata = chat_of(restore_state(failed, outcome=outcome))["metadata"]
    assert metadata["threadId"] == "aurora-restore/op-007"
    assert metadata["eventType"] == f"aurora-restore.{outcome}"
    assert chat_of(restore_state(operation_id="op-008"))["metadata"]["threadId"] == "aurora-restore/op-008"


def test_filter_policies_get_the_machine_s_attributes() -> None:
    """Each a string that is not empty; what a success has not is absent."""
    failed = published_of(restore_state())["MessageAttributes"]
    assert {name: value["StringValue"] for name, value in failed.items()} == {
        "operation_id": "op-007",
        "outcome": "failed",
        "target": TARGET.arn,
        "cluster": "orders-staging",
        "source": "arn:aws:rds:eu-west-1:111122223333:cluster:orders",
        "environment": "aurora-restore",
        "task_queue": "test",
        "step": "check-restore-status",
        "fault": "Deletion protection is on",
    }
    assert failed.keys() - published_of(restore_state(None))["MessageAttributes"].keys() == {"step", "fault"}


def test_the_message_of_a_successful_restore_begins_with_what_replaced_what() -> None:
    """How old the data is, how long it took, where it answers."""
    state = restore_state(None, endpoint="orders-staging.example.com", port=5432, **DATA)
    message = message_of(state)
    assert message.startswith(
        "orders-staging was restored from orders.\n"
        "Its data is of 2026-11-25 00:31 UTC, 2 h 31 min old. The restore took 0:00:00.\n\nTHE RESTORE\n"
    )
    assert "\nEndpoint: orders-staging.example.com:5432\n" in message
    assert "\nTO READ MORE\n" in message
    older = state.model_copy(update={"snapshot_created_at": AT - timedelta(days=1, hours=3, minutes=40)})
    assert "1 day 3 h old" in message_of(older)


def test_a_removed_cluster_is_reported_and_restored_again() -> None:
    """From its copy, which still exists."""
    message = message_of(restore_state(removed_arns=(TARGET.arn,), inventory=inventory(target="gone")))
    assert f"- removed by this operation: {TARGET.arn}" in message
    assert ["retry", "op-007", "--from", "restore-snapshot"] in commands(message)
    assert ["retry", "op-007"] not in commands(message)


@pytest.mark.parametrize(
    "target", ["gone", "deleting, restored by this operation", "failed, restored by this operation"]
)
def test_a_lost_cluster_is_restored_again(target: str) -> None:
    """Also one that someone else deleted, or that is still being deleted."""
    expected = [["retry", "op-007", "--from", "restore-snapshot"], ["start", "REQUEST_FILE"], ["audit", "op-007"]]
    assert commands(message_of(restore_state(inventory=inventory(target=target)))) == expected


@pytest.mark.parametrize("copy", ["gone", "deleting", "failed"])
@pytest.mark.parametrize("step", [Step.CHECK_COPY_STATUS, Step.DELETE_RDS, Step.RESTORE_SNAPSHOT])
def test_a_lost_copy_is_copied_again(step: Step, copy: str) -> None:
    """The retry command names copy-snapshot, not a later step that needs the copy."""
    offered = commands(message_of(restore_state(step, inventory=inventory(copy=copy))))
    assert offered[0] == ["retry", "op-007", "--from", "copy-snapshot"]


def test_a_copy_that_the_restore_removed_is_copied_again_without_an_inventory() -> None:
    """AWS did not answer, but the restore knows what it removed."""
    empty_inventory = Inventory(taken_at=AT, incomplete_reason="AWS not reachable")
    offered = commands(
        message_of(restore_state(Step.CHECK_COPY_STATUS, removed_arns=(COPY_ARN,), inventory=empty_inventory))
    )
    assert offered[0] == ["retry", "op-007", "--from", "copy-snapshot"]


def test_a_retry_continues_with_what_still_exists() -> None:
    """A copy under way, and a missing target that the restore had not reached, are no reason to go further back."""
    under_way = restore_state(Step.CHECK_COPY_STATUS, inventory=inventory(copy="copying 43 %", target="gone"))
    assert commands(message_of(under_way))[0] == ["retry", "op-007"]
    archiving = restore_state(Step.ARCHIVE_SNAPSHOT, inventory=inventory(copy="gone"))
    assert commands(message_of(archiving))[0] == ["retry", "op-007"]


def test_the_message_of_a_cancelled_restore_has_a_retry_command() -> None:
    """A cancelled restore can be continued."""
    message = message_of(restore_state(outcome=Outcome.CANCELLED))
    assert message.startswith("The restore of orders-staging was cancelled at check-restore-status, step 6 of 9.\n")
    assert "- continue from check-restore-status:" in message
    assert ["retry", "op-007"] in commands(message)


@pytest.mark.parametrize("step", [Step.RESTORE_SNAPSHOT, Step.ARCHIVE_SNAPSHOT])
def test_the_message_of_a_waiting_restore_has_its_deadline_and_decisions(step: Step) -> None:
    """Skip is offered only where it is safe."""
    message = message_of(restore_state(step, outcome=Outcome.WAITING, waiting_until=AT + timedelta(hours=4)))
    assert f"failed at {step}, step " in message
    assert ", and waits until 2026-11-25 07:02 UTC for a decision.\n" in message
    verbs = [words[0] for words in commands(message)]
    assert verbs == ["retry", *(["skip"] if step is Step.ARCHIVE_SNAPSHOT else []), "abort", "audit"]


def test_the_message_of_a_successful_restore_lists_orphans() -> None:
    """Without orphans it has no such section."""
    message = message_of(restore_state(None, inventory=inventory(orphans=(ORPHAN,))))
    assert "ORPHANS OF EARLIER RESTORES\n- aurora-restore-x: failed (failed), of op-003" in message
    assert commands(message) == [["audit", "op-007"], ["cleanup", "REQUEST_FILE"]]
    assert "ORPHANS OF EARLIER" not in message_of(restore_state(None))


def test_at_most_twenty_orphans_are_listed() -> None:
    """The rest is counted."""
    message = message_of(restore_state(inventory=inventory(orphans=(ORPHAN,) * 99)))
    assert message.count("aurora-restore-x") == 20
    assert "- and 79 more" in message


def test_a_restore_without_a_number_offers_only_a_new_restore() -> None:
    """It ended before its first step."""
    state = restore_state().model_copy(
        update={"operation_id": None, "steps": (), "snapshot_copy_arn": None, "cluster_arn": None}
    )
    assert commands(message_of(state)) == [["start", "REQUEST_FILE"]]


def test_an_inventory_without_an_answer_is_reported_as_unknown() -> None:
    """AWS did not answer: the message is sent all the same."""
    message = message_of(restore_state(inventory=Inventory(taken_at=AT, incomplete_reason="AWS not reachable")))
    assert "Unknown: AWS not reachable; check in AWS." in message
    assert ["retry", "op-007"] in commands(message)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED, Outcome.WAITING])
@pytest.mark.parametrize("step", Step)
def test_starter_understands_every_command_of_the_message(outcome: Outcome, step: Step) -> None:
    """Whatever the outcome and the failed step."""
    state = restore_state(
        step, outcome=outcome, removed_arns=(TARGET.arn, COPY_ARN), inventory=inventory(orphans=(ORPHAN,))
    )
    offered = commands(message_of(state))
    assert len(offered) >= 3
    for words in offered:
        starter.parser().parse_args(words)
    assert starter.parser().parse_args(["cleanup", "REQUEST_FILE", "--delete"]).delete


def test_a_long_fault_does_not_displace_the_rest() -> None:
    """Commands and steps are in the message, however long AWS's text is."""
    long = Fault.model_validate({**FAULT.model_dump(), "message": "ä" * 300_000})
    state = restore_state(fault=long, warnings=("ö" * 1_000,) * 50)
    message = message_of(state)
    assert ["retry", "op-007"] in commands(message)
    assert "WHAT WAS DONE" in message
    description = chat_of(state)["content"]["description"]
    assert description.endswith(f"{PAGE}\nRunbook: https://wiki.example.com/runbook#check-restore-status")
    assert len(description) <= 3_000


@pytest.mark.parametrize("text", ['"\\', "\x01\n", "😀", "<"])
def test_whatever_the_characters_the_message_fits(text: str) -> None:
    """JSON writes some of them as six bytes, and the chat message is JSON inside JSON. `published_of` measures."""
    long = text * 150_000
    fault = Fault.model_validate({**FAULT.model_dump(), "short": long, "message": long})
    state = restore_state(fault=fault, warnings=(long,), differences=(long,) * 30, endpoint=long, source_arn=long)
    assert chat_of(state)["content"]["nextSteps"]
    assert len(message_of(state)) > 10_000


def test_a_skipped_restore_says_that_nothing_changed() -> None:
    """And why."""
    fault = FAULT.model_copy(update={"type": "Skipped", "short": "Skipped: too late"})
    message = message_of(restore_state(Step.SNAPSHOT_CHECK, outcome=Outcome.SKIPPED, fault=fault))
    assert message.startswith("The restore of orders-staging was skipped, and changed nothing.\n")
    assert "\nWHAT HAPPENED\nSkipped: too late\n" in message
    assert "- restore now after all:\n    python starter.py retry op-007\n" in message


@pytest.mark.parametrize(
    ("failed", "in_quarantine", "line"),
    [
        (Step.SETUP_DB_USERS, False, "Quarantine: none; production's logins work "),
        (Step.SETUP_DB_USERS, True, "Quarantine: still in sg-0fedcba9876543210; only the worker gets in"),
        (None, True, "Quarantine: sg-0fedcba9876543210, left"),
    ],
)
def test_it_says_who_could_get_in(failed: Step | None, in_quarantine: bool, line: str) -> None:
    """Once there is a restored cluster: production's logins, or nobody."""
    quarantine = Quarantine(vpc_security_group_ids=("sg-0fedcba9876543210",)) if in_quarantine else None
    message = message_of(
        restore_state(failed, cluster_arn=TARGET.arn), TARGET.model_copy(update={"quarantine": quarantine})
    )
    assert line in message


def test_without_a_restored_cluster_there_is_no_quarantine() -> None:
    """Nothing was restored that anyone could get into."""
    assert "Quarantine" not in message_of(restore_state(Step.COPY_SNAPSHOT))
