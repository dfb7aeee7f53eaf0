"""With archive.masked, archive-snapshot keeps snapshots of the masked target, and no copy of production's data."""

from __future__ import annotations

from datetime import timedelta
from itertools import takewhile
from typing import Any

import pytest

from errors import Cancelled, Refused, StepFailed
from models.archive import Archive
from models.identifiers import MAX_ENVIRONMENT, is_copy_name, is_masked_name_for, masked_identifier
from models.snapshots import ArchiveSnapshotInput, SnapshotCopy, SourceSnapshot
from models.step_call import FinalPoll
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import ACCOUNT, OTHER_ACCOUNT, TARGET_REGION

SHARED = Archive(masked=True, keep=2, share_with=(OTHER_ACCOUNT,))


@pytest.fixture
def copy(rig: ActivityRig) -> SnapshotCopy:
    """This operation's copy; an older one exists, too. The restored target is masked."""
    rig.make_source()
    rig.make_copy(rig.make_snapshot(f"older-{rig.number}"))
    copy = rig.make_copy(rig.make_snapshot())
    restore(rig)
    return copy


def restore(rig: ActivityRig) -> None:
    """In place of the steps before: a target whose users are set in this operation."""
    key = {"StorageEncrypted": True, "KmsKeyId": rig.shared.key_arn}
    rig.make_target(instances=0, **key)
    rig.record_users_set(rig.now)


def masked_input(rig: ActivityRig, copy: SnapshotCopy, archive: Archive = SHARED, **more: Any) -> ArchiveSnapshotInput:
    """The input of archive-snapshot, as the workflow makes it for the cluster that has the target's name now."""
    cluster = rig.cluster()
    assert cluster is not None
    snapshot = more.pop("snapshot", None) or rig.snapshot_of(copy)
    changes = {"archive": archive, "masked_cluster_resource_id": cluster["DbClusterResourceId"], **more}
    return rig.archive_input(copy, snapshot=snapshot).model_copy(update=changes)


def own(rig: ActivityRig) -> list[dict[str, Any]]:
    """The snapshots of the target, oldest first."""
    answer = rig.rds().describe_db_cluster_snapshots(SnapshotType="manual", DBClusterIdentifier=rig.target.cluster)
    return sorted(answer["DBClusterSnapshots"], key=lambda snapshot: str(snapshot["SnapshotCreateTime"]))


def operations(rig: ActivityRig) -> list[str]:
    return [change.split()[0] for change in rig.changes()]


def shared_with(rig: ActivityRig, name: str) -> list[str]:
    answer = rig.rds().describe_db_cluster_snapshot_attributes(DBClusterSnapshotIdentifier=name)
    [attribute] = answer["DBClusterSnapshotAttributesResult"]["DBClusterSnapshotAttributes"]
    return list(attribute["AttributeValues"])


def test_the_masked_target_is_kept_and_every_copy_pruned(rig: ActivityRig, copy: SnapshotCopy) -> None:
    """Nothing is pruned before the snapshot is available. Run twice: the same outcome, and no second snapshot."""
    step_input = masked_input(rig, copy)
    rig.clear_calls()
    assert rig.run(rig.snapshots.archive_snapshot, step_input).details == "masked snapshot started"
    assert rig.run(rig.snapshots.archive_snapshot, step_input).details.startswith("masked snapshot creating")
    assert operations(rig) == ["CreateDBClusterSnapshot"]
    outcome = rig.poll_until_done(rig.snapshots.archive_snapshot, step_input)
    [masked] = own(rig)
    assert outcome.details == f"Snapshot archived, masked snapshot kept, shared with {OTHER_ACCOUNT}"
    assert outcome.kept == (masked["DBClusterSnapshotArn"],)
    assert set(outcome.pruned) == {copy.arn, rig.copy_of(rig.snapshot_named(f"older-{rig.number}")).arn}
    assert rig.copies() == {}
    assert shared_with(rig, masked["DBClusterSnapshotIdentifier"]) == [OTHER_ACCOUNT]
    assert operations(rig)[-3:] == ["ModifyDBClusterSnapshotAttribute", *["DeleteDBClusterSnapshot"] * 2]
    rig.clear_calls()
    assert rig.run(rig.snapshots.archive_snapshot, step_input) == outcome
    assert operations(rig) == ["ModifyDBClusterSnapshotAttribute"]


def test_what_is_pruned_is_read_at_once(rig: ActivityRig, copy: SnapshotCopy) -> None:
    """The read guard dates the last read only: an earlier one could be of any age when the pruning begins."""
    rig.poll_until_done(rig.snapshots.archive_snapshot, masked_input(rig, copy))
    [masked] = own(rig)
    newer = rig.make_copy(rig.make_snapshot(f"newer-{rig.number}"))
    rig.rds().delete_db_cluster(DBClusterIdentifier=rig.target.cluster, SkipFinalSnapshot=True)
    rig.advance_clock()
    rig.begin_next_operation()
    restore(rig)
    step_input = masked_input(rig, newer, Archive(masked=True, keep=1))
    rig.clear_calls()
    pruned = set(rig.poll_until_done(rig.snapshots.archive_snapshot, step_input).pruned)
    assert pruned == {newer.arn, masked["DBClusterSnapshotArn"]}
    before = takewhile(lambda call: call.operation != "DeleteDBClusterSnapshot", rig.emulator.calls)
    last_read = [call.parameters for call in before if call.operation == "DescribeDBClusterSnapshots"][-1]
    assert {arn.rpartition(":")[2] for arn in pruned} <= set(last_read["Filters"][0]["Values"])


