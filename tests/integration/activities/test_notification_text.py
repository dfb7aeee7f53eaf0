"""The message of sns-notification, as somebody reads it at 3 a.m.: what is wrong, how to go on, what is there now."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import starter
from activities.notifications import NotificationActivities
from errors import Fault
from models.inventory import Inventory, Orphan, OrphanReason, Resource
from models.notifications import NotificationInput
from models.operation import RestoreState, StepState
from models.request import Notification, Target
from models.steps import Outcome, Status, Step
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
LOOK = "aws rds describe-db-clusters --region eu-central-1 --db-cluster-identifier orders-staging"
INSTANCES = "aws rds describe-db-instances --region eu-central-1 --filters Name=db-cluster-id,Values=orders-staging"
LOOK_COPY = f"aws rds describe-db-cluster-snapshots --region eu-central-1 --db-cluster-snapshot-identifier {COPY}"
ORPHAN = Orphan(
    arn="a", identifier="aurora-restore-x", reason=OrphanReason.FAILED, status="failed", operation_id="op-003"
)


def survey(target: str = "available, restored by this operation", copy: str = "available", **more: Any) -> Inventory:
    resources = (
        Resource(kind="copy", name=COPY, state=copy, command=LOOK_COPY),
        Resource(kind="target cluster", name="orders-staging", state=target, command=LOOK),
        Resource(kind="instance", name="orders-staging-1", state="creating", command=INSTANCES),
        Resource(kind="instance", name="orders-staging-2", state="creating", command=INSTANCES),
    )
    return Inventory(**{"taken_at": AT, "resources": resources, **more})


def rig(failed: Step | None = Step.CHECK_RESTORE_STATUS, **changed: Any) -> RestoreState:
    """A night that came to a halt at a step, or that went well."""
    before = list(Step)[: failed.number - 1] if failed else [step for step in Step if step is not Step.SNS_NOTIFICATION]
    steps = [StepState(step=step, status=Status.SUCCESS, details="went well", started_at=AT) for step in before]
    if failed:
        steps.append(StepState(step=failed, status=Status.FAILED, details=FAULT.short, started_at=AT))
    return RestoreState(
        **{
            "operation_id": "op-007",
            "outcome": Outcome.FAILED if failed else Outcome.SUCCEEDED,
            "source_arn": "arn:aws:rds:eu-west-1:111122223333:cluster:orders",
            "target_arn": TARGET.arn,
            "started_at": AT,
            "steps": tuple(steps),
            "fault": FAULT if failed else None,
            "snapshot_copy_arn": COPY_ARN,
            "cluster_arn": TARGET.arn if failed and failed.number > Step.RESTORE_SNAPSHOT.number else None,
            "inventory": survey(),
            **changed,
        }
    )


class Topic:
    """Keeps what was published."""

    def __init__(self) -> None:
        self.published: dict[str, Any] = {}

    def sns(self, *_: object) -> Any:
        return self

    def publish(self, **message: Any) -> dict[str, str]:
        self.published = message
        return {"MessageId": "1"}


def told(state: RestoreState) -> str:
    """The message, held against SNS's limits. Source: SNS API Reference, Publish."""
    topic: Any = Topic()
    step_input = NotificationInput(
        operation_id=state.operation_id or "unnumbered",
        step_started_at=AT,
        notification=Notification(topic_arn="arn:aws:sns:eu-central-1:111122223333:told"),
        target=TARGET,
        workflow_id=TARGET.workflow_id,
        state=state,
    )
    temporal_environment(AT).run(NotificationActivities(topic).sns_notification, step_input)
    message, subject = topic.published["Message"], topic.published["Subject"]
    assert len(message.encode()) <= 256 * 1024 - 1_000  # the attributes count too
    assert len(subject) <= 100
    assert subject.isascii()
    assert subject.isprintable()
    return str(message)


def commands(message: str) -> list[list[str]]:
    """The words of each command of ours in a message."""
    return [shlex.split(found) for found in re.findall(r"^ +python starter\.py (.+)$", message, re.MULTILINE)]


