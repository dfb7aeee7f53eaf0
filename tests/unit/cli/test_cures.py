"""What the terminal prints after a failure: one command, and the one that can succeed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commands.following import ending_text, waiting_text
from errors import Fault
from models.cures import (
    CLEANUP_COMMAND,
    RETRY_FROM,
    START_COMMAND,
    START_ONLY,
    cure_command,
    describe_left_old,
    retry_command,
)
from models.inventory import Inventory, Resource
from models.restore_state import RestoreState, StepState
from models.steps import STEPS, Outcome, Replacement, Status, Step
from runs.endings import Ending

AT = datetime(2026, 11, 25, 3, 2, 11, tzinfo=UTC)
COPY = "arn:aws:rds:eu-central-1:111122223333:cluster-snapshot:copy"


def failed(step: Step, short: str = "Access denied", **changed: object) -> RestoreState:
    """An operation that failed at a step."""
    failed_step = StepState(step=step, status=Status.FAILED, details=short, started_at=AT)
    fault = Fault(type="StepFailed", short=short, message="It is as it is.")
    state = RestoreState(
        operation_id="op-007",
        outcome=Outcome.FAILED,
        source_arn="source",
        target_arn="target",
        started_at=AT,
        ended_at=AT,
        steps=(failed_step,),
        fault=fault,
    )
    return state.model_copy(update=changed)


@pytest.mark.parametrize("step", Step)
def test_a_failed_step_is_retried(step: Step) -> None:
    """Without an exception in the tables the operation continues at the step that failed."""
    assert cure_command(failed(step)) == "python starter.py retry op-007"


@pytest.mark.parametrize(("place", "earlier"), RETRY_FROM.items(), ids=str)
def test_what_a_step_needs_is_made_again_first(place: tuple[Step, str], earlier: Step) -> None:
    """The retry goes back to the step that makes it."""
    assert any(order.index(earlier) < order.index(place[0]) for order in STEPS.values() if place[0] in order)
    assert cure_command(failed(*place)) == f"python starter.py retry op-007 --from {earlier}"


@pytest.mark.parametrize("place", sorted(START_ONLY), ids=str)
def test_a_retry_that_would_fail_again_is_not_offered(place: tuple[Step, str]) -> None:
    """It keeps the request and the snapshot; only a new restore has others."""
    state = failed(*place)
    assert cure_command(state) == START_COMMAND
    assert "starter.py retry" not in ending_text(Ending(Outcome.FAILED, state, state.fault), "a-workflow")


def test_a_copy_that_is_gone_is_copied_again_whatever_failed() -> None:
    """The inventory counts more than the fault: what is gone cannot be restored from."""
    command = "aws rds describe-db-cluster-snapshots"
    gone = Resource(kind="copy", name="copy", state="gone", command=command)
    state = failed(Step.RESTORE_SNAPSHOT, snapshot_copy_arn=COPY, inventory=Inventory(taken_at=AT, resources=(gone,)))
    assert cure_command(state) == "python starter.py retry op-007 --from copy-snapshot"


@pytest.mark.parametrize(
    ("step", "earlier"),
    [(Step.ARCHIVE_SNAPSHOT, Step.RESTORE_SNAPSHOT), (Step.REMOVE_DRILL, None), (Step.SNS_NOTIFICATION, None)],
)
def test_a_drill_is_not_restored_again_only_to_be_removed(step: Step, earlier: Step | None) -> None:
    """From remove-drill on its cluster is to be gone, and remove-leftovers has most often removed it after the failure."""
    name = "orders-drill-op-007"
    gone = Resource(kind="drill cluster", name=name, state="gone", command="aws rds describe-db-clusters")
    state = failed(
        step,
        replacement=Replacement.DRILL,
        cluster_arn=f"arn:aws:rds:eu-central-1:111122223333:cluster:{name}",
        inventory=Inventory(taken_at=AT, resources=(gone,)),
    )
    assert cure_command(state) == retry_command("op-007", earlier)


def test_without_a_number_only_a_new_restore_can_be_started() -> None:
    """There is no operation to name."""
    assert cure_command(failed(Step.SNAPSHOT_CHECK, operation_id=None)) == START_COMMAND


def test_a_failure_ends_with_the_command_on_a_line_of_its_own() -> None:
    """What failed, the fault, the runbook's section, the command."""
    state = failed(Step.RESTORE_SNAPSHOT)
    assert ending_text(Ending(Outcome.FAILED, state, state.fault), "a-workflow").splitlines() == [
        "op-007 failed after 0:00:00 at restore-snapshot",
        "Access denied: It is as it is.",
        "What to do: docs/runbook.md#restore-snapshot",
        "After fixing the cause:",
        "    python starter.py retry op-007",
    ]


