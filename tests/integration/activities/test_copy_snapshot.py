"""copy-snapshot and check-copy-status: one copy, of the right snapshot, waited for with open eyes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from errors import Cancelled, DeadlinePassed, Refused, ResourceBusy, StepFailed
from models.operation import FinalPoll
from models.request import Archive
from models.snapshots import SnapshotCopy, SourceSnapshot
from tests.rigs.activities import Night

FINAL = [(FinalPoll.DEADLINE, DeadlinePassed), (FinalPoll.CANCELLED, Cancelled)]


@pytest.fixture
def snapshot(night: Night) -> SourceSnapshot:
    """Last night's snapshot."""
    night.make_source()
    return night.make_snapshot()


def copy(night: Night, snapshot: SourceSnapshot, **more: Any) -> Any:
    return night.run(night.snapshots.copy_snapshot, night.copy_input(snapshot, **more))


def look(night: Night, snapshot: SourceSnapshot, **more: Any) -> Any:
    return night.run(night.snapshots.check_copy_status, night.check_copy_input(snapshot, **more))


def make_stranger(night: Night, identifier: str) -> None:
    """A snapshot of another cluster under the name that the copy will have."""
    night.make_target(instances=0)
    night.rds().create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=identifier, DBClusterIdentifier=night.target.cluster
    )
    night.later()


# copy-snapshot


def test_a_copy_is_started(night: Night, snapshot: SourceSnapshot) -> None:
    """One call in the target's region, with the target's key and the tags by which the copy is known as ours."""
    night.forget_calls()
    answer = copy(night, snapshot)
    expected = night.copy_of(snapshot)
    assert (answer.details, answer.snapshot_copy) == ("Started copy to target region", expected)
    assert answer.resource_arns == (expected.arn, snapshot.arn)
    (made,) = night.copies().values()
    assert made["SourceDBClusterSnapshotArn"] == snapshot.arn
    assert made["KmsKeyId"] == night.shared.key_arn
    assert {tag["Key"]: tag["Value"] for tag in made["TagList"]} == {
        "aurora-restore:copy-for": night.target.arn,
        "aurora-restore:operation": night.operation_id,
        "aurora-restore:source-snapshot": snapshot.arn,
    }
    (call,) = night.calls("CopyDBClusterSnapshot")
    assert call.region == night.target.region


def test_a_second_run_adopts_the_copy(night: Night, snapshot: SourceSnapshot) -> None:
    """Run twice, and by the next night too: one copy, the same answer."""
    first = copy(night, snapshot)
    assert copy(night, snapshot) == first
    night.operation_id = f"{night.operation_id}-next"
    assert copy(night, snapshot) == first
    assert len(night.calls("CopyDBClusterSnapshot")) == 1


def test_a_source_with_reserved_tags_is_copied(night: Night, snapshot: SourceSnapshot) -> None:
    """Tags of AWS's own on the source snapshot must not fail the copy."""
    night.control("rds/tags", arn=snapshot.arn, tags={"aws:backup:source": "x"})
    assert copy(night, snapshot).done


def test_a_snapshot_made_anew_under_its_name_gets_a_copy_of_its_own(night: Night, snapshot: SourceSnapshot) -> None:
    """Yesterday's copy is not taken for a copy of today's snapshot of the same name."""
    old = night.make_copy(snapshot)
    night.rds("eu-west-1").delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=snapshot.identifier)
    anew = night.make_snapshot(snapshot.identifier)
    assert copy(night, anew).snapshot_copy != old
    assert len(night.copies()) == 2


def test_a_stranger_of_the_same_name_is_refused(night: Night, snapshot: SourceSnapshot) -> None:
    """A snapshot of something else is neither adopted nor overwritten."""
    make_stranger(night, night.copy_of(snapshot).identifier)
    night.forget_calls()
    with pytest.raises(Refused, match="Copy is of another snapshot"):
        copy(night, snapshot)
    assert night.calls("CopyDBClusterSnapshot", "DeleteDBClusterSnapshot") == []


def test_a_stranger_that_comes_in_between_is_refused(night: Night, snapshot: SourceSnapshot) -> None:
    """AlreadyExists is looked into, not taken for success."""
    make_stranger(night, night.copy_of(snapshot).identifier)
    code = "DBClusterSnapshotNotFoundFault"
    night.emulator.faults.add("rds", "DescribeDBClusterSnapshots", "error", code=code, count=1)
    night.forget_calls()
    with pytest.raises(Refused, match="Copy is of another snapshot"):
        copy(night, snapshot)
    assert [call.outcome for call in night.calls("CopyDBClusterSnapshot")] == ["DBClusterSnapshotAlreadyExistsFault"]


