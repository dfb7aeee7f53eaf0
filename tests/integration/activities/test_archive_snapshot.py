"""archive-snapshot keeps this operation's copy, prunes this pipeline's oldest copies, and touches no other snapshot."""

from __future__ import annotations

from typing import Any

import pytest

from errors import Refused, ResourceBusy, StepFailed, TrailUnavailable
from models.snapshots import SnapshotCopy, SourceSnapshot
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import ACCOUNT, OTHER_ACCOUNT, SOURCE_REGION, TARGET_REGION


@pytest.fixture
def copies(rig: ActivityRig) -> list[SnapshotCopy]:
    """The copies of four restores, oldest first; the last one is this operation's."""
    rig.make_source()
    return [rig.make_copy(rig.make_snapshot(f"backup-{place}-{rig.number}")) for place in range(4)]


def archive(rig: ActivityRig, copy: SnapshotCopy, keep: int = 2, snapshot: SourceSnapshot | None = None) -> Any:
    return rig.run(rig.snapshots.archive_snapshot, rig.archive_input(copy, keep, snapshot))


def test_archive_keeps_the_newest_copies_and_prunes_the_rest(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """This operation's copy and the one before are kept; a tag says which operation kept this one."""
    outcome = archive(rig, copies[3])
    assert outcome.details == "Snapshot archived"
    assert outcome.kept == (copies[3].arn, copies[2].arn)
    assert outcome.pruned == (copies[1].arn, copies[0].arn)
    assert outcome.resource_arns == (copies[3].arn, copies[1].arn, copies[0].arn)
    existing = rig.copies()
    assert set(existing) == {copies[2].identifier, copies[3].identifier}
    assert {"Key": "aurora-restore:archived-by", "Value": rig.operation_tag} in existing[copies[3].identifier][
        "TagList"
    ]


def test_a_second_run_of_archive_prunes_nothing_more(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Run twice: the same outcome and one intent."""
    first = archive(rig, copies[3])
    rig.clear_calls()
    assert archive(rig, copies[3]) == first
    assert rig.calls("DeleteDBClusterSnapshot") == []
    assert rig.rows() == ["archive-snapshot intent"]


def test_nothing_is_archived_if_another_cluster_has_the_targets_name(
    rig: ActivityRig, copies: list[SnapshotCopy]
) -> None:
    """As after a reset by hand to this step, when a newer operation has restored the target; or if it is gone."""
    step_input = rig.archive_input(copies[3], 2).model_copy(update={"cluster_resource_id": "cluster-RESTOREDBEFORE"})
    with pytest.raises(StepFailed, match="does not exist any more"):
        rig.run(rig.snapshots.archive_snapshot, step_input)
    rig.make_target()
    rig.clear_calls()
    with pytest.raises(Refused, match=r"expected cluster-RESTOREDBEFORE \(restored by this operation\)"):
        rig.run(rig.snapshots.archive_snapshot, step_input)
    assert (rig.changes(), rig.rows()) == ([], [])


def archive_until_busy(rig: ActivityRig, current: SnapshotCopy, skip: int) -> None:
    """Run one attempt that prunes `skip` copies, until RDS is busy with the next one."""
    busy = "InvalidDBClusterSnapshotStateFault"
    rig.emulator.faults.add("rds", "DeleteDBClusterSnapshot", "error", code=busy, skip=skip)
    with pytest.raises(ResourceBusy):
        archive(rig, current)


def test_the_outcome_names_what_an_earlier_attempt_pruned(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """RDS deleted one copy and was busy with the other: the attempt that completes the step names both."""
    archive_until_busy(rig, copies[3], skip=1)
    outcome = archive(rig, copies[3])
    assert outcome.pruned == (copies[1].arn, copies[0].arn)
    assert outcome.resource_arns == (copies[3].arn, copies[1].arn, copies[0].arn)
    assert rig.rows() == ["archive-snapshot intent"]


def test_a_copy_that_becomes_available_between_two_attempts_is_pruned_too(
    rig: ActivityRig, copies: list[SnapshotCopy]
) -> None:
    """The attempt that finds it declares it; this does not conflict with the first attempt's intent."""
    rig.force_status(copies[0].arn, "copying")
    archive_until_busy(rig, copies[3], skip=0)
    rig.force_status(copies[0].arn, "available")
    assert archive(rig, copies[3]).pruned == (copies[1].arn, copies[0].arn)
    assert set(rig.copies()) == {copies[2].identifier, copies[3].identifier}
    assert rig.rows() == ["archive-snapshot intent"] * 2


def test_a_copy_untagged_between_two_attempts_is_kept_and_not_reported(
    rig: ActivityRig, copies: list[SnapshotCopy]
) -> None:
    """It was declared, but an owner who removes our tag keeps the copy."""
    archive_until_busy(rig, copies[3], skip=1)
    rig.rds().remove_tags_from_resource(ResourceName=copies[0].arn, TagKeys=["aurora-restore:copy-for"])
    assert archive(rig, copies[3]).pruned == (copies[1].arn,)
    assert copies[0].identifier in rig.copies()


def test_the_intent_to_prune_is_written_before_the_first_deletion(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """The trail names the copies before any of them is deleted."""
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


def test_this_operations_copy_is_kept_however_old_it_is(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """An operation that restores an old snapshot keeps its copy, although newer ones exist."""
    outcome = archive(rig, copies[0], keep=1)
    assert outcome.kept == (copies[0].arn,)
    assert set(rig.copies()) == {copies[0].identifier}


def test_no_copy_stays_if_none_is_to_be_kept(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Copies are production's data: with keep 0 this operation's goes too. Run twice: it is gone, and still named."""
    snapshot = rig.snapshot_of(copies[3])
    outcome = archive(rig, copies[3], keep=0)
    assert (outcome.kept, set(outcome.pruned)) == ((), {copy.arn for copy in copies})
    assert rig.copies() == {}
    assert archive(rig, copies[3], keep=0, snapshot=snapshot) == outcome
    source = rig.rds(SOURCE_REGION).describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"]
    assert len([each for each in source if each["DBClusterIdentifier"] == rig.source.cluster]) == len(copies)


def test_only_copies_of_this_pipeline_for_this_target_are_pruned(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Another target's copies, manual, automated and similarly named snapshots are kept."""
    other = ActivityRig(rig.shared)
    other.source = rig.source
    theirs = other.make_copy(rig.snapshot_named(f"backup-0-{rig.number}"))
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


def test_targets_with_long_similar_names_keep_their_own_copies(rig: ActivityRig) -> None:
    """Two targets whose names share the first 26 letters have similar copy names, and each prunes its own."""
    rig.make_source()
    other = ActivityRig(rig.shared)
    other.source = rig.source
    stem = "a-very-long-name-of-a-staging"
    for target_rig, suffix in ((rig, "east"), (other, "west")):
        target_rig.target = target_rig.target.model_copy(update={"cluster": f"{stem}-{suffix}-{rig.number}"})
    theirs = other.make_copy(rig.make_snapshot(f"old-{rig.number}"))
    current = rig.make_copy(rig.make_snapshot(f"new-{rig.number}"))
    assert archive(rig, current, keep=1).pruned == ()
    assert theirs.identifier in rig.copies()


def test_a_users_copy_of_our_copy_is_kept(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """A copy that a colleague made with CopyTags has our tags, but is not the pipeline's."""
    rig.rds().copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=copies[0].arn,
        TargetDBClusterSnapshotIdentifier=f"evidence-{rig.number}",
        CopyTags=True,
    )
    rig.advance_clock()
    archive(rig, copies[3], keep=1)
    assert f"evidence-{rig.number}" in rig.copies()


@pytest.mark.parametrize("status", ["copying", "deleting", "unknown-status"])
def test_a_copy_in_any_other_status_is_not_pruned(rig: ActivityRig, copies: list[SnapshotCopy], status: str) -> None:
    """Deleting a copy under way would cancel another operation's copy."""
    rig.force_status(copies[0].arn, status)
    assert archive(rig, copies[3]).pruned == (copies[1].arn,)
    assert copies[0].identifier in rig.copies()


def test_a_failed_copy_does_not_count_among_the_kept(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Of two copies to keep, none is a failed one."""
    rig.force_status(copies[2].arn, "failed")
    outcome = archive(rig, copies[3])
    assert outcome.kept == (copies[3].arn, copies[1].arn)
    assert copies[2].arn in outcome.pruned


def test_nothing_is_pruned_if_this_operations_copy_is_gone(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Without it the older copies are the only ones left."""
    step_input = rig.archive_input(copies[3])
    rig.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copies[3].identifier)
    rig.clear_calls()
    with pytest.raises(StepFailed, match="Invalid snapshot ID"):
        rig.run(rig.snapshots.archive_snapshot, step_input)
    assert rig.calls("DeleteDBClusterSnapshot") == []


def test_another_snapshot_under_the_copys_name_is_not_tagged(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """A snapshot that took the name since belongs to someone else: no tag of ours, and nothing older is pruned for it."""
    current_snapshot = rig.snapshot_of(copies[3])
    rig.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copies[3].identifier)
    rig.make_target()
    rig.rds().create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=copies[3].identifier, DBClusterIdentifier=rig.target.cluster
    )
    rig.advance_clock()
    rig.clear_calls()
    with pytest.raises(Refused, match="Copy is of another snapshot"):
        archive(rig, copies[3], snapshot=current_snapshot)
    assert rig.changes() == []


def test_nothing_of_another_account_is_tagged_or_pruned(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """The tags of a copy may name any target: only STS says which account this is."""
    step_input = rig.archive_input(copies[3], keep=1)
    other_account = rig.target.model_copy(update={"account_id": OTHER_ACCOUNT})
    rig.clear_calls()
    with pytest.raises(Refused, match=f"belong to account {ACCOUNT}"):
        rig.run(rig.snapshots.archive_snapshot, step_input.model_copy(update={"target": other_account}))
    assert rig.changes() == []
    assert not rig.rows(), "a refusal is no intent"


def test_a_copy_deleted_by_someone_else_is_no_error(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Gone is what it should be."""
    rig.emulator.faults.add("rds", "DeleteDBClusterSnapshot", "error", code="DBClusterSnapshotNotFoundFault")
    assert archive(rig, copies[3]).done


def test_the_source_snapshot_is_never_archived(rig: ActivityRig) -> None:
    """In one region the snapshot is the source's own: it is neither tagged nor pruned."""
    rig.make_source()
    snapshot = rig.make_snapshot()
    existing = SnapshotCopy(arn=snapshot.arn, identifier=snapshot.identifier, copied=False)
    rig.target = rig.target.model_copy(update={"region": SOURCE_REGION})
    rig.clear_calls()
    outcome = archive(rig, existing, keep=1, snapshot=snapshot)
    assert (outcome.kept, outcome.pruned) == ((), ())
    assert list(rig.emulator.calls) == []