def test_the_newest_masked_snapshots_are_kept(rig: ActivityRig, copy: SnapshotCopy) -> None:
    """Of this pipeline's only: not one that someone took of the target, though it inherits the target's tags."""
    snapshot = rig.snapshot_of(copy)
    for _ in range(3):
        rig.poll_until_done(rig.snapshots.archive_snapshot, masked_input(rig, copy, snapshot=snapshot))
        rig.rds().delete_db_cluster(DBClusterIdentifier=rig.target.cluster, SkipFinalSnapshot=True)
        rig.advance_clock()
        rig.begin_next_operation()
        restore(rig)
    masked = own(rig)
    assert len(masked) == 2
    theirs = f"before-the-release-{rig.number}"
    tagged = masked[0]["TagList"]
    cluster = rig.target.cluster
    rig.rds().create_db_cluster_snapshot(DBClusterSnapshotIdentifier=theirs, DBClusterIdentifier=cluster, Tags=tagged)
    rig.advance_clock()
    step_input = masked_input(rig, copy, Archive(masked=True, keep=1), snapshot=snapshot)
    outcome = rig.poll_until_done(rig.snapshots.archive_snapshot, step_input)
    assert set(outcome.pruned) == {each["DBClusterSnapshotArn"] for each in masked}
    assert theirs in [each["DBClusterSnapshotIdentifier"] for each in own(rig)]
    assert rig.rows().count("archive-snapshot intent") == 1


def test_a_snapshot_whose_answer_was_lost_is_adopted(rig: ActivityRig, copy: SnapshotCopy) -> None:
    """The call took effect and RDS does not list the snapshot yet: the second call finds its name taken."""
    step_input = masked_input(rig, copy)
    rig.emulator.faults.add("rds", "CreateDBClusterSnapshot", "reset-after", count=1)
    absent = "DBClusterSnapshotNotFoundFault"
    rig.emulator.faults.add("rds", "DescribeDBClusterSnapshots", "error", code=absent, count=1)
    assert rig.run(rig.snapshots.archive_snapshot, step_input).details == "masked snapshot started"
    assert rig.poll_until_done(rig.snapshots.archive_snapshot, step_input).done
    assert len(own(rig)) == 1


def test_a_failed_snapshot_ends_the_step_and_a_retry_takes_another(rig: ActivityRig, copy: SnapshotCopy) -> None:
    """Every copy is still there; the retry deletes the failed one, with an intent."""
    step_input = masked_input(rig, copy)
    rig.run(rig.snapshots.archive_snapshot, step_input)
    [masked] = own(rig)
    rig.force_status(masked["DBClusterSnapshotArn"], "failed")
    with pytest.raises(StepFailed, match=r"Masked snapshot failed: .* is failed, expected available"):
        rig.run(rig.snapshots.archive_snapshot, step_input.model_copy(update={"resource_seen": True}))
    assert len(rig.copies()) == 2
    retried = step_input.model_copy(update={"step_started_at": rig.now + timedelta(minutes=1)})
    assert rig.run(rig.snapshots.archive_snapshot, retried).details == "Deleted a failed masked snapshot"
    assert rig.rows()[-1] == "archive-snapshot intent"
    assert rig.poll_until_done(rig.snapshots.archive_snapshot, retried).kept == (masked["DBClusterSnapshotArn"],)


def test_what_is_not_masked_is_not_kept(rig: ActivityRig, copy: SnapshotCopy) -> None:
    """setup-db-users succeeded in an earlier cluster only, or another cluster has the target's name."""
    rig.rds().delete_db_cluster(DBClusterIdentifier=rig.target.cluster, SkipFinalSnapshot=True)
    rig.advance_clock()
    rig.make_target(instances=0)
    rig.clear_calls()
    with pytest.raises(Refused, match="Target is not masked: the trail has no success of setup-db-users in .*staging"):
        rig.run(rig.snapshots.archive_snapshot, masked_input(rig, copy))
    other = masked_input(rig, copy, masked_cluster_resource_id="cluster-GONE")
    with pytest.raises(Refused, match="expected cluster-GONE"):
        rig.run(rig.snapshots.archive_snapshot, other)
    rig.rename_target(f"renamed-{rig.number}")
    with pytest.raises(StepFailed, match="Masked snapshot not taken: the cluster staging-[0-9]+ is gone"):
        rig.run(rig.snapshots.archive_snapshot, other)
    assert own(rig) == []
    assert len(rig.copies()) == 2


