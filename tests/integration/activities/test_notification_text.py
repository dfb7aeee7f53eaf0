"""The message of sns-notification, which someone reads at 3 a.m.: what is wrong, how to continue, what exists now."""

from __future__ import annotations

from datetime import timedelta

import pytest

from errors import Fault
from models.inventory import Inventory
from models.quarantine import Quarantine
from models.steps import Outcome, Step
from tests.rigs.published_messages import (
    AT,
    CLUSTER_COMMAND,
    COPY,
    COPY_ARN,
    COPY_COMMAND,
    DATA,
    FAULT,
    INSTANCES_COMMAND,
    ORPHAN,
    PAGE,
    TARGET,
    chat_of,
    commands,
    inventory,
    message_of,
    published_of,
    restore_state,
)


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


def test_an_inventory_without_an_answer_is_reported_as_unknown() -> None:
    """AWS did not answer: the message is sent all the same."""
    message = message_of(restore_state(inventory=Inventory(taken_at=AT, incomplete_reason="AWS not reachable")))
    assert "Unknown: AWS not reachable; check in AWS." in message
    assert ["retry", "op-007"] in commands(message)


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