def test_a_failed_night_says_everything_in_one_message() -> None:
    """Letter by letter: what is wrong, how to go on, what is there, what was done, what earlier nights left."""
    state = rig(
        inventory=survey(orphans=(ORPHAN,)),
        seal_digest="ab12",
        warnings=("Leftovers were not removed: Snapshot is busy: x",),
    )
    assert (
        told(state)
        == f"""\
op-007: the restore of {TARGET.arn} from arn:aws:rds:eu-west-1:111122223333:cluster:orders failed.

WHAT WENT WRONG
Deletion protection is on
[deletion-protection] orders-staging is protected from deletion.
What to do: docs/runbook.md, section check-restore-status.

HOW TO CONTINUE
- after fixing the cause, retry from check-restore-status:
    python starter.py retry op-007
- start a new restore, as the schedule does; it adopts an existing copy:
    python starter.py start REQUEST_FILE
- read the audit trail:
    python starter.py audit op-007

WHAT EXISTS NOW
Read from AWS at 2026-11-25 03:02:11 UTC:
- copy {COPY}: available
    {LOOK_COPY}
- target cluster orders-staging: available, restored by this operation
    {LOOK}
- instance orders-staging-1: creating
    {INSTANCES}
- instance orders-staging-2: creating

WHAT WAS DONE
1 snapshot-check: SUCCESS, went well
2 copy-snapshot: SUCCESS, went well
3 check-copy-status: SUCCESS, went well
4 delete-rds: SUCCESS, went well
5 restore-snapshot: SUCCESS, went well
6 check-restore-status: FAILED, Deletion protection is on
Not started: setup-db-users, archive-snapshot
Copy: {COPY_ARN}
Restored cluster: {TARGET.arn}

ORPHANS OF EARLIER RESTORES
- aurora-restore-x: failed (failed), of op-003
- list them again; with --delete the command removes them:
    python starter.py cleanup REQUEST_FILE

WARNINGS
Leftovers were not removed: Snapshot is busy: x

Workflow: {TARGET.workflow_id}
Seal of the audit trail: ab12"""
    )


def test_what_was_removed_is_said_and_made_anew() -> None:
    """A cluster that the night removed is restored again from its copy, which is still there."""
    message = told(rig(removed_arns=(TARGET.arn,), inventory=survey(target="gone")))
    assert f"- removed by this operation: {TARGET.arn}" in message
    assert ["retry", "op-007", "--from", "restore-snapshot"] in commands(message)
    assert ["retry", "op-007"] not in commands(message)


@pytest.mark.parametrize(
    "target", ["gone", "deleting, restored by this operation", "failed, restored by this operation"]
)
def test_a_cluster_that_is_of_no_use_is_not_gone_on_with(target: str) -> None:
    """Also one that somebody else removed, or whose removal is still under way."""
    wanted = [["retry", "op-007", "--from", "restore-snapshot"], ["start", "REQUEST_FILE"], ["audit", "op-007"]]
    assert commands(told(rig(inventory=survey(target=target)))) == wanted


@pytest.mark.parametrize("copy", ["gone", "deleting", "failed"])
@pytest.mark.parametrize("step", [Step.CHECK_COPY_STATUS, Step.DELETE_RDS, Step.RESTORE_SNAPSHOT])
def test_a_copy_that_is_of_no_use_is_made_anew(step: Step, copy: str) -> None:
    """No step that needs it is offered before copy-snapshot."""
    found = commands(told(rig(step, inventory=survey(copy=copy))))
    assert found[0] == ["retry", "op-007", "--from", "copy-snapshot"]


def test_a_copy_that_was_removed_unseen_is_made_anew() -> None:
    """Also if AWS did not say how things stand: the night knows what it removed."""
    unseen = Inventory(taken_at=AT, incomplete_reason="AWS not reachable")
    found = commands(told(rig(Step.CHECK_COPY_STATUS, removed_arns=(COPY_ARN,), inventory=unseen)))
    assert found[0] == ["retry", "op-007", "--from", "copy-snapshot"]


