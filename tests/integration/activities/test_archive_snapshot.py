"""archive-snapshot: tonight's copy is kept, this pipeline's oldest go, nobody else's is touched."""

from __future__ import annotations

from typing import Any

import pytest

from errors import Refused, ResourceBusy, StepFailed, TrailUnavailable
from models.snapshots import SnapshotCopy, SourceSnapshot
from tests.rigs.activities import ACCOUNT, OTHER_ACCOUNT, SOURCE_REGION, TARGET_REGION, Night


@pytest.fixture
def copies(night: Night) -> list[SnapshotCopy]:
    """Four nights' copies, oldest first; the last one is tonight's."""
    night.make_source()
    return [night.make_copy(night.make_snapshot(f"night-{place}-{night.number}")) for place in range(4)]


def archive(night: Night, copy: SnapshotCopy, keep: int = 2, snapshot: SourceSnapshot | None = None) -> Any:
    return night.run(night.snapshots.archive_snapshot, night.archive_input(copy, keep, snapshot))


def test_the_newest_are_kept(night: Night, copies: list[SnapshotCopy]) -> None:
    """Tonight's and the one before stay, the older ones go; tonight's says who kept it."""
    answer = archive(night, copies[3])
    assert answer.details == "Snapshot archived"
    assert answer.kept == (copies[3].arn, copies[2].arn)
    assert answer.pruned == (copies[1].arn, copies[0].arn)
    assert answer.resource_arns == (copies[3].arn, copies[1].arn, copies[0].arn)
    there = night.copies()
    assert set(there) == {copies[2].identifier, copies[3].identifier}
    assert {"Key": "aurora-restore:archived-by", "Value": night.operation_id} in there[copies[3].identifier]["TagList"]


def test_a_second_run_prunes_nothing_more(night: Night, copies: list[SnapshotCopy]) -> None:
    """Run twice: the same answer, and there is one intent."""
    first = archive(night, copies[3])
    night.forget_calls()
    assert archive(night, copies[3]) == first
    assert night.calls("DeleteDBClusterSnapshot") == []
    assert night.rows() == ["archive-snapshot intent"]


def held_up(night: Night, tonight: SnapshotCopy, skip: int) -> None:
    """An attempt that prunes some, until RDS does not delete the next one just now."""
    busy = "InvalidDBClusterSnapshotStateFault"
    night.emulator.faults.add("rds", "DeleteDBClusterSnapshot", "error", code=busy, skip=skip)
    with pytest.raises(ResourceBusy):
        archive(night, tonight)


def test_what_an_earlier_attempt_has_pruned_is_told(night: Night, copies: list[SnapshotCopy]) -> None:
    """RDS let go of the one, then held on to the other: the attempt that ends the step names both."""
    held_up(night, copies[3], skip=1)
    answer = archive(night, copies[3])
    assert answer.pruned == (copies[1].arn, copies[0].arn)
    assert answer.resource_arns == (copies[3].arn, copies[1].arn, copies[0].arn)
    assert night.rows() == ["archive-snapshot intent"]


def test_a_copy_that_comes_between_two_attempts_goes_too(night: Night, copies: list[SnapshotCopy]) -> None:
    """It is declared by the attempt that finds it: no conflict with what the first one declared."""
    night.force_status(copies[0].arn, "copying")
    held_up(night, copies[3], skip=0)
    night.force_status(copies[0].arn, "available")
    assert archive(night, copies[3]).pruned == (copies[1].arn, copies[0].arn)
    assert set(night.copies()) == {copies[2].identifier, copies[3].identifier}
    assert night.rows() == ["archive-snapshot intent"] * 2


def test_a_copy_that_somebody_took_between_two_attempts_is_not_told(night: Night, copies: list[SnapshotCopy]) -> None:
    """Declared, but spared: who takes our tag off it keeps it."""
    held_up(night, copies[3], skip=1)
    night.rds().remove_tags_from_resource(ResourceName=copies[0].arn, TagKeys=["aurora-restore:copy-for"])
    assert archive(night, copies[3]).pruned == (copies[1].arn,)
    assert copies[0].identifier in night.copies()


def test_the_intent_is_written_before_the_first_deletion(night: Night, copies: list[SnapshotCopy]) -> None:
    """The trail names what goes before it goes."""
    night.forget_calls()
    archive(night, copies[3])
    order = [call.operation for call in night.emulator.calls]
    assert order.index("PutItem") < order.index("DeleteDBClusterSnapshot")
    (row,) = night.shared.table.operation(night.operation_id)
    assert row.resource_arns == (copies[1].arn, copies[0].arn)


@pytest.mark.parametrize("operation", ["Query", "PutItem"])
def test_without_the_trail_nothing_is_pruned(night: Night, copies: list[SnapshotCopy], operation: str) -> None:
    """No trail, no deletion."""
    night.emulator.faults.add("dynamodb", operation, "http500", count=None)
    with pytest.raises(TrailUnavailable):
        archive(night, copies[3])
    assert len(night.copies()) == 4


def test_tonights_copy_stays_however_old_it_is(night: Night, copies: list[SnapshotCopy]) -> None:
    """Who restores an old snapshot keeps its copy, although newer ones exist."""
    answer = archive(night, copies[0], keep=1)
    assert answer.kept == (copies[0].arn,)
    assert set(night.copies()) == {copies[0].identifier}


