"""check-copy-status polls the copy of the right snapshot until it is available."""

from __future__ import annotations

from datetime import timedelta

import pytest

from errors import Refused, StepFailed
from models.snapshots import SnapshotCopy, SourceSnapshot
from models.step_call import FinalPoll
from tests.rigs.activities import ActivityRig
from tests.rigs.snapshot_copies import FINAL, copy, make_other_snapshot, poll


@pytest.fixture
def snapshot(rig: ActivityRig) -> SourceSnapshot:
    """A snapshot of the source, not copied yet."""
    rig.make_source()
    return rig.make_snapshot()


# check-copy-status


def test_polls_report_the_percentage_until_the_copy_is_available(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Then the seed's text."""
    copy(rig, snapshot)
    rig.advance_clock(timedelta(seconds=40))
    half_way = poll(rig, snapshot)
    assert (half_way.done, half_way.details, half_way.percent) == (False, "copying 40 %", 40)
    rig.advance_clock()
    done = poll(rig, snapshot)
    assert (done.details, done.percent) == ("Copy completed", 100)
    assert done.resource_arns == (rig.copy_of(snapshot).arn,)
    assert poll(rig, snapshot) == done


def test_without_a_copy_the_source_snapshot_is_polled(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """In one region the check reads the source snapshot, and finds it to be the chosen one."""
    rig.target = rig.target.model_copy(update={"region": rig.source.region})
    source_snapshot = SnapshotCopy(arn=snapshot.arn, identifier=snapshot.identifier, copied=False)
    assert poll(rig, snapshot, snapshot_copy=source_snapshot).details == "Copy completed"


def test_a_copy_that_is_not_visible_is_waited_for_five_minutes(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """RDS reads are eventually consistent: NotFound just after the creation is expected, later it is final."""
    within_grace = poll(rig, snapshot, step_started_at=rig.now - timedelta(minutes=4))
    assert (within_grace.done, within_grace.details) == (False, "not visible yet")
    with pytest.raises(StepFailed, match="Copy not found"):
        poll(rig, snapshot, step_started_at=rig.now - timedelta(minutes=6))


def test_a_copy_that_vanishes_after_a_poll_saw_it_fails_the_step(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Then NotFound means that someone deleted it."""
    with pytest.raises(StepFailed, match="Copy not found"):
        poll(rig, snapshot, step_started_at=rig.now, resource_seen=True)


@pytest.mark.parametrize("status", ["failed", "deleting", "incompatible-restore"])
def test_a_copy_in_a_terminal_status_fails_the_step(rig: ActivityRig, snapshot: SourceSnapshot, status: str) -> None:
    """No copy leaves such a status."""
    rig.force_status(rig.make_copy(snapshot).arn, status)
    with pytest.raises(StepFailed, match="Copy failed"):
        poll(rig, snapshot)


def test_an_unknown_copy_status_is_waited_on_with_a_warning(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """An unknown status never counts as success."""
    rig.force_status(rig.make_copy(snapshot).arn, "unknown-status")
    outcome = poll(rig, snapshot)
    assert not outcome.done
    assert outcome.warnings == ("The copy has the status unknown-status, which the pipeline does not know.",)


def test_another_snapshot_that_takes_the_copys_name_is_refused(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Also while the step waits for the copy."""
    make_other_snapshot(rig, rig.copy_of(snapshot).identifier)
    with pytest.raises(Refused, match="Copy is of another snapshot"):
        poll(rig, snapshot)


@pytest.mark.parametrize(("final_poll", "error"), FINAL)
def test_the_final_poll_reports_the_copys_percentage(
    rig: ActivityRig, snapshot: SourceSnapshot, final_poll: FinalPoll, error: type[Exception]
) -> None:
    """And that RDS continues the copy."""
    copy(rig, snapshot)
    rig.advance_clock(timedelta(seconds=70))
    with pytest.raises(error, match=r"(?i)copy at copying 70 %.*a retry adopts it"):
        poll(rig, snapshot, final_poll=final_poll)
