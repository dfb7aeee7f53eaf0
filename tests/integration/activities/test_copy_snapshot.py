"""copy-snapshot and check-copy-status: one copy, of the right snapshot, waited for with open eyes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from errors import Cancelled, DeadlinePassed, Refused, ResourceBusy, StepFailed
from models.operation import FinalPoll
from models.request import Archive
from models.snapshots import SnapshotCopy, SourceSnapshot
from tests.rigs.activities import ActivityRig

FINAL = [(FinalPoll.DEADLINE, DeadlinePassed), (FinalPoll.CANCELLED, Cancelled)]


@pytest.fixture
def snapshot(rig: ActivityRig) -> SourceSnapshot:
    """Last night's snapshot."""
    rig.make_source()
    return rig.make_snapshot()


def copy(rig: ActivityRig, snapshot: SourceSnapshot, **more: Any) -> Any:
    return rig.run(rig.snapshots.copy_snapshot, rig.copy_input(snapshot, **more))


def look(rig: ActivityRig, snapshot: SourceSnapshot, **more: Any) -> Any:
    return rig.run(rig.snapshots.check_copy_status, rig.check_copy_input(snapshot, **more))


def make_stranger(rig: ActivityRig, identifier: str) -> None:
    """A snapshot of another cluster under the name that the copy will have."""
    rig.make_target(instances=0)
    rig.rds().create_db_cluster_snapshot(DBClusterSnapshotIdentifier=identifier, DBClusterIdentifier=rig.target.cluster)
    rig.advance_clock()


# copy-snapshot


