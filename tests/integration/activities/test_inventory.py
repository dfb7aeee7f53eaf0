"""take-inventory: in what state everything is, and what is not known is said so."""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import Any

import pytest

from activities.inventory import InventoryActivities
from models.inventory import Inventory, InventoryInput, OrphanReason, Resource
from models.request import Archive
from models.snapshots import SnapshotCopy, SourceSnapshot
from tests.rigs.activities import SOURCE_REGION, TARGET_REGION, ActivityRig
from tests.rigs.crash_injector import WorkerCrash, crashing_clients


def survey(rig: ActivityRig, copy: str | None = None, **changed: Any) -> Inventory:
    inventory_input = InventoryInput(
        **{
            "operation_id": rig.operation_id,
            "target": rig.target,
            "archive": Archive(keep=1),
            "snapshot_copy_arn": copy,
            **changed,
        }
    )
    return rig.run(InventoryActivities(rig.aws).take_inventory, inventory_input)


def states(seen: Inventory) -> dict[str, str]:
    """By what it is and its name."""
    return {f"{of.kind} {of.name}": of.state for of in seen.resources}


@pytest.fixture
def snapshot(rig: ActivityRig) -> SourceSnapshot:
    rig.make_source()
    return rig.make_snapshot()


def restore(rig: ActivityRig, snapshot: SourceSnapshot) -> str:
    """A cluster of this operation, with its instances; its resource id."""
    answer = rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    rig.advance_clock()
    rig.poll_until_done(rig.restored.check_restore_status, rig.check_restore_input(answer.cluster_resource_id))
    return str(answer.cluster_resource_id)


def test_before_there_is_anything(rig: ActivityRig) -> None:
    """A night that failed at once: no copy, no target, no instances, nothing left over."""
    seen = survey(rig)
    assert states(seen) == {f"target cluster {rig.target.cluster}": "gone"}
    assert (seen.orphans, seen.renamed_clusters, seen.incomplete_reason, seen.taken_at) == ((), (), None, rig.now)


def test_a_target_that_is_not_ours(rig: ActivityRig) -> None:
    """Its owner's cluster as it was, each instance with its own status."""
    rig.make_target()
    name = rig.target.cluster
    assert states(survey(rig)) == {
        f"target cluster {name}": "available, not restored by this pipeline",
        f"instance {name}-1": "available",
        f"instance {name}-2": "available",
    }
    rig.rds().delete_db_instance(DBInstanceIdentifier=f"{name}-2", SkipFinalSnapshot=True)
    assert states(survey(rig))[f"instance {name}-2"] == "deleting"


def test_a_copy_at_every_stage(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Under way with its percentage, available, failed, gone; also one that copy-snapshot never told of."""
    rig.run(rig.snapshots.copy_snapshot, rig.copy_input(snapshot))
    copy = rig.copy_of(snapshot)
    named = f"copy {copy.identifier}"
    rig.advance_clock(timedelta(seconds=50))
    under_way = states(survey(rig))[named]  # told by the operation's tag
    assert under_way.startswith("copying ")
    assert under_way.endswith(" %")
    rig.advance_clock()
    assert states(survey(rig, copy.arn))[named] == "available"
    rig.force_status(copy.arn, "failed")
    failed = survey(rig, copy.arn)
    assert states(failed)[named] == "failed"
    assert failed.orphans == (), "tonight's copy is not what an earlier night left"
    rig.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copy.identifier)
    rig.advance_clock()
    assert states(survey(rig, copy.arn))[named] == "gone"


def test_a_half_restored_target(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Whose it is, whether it has instances, and that it is on its way out."""
    rig.make_copy(snapshot)
    rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    rig.advance_clock()
    name = rig.target.cluster
    seen = states(survey(rig))
    assert seen[f"target cluster {name}"] == "available, restored by this operation"
    assert seen[f"instances of {name}"] == "none"
    others = states(survey(rig, operation_id="op-000"))
    assert others[f"target cluster {name}"] == f"available, restored by {rig.operation_id}"
    rig.rds().delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)
    assert states(survey(rig))[f"target cluster {name}"] == "deleting, restored by this operation"