@pytest.mark.parametrize("step", [Step.RESTORE_SNAPSHOT, Step.ARCHIVE_SNAPSHOT])
def test_a_restore_that_waits_lists_the_decisions(step: Step) -> None:
    """Retry and abort, and skip where the step can be skipped."""
    state = failed(step, outcome=Outcome.WAITING, waiting_until=AT + timedelta(hours=4))
    lines = waiting_text(state).splitlines()
    assert lines[0] == f"op-007 waits for a decision until 2026-11-25 07:02 UTC: {step} failed"
    skip = ["    python starter.py skip op-007"] if step is Step.ARCHIVE_SNAPSHOT else []
    assert [line for line in lines if line.startswith("    ")] == [
        "    python starter.py retry op-007",
        *skip,
        "    python starter.py abort op-007",
    ]


def test_a_restore_that_waits_in_vain_is_ended_first() -> None:
    """A decision runs only the failed step again; to go further back, the operation has to end."""
    state = failed(Step.CHECK_COPY_STATUS, "Copy failed", outcome=Outcome.WAITING, waiting_until=AT)
    assert [line for line in waiting_text(state).splitlines() if line.startswith("    ")] == [
        "    python starter.py abort op-007",
        f"    {retry_command('op-007', Step.COPY_SNAPSHOT)}",
    ]


def swapped(last: StepState | None = None, *listed: str, **changed: Any) -> RestoreState:
    """A restore that was cancelled after its swap; `listed` are the names in its inventory."""
    done = StepState(step=Step.SWAP_CLUSTERS, status=Status.SUCCESS, details="Clusters swapped", started_at=AT)
    resources = [Resource(kind="cluster", name=name, state="available", command="aws rds") for name in listed]
    return failed(
        Step.DELETE_RDS,
        outcome=Outcome.CANCELLED,
        replacement=Replacement.SWAP,
        steps=(done, last) if last else (done,),
        inventory=Inventory(taken_at=AT, resources=tuple(resources)),
        **changed,
    )


CANCELLED = StepState(step=Step.DELETE_RDS, status=Status.FAILED, details="Cancelled", started_at=AT)
NO_RETRY = CANCELLED.model_copy(update={"details": "Snapshot too old"})


@pytest.mark.parametrize(
    ("state", "what"),
    [
        (swapped(CANCELLED, "target-old"), "a retry deletes it:\n    python starter.py retry op-007"),
        (swapped(None, "target-old", keeps_old=True), "then deletes it:\n    python starter.py retry op-007"),
        (swapped(CANCELLED, "target-old", keeps_old=True), "a retry deletes it:\n    python starter.py retry op-007"),
        (
            swapped(NO_RETRY, "target-old", fault=Fault(type="Refused", short="Snapshot too old", message="Old.")),
            f"rename it, or delete it with {CLEANUP_COMMAND}, before the next restore:\n    {START_COMMAND}",
        ),
    ],
)
def test_an_old_cluster_that_is_left_is_named_with_what_deletes_it(state: RestoreState, what: str) -> None:
    """Before anything else, because the next swap is refused while it exists."""
    text = ending_text(Ending(Outcome.CANCELLED, state, state.fault), "a-workflow")
    assert "The old cluster is left as target-old, and the next swap is refused while it exists; " in text
    assert text.endswith(what)
    # A retry of an operation that is not the newest is refused; a scheduled restore makes a newer one.
    by_hand = f"; if another restore of the target has begun, {CLEANUP_COMMAND} deletes it, otherwise a retry "
    assert (by_hand in text) is ("retry op-007" in what)


def test_an_old_cluster_that_is_gone_is_not_named() -> None:
    """Nor one that never was: the target was missing when the restore began."""
    assert describe_left_old(swapped(CANCELLED, "target")) is None
    partly = Inventory(taken_at=AT, incomplete_reason="throttled")
    for inventory in (None, partly):
        unread = swapped(CANCELLED).model_copy(update={"inventory": inventory})
        assert (describe_left_old(unread) or "").startswith(
            "if the target existed before, its old cluster is left as target-old"
        )


@pytest.mark.parametrize("outcome", [Outcome.RUNNING, Outcome.WAITING, Outcome.SUCCEEDED])
def test_an_old_cluster_is_left_only_by_a_restore_that_ended_badly(outcome: Outcome) -> None:
    """One that runs deletes it, and one that succeeded keeps it until its time is over."""
    assert describe_left_old(swapped(None, "target-old").model_copy(update={"outcome": outcome})) is None
