"""The commands in the message of sns-notification: how to continue with what still exists."""

from __future__ import annotations

from datetime import timedelta

import pytest

import starter
from models.inventory import Inventory
from models.steps import Outcome, Step
from tests.rigs.published_messages import (
    AT,
    COPY_ARN,
    ORPHAN,
    TARGET,
    commands,
    inventory,
    message_of,
    restore_state,
)


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


def test_a_restore_without_a_number_offers_only_a_new_restore() -> None:
    """It ended before its first step."""
    state = restore_state().model_copy(
        update={"operation_id": None, "steps": (), "snapshot_copy_arn": None, "cluster_arn": None}
    )
    assert commands(message_of(state)) == [["start", "REQUEST_FILE"]]


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
