"""archive-snapshot: tonight's copy is kept, this pipeline's oldest go, nobody else's is touched."""

from __future__ import annotations

from typing import Any

import pytest

from errors import Refused, ResourceBusy, StepFailed, TrailUnavailable
from models.snapshots import SnapshotCopy, SourceSnapshot
from tests.rigs.activities import ACCOUNT, OTHER_ACCOUNT, SOURCE_REGION, TARGET_REGION, ActivityRig


@pytest.fixture
def copies(rig: ActivityRig) -> list[SnapshotCopy]:
    """Four nights' copies, oldest first; the last one is tonight's."""
    rig.make_source()
    return [rig.make_copy(rig.make_snapshot(f"night-{place}-{rig.number}")) for place in range(4)]


def archive(rig: ActivityRig, copy: SnapshotCopy, keep: int = 2, snapshot: SourceSnapshot | None = None) -> Any:
    return rig.run(rig.snapshots.archive_snapshot, rig.archive_input(copy, keep, snapshot))


def test_the_newest_are_kept(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Tonight's and the one before stay, the older ones go; tonight's says who kept it."""
    answer = archive(rig, copies[3])
    assert answer.details == "Snapshot archived"
    assert answer.kept == (copies[3].arn, copies[2].arn)
    assert answer.pruned == (copies[1].arn, copies[0].arn)
    assert answer.resource_arns == (copies[3].arn, copies[1].arn, copies[0].arn)
    there = rig.copies()
    assert set(there) == {copies[2].identifier, copies[3].identifier}
    assert {"Key": "aurora-restore:archived-by", "Value": rig.operation_id} in there[copies[3].identifier]["TagList"]


def test_a_second_run_prunes_nothing_more(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Run twice: the same answer, and there is one intent."""
    first = archive(rig, copies[3])
    rig.clear_calls()
    assert archive(rig, copies[3]) == first
    assert rig.calls("DeleteDBClusterSnapshot") == []
    assert rig.rows() == ["archive-snapshot intent"]


def held_up(rig: ActivityRig, tonight: SnapshotCopy, skip: int) -> None:
    """An attempt that prunes some, until RDS does not delete the next one just now."""
    busy = "InvalidDBClusterSnapshotStateFault"
    rig.emulator.faults.add("rds", "DeleteDBClusterSnapshot", "error", code=busy, skip=skip)
    with pytest.raises(ResourceBusy):
        archive(rig, tonight)


def test_what_an_earlier_attempt_has_pruned_is_told(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """RDS let go of the one, then held on to the other: the attempt that ends the step names both."""
    held_up(rig, copies[3], skip=1)
    answer = archive(rig, copies[3])
    assert answer.pruned == (copies[1].arn, copies[0].arn)
    assert answer.resource_arns == (copies[3].arn, copies[1].arn, copies[0].arn)
    assert rig.rows() == ["archive-snapshot intent"]


def test_a_copy_that_comes_between_two_attempts_goes_too(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """It is declared by the attempt that finds it: no conflict with what the first one declared."""
    rig.force_status(copies[0].arn, "copying")
    held_up(rig, copies[3], skip=0)
    rig.force_status(copies[0].arn, "available")
    assert archive(rig, copies[3]).pruned == (copies[1].arn, copies[0].arn)
    assert set(rig.copies()) == {copies[2].identifier, copies[3].identifier}
    assert rig.rows() == ["archive-snapshot intent"] * 2


def test_a_copy_that_somebody_took_between_two_attempts_is_not_told(
    rig: ActivityRig, copies: list[SnapshotCopy]
) -> None:
    """Declared, but spared: who takes our tag off it keeps it."""
    held_up(rig, copies[3], skip=1)
    rig.rds().remove_tags_from_resource(ResourceName=copies[0].arn, TagKeys=["aurora-restore:copy-for"])
    assert archive(rig, copies[3]).pruned == (copies[1].arn,)
    assert copies[0].identifier in rig.copies()


def test_the_intent_is_written_before_the_first_deletion(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """The trail names what goes before it goes."""
    rig.clear_calls()
    archive(rig, copies[3])
    order = [call.operation for call in rig.emulator.calls]
    assert order.index("PutItem") < order.index("DeleteDBClusterSnapshot")
    (row,) = rig.shared.table.list_rows(rig.operation_id)
    assert row.resource_arns == (copies[1].arn, copies[0].arn)


@pytest.mark.parametrize("operation", ["Query", "PutItem"])
def test_without_the_trail_nothing_is_pruned(rig: ActivityRig, copies: list[SnapshotCopy], operation: str) -> None:
    """No trail, no deletion."""
    rig.emulator.faults.add("dynamodb", operation, "http500", count=None)
    with pytest.raises(TrailUnavailable):
        archive(rig, copies[3])
    assert len(rig.copies()) == 4


def test_tonights_copy_stays_however_old_it_is(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Who restores an old snapshot keeps its copy, although newer ones exist."""
    answer = archive(rig, copies[0], keep=1)
    assert answer.kept == (copies[0].arn,)
    assert set(rig.copies()) == {copies[0].identifier}


def test_nobody_elses_snapshot_is_pruned(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Another target's copies, manual ones, automated ones and shared names stay, whatever they are called."""
    other = ActivityRig(rig.shared)
    other.source = rig.source
    theirs = other.make_copy(rig.snapshot_named(f"night-0-{rig.number}"))
    rig.make_target(instances=0)
    rds = rig.rds()
    for name in ("by-hand", f"aurora-restore-{rig.target.cluster}-20200101-0123456789"):
        rds.create_db_cluster_snapshot(
            DBClusterSnapshotIdentifier=f"{name}-{rig.number}", DBClusterIdentifier=rig.target.cluster
        )
    body = {"account": rig.target.account_id, "region": TARGET_REGION, "cluster": rig.target.cluster}
    automated = rig.control("rds/automated-snapshot", **body)["arn"]
    rig.control("rds/tags", arn=automated, tags={"aurora-restore:copy-for": rig.target.arn})
    rig.advance_clock()
    pruned = archive(rig, copies[3], keep=1).pruned
    assert set(pruned) == {copy.arn for copy in copies[:3]}
    assert theirs.identifier in rig.copies()


def test_targets_of_long_names_are_told_apart(rig: ActivityRig) -> None:
    """Two targets whose names begin with the same 26 letters have copies of like names, and each prunes its own."""
    rig.make_source()
    other = ActivityRig(rig.shared)
    other.source = rig.source
    stem = "a-very-long-name-of-a-staging"
    for each, last in ((rig, "east"), (other, "west")):
        each.target = each.target.model_copy(update={"cluster": f"{stem}-{last}-{rig.number}"})
    theirs = other.make_copy(rig.make_snapshot(f"old-{rig.number}"))
    tonight = rig.make_copy(rig.make_snapshot(f"new-{rig.number}"))
    assert archive(rig, tonight, keep=1).pruned == ()
    assert theirs.identifier in rig.copies()


def test_a_copy_that_somebody_took_of_ours_is_theirs(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """A colleague's copy for an inquiry, made with CopyTags, carries our tags and is not ours."""
    rig.rds().copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=copies[0].arn,
        TargetDBClusterSnapshotIdentifier=f"evidence-{rig.number}",
        CopyTags=True,
    )
    rig.advance_clock()
    archive(rig, copies[3], keep=1)
    assert f"evidence-{rig.number}" in rig.copies()


@pytest.mark.parametrize("status", ["copying", "deleting", "pondering"])
def test_a_copy_that_is_busy_is_left_alone(rig: ActivityRig, copies: list[SnapshotCopy], status: str) -> None:
    """Only what is finished is pruned: deleting a copy under way would cancel somebody's night."""
    rig.force_status(copies[0].arn, status)
    assert archive(rig, copies[3]).pruned == (copies[1].arn,)
    assert copies[0].identifier in rig.copies()


def test_a_failed_copy_takes_no_good_ones_place(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Of two to keep, none is a failed one."""
    rig.force_status(copies[2].arn, "failed")
    answer = archive(rig, copies[3])
    assert answer.kept == (copies[3].arn, copies[1].arn)
    assert copies[2].arn in answer.pruned


def test_nothing_is_pruned_if_tonights_copy_is_gone(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Without tonight's copy the older ones are all there is."""
    of = rig.archive_input(copies[3])
    rig.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copies[3].identifier)
    rig.clear_calls()
    with pytest.raises(StepFailed, match="Invalid snapshot ID"):
        rig.run(rig.snapshots.archive_snapshot, of)
    assert rig.calls("DeleteDBClusterSnapshot") == []


def test_a_stranger_under_the_copys_name_is_not_tagged(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """What took the name of tonight's copy since is somebody's: no tag of ours, and nothing older goes for it."""
    tonights = rig.snapshot_of(copies[3])
    rig.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copies[3].identifier)
    rig.make_target()
    rig.rds().create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=copies[3].identifier, DBClusterIdentifier=rig.target.cluster
    )
    rig.advance_clock()
    rig.clear_calls()
    with pytest.raises(Refused, match="Copy is of another snapshot"):
        archive(rig, copies[3], snapshot=tonights)
    assert rig.changes() == []


def test_nothing_of_another_account_is_tagged_or_pruned(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """The tags of a copy may name any target: who is asked is STS."""
    of = rig.archive_input(copies[3], keep=1)
    elsewhere = rig.target.model_copy(update={"account_id": OTHER_ACCOUNT})
    rig.clear_calls()
    with pytest.raises(Refused, match=f"belong to account {ACCOUNT}"):
        rig.run(rig.snapshots.archive_snapshot, of.model_copy(update={"target": elsewhere}))
    assert rig.changes() == []
    assert not rig.rows(), "a refusal is no intent"


def test_a_copy_that_went_meanwhile_is_no_error(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Gone is what it should be."""
    rig.emulator.faults.add("rds", "DeleteDBClusterSnapshot", "error", code="DBClusterSnapshotNotFoundFault")
    assert archive(rig, copies[3]).done


def test_the_source_snapshot_is_never_archived(rig: ActivityRig) -> None:
    """In one region the snapshot is the source's own: it is neither tagged nor pruned."""
    rig.make_source()
    snapshot = rig.make_snapshot()
    there = SnapshotCopy(arn=snapshot.arn, identifier=snapshot.identifier, copied=False)
    rig.target = rig.target.model_copy(update={"region": SOURCE_REGION})
    rig.clear_calls()
    answer = archive(rig, there, keep=1, snapshot=snapshot)
    assert (answer.kept, answer.pruned) == ((), ())
    assert list(rig.emulator.calls) == []