def test_what_is_still_there_is_gone_on_with() -> None:
    """A copy under way, and a target of somebody's that a night did not come to, are no reason to go further back."""
    under_way = rig(Step.CHECK_COPY_STATUS, inventory=survey(copy="copying 43 %", target="gone"))
    assert commands(told(under_way))[0] == ["retry", "op-007"]
    archiving = rig(Step.ARCHIVE_SNAPSHOT, inventory=survey(copy="gone"))
    assert commands(told(archiving))[0] == ["retry", "op-007"]


def test_a_cancelled_night_says_so() -> None:
    """With the same commands: it can be gone on with."""
    message = told(rig(outcome=Outcome.CANCELLED))
    assert "orders was cancelled." in message
    assert ["retry", "op-007"] in commands(message)


@pytest.mark.parametrize("step", [Step.RESTORE_SNAPSHOT, Step.ARCHIVE_SNAPSHOT])
def test_a_night_that_waits_says_until_when(step: Step) -> None:
    """And with which words it goes on; skip stands there only where it is safe."""
    message = told(rig(step, outcome=Outcome.WAITING, waiting_until=AT + timedelta(hours=4)))
    assert f"failed at {step} and waits for a decision until 2026-11-25 07:02 UTC." in message
    verbs = [words[0] for words in commands(message)]
    assert verbs == ["retry", *(["skip"] if step is Step.ARCHIVE_SNAPSHOT else []), "abort", "audit"]


def test_a_good_night_reports_orphans_too() -> None:
    """Every night says what earlier ones left; without any it says nothing of it."""
    message = told(rig(None, inventory=survey(orphans=(ORPHAN,))))
    assert "orders succeeded." in message
    assert "ORPHANS OF EARLIER RESTORES\n- aurora-restore-x: failed (failed), of op-003" in message
    assert commands(message) == [["audit", "op-007"], ["cleanup", "REQUEST_FILE"]]
    assert "ORPHANS OF EARLIER" not in told(rig(None))


def test_many_orphans_are_counted() -> None:
    """Twenty are listed."""
    message = told(rig(inventory=survey(orphans=(ORPHAN,) * 99)))
    assert message.count("aurora-restore-x") == 20
    assert "- and 79 more" in message


def test_a_night_without_a_number_offers_nothing_that_needs_one() -> None:
    """It ended before its first step."""
    state = rig().model_copy(update={"operation_id": None, "steps": (), "snapshot_copy_arn": None, "cluster_arn": None})
    assert commands(told(state)) == [["start", "REQUEST_FILE"]]


def test_what_is_not_known_is_said() -> None:
    """AWS did not answer: the message is sent all the same, and says so."""
    message = told(rig(inventory=Inventory(taken_at=AT, incomplete_reason="AWS not reachable")))
    assert "Unknown: AWS not reachable; check in AWS." in message
    assert ["retry", "op-007"] in commands(message)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED, Outcome.WAITING])
@pytest.mark.parametrize("step", Step)
def test_every_command_exists(outcome: Outcome, step: Step) -> None:
    """Each command of ours is one that starter.py understands."""
    state = rig(step, outcome=outcome, removed_arns=(TARGET.arn, COPY_ARN), inventory=survey(orphans=(ORPHAN,)))
    found = commands(told(state))
    assert len(found) >= 3
    for words in found:
        starter.parser().parse_args(words)
    assert starter.parser().parse_args(["cleanup", "REQUEST_FILE", "--delete"]).delete


def test_however_long_a_fault_is_the_rest_is_told() -> None:
    """Commands and resources stand in the message, whatever AWS had to say."""
    long = FAULT.model_copy(update={"message": "ä" * 300_000})
    message = told(rig(fault=long, warnings=("ö" * 300_000,)))
    assert ["retry", "op-007"] in commands(message)
    assert "WHAT WAS DONE" in message
