"""copy-snapshot makes one copy of the right snapshot."""

from __future__ import annotations

from datetime import timedelta

import pytest

from errors import Refused, ResourceBusy, StepFailed
from models.archive import Archive
from models.snapshots import CopySnapshotOutcome, SnapshotCopy, SourceSnapshot
from models.step_call import FinalPoll
from tests.rigs.activities import ActivityRig, temporal_environment
from tests.rigs.snapshot_copies import FINAL, copy, make_other_snapshot


@pytest.fixture
def snapshot(rig: ActivityRig) -> SourceSnapshot:
    """A snapshot of the source, not copied yet."""
    rig.make_source()
    return rig.make_snapshot()


# copy-snapshot


def test_the_copy_has_the_targets_region_key_and_tags(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """One call in the target's region; the tags mark the copy as this pipeline's."""
    rig.clear_calls()
    outcome = copy(rig, snapshot)
    expected = rig.copy_of(snapshot)
    assert (outcome.details, outcome.snapshot_copy) == ("Started copy to target region", expected)
    assert outcome.resource_arns == (expected.arn, snapshot.arn)
    (actual,) = rig.copies().values()
    assert actual["SourceDBClusterSnapshotArn"] == snapshot.arn
    assert actual["KmsKeyId"] == rig.shared.key_arn
    assert {tag["Key"]: tag["Value"] for tag in actual["TagList"]} == {
        "aurora-restore:copy-for": rig.target.arn,
        "aurora-restore:operation": rig.operation_tag,
        "aurora-restore:source-snapshot": snapshot.arn,
    }
    (call,) = rig.calls("CopyDBClusterSnapshot")
    assert call.region == rig.target.region


def test_a_second_run_of_copy_adopts_the_copy(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Run twice, and by the next operation too: one copy, the same outcome."""
    first = copy(rig, snapshot)
    assert copy(rig, snapshot) == first
    rig.operation_id = f"{rig.operation_id}-next"
    assert copy(rig, snapshot) == first
    assert len(rig.calls("CopyDBClusterSnapshot")) == 1


def test_a_snapshot_with_reserved_tags_is_copied(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """AWS's own tags on the source snapshot must not fail the copy."""
    rig.control("rds/tags", arn=snapshot.arn, tags={"aws:backup:source": "x"})
    assert copy(rig, snapshot).done


def test_a_snapshot_created_again_under_its_name_gets_a_copy_of_its_own(
    rig: ActivityRig, snapshot: SourceSnapshot
) -> None:
    """An older copy is not adopted for a newer snapshot of the same name."""
    old = rig.make_copy(snapshot)
    rig.rds("eu-west-1").delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=snapshot.identifier)
    again = rig.make_snapshot(snapshot.identifier)
    assert copy(rig, again).snapshot_copy != old
    assert len(rig.copies()) == 2


def test_another_snapshot_under_the_copys_name_is_refused(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """It is neither adopted nor overwritten."""
    make_other_snapshot(rig, rig.copy_of(snapshot).identifier)
    rig.clear_calls()
    with pytest.raises(Refused, match="Copy is of another snapshot"):
        copy(rig, snapshot)
    assert rig.calls("CopyDBClusterSnapshot", "DeleteDBClusterSnapshot") == []


def test_already_exists_for_another_snapshot_is_refused(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """AlreadyExists does not count as success: the snapshot is read first."""
    make_other_snapshot(rig, rig.copy_of(snapshot).identifier)
    code = "DBClusterSnapshotNotFoundFault"
    rig.emulator.faults.add("rds", "DescribeDBClusterSnapshots", "error", code=code, count=1)
    rig.clear_calls()
    with pytest.raises(Refused, match="Copy is of another snapshot"):
        copy(rig, snapshot)
    assert [call.outcome for call in rig.calls("CopyDBClusterSnapshot")] == ["DBClusterSnapshotAlreadyExistsFault"]


def test_a_sixth_copy_into_a_region_waits_for_room(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Five copies into a region at a time is a queue, not a failure."""
    rig.emulator.quotas.copies_in_progress = 0
    message = "Cannot copy more than 5 snapshots across regions"
    rig.emulator.faults.add("rds", "CopyDBClusterSnapshot", "error", code="SnapshotQuotaExceeded", message=message)
    outcome = copy(rig, snapshot)
    assert not outcome.done
    assert outcome.snapshot_copy is None
    rig.emulator.quotas.copies_in_progress = 5
    assert copy(rig, snapshot).done


def test_the_more_urgent_restore_gets_the_room(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A less urgent one leaves it, as long as the other polls; one that has stopped polling holds nobody up."""
    activities = rig.snapshots

    def poll(cluster: str, priority: int | None, minutes: int) -> CopySnapshotOutcome:
        target = rig.target.model_copy(update={"cluster": cluster})
        step_input = rig.copy_input(snapshot, target=target, priority=priority)
        return temporal_environment(rig.now + timedelta(minutes=minutes)).run(activities.copy_snapshot, step_input)

    rig.emulator.quotas.copies_in_progress = 0
    rig.clear_calls()
    polls = [("urgent", 1, 0), ("usual", None, 1), ("late", 4, 2)]
    details = [poll(*each).details for each in polls]
    assert details[0] == "Waiting: as many copies as AWS allows are running into the region"
    assert details[1:] == ["Waiting: the more urgent restore of urgent waits for room for its copy"] * 2
    assert len(rig.calls("CopyDBClusterSnapshot")) == 1
    rig.emulator.quotas.copies_in_progress = 5
    assert [poll("usual", None, 3).done, poll("urgent", 1, 4).done] == [False, True]
    assert [poll("late", 4, 12).done, poll("late", 4, 14).done, poll("usual", None, 14).done] == [False, True, True]


@pytest.mark.parametrize(("final_poll", "error"), FINAL)
def test_the_final_poll_starts_no_copy(
    rig: ActivityRig, snapshot: SourceSnapshot, final_poll: FinalPoll, error: type[Exception]
) -> None:
    """Neither at the deadline nor when cancelled, and the message says so."""
    rig.clear_calls()
    with pytest.raises(error, match=r"(?i)copy not started"):
        copy(rig, snapshot, final_poll=final_poll)
    assert not rig.calls("CopyDBClusterSnapshot")


def test_a_used_up_snapshot_quota_fails_the_step(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The quota of manual snapshots does not clear itself. The same code as for the queue, another message."""
    rig.emulator.quotas.manual_snapshots = 0
    with pytest.raises(StepFailed) as failure:
        copy(rig, snapshot)
    assert failure.value.fault.short == "Snapshot quota exceeded"
    assert failure.value.fault.code == "SnapshotQuotaExceeded"
    assert "Delete manual cluster snapshots" in failure.value.fault.message


def test_a_deleted_source_snapshot_is_an_invalid_snapshot_id(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Deleted between snapshot-check and copy-snapshot: the seed's text."""
    rig.rds("eu-west-1").delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=snapshot.identifier)
    with pytest.raises(StepFailed) as failure:
        copy(rig, snapshot)
    assert (failure.value.fault.short, failure.value.fault.code) == (
        "Invalid snapshot ID",
        "DBClusterSnapshotNotFoundFault",
    )


def test_the_last_good_copy_is_not_pruned_to_make_room(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Even if only one is to be kept: this operation's does not exist yet. A failed one may go."""
    failure, last = (rig.make_copy(rig.make_snapshot(f"{name}-{rig.number}")) for name in ("failed", "last"))
    rig.force_status(failure.arn, "failed")
    rig.emulator.quotas.manual_snapshots = 0
    assert copy(rig, snapshot, archive=Archive(keep=1)).details == "Pruned 1 old copies to make room"
    assert set(rig.copies()) == {last.identifier}
    rig.advance_clock()
    with pytest.raises(StepFailed, match="Snapshot quota exceeded"):
        copy(rig, snapshot, archive=Archive(keep=1))
    assert set(rig.copies()) == {last.identifier}


def test_a_failed_copy_is_deleted_and_copied_again(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A failed copy keeps its name; it is deleted, and the next poll copies again."""
    rig.force_status(rig.make_copy(snapshot).arn, "failed")
    rig.clear_calls()
    outcome = rig.poll_until_done(rig.snapshots.copy_snapshot, rig.copy_input(snapshot))
    assert outcome.details == "Started copy to target region"
    assert [change.split()[0] for change in rig.changes()] == ["DeleteDBClusterSnapshot", "CopyDBClusterSnapshot"]
    (actual,) = rig.copies().values()
    assert actual["Status"] == "copying"


def test_an_attempt_that_makes_room_declares_more_than_the_attempt_before(
    rig: ActivityRig, snapshot: SourceSnapshot
) -> None:
    """The attempt that deleted the failed copy crashed; the next one declares older copies in the same poll."""
    older, _ = (rig.make_copy(rig.make_snapshot(f"{age}-{rig.number}")) for age in ("older", "old"))
    failure = rig.make_copy(snapshot)
    rig.force_status(failure.arn, "failed")
    copy(rig, snapshot, archive=Archive(keep=1))
    rig.advance_clock()
    message = "Cannot create more than 100 manual snapshots"
    rig.emulator.faults.add("rds", "CopyDBClusterSnapshot", "error", code="SnapshotQuotaExceeded", message=message)
    outcome = copy(rig, snapshot, archive=Archive(keep=1))
    assert (outcome.done, outcome.details) == (False, "Pruned 1 old copies to make room")
    declared = [row.resource_arns for row in rig.shared.table.list_rows(rig.operation_id)]
    assert declared == [(failure.arn,), (older.arn,)]


def test_a_failed_copy_of_someone_else_is_kept(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A failed copy of the same snapshot without our tags stays for its owner."""
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
    """The snapshot itself is restored."""
    rig.clear_calls()
    outcome = copy(rig, snapshot, copy_needed=False)
    assert outcome.details == "No copy needed in the same region"
    assert outcome.snapshot_copy == SnapshotCopy(arn=snapshot.arn, identifier=snapshot.identifier, copied=False)
    assert list(rig.emulator.calls) == []


def test_a_copy_that_rds_does_not_list_yet_is_transient(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Not a second copy, and not the end of the step."""
    copy(rig, snapshot)
    rig.emulator.faults.add(
        "rds", "DescribeDBClusterSnapshots", "error", code="DBClusterSnapshotNotFoundFault", count=2
    )
    with pytest.raises(ResourceBusy):
        copy(rig, snapshot)
    assert copy(rig, snapshot).done