@pytest.mark.parametrize("cluster", ["target", "other"])
def test_a_foreign_snapshot_of_the_name_is_neither_shared_nor_kept(
    rig: ActivityRig, copy: SnapshotCopy, cluster: str
) -> None:
    """Of the target without our tags, or with our tags of another cluster."""
    step_input = masked_input(rig, copy)
    rig.run(rig.snapshots.archive_snapshot, step_input)
    rig.advance_clock()
    [masked] = own(rig)
    name, tagged, origin = masked["DBClusterSnapshotIdentifier"], masked["TagList"], rig.target.cluster
    rig.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=name)
    if cluster == "other":
        origin = f"other-{rig.number}"
        rig.make_cluster(TARGET_REGION, origin)
    theirs = tagged if cluster == "other" else []
    rig.rds().create_db_cluster_snapshot(DBClusterSnapshotIdentifier=name, DBClusterIdentifier=origin, Tags=theirs)
    rig.advance_clock()
    rig.clear_calls()
    with pytest.raises(Refused, match=f"Masked snapshot's name is taken: .*{name} is a snapshot of the cluster"):
        rig.run(rig.snapshots.archive_snapshot, step_input)
    assert rig.changes() == []


def test_a_cancelled_wait_starts_no_snapshot(rig: ActivityRig, copy: SnapshotCopy) -> None:
    """And a busy cluster is waited for."""
    step_input = masked_input(rig, copy)
    busy = "InvalidDBClusterStateFault"
    rig.emulator.faults.add("rds", "CreateDBClusterSnapshot", "error", code=busy, message="backing-up", count=1)
    assert rig.run(rig.snapshots.archive_snapshot, step_input).details == "Cluster is busy"
    with pytest.raises(Cancelled, match="Cancelled: masked snapshot not taken: .* Every copy is kept so far"):
        rig.run(rig.snapshots.archive_snapshot, step_input.model_copy(update={"final_poll": FinalPoll.CANCELLED}))
    assert own(rig) == []


def test_older_masked_snapshots_make_room(rig: ActivityRig, copy: SnapshotCopy) -> None:
    """The quota is used up: what the end would prune goes now, and without anything to prune the step fails."""
    step_input = masked_input(rig, copy)
    snapshot = rig.snapshot_of(copy)
    older = [masked_identifier(rig.aws.environment, rig.target.arn, f"cluster-{each}", rig.now) for each in range(3)]
    tagged = [
        {"Key": "aurora-restore:masked-of", "Value": rig.target.arn},
        {"Key": "aurora-restore:operation", "Value": rig.operation_tag},
    ]
    for name in older:
        rig.rds().create_db_cluster_snapshot(
            DBClusterSnapshotIdentifier=name, DBClusterIdentifier=rig.target.cluster, Tags=tagged
        )
        rig.advance_clock()
    quota = "SnapshotQuotaExceeded"
    rig.emulator.faults.add("rds", "CreateDBClusterSnapshot", "error", code=quota, count=2)
    details = rig.run(rig.snapshots.archive_snapshot, step_input).details
    assert details == "Pruned 2 masked snapshots to make room"
    assert [each["DBClusterSnapshotIdentifier"] for each in own(rig)] == older[2:]
    with pytest.raises(StepFailed, match="Snapshot quota exceeded"):
        rig.run(rig.snapshots.archive_snapshot, step_input)
    assert rig.snapshot_of(copy) == snapshot, "no copy was pruned"


def test_no_masked_snapshot_has_the_name_of_a_copy(rig: ActivityRig) -> None:
    """However long the names are: nothing that adopts, prunes or restores copies finds it."""
    environment, target = "e" * MAX_ENVIRONMENT, f"arn:aws:rds:{TARGET_REGION}:{ACCOUNT}:cluster:{'c' * 63}"
    names = [masked_identifier(environment, arn, "cluster-X", rig.now) for arn in (target, f"{target[:-40]}-masked")]
    for arn, name in zip((target, f"{target[:-40]}-masked"), names, strict=True):
        assert len(name) <= 63
        assert is_masked_name_for(environment, arn, name)
        assert not is_copy_name(environment, name)
    assert not is_masked_name_for(environment, target.replace("c" * 63, "d"), names[0])


def test_a_masked_snapshot_is_never_a_source_snapshots_copy(rig: ActivityRig, copy: SnapshotCopy) -> None:
    """Neither among the pipeline's copies nor among its orphans, also if it is unfinished."""
    rig.run(rig.snapshots.archive_snapshot, masked_input(rig, copy))
    assert len(own(rig)) == 1
    assert rig.run(rig.leftovers.remove_orphans, rig.orphans_input(keep=9)).details == "Nothing to remove"
    snapshot: SourceSnapshot = rig.snapshot_of(copy)
    assert rig.run(rig.snapshots.copy_snapshot, rig.copy_input(snapshot)).snapshot_copy == copy