def test_a_copy_is_started(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """One call in the target's region, with the target's key and the tags by which the copy is known as ours."""
    rig.clear_calls()
    answer = copy(rig, snapshot)
    expected = rig.copy_of(snapshot)
    assert (answer.details, answer.snapshot_copy) == ("Started copy to target region", expected)
    assert answer.resource_arns == (expected.arn, snapshot.arn)
    (made,) = rig.copies().values()
    assert made["SourceDBClusterSnapshotArn"] == snapshot.arn
    assert made["KmsKeyId"] == rig.shared.key_arn
    assert {tag["Key"]: tag["Value"] for tag in made["TagList"]} == {
        "aurora-restore:copy-for": rig.target.arn,
        "aurora-restore:operation": rig.operation_id,
        "aurora-restore:source-snapshot": snapshot.arn,
    }
    (call,) = rig.calls("CopyDBClusterSnapshot")
    assert call.region == rig.target.region


def test_a_second_run_adopts_the_copy(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Run twice, and by the next night too: one copy, the same answer."""
    first = copy(rig, snapshot)
    assert copy(rig, snapshot) == first
    rig.operation_id = f"{rig.operation_id}-next"
    assert copy(rig, snapshot) == first
    assert len(rig.calls("CopyDBClusterSnapshot")) == 1


def test_a_source_with_reserved_tags_is_copied(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Tags of AWS's own on the source snapshot must not fail the copy."""
    rig.control("rds/tags", arn=snapshot.arn, tags={"aws:backup:source": "x"})
    assert copy(rig, snapshot).done


def test_a_snapshot_made_anew_under_its_name_gets_a_copy_of_its_own(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Yesterday's copy is not taken for a copy of today's snapshot of the same name."""
    old = rig.make_copy(snapshot)
    rig.rds("eu-west-1").delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=snapshot.identifier)
    anew = rig.make_snapshot(snapshot.identifier)
    assert copy(rig, anew).snapshot_copy != old
    assert len(rig.copies()) == 2


def test_a_stranger_of_the_same_name_is_refused(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A snapshot of something else is neither adopted nor overwritten."""
    make_stranger(rig, rig.copy_of(snapshot).identifier)
    rig.clear_calls()
    with pytest.raises(Refused, match="Copy is of another snapshot"):
        copy(rig, snapshot)
    assert rig.calls("CopyDBClusterSnapshot", "DeleteDBClusterSnapshot") == []


def test_a_stranger_that_comes_in_between_is_refused(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """AlreadyExists is looked into, not taken for success."""
    make_stranger(rig, rig.copy_of(snapshot).identifier)
    code = "DBClusterSnapshotNotFoundFault"
    rig.emulator.faults.add("rds", "DescribeDBClusterSnapshots", "error", code=code, count=1)
    rig.clear_calls()
    with pytest.raises(Refused, match="Copy is of another snapshot"):
        copy(rig, snapshot)
    assert [call.outcome for call in rig.calls("CopyDBClusterSnapshot")] == ["DBClusterSnapshotAlreadyExistsFault"]


def test_no_room_for_a_sixth_copy_is_waited_out(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Five copies into a region at a time is a queue, not a failure."""
    rig.emulator.quotas.copies_in_progress = 0
    message = "Cannot copy more than 5 snapshots across regions"
    rig.emulator.faults.add("rds", "CopyDBClusterSnapshot", "error", code="SnapshotQuotaExceeded", message=message)
    answer = copy(rig, snapshot)
    assert not answer.done
    assert answer.snapshot_copy is None
    rig.emulator.quotas.copies_in_progress = 5
    assert copy(rig, snapshot).done


@pytest.mark.parametrize(("final_poll", "error"), FINAL)
def test_a_wait_for_room_ends_with_the_night(
    rig: ActivityRig, snapshot: SourceSnapshot, final_poll: FinalPoll, error: type[Exception]
) -> None:
    """At the deadline, and when cancelled, no copy is begun any more, and it is told so."""
    rig.clear_calls()
    with pytest.raises(error, match=r"(?i)copy not started"):
        copy(rig, snapshot, final_poll=final_poll)
    assert not rig.calls("CopyDBClusterSnapshot")


def test_too_many_snapshots_end_the_night(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The quota of manual snapshots does not clear itself: fail, with what to do. The same code, another message."""
    rig.emulator.quotas.manual_snapshots = 0
    with pytest.raises(StepFailed) as failed:
        copy(rig, snapshot)
    assert failed.value.fault.short == "Snapshot quota exceeded"
    assert failed.value.fault.code == "SnapshotQuotaExceeded"
    assert "Delete manual cluster snapshots" in failed.value.fault.message


def test_a_source_snapshot_that_vanished_is_the_seeds_failure(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Deleted between snapshot-check and copy-snapshot: Invalid snapshot ID."""
    rig.rds("eu-west-1").delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=snapshot.identifier)
    with pytest.raises(StepFailed) as failed:
        copy(rig, snapshot)
    assert (failed.value.fault.short, failed.value.fault.code) == (
        "Invalid snapshot ID",
        "DBClusterSnapshotNotFoundFault",
    )


def test_the_last_good_copy_makes_no_room(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Even if only tonight's is to be kept: it is not there yet. A failed one may go."""
    failed, last = (rig.make_copy(rig.make_snapshot(f"{name}-{rig.number}")) for name in ("failed", "last"))
    rig.force_status(failed.arn, "failed")
    rig.emulator.quotas.manual_snapshots = 0
    assert copy(rig, snapshot, archive=Archive(keep=1)).details == "Pruned 1 old copies to make room"
    assert set(rig.copies()) == {last.identifier}
    rig.advance_clock()
    with pytest.raises(StepFailed, match="Snapshot quota exceeded"):
        copy(rig, snapshot, archive=Archive(keep=1))
    assert set(rig.copies()) == {last.identifier}


def test_a_failed_copy_is_removed_and_made_anew(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A failed copy keeps its name; it goes, and the next look copies again."""
    rig.force_status(rig.make_copy(snapshot).arn, "failed")
    rig.clear_calls()
    answer = rig.poll_until_done(rig.snapshots.copy_snapshot, rig.copy_input(snapshot))
    assert answer.details == "Started copy to target region"
    assert [change.split()[0] for change in rig.changes()] == ["DeleteDBClusterSnapshot", "CopyDBClusterSnapshot"]
    (made,) = rig.copies().values()
    assert made["Status"] == "copying"


def test_room_is_made_after_a_failed_copy_in_the_same_look(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The attempt that removed the failed copy died; the next one declares older copies under the same look."""
    older, _ = (rig.make_copy(rig.make_snapshot(f"{age}-{rig.number}")) for age in ("older", "old"))
    failed = rig.make_copy(snapshot)
    rig.force_status(failed.arn, "failed")
    copy(rig, snapshot, archive=Archive(keep=1))
    rig.advance_clock()
    message = "Cannot create more than 100 manual snapshots"
    rig.emulator.faults.add("rds", "CopyDBClusterSnapshot", "error", code="SnapshotQuotaExceeded", message=message)
    answer = copy(rig, snapshot, archive=Archive(keep=1))
    assert (answer.done, answer.details) == (False, "Pruned 1 old copies to make room")
    declared = [row.resource_arns for row in rig.shared.table.list_rows(rig.operation_id)]
    assert declared == [(failed.arn,), (older.arn,)]


def test_somebody_elses_failed_copy_is_not_removed(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A failed copy of the same snapshot that is not tagged as ours stays for its owner."""
    rig.rds().copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=snapshot.arn,
        TargetDBClusterSnapshotIdentifier=rig.copy_of(snapshot).identifier,
        KmsKeyId="alias/staging",
    )
    rig.force_status(rig.copy_of(snapshot).arn, "failed")
    with pytest.raises(StepFailed, match="this pipeline did not make it"):
        copy(rig, snapshot)
    assert rig.calls("DeleteDBClusterSnapshot") == []


def test_in_one_region_nothing_is_copied(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The snapshot is restored where it lies."""
    rig.clear_calls()
    answer = copy(rig, snapshot, copy_needed=False)
    assert answer.details == "No copy needed in the same region"
    assert answer.snapshot_copy == SnapshotCopy(arn=snapshot.arn, identifier=snapshot.identifier, copied=False)
    assert list(rig.emulator.calls) == []


# check-copy-status


def test_a_copy_is_followed_to_its_end(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """How far it is in percent, then the seed's text."""
    copy(rig, snapshot)
    rig.advance_clock(timedelta(seconds=40))
    half = look(rig, snapshot)
    assert (half.done, half.details, half.percent) == (False, "copying 40 %", 40)
    rig.advance_clock()
    done = look(rig, snapshot)
    assert (done.details, done.percent) == ("Copy completed", 100)
    assert done.resource_arns == (rig.copy_of(snapshot).arn,)
    assert look(rig, snapshot) == done


def test_the_snapshot_itself_needs_no_copy_to_be_ready(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """In one region the check looks at the source snapshot, and finds it to be the chosen one."""
    rig.target = rig.target.model_copy(update={"region": rig.source.region})
    there = SnapshotCopy(arn=snapshot.arn, identifier=snapshot.identifier, copied=False)
    assert look(rig, snapshot, snapshot_copy=there).details == "Copy completed"


def test_a_copy_may_be_invisible_for_some_minutes(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """RDS answers from more than one place: NotFound just after the creation is forgiven, later it is real."""
    early = look(rig, snapshot, step_started_at=rig.now - timedelta(minutes=4))
    assert (early.done, early.details) == (False, "not visible yet")
    with pytest.raises(StepFailed, match="Copy not found"):
        look(rig, snapshot, step_started_at=rig.now - timedelta(minutes=6))


def test_a_copy_that_was_seen_may_not_vanish(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Once seen, NotFound means that somebody deleted it."""
    with pytest.raises(StepFailed, match="Copy not found"):
        look(rig, snapshot, step_started_at=rig.now, resource_seen=True)


@pytest.mark.parametrize("status", ["failed", "deleting", "incompatible-restore"])
def test_a_copy_that_ended_badly_ends_the_wait(rig: ActivityRig, snapshot: SourceSnapshot, status: str) -> None:
    """From these states no copy returns."""
    rig.force_status(rig.make_copy(snapshot).arn, status)
    with pytest.raises(StepFailed, match="Copy failed"):
        look(rig, snapshot)


def test_an_unknown_status_is_waited_on_and_warned_of(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """What nobody has heard of is never taken for success."""
    rig.force_status(rig.make_copy(snapshot).arn, "pondering")
    answer = look(rig, snapshot)
    assert not answer.done
    assert answer.warnings == ("The copy has the status pondering, which the pipeline does not know.",)


def test_a_copy_of_something_else_is_refused(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Also if it took the copy's name while we waited."""
    make_stranger(rig, rig.copy_of(snapshot).identifier)
    with pytest.raises(Refused, match="Copy is of another snapshot"):
        look(rig, snapshot)


@pytest.mark.parametrize(("final_poll", "error"), FINAL)
def test_the_last_look_says_how_far_the_copy_was(
    rig: ActivityRig, snapshot: SourceSnapshot, final_poll: FinalPoll, error: type[Exception]
) -> None:
    """The end of the wait tells the percentage and that the copy goes on."""
    copy(rig, snapshot)
    rig.advance_clock(timedelta(seconds=70))
    with pytest.raises(error, match=r"(?i)copy at copying 70 %.*a retry adopts it"):
        look(rig, snapshot, final_poll=final_poll)


def test_an_answer_that_cannot_be_had_is_asked_for_again(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A copy that RDS has but does not show is transient, not a second copy and not the end."""
    copy(rig, snapshot)
    rig.emulator.faults.add(
        "rds", "DescribeDBClusterSnapshots", "error", code="DBClusterSnapshotNotFoundFault", count=2
    )
    with pytest.raises(ResourceBusy):
        copy(rig, snapshot)
    assert copy(rig, snapshot).done