def test_no_room_for_a_sixth_copy_is_waited_out(night: Night, snapshot: SourceSnapshot) -> None:
    """Five copies into a region at a time is a queue, not a failure."""
    night.emulator.quotas.copies_in_progress = 0
    message = "Cannot copy more than 5 snapshots across regions"
    night.emulator.faults.add("rds", "CopyDBClusterSnapshot", "error", code="SnapshotQuotaExceeded", message=message)
    answer = copy(night, snapshot)
    assert not answer.done
    assert answer.snapshot_copy is None
    night.emulator.quotas.copies_in_progress = 5
    assert copy(night, snapshot).done


@pytest.mark.parametrize(("final_poll", "error"), FINAL)
def test_a_wait_for_room_ends_with_the_night(
    night: Night, snapshot: SourceSnapshot, final_poll: FinalPoll, error: type[Exception]
) -> None:
    """At the deadline, and when cancelled, no copy is begun any more, and it is told so."""
    night.forget_calls()
    with pytest.raises(error, match=r"(?i)copy not started"):
        copy(night, snapshot, final_poll=final_poll)
    assert not night.calls("CopyDBClusterSnapshot")


def test_too_many_snapshots_end_the_night(night: Night, snapshot: SourceSnapshot) -> None:
    """The quota of manual snapshots does not clear itself: fail, with what to do. The same code, another message."""
    night.emulator.quotas.manual_snapshots = 0
    with pytest.raises(StepFailed) as failed:
        copy(night, snapshot)
    assert failed.value.fault.short == "Snapshot quota exceeded"
    assert failed.value.fault.code == "SnapshotQuotaExceeded"
    assert "Delete manual cluster snapshots" in failed.value.fault.message


def test_a_source_snapshot_that_vanished_is_the_seeds_failure(night: Night, snapshot: SourceSnapshot) -> None:
    """Deleted between snapshot-check and copy-snapshot: Invalid snapshot ID."""
    night.rds("eu-west-1").delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=snapshot.identifier)
    with pytest.raises(StepFailed) as failed:
        copy(night, snapshot)
    assert (failed.value.fault.short, failed.value.fault.code) == (
        "Invalid snapshot ID",
        "DBClusterSnapshotNotFoundFault",
    )


def test_the_last_good_copy_makes_no_room(night: Night, snapshot: SourceSnapshot) -> None:
    """Even if only tonight's is to be kept: it is not there yet. A failed one may go."""
    failed, last = (night.make_copy(night.make_snapshot(f"{name}-{night.number}")) for name in ("failed", "last"))
    night.force_status(failed.arn, "failed")
    night.emulator.quotas.manual_snapshots = 0
    assert copy(night, snapshot, archive=Archive(keep=1)).details == "Pruned 1 old copies to make room"
    assert set(night.copies()) == {last.identifier}
    night.later()
    with pytest.raises(StepFailed, match="Snapshot quota exceeded"):
        copy(night, snapshot, archive=Archive(keep=1))
    assert set(night.copies()) == {last.identifier}


def test_a_failed_copy_is_removed_and_made_anew(night: Night, snapshot: SourceSnapshot) -> None:
    """A failed copy keeps its name; it goes, and the next look copies again."""
    night.force_status(night.make_copy(snapshot).arn, "failed")
    night.forget_calls()
    answer = night.until_done(night.snapshots.copy_snapshot, night.copy_input(snapshot))
    assert answer.details == "Started copy to target region"
    assert [change.split()[0] for change in night.changes()] == ["DeleteDBClusterSnapshot", "CopyDBClusterSnapshot"]
    (made,) = night.copies().values()
    assert made["Status"] == "copying"


def test_room_is_made_after_a_failed_copy_in_the_same_look(night: Night, snapshot: SourceSnapshot) -> None:
    """The attempt that removed the failed copy died; the next one declares older copies under the same look."""
    older, _ = (night.make_copy(night.make_snapshot(f"{age}-{night.number}")) for age in ("older", "old"))
    failed = night.make_copy(snapshot)
    night.force_status(failed.arn, "failed")
    copy(night, snapshot, archive=Archive(keep=1))
    night.later()
    message = "Cannot create more than 100 manual snapshots"
    night.emulator.faults.add("rds", "CopyDBClusterSnapshot", "error", code="SnapshotQuotaExceeded", message=message)
    answer = copy(night, snapshot, archive=Archive(keep=1))
    assert (answer.done, answer.details) == (False, "Pruned 1 old copies to make room")
    declared = [row.resource_arns for row in night.shared.table.operation(night.operation_id)]
    assert declared == [(failed.arn,), (older.arn,)]