def test_nobody_elses_snapshot_is_pruned(night: Night, copies: list[SnapshotCopy]) -> None:
    """Another target's copies, manual ones, automated ones and shared names stay, whatever they are called."""
    other = Night(night.shared)
    other.source = night.source
    theirs = other.make_copy(night.snapshot_named(f"night-0-{night.number}"))
    night.make_target(instances=0)
    rds = night.rds()
    for name in ("by-hand", f"aurora-restore-{night.target.cluster}-20200101-0123456789"):
        rds.create_db_cluster_snapshot(
            DBClusterSnapshotIdentifier=f"{name}-{night.number}", DBClusterIdentifier=night.target.cluster
        )
    body = {"account": night.target.account_id, "region": TARGET_REGION, "cluster": night.target.cluster}
    automated = night.control("rds/automated-snapshot", **body)["arn"]
    night.control("rds/tags", arn=automated, tags={"aurora-restore:copy-for": night.target.arn})
    night.later()
    pruned = archive(night, copies[3], keep=1).pruned
    assert set(pruned) == {copy.arn for copy in copies[:3]}
    assert theirs.identifier in night.copies()


def test_targets_of_long_names_are_told_apart(night: Night) -> None:
    """Two targets whose names begin with the same 26 letters have copies of like names, and each prunes its own."""
    night.make_source()
    other = Night(night.shared)
    other.source = night.source
    stem = "a-very-long-name-of-a-staging"
    for each, last in ((night, "east"), (other, "west")):
        each.target = each.target.model_copy(update={"cluster": f"{stem}-{last}-{night.number}"})
    theirs = other.make_copy(night.make_snapshot(f"old-{night.number}"))
    tonight = night.make_copy(night.make_snapshot(f"new-{night.number}"))
    assert archive(night, tonight, keep=1).pruned == ()
    assert theirs.identifier in night.copies()


def test_a_copy_that_somebody_took_of_ours_is_theirs(night: Night, copies: list[SnapshotCopy]) -> None:
    """A colleague's copy for an inquiry, made with CopyTags, carries our tags and is not ours."""
    night.rds().copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=copies[0].arn,
        TargetDBClusterSnapshotIdentifier=f"evidence-{night.number}",
        CopyTags=True,
    )
    night.later()
    archive(night, copies[3], keep=1)
    assert f"evidence-{night.number}" in night.copies()


@pytest.mark.parametrize("status", ["copying", "deleting", "pondering"])
def test_a_copy_that_is_busy_is_left_alone(night: Night, copies: list[SnapshotCopy], status: str) -> None:
    """Only what is finished is pruned: deleting a copy under way would cancel somebody's night."""
    night.force_status(copies[0].arn, status)
    assert archive(night, copies[3]).pruned == (copies[1].arn,)
    assert copies[0].identifier in night.copies()


def test_a_failed_copy_takes_no_good_ones_place(night: Night, copies: list[SnapshotCopy]) -> None:
    """Of two to keep, none is a failed one."""
    night.force_status(copies[2].arn, "failed")
    answer = archive(night, copies[3])
    assert answer.kept == (copies[3].arn, copies[1].arn)
    assert copies[2].arn in answer.pruned


def test_nothing_is_pruned_if_tonights_copy_is_gone(night: Night, copies: list[SnapshotCopy]) -> None:
    """Without tonight's copy the older ones are all there is."""
    of = night.archive_input(copies[3])
    night.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copies[3].identifier)
    night.forget_calls()
    with pytest.raises(StepFailed, match="Invalid snapshot ID"):
        night.run(night.snapshots.archive_snapshot, of)
    assert night.calls("DeleteDBClusterSnapshot") == []


def test_a_stranger_under_the_copys_name_is_not_tagged(night: Night, copies: list[SnapshotCopy]) -> None:
    """What took the name of tonight's copy since is somebody's: no tag of ours, and nothing older goes for it."""
    tonights = night.snapshot_of(copies[3])
    night.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copies[3].identifier)
    night.make_target()
    night.rds().create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=copies[3].identifier, DBClusterIdentifier=night.target.cluster
    )
    night.later()
    night.forget_calls()
    with pytest.raises(Refused, match="Copy is of another snapshot"):
        archive(night, copies[3], snapshot=tonights)
    assert night.changes() == []


def test_nothing_of_another_account_is_tagged_or_pruned(night: Night, copies: list[SnapshotCopy]) -> None:
    """The tags of a copy may name any target: who is asked is STS."""
    of = night.archive_input(copies[3], keep=1)
    elsewhere = night.target.model_copy(update={"account_id": OTHER_ACCOUNT})
    night.forget_calls()
    with pytest.raises(Refused, match=f"belong to account {ACCOUNT}"):
        night.run(night.snapshots.archive_snapshot, of.model_copy(update={"target": elsewhere}))
    assert night.changes() == []
    assert not night.rows(), "a refusal is no intent"


def test_a_copy_that_went_meanwhile_is_no_error(night: Night, copies: list[SnapshotCopy]) -> None:
    """Gone is what it should be."""
    night.emulator.faults.add("rds", "DeleteDBClusterSnapshot", "error", code="DBClusterSnapshotNotFoundFault")
    assert archive(night, copies[3]).done


def test_the_source_snapshot_is_never_archived(night: Night) -> None:
    """In one region the snapshot is the source's own: it is neither tagged nor pruned."""
    night.make_source()
    snapshot = night.make_snapshot()
    there = SnapshotCopy(arn=snapshot.arn, identifier=snapshot.identifier, copied=False)
    night.target = night.target.model_copy(update={"region": SOURCE_REGION})
    night.forget_calls()
    answer = archive(night, there, keep=1, snapshot=snapshot)
    assert (answer.kept, answer.pruned) == ((), ())
    assert list(night.emulator.calls) == []