def test_a_night_without_a_copy(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """In one region the snapshot is the source's own, and is called that; an automated one is found by its type."""
    rig.target = rig.target.model_copy(update={"region": SOURCE_REGION})
    assert states(survey(rig, snapshot.arn))[f"snapshot {snapshot.identifier}"] == "available"
    automated = survey(rig, snapshot.arn.replace(snapshot.identifier, "rds:orders-2024-03-20"))
    [seen] = [of for of in automated.resources if of.kind == "snapshot"]
    assert seen.state == "gone"
    assert "--snapshot-type automated" in seen.command


def test_what_earlier_nights_left(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Tonight's copy stays; one of an earlier night that nobody archived is an orphan."""
    earlier, tonight = rig.make_copy(snapshot), rig.make_copy(rig.make_snapshot(f"later-{rig.number}"))
    [orphan] = survey(rig, tonight.arn, operation_id="op-000").orphans
    assert (orphan.identifier, orphan.reason, orphan.operation_id) == (
        earlier.identifier,
        OrphanReason.UNARCHIVED,
        rig.operation_id,
    )
    assert orphan.text == f"{earlier.identifier}: never archived (available), of {rig.operation_id}"


def test_a_cluster_that_was_renamed_is_told(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """It was restored for the target and costs money under another name; whoever renamed it keeps it."""
    rig.make_copy(snapshot)
    restore(rig, snapshot)
    assert survey(rig).renamed_clusters == ()
    kept = f"kept-{rig.number}"
    rig.rds().modify_db_cluster(
        DBClusterIdentifier=rig.target.cluster, NewDBClusterIdentifier=kept, ApplyImmediately=True
    )
    rig.advance_clock()
    seen = survey(rig)
    [stray] = seen.renamed_clusters
    assert (stray.kind, stray.name) == ("cluster", kept)
    assert stray.state == f"available, restored by {rig.operation_id} and renamed since"
    assert states(seen) == {
        f"copy {rig.copy_of(snapshot).identifier}": "available",
        f"target cluster {rig.target.cluster}": "gone",
    }


def test_run_twice_it_only_looks(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Run twice: the same answer, and not one call that changes anything."""
    copy = rig.make_copy(snapshot)
    restore(rig, snapshot)
    rig.clear_calls()
    assert survey(rig, copy.arn) == survey(rig, copy.arn)
    assert rig.changes() == []


def test_a_death_at_any_moment_changes_nothing(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The next attempt sees the same."""
    copy = rig.make_copy(snapshot)
    restore(rig, snapshot)
    wanted = survey(rig, copy.arn)
    rig.aws, crash_injector = crashing_clients()
    rig.clear_calls()
    crash_injector.crash_at(None)
    assert survey(rig, copy.arn) == wanted
    for moment in range(1, crash_injector.moments + 1):
        crash_injector.crash_at(moment)
        with pytest.raises(WorkerCrash):
            survey(rig, copy.arn)
        assert survey(rig, copy.arn) == wanted
    assert rig.changes() == []


def test_an_aws_that_does_not_answer(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Everything that the night knows of is not known, with the reason; it is asked once, because each call takes long."""
    copy = rig.copy_of(snapshot)
    rig.emulator.faults.add("rds", "*", "reset-before", count=None)
    rig.clear_calls()
    seen = survey(rig, copy.arn)
    assert seen.incomplete_reason == "AWS not reachable"
    assert states(seen) == {
        f"copy {copy.identifier}": "unknown: AWS not reachable",
        f"target cluster {rig.target.cluster}": "unknown: AWS not reachable",
    }
    assert len(rig.calls("DescribeDBClusters")) == 0
    assert len(rig.calls("DescribeDBClusterSnapshots")) <= 3  # botocore's own attempts


@pytest.mark.parametrize(
    ("operation", "unknown"),
    [
        ("DescribeDBClusterSnapshots", "copy"),
        ("DescribeDBClusters", "target cluster"),
        ("DescribeDBInstances", "instances of"),
    ],
)
def test_each_look_may_fail_by_itself(rig: ActivityRig, copied: SnapshotCopy, operation: str, unknown: str) -> None:
    """What a role may not see is said to be not known; the rest is told."""
    rig.make_target()
    rig.emulator.faults.add("rds", operation, "error", code="AccessDenied", count=None)
    seen = survey(rig, copied.arn)
    assert seen.incomplete_reason == "Access denied"
    not_known = [of.kind for of in seen.resources if of.state == "unknown: Access denied"]
    assert not_known == [unknown]
    assert len(seen.resources) > 1


@pytest.fixture
def copied(rig: ActivityRig, snapshot: SourceSnapshot) -> SnapshotCopy:
    return rig.make_copy(snapshot)


def test_every_resource_has_the_command_that_looks_at_it(rig: ActivityRig, copied: SnapshotCopy) -> None:
    """AWS's own commands, in the target's region, with the resource's name."""
    rig.make_target()
    seen = survey(rig, copied.arn)
    assert len(seen.resources) == 4
    for of in seen.resources:
        looks_at(of, rig.target.cluster if of.kind == "instance" else of.name)


def looks_at(of: Resource, name: str) -> None:
    words = shlex.split(of.command)
    assert words[:2] == ["aws", "rds"]
    assert words[2] in ("describe-db-clusters", "describe-db-instances", "describe-db-cluster-snapshots")
    assert words[words.index("--region") + 1] == TARGET_REGION
    assert words[-1].endswith(name)