def test_somebody_elses_failed_copy_is_not_removed(night: Night, snapshot: SourceSnapshot) -> None:
    """A failed copy of the same snapshot that is not tagged as ours stays for its owner."""
    night.rds().copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=snapshot.arn,
        TargetDBClusterSnapshotIdentifier=night.copy_of(snapshot).identifier,
        KmsKeyId="alias/staging",
    )
    night.force_status(night.copy_of(snapshot).arn, "failed")
    with pytest.raises(StepFailed, match="not ours"):
        copy(night, snapshot)
    assert night.calls("DeleteDBClusterSnapshot") == []


def test_in_one_region_nothing_is_copied(night: Night, snapshot: SourceSnapshot) -> None:
    """The snapshot is restored where it lies."""
    night.forget_calls()
    answer = copy(night, snapshot, copy_needed=False)
    assert answer.details == "No copy needed in the same region"
    assert answer.snapshot_copy == SnapshotCopy(arn=snapshot.arn, identifier=snapshot.identifier, copied=False)
    assert list(night.emulator.calls) == []


# check-copy-status


def test_a_copy_is_followed_to_its_end(night: Night, snapshot: SourceSnapshot) -> None:
    """How far it is in percent, then the seed's text."""
    copy(night, snapshot)
    night.later(timedelta(seconds=40))
    half = look(night, snapshot)
    assert (half.done, half.details, half.percent) == (False, "copying 40 %", 40)
    night.later()
    done = look(night, snapshot)
    assert (done.details, done.percent) == ("Copy completed", 100)
    assert done.resource_arns == (night.copy_of(snapshot).arn,)
    assert look(night, snapshot) == done


def test_the_snapshot_itself_needs_no_copy_to_be_ready(night: Night, snapshot: SourceSnapshot) -> None:
    """In one region the check looks at the source snapshot, and finds it to be the chosen one."""
    night.target = night.target.model_copy(update={"region": night.source.region})
    there = SnapshotCopy(arn=snapshot.arn, identifier=snapshot.identifier, copied=False)
    assert look(night, snapshot, snapshot_copy=there).details == "Copy completed"


def test_a_copy_may_be_invisible_for_some_minutes(night: Night, snapshot: SourceSnapshot) -> None:
    """RDS answers from more than one place: NotFound just after the creation is forgiven, later it is real."""
    early = look(night, snapshot, step_started_at=night.now - timedelta(minutes=4))
    assert (early.done, early.details) == (False, "not to be seen yet")
    with pytest.raises(StepFailed, match="Copy not found"):
        look(night, snapshot, step_started_at=night.now - timedelta(minutes=6))


def test_a_copy_that_was_seen_may_not_vanish(night: Night, snapshot: SourceSnapshot) -> None:
    """Once seen, NotFound means that somebody deleted it."""
    with pytest.raises(StepFailed, match="Copy not found"):
        look(night, snapshot, step_started_at=night.now, resource_seen=True)


@pytest.mark.parametrize("status", ["failed", "deleting", "incompatible-restore"])
def test_a_copy_that_ended_badly_ends_the_wait(night: Night, snapshot: SourceSnapshot, status: str) -> None:
    """From these states no copy returns."""
    night.force_status(night.make_copy(snapshot).arn, status)
    with pytest.raises(StepFailed, match="Copy failed"):
        look(night, snapshot)


def test_an_unknown_status_is_waited_on_and_warned_of(night: Night, snapshot: SourceSnapshot) -> None:
    """What nobody has heard of is never taken for success."""
    night.force_status(night.make_copy(snapshot).arn, "pondering")
    answer = look(night, snapshot)
    assert not answer.done
    assert answer.warnings == ("The copy has the status pondering, which the pipeline does not know.",)


def test_a_copy_of_something_else_is_refused(night: Night, snapshot: SourceSnapshot) -> None:
    """Also if it took the copy's name while we waited."""
    make_stranger(night, night.copy_of(snapshot).identifier)
    with pytest.raises(Refused, match="Copy is of another snapshot"):
        look(night, snapshot)


@pytest.mark.parametrize(("final_poll", "error"), FINAL)
def test_the_last_look_says_how_far_the_copy_was(
    night: Night, snapshot: SourceSnapshot, final_poll: FinalPoll, error: type[Exception]
) -> None:
    """The end of the wait tells the percentage and that the copy goes on."""
    copy(night, snapshot)
    night.later(timedelta(seconds=70))
    with pytest.raises(error, match=r"(?i)copy at copying 70 %.*the next night adopts it"):
        look(night, snapshot, final_poll=final_poll)


def test_an_answer_that_cannot_be_had_is_asked_for_again(night: Night, snapshot: SourceSnapshot) -> None:
    """A copy that RDS has but does not show is transient, not a second copy and not the end."""
    copy(night, snapshot)
    night.emulator.faults.add(
        "rds", "DescribeDBClusterSnapshots", "error", code="DBClusterSnapshotNotFoundFault", count=2
    )
    with pytest.raises(ResourceBusy):
        copy(night, snapshot)
    assert copy(night, snapshot).done
